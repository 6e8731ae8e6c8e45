"""TensorRT's rules for an ONNX file, as the parser of TensorRT 8.2 (JetPack 4.6) asks for them.

Source: https://github.com/onnx/onnx-tensorrt, release/8.2-GA, docs/operators.md and builtin_op_importers.cpp: opset 13 at most;
QuantizeLinear and DequantizeLinear with three inputs and zero points of 0; a bias is a float constant; a convolution with
quantized weights has two or three spatial dimensions. Only the inputs of Conv, Gemm and MatMul are quantized, as NVIDIA's own
tools do: a pair between a convolution and its activation would keep TensorRT from fusing them.

Not verified on TensorRT itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgekit.core.optional import require
from edgekit.errors import ModelError

__all__ = ["QUANTIZED_OPERATORS", "check_operators", "check_quantization", "quantizer_options"]

QUANTIZED_OPERATORS = ("Conv", "Gemm", "MatMul")

#: Operators that the parser imports, without those that it names after its own plugins.
_NAMES = (
    "Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu Clip "
    "Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout "
    "Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gemm GlobalAveragePool "
    "GlobalLpPool GlobalMaxPool Greater GreaterOrEqual HardSigmoid Identity If InstanceNormalization IsNaN LRN LSTM "
    "LeakyRelu Less LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool Mean Min Mul Neg "
    "NonMaxSuppression Not Or PRelu Pad Pow QuantizeLinear RNN RandomUniform RandomUniformLike Range Reciprocal "
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
    "ReduceSumSquare Relu Reshape Resize ReverseSequence Round Scan Scatter ScatterElements ScatterND Selu Shape "
    "Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh "
    "ThresholdedRelu Tile TopK Transpose Unsqueeze Upsample Where"
)
_IMPORTED = frozenset(_NAMES.split())
_RESIZE_MODES = ("linear", "nearest")


def quantizer_options() -> dict[str, Any]:
    """`extra_options` of onnxruntime's static quantizer that keep the rules."""
    return {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": list(QUANTIZED_OPERATORS),
    }


def check_operators(model: bytes) -> None:
    """Pass silently when the parser knows every operator, and the kinds of it that there are.

    Raises:
        ModelError: naming the operators that it does not know.
    """
    graph = require("onnx", "export").load_from_string(model).graph
    names = {f"{node.domain}:{node.op_type}" if node.domain else node.op_type for node in graph.node}
    if foreign := sorted((names - _IMPORTED) | set(_odd_kinds(graph))):
        raise ModelError(
            f"Expected operators that TensorRT 8.2 imports, got {', '.join(foreign)}. "
            "Rewrite the network, or export for its CPU: --target generic"
        )


def _odd_kinds(graph: Any) -> Iterator[str]:
    """Operators that the parser knows, of a kind that it does not: operators.md, column "Restrictions"."""
    for node in graph.node:
        modes = (attribute.s.decode("ascii") for attribute in node.attribute if attribute.name == "mode")
        if node.op_type == "Resize" and (mode := next(modes, "nearest")) not in _RESIZE_MODES:
            yield f"Resize of mode {mode}"


def check_quantization(model: bytes) -> None:
    """Pass silently when pairs of zero points 0 quantize the inputs of products alone, weights are int8 and biases float.

    Raises:
        ModelError: naming the rule that is broken.
    """
    onnx = require("onnx", "export")
    graph = onnx.load_from_string(model).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in (node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")):
        zero_point = constants.get(node.input[2]) if len(node.input) > 2 else None
        _rule(zero_point is None or zero_point.dtype != np.int32, "float biases")
        _rule(zero_point is not None and zero_point.dtype == np.int8 and not zero_point.any(), "int8 zero points of 0")
        if node.op_type == "QuantizeLinear":
            _rule(node.input[0] not in constants, "weights stored in int8")
        else:
            users = (user.op_type for user in graph.node if node.output[0] in user.input)
            _rule(any(user in QUANTIZED_OPERATORS for user in users), f"only {_QUANTIZED} to be quantized")


_QUANTIZED = ", ".join(QUANTIZED_OPERATORS)


def _rule(kept: bool, wanted: str) -> None:
    if not kept:
        raise ModelError(f"Expected {wanted} in int8 ONNX for TensorRT 8.2, the quantizer wrote otherwise. Export fp32.")
