"""onnxruntime, on the CPU."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.core.optional import require
from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import ModelError

__all__ = ["CARD_KEY", "QUANTIZATION_KEY", "OnnxRuntimeEngine"]

#: metadata_props of our ONNX files: the card of the model, and scale / zero point / dtype of the int8 inputs and outputs.
CARD_KEY = "edgekit"
QUANTIZATION_KEY = "edgekit.quantization"

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


class OnnxRuntimeEngine:
    """An ONNX model in onnxruntime.

    Args:
        model: the file's bytes.
        threads: intra-op threads.

    Raises:
        MissingExtraError: when onnxruntime is absent.
        ModelError: when the bytes are no model that this version runs.
    """

    name = "onnxruntime"

    def __init__(self, model: bytes, threads: int = 1) -> None:
        ort = require("onnxruntime", "onnx")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        # onnxruntime's exceptions share no public base but Exception itself.
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"Expected an ONNX model that onnxruntime {ort.__version__} runs: {reason}") from error
        self.version: str = ort.__version__
        metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.metadata = metadata.get(CARD_KEY)
        affines = json.loads(metadata.get(QUANTIZATION_KEY, "{}"))
        self.inputs = tuple(_spec(node, affines) for node in self._session.get_inputs())
        self.outputs = tuple(_spec(node, affines) for node in self._session.get_outputs())
        self._input_names = [spec.name for spec in self.inputs]
        self._output_names = [spec.name for spec in self.outputs]

    def invoke(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See `Engine.invoke`."""
        feeds = dict(zip(self._input_names, arrays, strict=True))
        return list(self._session.run(self._output_names, feeds))

    def close(self) -> None:
        """Drop the session."""
        self._session = None


def _spec(node: Any, affines: Mapping[str, Sequence[Any]]) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
    affine = None
    if node.name in affines:
        scale, zero_point, dtype = affines[node.name]
        affine = Affine(float(scale), int(zero_point), str(dtype))
    if node.type not in _DTYPES:
        raise ModelError(f"Expected tensors of {', '.join(sorted(_DTYPES.values()))}; {node.name!r} is {node.type}.")
    return TensorSpec(node.name, _DTYPES[node.type], shape, affine=affine)
