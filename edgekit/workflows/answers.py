"""From which probability on a run's answers can be given."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from edgekit.core.manifest import OutputEntry
from edgekit.errors import UserError
from edgekit.models.checkpoint import Run
from edgekit.pipeline import probabilities_of
from edgekit.training.reliability import answers_of_precision
from edgekit.training.validation import load_validation

__all__ = ["answer_threshold"]


def answer_threshold(run: Run, precision: float, note: Callable[[str], None]) -> float:
    """The least probability of an answer, chosen on the run's validation split.

    Args:
        run: a trained one.
        precision: share of right ones wanted among the answers, above 0 to 1.
        note: told the threshold, and how much is answered at it.

    Raises:
        UserError: on a network that edgekit did not train.
        ModelError: on a run without what its validation split said.
        InputError: on a precision that is out of range, or that no threshold gives.
    """
    if not run.config.weights:
        raise UserError("Expected a run that edgekit trained, to choose a threshold on its validation split, got another module.")
    logits, targets = load_validation(run.path)
    probabilities = cast(np.ndarray, probabilities_of(logits, OutputEntry("logits", run.config.temperature)))
    found = answers_of_precision(targets, probabilities, precision)
    note(
        f"answers from {found.threshold:.4f} on: {100 * found.coverage:.1f} % of {len(targets)} validation examples, "
        f"{100 * (found.precision or 0.0):.2f} % of these right"
    )
    return found.threshold
