"""`edgekit export --qat EPOCHS`: a run's network fine-tuned for int8 before anything is made of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgekit.calibration.representative import sample_digest
from edgekit.core.manifest import Parity, Tuning
from edgekit.core.recipe import Recipe
from edgekit.exporters import parity as gates
from edgekit.exporters.build import reference_logits
from edgekit.exporters.targets import Target
from edgekit.models.checkpoint import Run
from edgekit.training.tune import TuneConfig, rounded_logits, tune
from edgekit.workflows.calibration import Steps
from edgekit.workflows.sources import Drawn, Source

__all__ = ["tune_run"]

#: Features to tune on lie in memory; of more than this, a stratified part is taken.
_TUNED_BYTES = 256 * 2**20


def tune_run(
    run: Run,
    source: Source,
    compared: Drawn,
    plan: Recipe,
    target: Target,
    config: TuneConfig,
    points: float,
    steps: Steps,
    note: Callable[[str], None],
) -> tuple[Run, Tuning | None]:
    """Fine-tune the network on the export's images without those on which the files are compared with it.

    It is kept where, rounded, it agrees with itself in float and with the run's network on more of those than the run's network
    did: tuning moves the float network, too, and where int8 was good enough already that can be the larger change.

    Args:
        run: the trained run.
        source: of the images.
        compared: those that are not tuned on.
        plan: observer, granularity, symmetry, calibration sample.
        target: its scheme.
        config: epochs, seed, learning rate.
        points: of accuracy that the network itself may lose by it.
        steps: the stage.
        note: told what it changed.

    Returns:
        The run with the tuned network, and what the manifest says of it; the run as it was, and None, where it did not help.

    Raises:
        GateError: when the tuned network, in float, has lost more than that.
        InputError: when no image is left to tune on.
        ModelError: when the network cannot be traced.
        UserError: when the gradients stop being finite.
    """
    recipe = replace(plan, symmetric=plan.symmetric or target.scheme == "tensorrt")
    room = max(1, _TUNED_BYTES // (4 * math.prod(run.config.input_shape)))
    tuned_on = source.draw(room, plan.seed + 2, steps.progress, "features to fine-tune on", compared.positions)
    features = tuned_on.features.astype(np.float16)
    steps.resume()
    calibration = source.calibration(plan.samples, plan.seed, steps)
    module = tune(run.module, features, calibration, recipe, config, steps.tell)
    reference, logits = reference_logits(run.module, compared.features), reference_logits(module, compared.features)
    before, after = (rounded_logits(network, compared.features, calibration, recipe) for network in (run.module, module))
    was, now = _agreement(reference, before), min(_agreement(logits, after), _agreement(reference, after))
    told = f"{100 * now:.1f} % of {len(reference)} images that it was not tuned on, {100 * was:.1f} % before"
    if now <= was:
        note(f"Fine-tuning did not help: rounded to int8, the network agrees on {told}. All files hold the run's own weights.")
        return run, None
    _check_kept(reference, logits, compared.targets, points)
    note(
        f"Fine-tuned {config.epochs} epochs on {len(features):,} images: rounded to int8, the network agrees on {told}. "
        "All files hold the tuned weights."
    )
    return replace(run, module=module), Tuning(config.epochs, config.seed, len(features), sample_digest(features))


def _check_kept(reference: np.ndarray, logits: np.ndarray, targets: np.ndarray, points: float) -> None:
    """The files are compared with the tuned network; so it has to be compared with the run's."""
    error = np.abs(logits - reference).max()
    accuracy, was = (float((found.argmax(axis=1) == targets).mean()) for found in (logits, reference))
    parity = Parity("torch", len(reference), float(error), None, _agreement(reference, logits), accuracy)
    gates.check(parity, gates.Gate(accuracy_loss=points / 100), "the fine-tuned network", was)


def _agreement(reference: np.ndarray, logits: np.ndarray) -> float:
    return float((logits.argmax(axis=1) == reference.argmax(axis=1)).mean())
