"""From a trained run to a verified bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgekit.calibration.ranges import RANGES_FILE, Ranges
from edgekit.core.bundle import write_bundle
from edgekit.core.files import check_new
from edgekit.core.manifest import Manifest, ModelCard
from edgekit.core.names import NAMES, is_name
from edgekit.core.recipe import Recipe
from edgekit.errors import DataError, UserError
from edgekit.exporters.any_module import LEAST_SAMPLES
from edgekit.exporters.build import export
from edgekit.exporters.bundling import manifest_of
from edgekit.exporters.targets import Target, get_target
from edgekit.frontends import Pixels, create_frontend
from edgekit.golden import GOLDEN, make_golden
from edgekit.models.checkpoint import Run, load_run
from edgekit.training.progress import Progress
from edgekit.training.tune import TuneConfig
from edgekit.workflows.answers import answer_threshold
from edgekit.workflows.calibration import Steps
from edgekit.workflows.card import card_of_run
from edgekit.workflows.fuse import fuse_export
from edgekit.workflows.mixed import mixed_lines
from edgekit.workflows.sources import open_source
from edgekit.workflows.tune import tune_run

__all__ = ["MIXED", "PARITY_IMAGES", "export_run"]

#: Asks for int8 files that may keep layers in float; their precision is int8 all the same.
MIXED = "mixed"

#: Real images (or windows) on which every artifact is compared with PyTorch: enough to tell 97 % agreement from 95 %.
PARITY_IMAGES = 512

_GOLDEN_INPUTS = 4

#: Of accuracy that fine-tuning for int8 may cost the float network, where no gate is given.
_TUNING_POINTS = 1.0


def export_run(
    subject: Path | Run,
    out: Path,
    progress: Progress,
    target: str = "generic",
    calibration: Path | None = None,
    recipe: Recipe | None = None,
    precisions: Sequence[str] = (),
    fuse: bool = False,
    note: Callable[[str], None] = lambda _text: None,
    ranges: Ranges | None = None,
    limit: float | None = None,
    answer_precision: float | None = None,
    tuning_epochs: int = 0,
    formats: Sequence[str] = (),
) -> Manifest:
    """Convert, quantize, verify and write.

    Args:
        subject: a finished run folder, or an opened run.
        out: the bundle to write, new: a folder, or an archive where the name ends in .zip.
        progress: told of every step.
        target: a name of `edgekit.exporters.targets.TARGETS`.
        calibration: a data set to calibrate and compare on; by default the run's own training images.
        recipe: observer, sample count and seed of the calibration; its precision is that of each artifact.
        precisions: only these of the target's; empty: all. "mixed" is int8 with a limit of 1 point where none is given.
        fuse: put the front end into the files: uint8 image in, logits out.
        note: told in one line of what could not be made.
        ranges: of an earlier export of this run, in place of a calibration.
        limit: points of accuracy that int8 may lose against PyTorch on the parity sample; where it loses more, layers are kept in
            float until it does not. None: int8 throughout, by the usual gate.
        answer_precision: share of right ones wanted among the answers, above 0 to 1: predictions below the probability that gives
            it on the run's validation split become "unknown". None: everything is answered.
        tuning_epochs: of fine-tuning for int8 before the export, see `edgekit.training.tune`; 0 for none.
        formats: only "onnx" or "tflite"; empty: all of the target's.

    Returns:
        The manifest that was written.

    Raises:
        GateError: when an artifact misses its gate; nothing is written.
        DataError: when the images are gone, of other classes, or too few to calibrate int8 on.
        ModelError: when `subject` is no finished run.
        UserError: when `out` exists, the target gets no such precision or format, the ranges are of another network or of
            weights to be fine-tuned, or what concerns int8 alone is asked for without int8.
    """
    check_new(out)
    mixed = MIXED in precisions
    if mixed:
        precisions = [*(p for p in precisions if p != MIXED), "int8"]
    profile = get_target(target).only(precisions, formats)
    plan = recipe or Recipe("int8")
    _check_int8_made(profile, plan, limit, tuning_epochs, ranges)
    run = subject if isinstance(subject, Run) else load_run(subject)
    if not is_name(run.config.name):
        raise UserError(f"Expected a run with a name of {NAMES}, got {run.config.name!r}. Change name in its run.json.")
    card = card_of_run(run, None if answer_precision is None else answer_threshold(run, answer_precision, note))
    source = open_source(run, calibration)
    _check_enough(min(plan.samples, source.size), profile, ranges)
    # Layers in float are searched on one half and judged on the other.
    count = 2 * PARITY_IMAGES if mixed or limit is not None else PARITY_IMAGES
    if tuning_epochs:
        # Half of a small data set is left to fine-tune on.
        count = min(count, max(1, source.size // 2))
    # Another seed, so that the comparison does not see only the samples that set the ranges.
    compared = source.draw(count, plan.seed + 1, progress, "parity sample")
    steps = Steps(progress, "export", 2 + tuning_epochs + 2 * len(profile.artifacts))
    tuning = None
    if tuning_epochs:
        settings = TuneConfig(tuning_epochs, plan.seed)
        run, tuning = tune_run(run, source, compared, plan, profile, settings, limit or _TUNING_POINTS, steps, note)
    exported = export(
        run.module,
        calibration=source.calibration(plan.samples, plan.seed, steps),
        parity_features=compared.features,
        parity_labels=compared.targets,
        card_text=card.to_text(),
        target=profile,
        recipe=plan,
        ranges=ranges,
        input_range=_input_range(card),
        layout=card.input.layout,
        limit=limit,
        mixed=mixed,
        progress=steps.tell,
    )
    for line in (line for done in exported.mixed for line in mixed_lines(done)):
        note(line)
    inputs = source.inputs(compared.positions if fuse else compared.positions[:_GOLDEN_INPUTS])
    if fuse:
        card, exported = fuse_export(run, card, exported, inputs, compared.targets, profile, note)
    golden = make_golden(card, inputs[:_GOLDEN_INPUTS], exported.files)
    extra = {} if exported.ranges is None else {RANGES_FILE: exported.ranges.to_text().encode("utf-8")}
    others = {GOLDEN: golden, **extra}
    manifest = replace(manifest_of(run.config.model, card, profile, exported, others), tuning=tuning)
    write_bundle(out, manifest, {**{artifact.file: model for artifact, model in exported.files}, **others})
    return manifest


def _input_range(card: ModelCard) -> tuple[float, float] | None:
    frontend = create_frontend(card.frontend.name, card.frontend.config)
    return frontend.full_range if isinstance(frontend, Pixels) else None


def _check_enough(samples: int, profile: Target, ranges: Ranges | None) -> None:
    """What `edgekit.exporters.export` asks, too: ranges of a few images clip all others, and labels may not show it."""
    if samples < LEAST_SAMPLES and ranges is None and any(precision == "int8" for _, precision in profile.artifacts):
        raise DataError(
            f"Expected at least {LEAST_SAMPLES} images or windows to calibrate int8 on, got {samples}: what lies outside of "
            "their ranges is clipped. Raise --samples, pass more with --calibration DATA, or leave int8 out: --precision fp32."
        )


def _check_int8_made(profile: Target, plan: Recipe, limit: float | None, tuning_epochs: int, ranges: Ranges | None) -> None:
    """What concerns int8 alone is not asked for in vain, nor ranges of weights that are about to change."""
    if tuning_epochs and ranges is not None:
        raise UserError("Expected --qat or --ranges: fine-tuned weights have other ranges. Leave one out.")
    usual = Recipe("int8")
    if ranges is not None and plan.samples != usual.samples:
        raise UserError("Expected --ranges or --samples: nothing is calibrated where the ranges are given. Leave one out.")
    options = {
        "--gate": limit is not None,
        "--qat": tuning_epochs > 0,
        "--ranges": ranges is not None,
        "--observer": plan.observer != usual.observer,
        "--weights-observer": plan.weights_observer != usual.weights_observer,
    }
    wanted = " and ".join(option for option, given in options.items() if given)
    made = dict.fromkeys(precision for _, precision in profile.artifacts)
    if wanted and "int8" not in made:
        raise UserError(
            f"Expected int8 among the precisions, since {wanted} concern int8 alone, got {', '.join(made)}. "
            f"Add --precision int8, or leave {wanted} out."
        )
