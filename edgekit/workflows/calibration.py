"""Calibration images as a stream of features: ten thousand of them need no more memory than a block."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgekit.calibration.samples import StreamedSamples
from edgekit.frontends.base import FrontEnd, standardised
from edgekit.training.data import Example
from edgekit.training.features import plain_features
from edgekit.training.progress import Progress, Silent

__all__ = ["Steps", "calibration_stream"]

_BLOCK, _BLOCK_BYTES = 256, 32 * 2**20

#: A sample of more than this does not go through the cache of features, whence it would drive those of the training.
_KEPT_BYTES = 256 * 2**20


class Steps:
    """A stage of single steps, each with a note, that may be interrupted by another stage.

    Args:
        progress: shows it.
        stage: its name.
        total: number of steps.
    """

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        self.progress = progress
        self._stage, self._left = stage, total
        self.resume()

    def tell(self, note: str) -> None:
        """The next step begins."""
        self._left -= 1
        # A mended file takes more steps than anybody foresaw.
        self.progress.advance(1 if self._left >= 0 else 0, note)

    def resume(self) -> None:
        """Show the rest of the stage, after another one was shown."""
        self.progress.start(self._stage, max(self._left, 0))


def calibration_stream(examples: Sequence[Example], frontend: FrontEnd, steps: Steps) -> StreamedSamples:
    """Standardised features of images, block by block, with a bar of their own while they are gone through.

    Args:
        examples: the images, at least one.
        frontend: of the run.
        steps: the stage that is interrupted by it.
    """
    shape = tuple(frontend.output.shape)
    bytes_each = 4 * math.prod(shape)
    block = max(1, min(_BLOCK, _BLOCK_BYTES // bytes_each))
    keep = bytes_each * len(examples) <= _KEPT_BYTES

    def start() -> Iterator[np.ndarray]:
        steps.progress.start("calibration", len(examples))
        try:
            for first in range(0, len(examples), block):
                part = examples[first : first + block]
                features, _ = plain_features(part, frontend, Silent(), keep=keep)
                yield standardised(frontend, features)
                steps.progress.advance(len(part))
        finally:
            steps.resume()

    return StreamedSamples(shape, len(examples), start)
