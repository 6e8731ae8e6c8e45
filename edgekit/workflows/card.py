"""The card of a trained run: what a board has to know of it."""

from __future__ import annotations

from edgekit.core.manifest import FrontEndEntry, ModelCard, OutputEntry
from edgekit.core.spec import TensorSpec
from edgekit.models.checkpoint import Run

__all__ = ["card_of_run"]


def card_of_run(run: Run, answer_from: float | None = None) -> ModelCard:
    """Labels, front end with its standardisation, output with the run's temperature, input spec.

    Args:
        run: opened.
        answer_from: least probability of an answer, see `edgekit.core.manifest.OutputEntry`.
    """
    spec = run.frontend.output
    features = TensorSpec("features", "float32", (1, *spec.shape), f"N{spec.layout}" if spec.layout else "")
    entry = FrontEndEntry(run.frontend.name, run.frontend.config_to_json())
    output = OutputEntry("logits", run.config.temperature, answer_from)
    return ModelCard(run.config.name, tuple(run.config.labels), entry, output, features)
