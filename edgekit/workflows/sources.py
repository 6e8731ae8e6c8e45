"""Where an export draws its samples from: the images or the sensor windows of a data set's training side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from edgekit.calibration.representative import stratified_sample
from edgekit.calibration.samples import ArraySamples, Samples
from edgekit.errors import DataError
from edgekit.frontends.base import image_size, standardised
from edgekit.frontends.image import resize_area
from edgekit.frontends.loading import load_image
from edgekit.frontends.windows import seen_by
from edgekit.models.checkpoint import Run
from edgekit.training.data import Example, scan
from edgekit.training.features import plain_features
from edgekit.training.progress import Progress
from edgekit.training.windows import scan_windows
from edgekit.workflows.calibration import Steps, calibration_stream

__all__ = ["Drawn", "Source", "open_source"]


@dataclass(frozen=True)
class Drawn:
    """A sample of a data set.

    Attributes:
        features: (n, ...) float32, standardised.
        targets: (n,) classes.
        positions: (n,) of them in the data set, for `Source.inputs`.
    """

    features: np.ndarray
    targets: np.ndarray
    positions: Sequence[int]


class Source(Protocol):
    """A data set's training side. Draws are stratified and depend on its classes, the count and the seed alone."""

    @property
    def size(self) -> int:
        """How many images or windows there are."""
        ...

    def calibration(self, count: int, seed: int, steps: Steps) -> Samples:
        """Standardised features to calibrate on, as a stream."""
        ...

    def draw(self, count: int, seed: int, progress: Progress, stage: str, without: Sequence[int] = ()) -> Drawn:
        """A sample in memory, of which nothing lies at the positions `without`; not all of them may be taken."""
        ...

    def inputs(self, positions: Sequence[int]) -> np.ndarray:
        """What `Pipeline.predict` takes: (k, H, W, 3) uint8 images of the front end's size, or (k, ...) float32 windows."""
        ...


def open_source(run: Run, calibration: Path | None) -> Source:
    """The training side of the calibration data, or of the run's own.

    Raises:
        DataError: when the data are gone or of other classes.
    """
    root = calibration or Path(run.config.data.path)
    if calibration is None and not root.is_dir():
        raise DataError(f"Expected the run's training data at {root}, they are gone. Pass others: --calibration DATA")
    data = scan_windows(root) if run.frontend.size is None else scan(root)
    if data.labels != run.config.labels:
        raise DataError(f"Expected the run's classes {', '.join(run.config.labels)} in {root}, found {', '.join(data.labels)}.")
    if isinstance(data.train, tuple):
        return _Images(run, data.train)
    seen = seen_by(run.frontend, data.train, root / "train.npz")
    return _Windows(run, seen, data.train.y if data.train.y is not None else np.zeros(0, np.int64))


@dataclass(frozen=True)
class _Images:
    run: Run
    examples: tuple[Example, ...]

    @property
    def size(self) -> int:
        return len(self.examples)

    def calibration(self, count: int, seed: int, steps: Steps) -> Samples:
        chosen = [self.examples[i] for i in self._positions(count, seed)]
        return calibration_stream(chosen, self.run.frontend, steps)

    def draw(self, count: int, seed: int, progress: Progress, stage: str, without: Sequence[int] = ()) -> Drawn:
        positions = self._positions(count, seed, without)
        chosen = [self.examples[i] for i in positions]
        features, _ = plain_features(chosen, self.run.frontend, progress, stage)
        targets = np.array([example.label for example in chosen])
        return Drawn(standardised(self.run.frontend, features), targets, positions)

    def inputs(self, positions: Sequence[int]) -> np.ndarray:
        frontend = self.run.frontend
        images = (load_image(frontend, self.examples[i].path) for i in positions)
        return np.stack([resize_area(image, image_size(frontend)) for image in images])

    def _positions(self, count: int, seed: int, without: Sequence[int] = ()) -> list[int]:
        return _drawn([example.label for example in self.examples], count, seed, without)


@dataclass(frozen=True)
class _Windows:
    run: Run
    x: np.ndarray
    y: np.ndarray

    @property
    def size(self) -> int:
        return len(self.x)

    def calibration(self, count: int, seed: int, steps: Steps) -> Samples:  # noqa: ARG002 - read already: no bar
        return ArraySamples(self._features(stratified_sample(self.y.tolist(), count, seed)))

    def draw(
        self,
        count: int,
        seed: int,
        progress: Progress,  # noqa: ARG002 - as above
        stage: str,  # noqa: ARG002 - as above
        without: Sequence[int] = (),
    ) -> Drawn:
        positions = _drawn(self.y.tolist(), count, seed, without)
        return Drawn(self._features(positions), self.y[positions], positions)

    def inputs(self, positions: Sequence[int]) -> np.ndarray:
        return self.x[list(positions)]

    def _features(self, positions: list[int]) -> np.ndarray:
        return standardised(self.run.frontend, self.run.frontend.raw(self.x[positions]))


def _drawn(labels: Sequence[int], count: int, seed: int, without: Sequence[int]) -> list[int]:
    """Positions of a stratified sample of what is left."""
    taken = set(without)
    left = [position for position in range(len(labels)) if position not in taken]
    return [left[i] for i in stratified_sample([labels[position] for position in left], count, seed)]
