"""What the Raspberry Pis have in common: 64-bit Raspberry Pi OS, LiteRT, two TFLite files, and what they are not given."""

from __future__ import annotations

from edgekit.core.recipe import Format, Precision

__all__ = ["ARTIFACTS", "REFUSED", "WHY_TFLITE"]

#: Both, so that `edgekit bench --compare` can decide on the board itself.
ARTIFACTS: tuple[tuple[Format, Precision], ...] = (("tflite", "fp32"), ("tflite", "int8"))

WHY_TFLITE = (
    "TFLite, because LiteRT takes fewer instructions an inference than onnxruntime on this core for every network counted"
)

REFUSED = {
    "fp16": "LiteRT unpacks fp16 weights and computes in float32, so that only the file gets smaller, as it does in int8",
    "int8-dynamic": "its activations stay float32 and are quantized anew before every layer",
}
