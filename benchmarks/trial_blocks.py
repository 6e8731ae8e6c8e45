"""Small networks of the blocks that int8 hurts, written the way users write them, trained on real images for a minute.

Hand-written activations and norms, on purpose: no pass of edgekit knows them, so the gate has to find and mend them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from PIL import Image
from torch import nn

__all__ = ["BLOCKS", "load_images", "trained"]


class PlainMish(nn.Module):
    """x tanh(softplus(x)), spelled out."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.tanh(torch.log(1 + torch.exp(x)))


class PlainNorm(nn.Module):
    """Layer norm over the last axis, spelled out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / torch.sqrt((centred * centred).mean(-1, keepdim=True) + 1e-5) * self.weight + self.bias


class PlainAttention(nn.Module):
    """One head; the softmax as a quotient of exponentials."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = torch.exp(self.query(x) @ self.key(x).transpose(1, 2) * x.shape[-1] ** -0.5)
        return (scores / scores.sum(-1, keepdim=True)) @ self.value(x)


class Dilated(nn.Module):
    """Sum of three dilations."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in (1, 2, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.branches[0](x) + self.branches[1](x) + self.branches[2](x)


def _convolutional(middle: nn.Module, act: type[nn.Module]) -> nn.Module:
    stem = [nn.Conv2d(3, 24, 3, 2, 1), act(), nn.Conv2d(24, 32, 3, 2, 1), act()]
    return nn.Sequential(*stem, middle, act(), nn.Conv2d(32, 48, 3, 2, 1), act(), nn.Flatten(), nn.Linear(768, 10))


class Transformer(nn.Module):
    """Patches of 4, one block of norm, attention and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 48, 4, 4)
        self.place = nn.Parameter(torch.randn(1, 64, 48) * 0.1)
        self.norm, self.attention, self.norm2 = PlainNorm(48), PlainAttention(48), PlainNorm(48)
        self.mlp = nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48))
        self.head = nn.Linear(48, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        x = x + self.attention(self.norm(x))
        x = x + self.mlp(self.norm2(x))
        return self.head(x.mean(1))


def _depthwise(width: int, stride: int) -> nn.Module:
    inner = [nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), nn.BatchNorm2d(width), nn.ReLU6()]
    return nn.Sequential(*inner, nn.Conv2d(width, 2 * width, 1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU6())


def _separable() -> nn.Module:
    blocks = [_depthwise(24, 2), _depthwise(48, 2), _depthwise(96, 1)]
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU6(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(192, 10)
    )


BLOCKS = {
    "plain Mish": lambda: _convolutional(nn.Conv2d(32, 32, 3, 1, 1), PlainMish),
    "dilated Mish": lambda: _convolutional(Dilated(32), PlainMish),
    "nn.Mish, dilated": lambda: _convolutional(Dilated(32), nn.Mish),
    "norm and attention": Transformer,
    "depthwise": _separable,
}


def load_images(root: Path, side: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3, 32, 32) float32 in about [-2, 2] and classes, of DATA/SIDE/CLASS/*."""
    classes = sorted(folder.name for folder in (root / side).iterdir() if folder.is_dir())
    pairs = [(path, i) for i, name in enumerate(classes) for path in sorted((root / side / name).iterdir())]
    images = np.stack([np.asarray(Image.open(path).convert("RGB"), np.float32) for path, _ in pairs])
    return (images.transpose(0, 3, 1, 2) / 64 - 2).astype(np.float32), np.array([label for _, label in pairs])


def trained(name: str, x: np.ndarray, y: np.ndarray, epochs: int, seed: int = 0) -> nn.Module:
    """The network after some epochs of AdamW with mirrored images."""
    torch.manual_seed(seed)
    module = BLOCKS[name]()
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.AdamW(module.parameters(), 2e-3, weight_decay=0.05)
    steps = epochs * -(-len(x) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            picture = images[batch]
            picture = picture.flip(-1) if torch.rand(()) < 0.5 else picture
            optimizer.zero_grad()
            functional.cross_entropy(module(picture), labels[batch], label_smoothing=0.1).backward()
            optimizer.step()
            schedule.step()
    return module.eval()
