"""The one form in which both formats are described."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.core.spec import TensorSpec

__all__ = ["ModelReport", "TensorRow"]


@dataclass(frozen=True)
class TensorRow:
    """One tensor of a graph.

    Attributes:
        name: as in the file; often empty after stripping.
        dtype: NumPy name of the stored dtype.
        shape: sizes; -1 may vary; empty for a scalar; None where the file does not say.
        scale: one a channel, one in all, or None for a tensor that is not quantized.
        zero_point: as many as scales.
        axis: the channel axis where there are several scales.
        constant: whether its values lie in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None
    scale: tuple[float, ...] | None = None
    zero_point: tuple[int, ...] | None = None
    axis: int | None = None
    constant: bool = False

    @property
    def elements(self) -> int:
        """Number of values of a constant, the sizes of which the file always says."""
        return math.prod(self.shape or ())


@dataclass(frozen=True)
class ModelReport:
    """What `edgekit inspect` tells of a file; operators to macs are None where the graph cannot be walked (onnx is missing).

    Attributes:
        operators: operator -> how often.
        parameters: weights and biases in the file.
        macs: multiply-accumulates of convolutions, matrix products and (ONNX) recurrent layers, for a batch of one; None too
            where a product has a size that the file leaves open, or is of an operator that is not counted.
        metadata: what edgekit wrote into the file, None for somebody else's.
        int8: what is truly int8, as `edgekit.inspection.integer.IntegerShare` tells it.
    """

    file: str
    format: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: dict[str, int] | None
    tensors: tuple[TensorRow, ...] | None
    parameters: int | None
    macs: int | None
    bytes: int
    metadata: Any
    int8: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values under the keys that `inspect --json` promises."""
        return {
            "file": self.file,
            "format": self.format,
            "inputs": [spec_row(spec) for spec in self.inputs],
            "outputs": [spec_row(spec) for spec in self.outputs],
            "operators": self.operators,
            "tensors": None if self.tensors is None else [_tensor_row(row) for row in self.tensors],
            "parameters": self.parameters,
            "macs": self.macs,
            "bytes": self.bytes,
            "metadata": self.metadata,
            "int8": self.int8,
        }


def spec_row(spec: TensorSpec) -> dict[str, Any]:
    """A tensor spec as `inspect --json` shows it."""
    affine = spec.affine
    return {
        "name": spec.name,
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "scale": affine.scale if affine else None,
        "zero_point": affine.zero_point if affine else None,
    }


def _tensor_row(row: TensorRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "dtype": row.dtype,
        "shape": None if row.shape is None else list(row.shape),
        "scale": _plain(row.scale),
        "zero_point": _plain(row.zero_point),
        "axis": row.axis,
        "constant": row.constant,
    }


def _plain(values: Sequence[float] | None) -> Any:
    """None, the one value, or the list."""
    if values is None:
        return None
    return values[0] if len(values) == 1 else list(values)
