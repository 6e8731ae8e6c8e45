"""Signatures of an image's rows as a graph: level recursion over time (see `edgekit.frontends.tensor_algebra`).

The running sum of each level is a product with a triangular matrix, so that the graph holds nothing but Cast, Slice, Sub, Add,
Mul, Concat, Reshape and MatMul, whatever the depth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from edgekit.errors import ModelError
from edgekit.exporters.fused.base import FrontEndGraph
from edgekit.frontends.base import FrontEnd
from edgekit.frontends.paths import path_kind
from edgekit.frontends.tensor_algebra import feature_scale

__all__ = ["RowPathGraph", "SignatureGraph", "row_levels"]

#: 299 R + 587 G + 114 B in the units of `frontends.paths`.
_LUMA = ((299.0 / 1024,), (587.0 / 1024,), (114.0 / 1024,))


class RowPathGraph(FrontEndGraph):
    """The rows of an image as paths, float32, in their directions; a subclass makes features of their signatures.

    Args:
        frontend: `Signature` or `LogSignature`.
        unit: (Q,) factor of every feature.

    Raises:
        ModelError: on float64, one pixel a row, "both-rotated" or a path with time in both directions of an oblong image.
    """

    luma: torch.Tensor
    clock: torch.Tensor

    def __init__(self, frontend: FrontEnd, unit: np.ndarray) -> None:
        super().__init__(frontend, unit)
        config, kind = frontend.config, path_kind(frontend.config.path)
        height, width = config.size
        _check(config.dtype, config.directions, kind.time, height, width)
        self.depth, self.path, self.time = config.depth, config.path, kind.time
        self.views = _VIEWS[config.directions]
        self.register_buffer("luma", torch.tensor(_LUMA))
        self.register_buffer("clock", torch.arange(width, dtype=torch.float32).reshape(1, 1, width))
        for steps in {kind.length(side) - 1 for side in (height, width)}:
            self.register_buffer(f"before_{steps}", torch.triu(torch.ones(steps, steps), 1))

    def raw(self, image: torch.Tensor) -> torch.Tensor:
        """See `FrontEndGraph.raw`: (R, Q)."""
        return torch.cat([self._rows(view(image)) for view in self.views])

    def _rows(self, image: torch.Tensor) -> torch.Tensor:
        colours = image if self.path.startswith("rgb") else image @ self.luma
        points = colours.permute(0, 2, 1)
        points = points - points[..., :1]
        if self.path == "lead-lag":
            points = _lead_lag(points)
        if self.time:
            points = torch.cat([points, self.clock.expand(points.shape[0], 1, points.shape[2])], dim=1)
        return self.features(row_levels(points, self.depth, self.get_buffer(f"before_{points.shape[2] - 1}")))

    def features(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Levels 1 to N of the signatures, (R, C^k) each -> (R, Q)."""
        raise NotImplementedError


class SignatureGraph(RowPathGraph):
    """The signature front end."""

    def __init__(self, frontend: FrontEnd) -> None:
        config = frontend.config
        super().__init__(frontend, feature_scale(path_kind(config.path).channel_scale(config.size[1]), config.depth))

    def features(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """See `RowPathGraph.features`."""
        return torch.cat(levels, dim=1)


def row_levels(points: torch.Tensor, depth: int, before: torch.Tensor) -> list[torch.Tensor]:
    """Levels 1 to `depth` of the signature of every row.

    Args:
        points: (R, C, W) float32, each path from the origin, W at least 2.
        depth: N.
        before: (W - 1, W - 1), 1 where the row's index is smaller than the column's.

    Returns:
        (R, C), ..., (R, C^N).
    """
    rows = points.shape[0]
    steps = points[..., 1:] - points[..., :-1]
    prefixes, levels = [points[..., :-1]], [points[..., -1]]
    for level in range(2, depth + 1):
        factor = _horner(prefixes, steps, level)
        if level == depth:
            levels.append((factor @ steps.transpose(1, 2)).reshape(rows, -1))
        else:
            increments = _outer(factor, steps)
            prefixes.append(increments @ before)
            # The sum over all time: what stands before the last step, and that step.
            levels.append(prefixes[-1][..., -1] + increments[..., -1])
    return levels


def _lead_lag(points: torch.Tensor) -> torch.Tensor:
    """(R, 1, W) -> (R, 2, 2 W - 1); see `frontends.paths`."""
    twice = torch.stack([points, points], dim=-1).reshape(points.shape[0], 1, 2 * points.shape[2])
    return torch.cat([twice[..., 1:], twice[..., :-1]], dim=1)


def _horner(prefixes: list[torch.Tensor], steps: torch.Tensor, level: int) -> torch.Tensor:
    """(R, C^(level - 1), T) with increments of the level = this (x) dx; see `frontends.tensor_algebra`."""
    factor = steps * (1.0 / level) + prefixes[0]
    for done in range(1, level - 1):
        factor = _outer(factor, steps * (1.0 / (level - done))) + prefixes[done]
    return factor


def _outer(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """(R, A, T), (R, B, T) -> (R, A * B, T)."""
    rows, _, length = left.shape
    return (left[:, :, None] * right[:, None]).reshape(rows, left.shape[1] * right.shape[1], length)


def _rotated(image: torch.Tensor) -> torch.Tensor:
    """`frontends.paths.rotate_quarter_turn` of a square image: a transpose, upside down, one row lower, black above."""
    turned = torch.flip(image.transpose(0, 1), (0,))
    return torch.cat([torch.zeros_like(turned[:1]), turned[:-1]])


_VIEWS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], ...]] = {
    "rows": (lambda image: image,),
    "both": (lambda image: image, lambda image: image.transpose(0, 1)),
    "both-rotated": (lambda image: image, _rotated),
}


def _check(dtype: str, directions: str, time: bool, height: int, width: int) -> None:
    if dtype != "float32":
        raise ModelError(f"Expected a float32 signature for a graph, got {dtype}. Export without --fuse-frontend.")
    if directions == "both-rotated" and height != width:
        raise ModelError(f"Expected a square size for 'both-rotated' in a graph, got {height} x {width}. Use --size N.")
    if directions == "both" and time and height != width:
        raise ModelError(f"Expected a square size for time in both directions in a graph, got {height} x {width}. Use --size N.")
    if width < 2 or (directions != "rows" and height < 2):
        raise ModelError(f"Expected at least 2 pixels in every row for a graph, got {height} x {width}.")
