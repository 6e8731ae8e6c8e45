"""Log-signatures of an image's rows as a graph: the tensor logarithm, then its coordinates at the Lyndon words.

log S = s y_1 with y_n = 1 / n - s y_{n+1} and s = S - 1, as in `edgekit.frontends.tensor_log`; picking the words of a level and
turning their values into coordinates is one product with a constant matrix.
"""

from __future__ import annotations

import numpy as np
import torch

from edgekit.exporters.fused.signature import RowPathGraph
from edgekit.frontends.base import FrontEnd
from edgekit.frontends.lyndon import coordinates_from_values, lyndon_words, word_index
from edgekit.frontends.paths import path_kind
from edgekit.frontends.tensor_algebra import log_scale

__all__ = ["LogSignatureGraph"]


class LogSignatureGraph(RowPathGraph):
    """The log-signature front end."""

    def __init__(self, frontend: FrontEnd) -> None:
        config, kind = frontend.config, path_kind(frontend.config.path)
        super().__init__(frontend, log_scale(kind.channel_scale(config.size[1]), config.depth))
        for level in range(1, config.depth + 1):
            matrix = _coordinates(kind.channels, level).astype(np.float32)
            self.register_buffer(f"coordinates_{level}", torch.from_numpy(matrix))

    def features(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """See `RowPathGraph.features`."""
        logarithms = _logarithm(levels)
        return torch.cat([log @ self.get_buffer(f"coordinates_{k}") for k, log in enumerate(logarithms, 1)], dim=1)


def _coordinates(channels: int, level: int) -> np.ndarray:
    """(C^k, n) float64: from the values at all words of a level to the coordinates."""
    words = lyndon_words(channels, level)[-1]
    matrix = np.zeros((channels**level, len(words)))
    matrix[[word_index(word, channels) for word in words]] = coordinates_from_values(channels, level).T
    return matrix


def _logarithm(levels: list[torch.Tensor]) -> list[torch.Tensor]:
    """Levels 1 to N of a signature, (R, C^k) each -> those of its logarithm."""
    depth = len(levels)
    inner: list[torch.Tensor] = []  # levels 1, 2, ... of y_n; level 0 is 1 / n
    for n in range(depth - 1, 0, -1):
        inner = [-value for value in _product(levels[: depth - n], inner, 1 / (n + 1))]
    return _product(levels, inner, 1.0)


def _product(left: list[torch.Tensor], right: list[torch.Tensor], constant: float) -> list[torch.Tensor]:
    """Levels 1 to len(left) of left (x) right; level 0 is 0 on the left, `constant` on the right."""
    levels = []
    for level in range(1, len(left) + 1):
        total = left[level - 1] * constant
        for done in range(1, level):
            first, second = left[done - 1], right[level - done - 1]
            total = total + (first[:, :, None] * second[:, None]).reshape(total.shape)
        levels.append(total)
    return levels
