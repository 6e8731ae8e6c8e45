"""Raspberry Pi 4: four Cortex-A72 at 1.5 to 1.8 GHz, 1 GB or more."""

from __future__ import annotations

from edgekit.exporters.targets.base import Target
from edgekit.exporters.targets.pi import ARTIFACTS, REFUSED, WHY_TFLITE

__all__ = ["PI4"]

PI4 = Target(
    name="pi4",
    description="Raspberry Pi 4, 64-bit Raspberry Pi OS, LiteRT on its CPU",
    artifacts=ARTIFACTS,
    default="fp32",
    core="a72",
    features=("asimd",),
    board="pi4",
    memory_mb=1024,
    reason=f"{WHY_TFLITE}. float32, because the core has no int8 dot products: int8 takes 0.73 to 0.99 of float32's instructions "
    "(MobileNet 0.99, ResNet-8 0.88), from the frame to the label 0.99 to 1.02, and loses some accuracy. int8 lies beside it for "
    "its size; bench --compare tells which is faster on the board.",
    refused=REFUSED,
)
