"""From a trained run to a verified bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.calibration.ranges import RANGES_FILE, Ranges
from edgekit.calibration.representative import stratified_sample
from edgekit.core.bundle import write_bundle
from edgekit.core.files import check_new, sha256_of
from edgekit.core.manifest import FileEntry, Manifest, ModelCard
from edgekit.core.recipe import Recipe
from edgekit.errors import DataError
from edgekit.exporters.build import Export, export
from edgekit.exporters.targets import Target, get_target
from edgekit.frontends.base import FrontEnd, image_size, standardised
from edgekit.frontends.image import resize_area
from edgekit.frontends.loading import load_image
from edgekit.golden import GOLDEN, make_golden
from edgekit.models.checkpoint import Run, load_run
from edgekit.training.data import Example, scan
from edgekit.training.features import plain_features
from edgekit.training.progress import Progress
from edgekit.workflows.calibration import Steps, calibration_stream
from edgekit.workflows.card import card_of_run
from edgekit.workflows.fuse import fuse_export

__all__ = ["PARITY_IMAGES", "export_run"]

#: Real images on which every artifact is compared with PyTorch: enough to tell 97 % agreement from 95 %.
PARITY_IMAGES = 512

_GOLDEN_IMAGES = 4


@dataclass(frozen=True)
class _Sample:
    """Standardised features (n, ...) float32 and classes (n,) of some images."""

    examples: tuple[Example, ...]
    features: np.ndarray
    targets: np.ndarray


def export_run(
    run_path: Path,
    out: Path,
    progress: Progress,
    target: str = "generic",
    calibration: Path | None = None,
    recipe: Recipe | None = None,
    precisions: Sequence[str] = (),
    fuse: bool = False,
    note: Callable[[str], None] = lambda _text: None,
    ranges: Ranges | None = None,
) -> Manifest:
    """Convert, quantize, verify and write.

    Args:
        run_path: a finished run folder.
        out: the bundle to write, new: a folder, or an archive where the name ends in .zip.
        progress: told of every step.
        target: a name of `edgekit.exporters.targets.TARGETS`.
        calibration: a data set to calibrate and compare on; by default the run's own training images.
        recipe: observer, sample count and seed of the calibration; its precision is that of each artifact.
        precisions: only these of the target's; empty: all.
        fuse: put the front end into the files: uint8 image in, logits out.
        note: told in one line of what could not be made.
        ranges: of an earlier export of this run, in place of a calibration.

    Returns:
        The manifest that was written.

    Raises:
        GateError: when an artifact misses its gate; nothing is written.
        DataError: when the images are gone or of other classes.
        ModelError: when `run_path` is no finished run.
        UserError: when `out` exists, the target gets no such precision, or the ranges are of another network.
    """
    check_new(out)
    profile = get_target(target).only(precisions) if precisions else get_target(target)
    run = load_run(run_path)
    plan = recipe or Recipe("int8")
    examples = _training_images(run, calibration)
    # Another seed, so that the comparison does not see only the images that set the ranges.
    compared = _draw(examples, run.frontend, PARITY_IMAGES, plan.seed + 1, progress, "parity sample")
    card = card_of_run(run)
    steps = Steps(progress, "export", 2 + 2 * len(profile.artifacts))
    exported = export(
        run.module,
        calibration=calibration_stream(_choose(examples, plan.samples, plan.seed), run.frontend, steps),
        parity_features=compared.features,
        parity_labels=compared.targets,
        card_text=card.to_text(),
        target=profile,
        recipe=plan,
        ranges=ranges,
        layout=card.input.layout,
        progress=steps.tell,
    )
    pictures = _pictures(compared.examples if fuse else compared.examples[:_GOLDEN_IMAGES], run.frontend)
    if fuse:
        card, exported = fuse_export(run, card, exported, pictures, compared.targets, profile, note)
    golden = make_golden(card, pictures[:_GOLDEN_IMAGES], exported.files)
    extra = {} if exported.ranges is None else {RANGES_FILE: exported.ranges.to_text().encode("utf-8")}
    others = {GOLDEN: golden, **extra}
    manifest = _manifest(run, card, profile, exported, others)
    write_bundle(out, manifest, {**{artifact.file: model for artifact, model in exported.files}, **others})
    return manifest


def _manifest(run: Run, card: ModelCard, target: Target, exported: Export, others: Mapping[str, bytes]) -> Manifest:
    entries = {name: FileEntry(name, len(content), sha256_of(content)) for name, content in others.items()}
    return Manifest(
        name=card.name,
        model=run.config.model,
        labels=card.labels,
        frontend=card.frontend,
        input=card.input,
        output=card.output,
        target=target.name,
        artifacts=exported.artifacts,
        golden=entries[GOLDEN],
        ranges=entries.get(RANGES_FILE),
        calibration=exported.calibration,
        tools=exported.tools,
        default=target.default,
    )


def _training_images(run: Run, calibration: Path | None) -> tuple[Example, ...]:
    """The training side of the calibration data, or of the run's own."""
    root = calibration or Path(run.config.data.path)
    if calibration is None and not root.is_dir():
        raise DataError(f"Expected the run's training images at {root}, they are gone. Pass others: --calibration DATA")
    data = scan(root)
    if data.labels != run.config.labels:
        raise DataError(f"Expected the run's classes {', '.join(run.config.labels)} in {root}, found {', '.join(data.labels)}.")
    return data.train


def _choose(examples: Sequence[Example], count: int, seed: int) -> tuple[Example, ...]:
    return tuple(examples[i] for i in stratified_sample([example.label for example in examples], count, seed))


def _draw(examples: Sequence[Example], frontend: FrontEnd, count: int, seed: int, progress: Progress, stage: str) -> _Sample:
    chosen = _choose(examples, count, seed)
    features, _ = plain_features(chosen, frontend, progress, stage)
    return _Sample(chosen, standardised(frontend, features), np.array([example.label for example in chosen]))


def _pictures(examples: Sequence[Example], frontend: FrontEnd) -> np.ndarray:
    return np.stack([resize_area(load_image(frontend, example.path), image_size(frontend)) for example in examples])
