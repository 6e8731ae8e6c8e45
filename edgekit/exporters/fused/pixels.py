"""The pixel front end as a graph."""

from __future__ import annotations

import numpy as np
import torch

from edgekit.exporters.fused.base import FrontEndGraph
from edgekit.frontends.base import FrontEnd

__all__ = ["PixelsGraph"]

#: ITU-R BT.601.
_LUMA = ((0.299,), (0.587,), (0.114,))


class PixelsGraph(FrontEndGraph):
    """level * scale + offset, in the channels and the layout of the config."""

    level_scale: torch.Tensor
    level_offset: torch.Tensor
    luma: torch.Tensor

    def __init__(self, frontend: FrontEnd) -> None:
        super().__init__(frontend)
        config = frontend.config
        self.channels, self.planar = config.channels, config.layout == "CHW"
        for name in ("scale", "offset"):
            self.register_buffer(f"level_{name}", torch.from_numpy(np.atleast_1d(np.array(getattr(config, name), np.float32))))
        self.register_buffer("luma", torch.tensor(_LUMA))

    def raw(self, image: torch.Tensor) -> torch.Tensor:
        """See `FrontEndGraph.raw`."""
        if self.channels == "grey":
            image = image @ self.luma
        elif self.channels == "bgr":
            image = torch.flip(image, (-1,))
        values = image * self.level_scale + self.level_offset
        return values.permute(2, 0, 1) if self.planar else values
