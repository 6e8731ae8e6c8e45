"""The float face that every engine gets: names, checks, quantize on the way in, dequantize on the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

import numpy as np

from edgekit.core.spec import Affine, TensorSpec, check_array
from edgekit.errors import InputError
from edgekit.runtimes.engine import Engine

__all__ = ["EngineRuntime"]

_FLOAT = np.dtype(np.float32)


class EngineRuntime:
    """A `Runtime` over an `Engine`.

    Args:
        engine: a loaded engine; closed with this runtime.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine: Engine | None = engine
        self.name = engine.name
        self.version = engine.version
        self.inputs: tuple[TensorSpec, ...] = engine.inputs
        self.outputs: tuple[TensorSpec, ...] = engine.outputs
        self.metadata = engine.metadata
        self._names = {spec.name for spec in self.inputs}
        self._levels = [_levels(spec) for spec in self.outputs]
        self._output_names = [spec.name for spec in self.outputs]
        self._stored = [np.dtype(spec.dtype) for spec in self.inputs]

    @property
    def engine(self) -> Engine:
        """The engine itself, for those who measure it.

        Raises:
            InputError: when the runtime was closed.
        """
        if self._engine is None:
            raise InputError("Expected an open runtime, this one was closed. Open the model again.")
        return self._engine

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Float in, float out, also for int8 graphs; see `Runtime.run`."""
        return self.to_float(self.engine.invoke(self.to_stored(inputs)))

    def run_raw(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `run`, but quantized outputs stay integers."""
        results = self.engine.invoke(self.to_stored(inputs))
        return dict(zip(self._output_names, results, strict=True))

    def to_stored(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """First half of the float face: inputs by name, checked, as the contiguous arrays of stored dtypes that the engine takes.

        Raises:
            InputError: on a missing or unknown name, a wrong shape or dtype; on NaN or infinity that would be quantized.
        """
        if len(self.inputs) == 1 == len(inputs) and self.inputs[0].name in inputs:  # nearly every model: the short way
            spec = self.inputs[0]
            return [_to_stored(spec, self._stored[0], inputs[spec.name])]
        if inputs.keys() != self._names:
            raise InputError(f"Expected inputs {', '.join(sorted(self._names))}; got {', '.join(sorted(inputs)) or 'none'}.")
        return [_to_stored(spec, dtype, inputs[spec.name]) for spec, dtype in zip(self.inputs, self._stored, strict=True)]

    def to_float(self, results: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Second half of the float face: what the engine gave, by name, quantized and half outputs as float32."""
        if len(results) == 1:
            return {self._output_names[0]: _to_float(self.outputs[0], self._levels[0], results[0])}
        pairs = zip(self.outputs, self._levels, results, strict=True)
        return {spec.name: _to_float(spec, levels, array) for spec, levels, array in pairs}

    def close(self) -> None:
        """Release the engine; a second call does nothing."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def __enter__(self) -> EngineRuntime:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _to_stored(spec: TensorSpec, stored: np.dtype, array: np.ndarray) -> np.ndarray:
    if type(array) is np.ndarray and array.shape == spec.shape and array.flags.c_contiguous:
        # What the pipeline and most callers pass: right already, and no more paid for it than a look.
        if array.dtype == stored:
            return array
        if spec.affine is not None and array.dtype == _FLOAT:
            return _quantize(spec, spec.affine, array)
    array = check_array(spec, array)
    if array.dtype != stored:
        array = _quantize(spec, spec.affine, array) if spec.affine is not None else array.astype(stored)
    return np.ascontiguousarray(array)


def _quantize(spec: TensorSpec, affine: Affine, array: np.ndarray) -> np.ndarray:
    """No integer stands for NaN or infinity: cast, they would pass for some number, another one on each CPU."""
    if not np.isfinite(array).all():
        raise InputError(f"Expected finite numbers for the quantized input {spec.name!r}, got NaN or infinity. Look where from.")
    return affine.quantize(array)


def _levels(spec: TensorSpec) -> np.ndarray | None:
    """(256,) float32 real values of an 8-bit tensor; the stored integer is the index, a negative one from the end."""
    if spec.affine is None or spec.dtype not in ("int8", "uint8"):
        return None
    return spec.affine.dequantize(np.arange(256, dtype=np.uint8).view(spec.dtype))


def _to_float(spec: TensorSpec, levels: np.ndarray | None, array: np.ndarray) -> np.ndarray:
    if spec.affine is not None:
        # Scores are few: one look-up takes less than three passes.
        return levels.take(array) if levels is not None and array.size <= len(levels) else spec.affine.dequantize(array)
    return array.astype(np.float32) if array.dtype == np.float16 else array
