"""No board in particular: every format and precision, so that whoever gets the bundle can choose."""

from __future__ import annotations

from edgekit.exporters.targets.base import Target

__all__ = ["GENERIC"]

GENERIC = Target(
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
    reason="Opset 17 in IR version 8 loads in every onnxruntime since 1.12. Where the caller does not choose, int8 "
    "is opened: nothing is known of the core, and it is the smallest.",
)
