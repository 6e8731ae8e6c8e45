"""Raspberry Pi Zero 2 W: four Cortex-A53 at 1 GHz, 512 MB."""

from __future__ import annotations

from edgekit.exporters.targets.base import Target
from edgekit.exporters.targets.pi import ARTIFACTS, REFUSED

__all__ = ["PI_ZERO2"]

PI_ZERO2 = Target(
    name="pi-zero2",
    description="Raspberry Pi Zero 2 W, 64-bit Raspberry Pi OS, LiteRT on its CPU",
    artifacts=ARTIFACTS,
    default="int8",
    core="a53",
    features=("asimd",),
    board="pi-zero2",
    memory_mb=512,
    reason="TFLite, because its files are the smallest and LiteRT has kernels of its own for this core. int8, although the core "
    "has no dot products: widening multiplications take 0.68 to 0.78 of float32's instructions on the six networks counted and "
    "the weights a quarter of its scarce memory. From the frame to the label that is 0.99 to 1.01: let bench --compare decide.",
    refused=REFUSED,
)
