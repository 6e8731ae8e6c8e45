"""Accuracy beside latency: the same artifacts through the same pipeline on labelled inputs, in a run of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgekit.bench.compare import Quality, recorded_quality
from edgekit.bench.images import sample_of
from edgekit.bench.plan import Candidate
from edgekit.core.bundle import Bundle
from edgekit.frontends.base import FrontEnd, create_frontend, image_size
from edgekit.frontends.image import resize_area
from edgekit.frontends.loading import load_image
from edgekit.frontends.windows import load_windows, seen_by
from edgekit.pipeline import open_artifact

__all__ = ["AT_MOST", "Labelled", "labelled_inputs", "measured_quality", "qualities_of"]

#: A thousand tell a point of accuracy from none.
AT_MOST = 1000

#: An image file or a window of samples, and its class.
Labelled = tuple["Path | np.ndarray", int]


def qualities_of(
    bundle: Bundle,
    pairs: Sequence[tuple[Candidate, Candidate]],
    inputs: Sequence[Labelled],
    advance: Callable[[], None] = lambda: None,
) -> dict[tuple[str, str], Quality | None]:
    """(artifact's file, runtime) -> its quality: measured where there are labelled inputs, else what the manifest says.

    Args:
        bundle: opened.
        pairs: see `compare.pairs_of`; only the runtime counts, not its threads.
        inputs: see `labelled_inputs`.
        advance: called after each input of each runtime.
    """
    entry = bundle.manifest.frontend
    frontend = create_frontend(entry.name, entry.config)
    found: dict[tuple[str, str], Quality | None] = {}
    for pair in {whole.runtime: (whole, integer) for whole, integer in pairs}.values():
        if inputs:
            known: Sequence[Quality | None] = measured_quality(bundle, frontend, pair, inputs, advance)
        else:
            known = [recorded_quality(candidate.artifact, candidate.runtime) for candidate in pair]
        for candidate, quality in zip(pair, known, strict=True):
            found[candidate.artifact.file, candidate.runtime] = quality
    return found


def labelled_inputs(files: Sequence[Path], labels: Sequence[str], frontend: FrontEnd) -> tuple[Labelled, ...]:
    """A seeded sample of the inputs with their classes: empty where not every one of them has one.

    Args:
        files: images in folders that are named like the labels (those under test/ alone where there is such a folder), or .npz
            files with y.
        labels: of the bundle.
        frontend: of the bundle, which tells images from windows of samples.
    """
    if frontend.size is None:
        return sample_of(_windows(files, labels, frontend), AT_MOST)
    held_out = [file for file in files if "test" in file.parts[:-1]]
    named = [(file, file.parent.name) for file in held_out or files]
    if not all(name in labels for _, name in named):
        return ()
    return sample_of([(file, list(labels).index(name)) for file, name in named], AT_MOST)


def measured_quality(
    bundle: Bundle,
    frontend: FrontEnd,
    pair: tuple[Candidate, Candidate],
    inputs: Sequence[Labelled],
    advance: Callable[[], None] = lambda: None,
) -> tuple[Quality, Quality]:
    """Qualities of fp32 and of int8, the reference of both being fp32.

    Args:
        bundle: opened.
        frontend: the bundle's.
        pair: fp32 and int8.
        inputs: see `labelled_inputs`; one at least.
        advance: called after each input.

    Raises:
        ImageError: when an image cannot be decoded.
    """
    whole, integer = pair
    truth = np.array([label for _, label in inputs])
    answers = []
    with (
        open_artifact(bundle, whole.artifact, whole.runtime, whole.threads) as first,
        open_artifact(bundle, integer.artifact, integer.runtime, integer.threads) as second,
    ):
        for source, _ in inputs:
            features = _features(frontend, source)
            answers.append([int(pipeline.predict_features(features).scores.argmax()) for pipeline in (first, second)])
            advance()
    before, after = np.array(answers).T
    n, agreement = len(truth), float((before == after).mean())
    return (
        Quality(n, float((before == truth).mean()), 1.0, "images"),
        Quality(n, float((after == truth).mean()), agreement, "images"),
    )


def _features(frontend: FrontEnd, source: Path | np.ndarray) -> np.ndarray:
    """Raw features, computed once for both."""
    if isinstance(source, np.ndarray):
        return frontend.raw(source)
    return frontend.raw(resize_area(load_image(frontend, source), image_size(frontend)))


def _windows(files: Sequence[Path], labels: Sequence[str], frontend: FrontEnd) -> list[Labelled]:
    found: list[Labelled] = []
    for file in files:
        windows = load_windows(file)
        if windows.y is None or windows.labels not in (None, tuple(labels)):
            return []
        found += zip(seen_by(frontend, windows, file), windows.y.tolist(), strict=True)
    return found
