"""How much of a file is truly int8: the share of its MACs and of its weight bytes, and every tensor that is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.inspection.report import TensorRow

__all__ = ["BYTE_DTYPES", "IntegerShare", "Product", "integer_share", "is_float", "stored_bytes"]

BYTE_DTYPES = frozenset({"int8", "uint8"})


@dataclass(frozen=True)
class Product:
    """A convolution or matrix product.

    Attributes:
        operator: its name in the format.
        macs: its multiply-accumulates; None where they are not known.
        integer: whether both factors and the result are int8, so that it is computed in integers.
    """

    operator: str
    macs: int | None
    integer: bool


@dataclass(frozen=True)
class IntegerShare:
    """What is int8 of a file.

    Attributes:
        macs_share: of the multiply-accumulates, 0 to 1; None without any, and where those of some are not known.
        bytes_share: of the bytes of weights and biases, 0 to 1; biases of integer products (int32) count as int8. None without
            any.
        float_products: operator -> how many of its products are not computed in integers.
        not_int8: (index into the report's tensors, its row, the operator that makes it or takes it first) of every other tensor
            of numbers.
        summary: the same in one line.
    """

    macs_share: float | None
    bytes_share: float | None
    float_products: dict[str, int]
    not_int8: tuple[tuple[int, TensorRow, str], ...]
    summary: str

    def to_json(self) -> dict[str, Any]:
        """JSON values under the key "int8" of `inspect --json`."""
        return {
            "macs_share": self.macs_share,
            "bytes_share": self.bytes_share,
            "float_products": self.float_products,
            "not_int8": [
                {
                    "index": index,
                    "name": row.name,
                    "dtype": row.dtype,
                    "shape": None if row.shape is None else list(row.shape),
                    "constant": row.constant,
                    "operator": operator,
                }
                for index, row, operator in self.not_int8
            ],
            "summary": self.summary,
        }


def integer_share(
    products: Sequence[Product], weights: Iterable[tuple[TensorRow, bool]], not_int8: Sequence[tuple[int, TensorRow, str]]
) -> IntegerShare:
    """Count.

    Args:
        products: every convolution and matrix product.
        weights: every constant that is a weight or a bias, and whether it belongs to integer arithmetic.
        not_int8: see `IntegerShare`.
    """
    stored = list(weights)
    counted = [product for product in products if product.macs != 0]
    others = dict(Counter(product.operator for product in counted if not product.integer))
    macs, share = _macs_share(counted), _share((stored_bytes(row), integer) for row, integer in stored)
    summary = _summary(counted, macs, share, [row for row, _ in stored], len(not_int8))
    return IntegerShare(macs, share, others, tuple(not_int8), summary)


def stored_bytes(row: TensorRow) -> int:
    """Bytes of a constant."""
    return row.elements * np.dtype(row.dtype).itemsize


def is_float(row: TensorRow) -> bool:
    """True for floating point, and for quantized integers of more than 8 bits that are no bias (int16 activations)."""
    return np.dtype(row.dtype).kind == "f" or (row.dtype == "int16" and row.scale is not None)


def _share(parts: Iterable[tuple[int, bool]]) -> float | None:
    pairs = list(parts)
    whole = sum(size for size, _ in pairs)
    return sum(size for size, integer in pairs if integer) / whole if whole else None


def _macs_share(products: Sequence[Product]) -> float | None:
    """All or none of them need no counting."""
    if products and len({product.integer for product in products}) == 1:
        return float(products[0].integer)
    known = [(product.macs, product.integer) for product in products if product.macs is not None]
    return _share(known) if len(known) == len(products) else None


def _summary(
    products: Sequence[Product], macs: float | None, share: float | None, weights: Sequence[TensorRow], others: int
) -> str:
    if others == 0:
        return "int8 throughout"
    if products and macs is None:
        integer = sum(product.integer for product in products)
        told = f"{integer} of {len(products)} products (of MACs that are not known)"
        return f"{told} and {_percent(share)} of the weight bytes are int8; {others} tensors are not"
    dtypes = {row.dtype for row in weights}
    if not macs and dtypes & BYTE_DTYPES:
        stored = f"weights int8 ({_percent(share)} of their bytes)"
        return f"{stored}, activations float: no product is int8 throughout; its input is float or quantized anew at every run"
    if not macs:
        return "weights float16, computed in float" if "float16" in dtypes else "float throughout"
    return f"{_percent(macs)} of the MACs and {_percent(share)} of the weight bytes are int8; {others} tensors are not"


def _percent(share: float | None) -> str:
    """Rounded down: 99.99 % is not all.

    >>> _percent(0.99999)
    '99.9 %'
    """
    return "none" if share is None else f"{np.floor(1000 * share) / 10:g} %"
