"""Raspberry Pi 3: four Cortex-A53 at 1.2 to 1.4 GHz, 512 MB (3A+) or 1 GB."""

from __future__ import annotations

from dataclasses import replace

from edgekit.exporters.targets.pi_zero2 import PI_ZERO2

__all__ = ["PI3"]

#: The same core and, in the 3A+, the same memory as the Zero 2.
PI3 = replace(
    PI_ZERO2, name="pi3", description="Raspberry Pi 3, 64-bit Raspberry Pi OS, LiteRT on its CPU", board="pi3", memory_mb=512
)
