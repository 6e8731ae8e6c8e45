"""What is made for whom: one file a target profile. Importable without torch."""

from __future__ import annotations

from edgekit.errors import UnknownNameError
from edgekit.exporters.targets.base import OnnxScheme, Target
from edgekit.exporters.targets.generic import GENERIC
from edgekit.exporters.targets.jetson_nano import JETSON_NANO
from edgekit.exporters.targets.pi3 import PI3
from edgekit.exporters.targets.pi4 import PI4
from edgekit.exporters.targets.pi5 import PI5
from edgekit.exporters.targets.pi_zero2 import PI_ZERO2

__all__ = ["TARGETS", "OnnxScheme", "Target", "get_target"]

TARGETS: dict[str, Target] = {target.name: target for target in (GENERIC, PI_ZERO2, PI3, PI4, PI5, JETSON_NANO)}


def get_target(name: str) -> Target:
    """The target profile of that name.

    Raises:
        UnknownNameError: listing the known names.

    >>> get_target("generic").opset
    17
    """
    if name not in TARGETS:
        raise UnknownNameError("target", name, TARGETS)
    return TARGETS[name]
