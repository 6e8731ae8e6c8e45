"""What is made for whom: an explicit list of target profiles. Importable without torch."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.core.recipe import Format, Precision
from edgekit.errors import UnknownNameError

__all__ = ["TARGETS", "Target", "get_target"]


@dataclass(frozen=True)
class Target:
    """One kind of board, and the files that are made for it.

    Attributes:
        name: as `edgekit export --target` takes it.
        description: one line.
        artifacts: (format, precision) pairs, in the order in which they are made.
        opset: ONNX operator set.
        ir_version: ONNX file version, as low as the opset allows, so that old runtimes load the file.
    """

    name: str
    description: str
    artifacts: tuple[tuple[Format, Precision], ...]
    opset: int = 17
    ir_version: int = 8


TARGETS: dict[str, Target] = {
    "generic": Target(
        name="generic",
        description="any 64-bit or 32-bit ARM or x86 board with onnxruntime, LiteRT or tflite-runtime, on its CPU",
        artifacts=(
            ("onnx", "fp32"),
            ("onnx", "int8"),
            ("tflite", "fp32"),
            ("tflite", "fp16"),
            ("tflite", "int8-dynamic"),
            ("tflite", "int8"),
        ),
    ),
}


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
