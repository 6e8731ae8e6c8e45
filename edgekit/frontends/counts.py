"""Arithmetic of what front ends are made of, as `edgekit.frontends.cost` counts it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import log2
from typing import Any

import numpy as np

__all__ = ["fourier_macs", "macs_of_calls"]

#: They move numbers and compute none.
_COPIES = (np.copyto, np.take)


def macs_of_calls(calls: Iterable[tuple[Callable[..., Any], tuple[Any, ...]]]) -> int:
    """Arithmetic of a list of NumPy calls such as (np.multiply, (a, b, out)).

    Args:
        calls: functions and their operands, the output last.

    Returns:
        The number of terms for each element of a matrix product, 1 for each element of another output, 0 for a copy.

    >>> a, b, out = np.ones((2, 5)), np.ones((5, 3)), np.empty((2, 3))
    >>> macs_of_calls([(np.matmul, (a, b, out)), (np.add, (out, 1, out)), (np.copyto, (out, 0))])
    36
    """
    return sum(_macs(function, operands) for function, operands in calls)


def fourier_macs(size: int, real: bool = False) -> float:
    """Arithmetic of a Fourier transform of so many values, in one or two dimensions: half of the customary 5 n log2(n)."""
    return (1.25 if real else 2.5) * size * log2(size)


def _macs(function: Callable[..., Any], operands: tuple[Any, ...]) -> int:
    if function in _COPIES:
        return 0
    return int(operands[-1].size) * (operands[0].shape[-1] if function is np.matmul else 1)
