"""LiteRT (ai-edge-litert) and its predecessor tflite-runtime: one interpreter interface, one engine."""

from __future__ import annotations

import io
import sys
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from edgekit.core.optional import require
from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import MissingExtraError, ModelError

__all__ = ["CARD_MEMBER", "TfliteEngine", "interpreter_module", "is_tflite", "read_card"]

#: Our card, in the zip archive of associated files that TFLite allows behind the flatbuffer.
CARD_MEMBER = "edgekit.json"

_MODULES = {
    "litert": ("ai_edge_litert.interpreter", "litert", "ai-edge-litert"),
    "tflite-runtime": ("tflite_runtime.interpreter", "tflite-runtime", "tflite-runtime"),
}


class _Invoke(Protocol):
    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]: ...


class TfliteEngine:
    """A TFLite model in LiteRT or tflite-runtime.

    Args:
        model: the file's bytes.
        threads: threads of the interpreter and its XNNPACK delegate.
        runtime: "litert" or "tflite-runtime".

    Raises:
        MissingExtraError: when the runtime is absent or does not load here.
        ModelError: when the bytes are no model that this version runs.
    """

    def __init__(self, model: bytes, threads: int = 1, runtime: str = "litert") -> None:
        module = interpreter_module(runtime)
        self.name = runtime
        self.version = _version(runtime, module)
        if not is_tflite(model):
            raise ModelError("Expected a TFLite model (identifier TFL3 at byte 4), got something else. Pass a .tflite file.")
        try:
            self._interpreter: Any = module.Interpreter(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
        except SystemError as error:
            raise MissingExtraError(runtime, runtime, "is compiled for numpy 1 and does not run with this numpy") from error
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"Expected a TFLite model that {runtime} {self.version} runs: {reason}") from error
        self.metadata = read_card(model)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        input_names, output_names = _signature_names(self._interpreter, inputs, outputs)
        self.inputs = tuple(_spec(d, n) for d, n in zip(inputs, input_names, strict=True))
        self.outputs = tuple(_spec(d, n) for d, n in zip(outputs, output_names, strict=True))
        self._input_indices = [detail["index"] for detail in inputs]
        self._output_indices = [detail["index"] for detail in outputs]
        self._shapes = [tuple(map(int, detail["shape"])) for detail in inputs]
        #: See `Engine.invoke`.
        self.invoke: _Invoke = self._lean_invoke() if len(inputs) == len(outputs) == 1 else self._invoke_any

    def close(self) -> None:
        """Drop the interpreter."""
        self._interpreter, self.invoke = None, self._invoke_any

    def _lean_invoke(self) -> _Invoke:
        """For one input and one output, everything looked up beforehand: a small network runs for three microseconds."""
        set_tensor, run, get_tensor = self._interpreter.set_tensor, self._interpreter.invoke, self._interpreter.get_tensor
        given, taken, otherwise = self._input_indices[0], self._output_indices[0], self._invoke_any

        def invoke(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
            try:
                set_tensor(given, arrays[0])
            except ValueError:  # another batch size than the last
                return otherwise(arrays)
            run()
            return [get_tensor(taken)]

        return invoke

    def _invoke_any(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For any number of inputs and outputs, and any batch size."""
        interpreter = self._interpreter
        shapes = [array.shape for array in arrays]
        if shapes != self._shapes:
            for index, shape in zip(self._input_indices, shapes, strict=True):
                interpreter.resize_tensor_input(index, shape)
            interpreter.allocate_tensors()
            self._shapes = shapes
        for index, array in zip(self._input_indices, arrays, strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in self._output_indices]


def interpreter_module(runtime: str) -> Any:
    """The interpreter module of "litert" or "tflite-runtime".

    Raises:
        MissingExtraError: when it is absent, or when numpy is too new for tflite-runtime.
    """
    module, extra, package = _MODULES[runtime]
    if runtime == "tflite-runtime" and int(np.__version__.partition(".")[0]) >= 2:
        # It would import, and fail at Interpreter(...) with a SystemError (or a crash, by version).
        require(module.partition(".")[0], extra, package)
        raise MissingExtraError(package, extra, f"needs numpy < 2 and finds {np.__version__}")
    return require(module, extra, package)


def _version(runtime: str, module: Any) -> str:
    """Installed version of the runtime's package: its own word first, because `importlib.metadata` is slow to import."""
    said = getattr(sys.modules[module.__name__.partition(".")[0]], "__version__", None)
    if said is not None:
        return str(said)
    from importlib.metadata import version

    return version(_MODULES[runtime][2])


def is_tflite(model: bytes) -> bool:
    """True when the bytes carry the flatbuffer identifier of TFLite."""
    return model[4:8] == b"TFL3"


def read_card(model: bytes) -> str | None:
    """The text that edgekit put behind the flatbuffer, None where there is none that can be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            return archive.read(CARD_MEMBER).decode("utf-8")
    # What zipfile raises on damaged archives; ValueError: no UTF-8, among others; RuntimeError: "encrypted", or a strange method.
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, OSError, EOFError, RuntimeError):
        return None


def _signature_names(interpreter: Any, inputs: list[Any], outputs: list[Any]) -> tuple[list[str], list[str]]:
    """Names of the one signature where it is unambiguous, else the tensors' own names."""
    input_names, output_names = [d["name"] for d in inputs], [d["name"] for d in outputs]
    signatures = list(interpreter.get_signature_list().values())
    if len(signatures) == 1:
        signature = signatures[0]
        if len(signature["inputs"]) == len(inputs) == 1:
            input_names = list(signature["inputs"])
        if len(signature["outputs"]) == len(outputs) == 1:
            output_names = list(signature["outputs"])
    return input_names, output_names


def _spec(detail: Any, name: str) -> TensorSpec:
    dtype = np.dtype(detail["dtype"]).name
    scale, zero_point = detail["quantization"]
    affine = Affine(float(scale), int(zero_point), dtype) if scale and dtype in ("int8", "uint8", "int16") else None
    shape = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    return TensorSpec(name, dtype, tuple(int(size) for size in shape), affine=affine)
