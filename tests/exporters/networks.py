"""Networks and features for the exporter's tests."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

ROWS, FEATURES, CLASSES = 64, 120, 2


def signature_like(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features as a front end gives them: uneven, heavy-tailed, correlated along the rows, standardised, clipped at 4.

    Products of up to four walks are what the levels of a signature are made of.

    Returns:
        (n, 64, 120) float32 in [-4, 4], (n,) int64 classes 0 and 1.
    """
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    walks = generator.normal(size=(n, ROWS, 12)) * 0.3
    walks += np.cumsum(generator.normal(size=(n, ROWS, 12)), axis=1) / 8
    walks[:, :, :3] += labels[:, None, None] * np.linspace(0.2, 1.0, ROWS)[None, :, None]
    columns = [walks[:, :, generator.integers(0, 12, 1 + k % 4)].prod(axis=-1) for k in range(FEATURES)]
    features = np.stack(columns, axis=-1)
    features = (features - features.mean(axis=(0, 1))) / features.std(axis=(0, 1))
    return np.clip(features, -4, 4).astype(np.float32), labels


def train(module: nn.Module, features: np.ndarray, labels: np.ndarray, epochs: int) -> nn.Module:
    """A few epochs of AdamW, enough for logits with a margin."""
    x, y = torch.from_numpy(features), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(module.parameters(), 2e-3)
    generator = torch.Generator().manual_seed(0)
    module.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(50):
            optimizer.zero_grad()
            functional.cross_entropy(module(x[batch]), y[batch]).backward()
            optimizer.step()
    return module.eval()


class SensorNet(nn.Module):
    """1-D convolutions, channels first, pooled by a mean: the shape of TSAK's student."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            nn.Conv1d(3, 8, 3, padding=1, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2), nn.Dropout(0.1),
            nn.Conv1d(8, 8, 3, stride=2, dilation=2, groups=2), nn.GELU(), nn.AvgPool1d(2),
        )  # fmt: skip
        self.skip = nn.Conv1d(8, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(x)
        return self.head((x + torch.relu(self.skip(x))).mean(-1))


class Unfriendly(nn.Module):
    """Uses a convolution's output in ways that no pass knows, and shapes as Python numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(3, 4, 3)
        self.second = nn.Conv1d(4, 4, 3)
        self.linear = nn.Linear(4 * 26, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        y = self.second(x.flip(-1)) * torch.sigmoid(x[:, :, 2:])
        return self.linear(y.reshape(y.shape[0], -1)) + x.amax(dim=(1, 2)).unsqueeze(1)


class Branching(nn.Module):
    """Cannot be traced symbolically: its path depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if float(x.sum()) > 1e9:
            return x.flatten(1)
        return self.convolution(x).flatten(1)


class PreActivation(nn.Module):
    """A 2-D residual block with Mish, batch norms that fold and ones that do not, a softmax over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8))
        self.norm, self.act = nn.BatchNorm2d(8), nn.Mish()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.linear, self.norm1d = nn.Linear(8, 6), nn.BatchNorm1d(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.conv(self.act(self.norm(x)))
        x = x * torch.softmax(x, dim=1)
        return self.head(self.norm1d(self.linear(x.mean((2, 3)))))


def warmed(module: nn.Module, *shape: int) -> nn.Module:
    """The module with batch-norm statistics and weights that are not the initial ones."""
    generator = torch.Generator().manual_seed(1)
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(torch.randn(8, *shape, generator=generator) * 2 + 0.5)
        for child in module.modules():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                child.weight.uniform_(0.5, 2.0, generator=generator)
                child.bias.uniform_(-1.0, 1.0, generator=generator)
    return module.eval()


class PlainMish(nn.Module):
    """Written as nobody's pass knows it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.tanh(torch.log(1 + torch.exp(x)))


def images(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy gratings of four directions: classes that take a nonlinear network."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    y, x = np.mgrid[0:12, 0:12] / 12
    angle = labels * np.pi / 4
    phase = rng.uniform(0, 2 * np.pi, n)
    wave = np.sin(9 * (np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y) + phase[:, None, None])
    pictures = wave[:, None] * rng.uniform(0.4, 1, (n, 3, 1, 1)) + rng.normal(0, 0.7, (n, 3, 12, 12))
    return pictures.astype(np.float32), labels


def waves(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3, 40) float32 of two frequencies in noise, and which."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    turns = np.linspace(0, 2 * np.pi, 40) * (2 + 3 * labels[:, None, None]) + rng.uniform(0, 6, (n, 3, 1))
    return (np.sin(turns) + rng.normal(0, 0.3, (n, 3, 40))).astype(np.float32), labels
