"""NVIDIA Jetson Nano, JetPack 4.6: four Cortex-A57, a Maxwell GPU with half but without int8 arithmetic, 2 or 4 GB."""

from __future__ import annotations

from edgekit.exporters.targets.base import Target

__all__ = ["JETSON_NANO"]

JETSON_NANO = Target(
    name="jetson-nano",
    description="NVIDIA Jetson Nano, JetPack 4.6: TensorRT 8.2 on its GPU, onnxruntime on its CPU",
    artifacts=(("onnx", "fp32"), ("onnx", "int8")),
    opset=13,
    ir_version=7,
    scheme="tensorrt",
    default="fp32",
    core="a57",
    features=("asimd",),
    board="jetson-nano",
    memory_mb=2048,
    reason="ONNX at opset 13, the newest of TensorRT 8.2; LiteRT's binaries need a newer glibc. float32, which trtexec --fp16 "
    "builds in half precision: the GPU (Maxwell) has no int8 arithmetic, and on the CPU int8 takes 0.78 to 1.04 of float32's "
    "instructions in onnxruntime. The int8 file keeps TensorRT's rules for later Jetsons.",
    refused={
        "fp16": "TensorRT makes half precision itself, from the fp32 file (trtexec --fp16)",
        "int8-dynamic": "neither TensorRT nor onnxruntime gains from it",
    },
    commands={"model.fp32.onnx": "/usr/src/tensorrt/bin/trtexec --onnx={path} --fp16 --saveEngine=model.fp16.engine"},
    caveat="Not verified on TensorRT: no such board was at hand. The files keep the rules of the TensorRT 8.2 ONNX parser.",
)
