"""TensorRT's rules for an ONNX file, as the parser of TensorRT 8.2 (JetPack 4.6) asks for them.

Source: https://github.com/onnx/onnx-tensorrt, release/8.2-GA, docs/operators.md and builtin_op_importers.cpp: opset 13 at most;
QuantizeLinear and DequantizeLinear with three inputs and zero points of 0; a bias is a float constant; a convolution with
quantized weights has two or three spatial dimensions. Only the inputs of Conv, Gemm and MatMul are quantized, as NVIDIA's own
tools do: a pair between a convolution and its activation would keep TensorRT from fusing them.

Not verified on TensorRT itself.
"""

from __future__ import annotations

from typing import Any

from edgekit.core.optional import require
from edgekit.errors import ModelError

__all__ = ["QUANTIZED_OPERATORS", "check_operators", "quantizer_options"]

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


def quantizer_options() -> dict[str, Any]:
    """`extra_options` of onnxruntime's static quantizer that keep the rules."""
    return {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": list(QUANTIZED_OPERATORS),
    }


def check_operators(model: bytes) -> None:
    """Pass silently when the parser knows every operator.

    Raises:
        ModelError: naming the operators that it does not know.
    """
    graph = require("onnx", "export").load_from_string(model).graph
    names = {f"{node.domain}:{node.op_type}" if node.domain else node.op_type for node in graph.node}
    if foreign := sorted(names - _IMPORTED):
        raise ModelError(
            f"Expected operators that TensorRT 8.2 imports, got {', '.join(foreign)}. "
            "Rewrite the network, or export for its CPU: --target generic"
        )
