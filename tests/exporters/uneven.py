"""A network whose channels differ up to 900-fold in size, each undone by the next layer: a function like any other, on which one
scale a tensor is lost (Nagel et al. 2019, arXiv:1906.04721, section 3)."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tests.exporters.networks import images, train

SPREAD = 30.0


def uneven() -> nn.Module:
    """Two depthwise blocks, trained on `images(600, 1)`: (n, 3, 12, 12) to (n, 4)."""
    torch.manual_seed(0)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)]
    module = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), *_block(16), *_block(16), *head)
    train(module, *images(600, 1), epochs=15)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for depthwise, pointwise in ((module[2], module[4]), (module[6], module[8])):
            sizes = torch.from_numpy(SPREAD ** rng.uniform(-1, 1, 16)).float()
            depthwise.weight.mul_(sizes[:, None, None, None])
            depthwise.bias.mul_(sizes)
            pointwise.weight.div_(sizes[None, :, None, None])
    return module


def _block(channels: int) -> list[nn.Module]:
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
    return [depthwise, nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU()]
