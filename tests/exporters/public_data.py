"""What the public architectures are trained on: textures, and waves of three kinds."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

from tests.exporters.public_architectures import CLASSES, PICTURE, WAVE
from tests.synthetic import CLASSES as KINDS
from tests.synthetic import texture

__all__ = ["fit", "pictures", "waves"]


def pictures(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3, 24, 24) float32 in about [-2, 2], (n,) classes: the three textures."""
    labels = np.arange(n) % CLASSES
    images = np.stack([texture(KINDS[kind], 10_000 * seed + i, PICTURE[-1]) for i, kind in enumerate(labels)])
    return ((images.transpose(0, 3, 1, 2) - 127.5) / 64).astype(np.float32), labels


def waves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1, 512) float32, (n,) classes: tones, rising chirps, bursts; in noise."""
    rng = np.random.default_rng(seed)
    labels, time = np.arange(n) % CLASSES, np.linspace(0, 1, WAVE[-1])
    start, phase, loud = rng.uniform(12, 40, (n, 1)), rng.uniform(0, 6.3, (n, 1)), rng.uniform(0.5, 2, (n, 1))
    sweep = np.where(labels == 1, 1.5, 0.0)[:, None] * start
    tone = np.sin(2 * np.pi * (start + sweep * time / 2) * time + phase)
    burst = np.exp(-(((time - rng.uniform(0.2, 0.8, (n, 1))) / 0.1) ** 2))
    clean = loud * np.where((labels == 2)[:, None], tone * burst * 2, tone)
    return (clean + rng.normal(0, 0.3, (n, WAVE[-1]))).astype(np.float32)[:, None], labels


def fit(module: nn.Module, x: np.ndarray, y: np.ndarray, epochs: int = 20) -> nn.Module:
    """A few epochs of AdamW with one cycle of the rate."""
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.AdamW(module.parameters(), 4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, epochs * -(-len(x) // 50))
    generator = torch.Generator().manual_seed(0)
    module.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(50):
            optimizer.zero_grad()
            functional.cross_entropy(module(inputs[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return module.eval()
