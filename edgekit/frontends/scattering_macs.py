"""Arithmetic of a scattering, as `edgekit.frontends.cost` counts it."""

from __future__ import annotations

from math import prod

import numpy as np

from edgekit.frontends.counts import fourier_macs
from edgekit.frontends.filter_bank import FilterBank, Scale

__all__ = ["scattering_macs"]


def scattering_macs(bank: FilterBank) -> int:
    """Multiply-accumulates of one plane (colour).

    The low-pass of the image; the Fourier transform of the padded image; for each wavelet the product with its transfer function
    on the blocks that are kept, the inverse transform, the modulus and the low-pass; at order 2 the transform of each of these
    moduli, and the same again for every larger scale.
    """
    total = _two_sided(bank.average) + fourier_macs(prod(bank.padded), real=True)
    for j in range(bank.J):
        first = bank.scales[0][j]
        total += _scale(first, bank.low_pass[j])
        if bank.order == 2 and j + 1 < bank.J:
            larger = sum(_scale(bank.scales[j][k], bank.low_pass[k]) for k in range(j + 1, bank.J))
            total += bank.L * (fourier_macs(prod(first.shape), real=True) + larger)
    return round(total)


def _scale(scale: Scale, low_pass: tuple[np.ndarray, np.ndarray]) -> float:
    """All wavelets of a scale, for one map. `transfer` holds a factor for each real and imaginary part that it multiplies."""
    size = prod(scale.shape)
    return scale.transfer.size + len(scale.transfer) * (fourier_macs(size) + size + _two_sided(low_pass))


def _two_sided(matrices: tuple[np.ndarray, np.ndarray]) -> int:
    """Both products of left @ map @ right^T."""
    (out_rows, rows), (out_columns, columns) = (matrix.shape for matrix in matrices)
    return out_rows * rows * columns + out_rows * columns * out_columns
