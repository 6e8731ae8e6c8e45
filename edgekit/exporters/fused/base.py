"""What every front end's graph shares: the image comes in as uint8, the standardised features go out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.core.registry import Registry
from edgekit.errors import ModelError
from edgekit.frontends.base import FrontEnd

__all__ = ["FUSED", "FrontEndGraph", "front_end_graph"]

#: Front ends that can be put into a graph.
FUSED = Registry(
    "front end that can be put into a graph",
    {
        "logsignature": "edgekit.exporters.fused.logsignature:LogSignatureGraph",
        "pixels": "edgekit.exporters.fused.pixels:PixelsGraph",
        "scattering": "edgekit.exporters.fused.scattering:ScatteringGraph",
        "signature": "edgekit.exporters.fused.signature:SignatureGraph",
    },
)


class FrontEndGraph(nn.Module):
    """(1, H, W, 3) uint8 image of the front end's size -> (1, *output.shape) float32 standardised features.

    A subclass gives `raw` in operators that every runtime has; no loop depends on data, every shape is fixed.

    Args:
        frontend: whose config is rebuilt.
        unit: (Q,) factor of every raw feature, folded into the standardisation; None for 1.
    """

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, frontend: FrontEnd, unit: np.ndarray | None = None) -> None:
        super().__init__()
        axis = frontend.feature_axis
        shape = (-1, *(1,) * (-axis - 1))
        factor = np.float64(1) if unit is None else unit
        standardise = frontend.standardise
        self.clip = None if standardise is None else float(standardise.clip)
        scale = factor if standardise is None else factor * np.array(standardise.scale)
        self.register_buffer("scale", torch.from_numpy(np.reshape(scale, shape).astype(np.float32)))
        if standardise is not None:
            offset = np.reshape(np.array(standardise.offset, np.float32), shape)
            self.register_buffer("offset", torch.from_numpy(offset))

    def raw(self, image: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) float32 levels, 0 to 255 -> features of `output.shape` before unit and standardisation."""
        raise NotImplementedError

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """See the class."""
        features = self.raw(image[0].to(torch.float32)) * self.scale
        if self.clip is not None:
            features = torch.clamp(features + self.offset, -self.clip, self.clip)
        return features[None]


def front_end_graph(frontend: FrontEnd) -> FrontEndGraph:
    """The front end as a module in eval mode.

    Raises:
        ModelError: when there is no graph of this front end, or not of this config.
    """
    if frontend.name not in FUSED:
        known = ", ".join(FUSED)
        raise ModelError(
            f"Expected a front end that can be put into a graph ({known}), got {frontend.name!r}. Export without --fuse-frontend."
        )
    factory: Any = FUSED.load(frontend.name)
    graph: FrontEndGraph = factory(frontend)
    return graph.eval()
