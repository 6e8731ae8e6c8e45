"""Raspberry Pi 5: four Cortex-A76 at 2.4 GHz with int8 dot products, 1 GB or more."""

from __future__ import annotations

from edgekit.exporters.targets.base import Target
from edgekit.exporters.targets.pi import ARTIFACTS, REFUSED, WHY_TFLITE

__all__ = ["PI5"]

PI5 = Target(
    name="pi5",
    description="Raspberry Pi 5, 64-bit Raspberry Pi OS, LiteRT on its CPU",
    artifacts=ARTIFACTS,
    default="int8",
    core="a76",
    features=("asimd", "asimddp", "asimdhp"),
    board="pi5",
    memory_mb=1024,
    reason=f"{WHY_TFLITE}. int8, because the core multiplies and adds sixteen pairs of int8 in one instruction (asimddp): 0.30 "
    "to 0.64 of float32's instructions on the six networks counted.",
    refused=REFUSED,
)
