"""The one face of every engine, and which engines there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, runtime_checkable

import numpy as np

from edgekit.core.spec import TensorSpec

__all__ = ["RUNTIME_FORMATS", "Runtime"]

#: runtime -> the file format that it runs, in order of preference on a board.
RUNTIME_FORMATS: dict[str, str] = {"litert": "tflite", "tflite-runtime": "tflite", "onnxruntime": "onnx"}


@runtime_checkable
class Runtime(Protocol):
    """A loaded model. Arrays in, arrays out, by tensor name.

    Inputs are float32, or the tensor's stored integer dtype, which passes untouched; outputs of quantized graphs come back as
    float32 (`run`) or as stored (`run_raw`). Not safe for several threads at once: open one for each.
    """

    name: str
    version: str

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Specs of the inputs, with the stored dtype and its affine."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Specs of the outputs, with the stored dtype and its affine."""
        ...

    @property
    def metadata(self) -> str | None:
        """The text that edgekit wrote into the model file, None for a file of somebody else."""
        ...

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Float in, float out, also for int8 graphs.

        Raises:
            InputError: on a missing or unknown name, a wrong shape or dtype.
        """
        ...

    def run_raw(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `run`, but quantized outputs stay integers: what golden vectors compare."""
        ...

    def close(self) -> None:
        """Release the engine. Further calls are an error."""
        ...

    def __enter__(self) -> Runtime: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
