"""The scattering transform of planes: wavelets, modulus, low-pass, and once more for order 2.

Paper: Bruna & Mallat, "Invariant scattering convolution networks", TPAMI 2013, equations 5 to 8. Maps are computed in groups that
stay in the second-level cache, in work space that each thread keeps.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgekit.frontends.filter_bank import FilterBank, Scale
from edgekit.frontends.spectrum import forward, inverse

__all__ = ["scatter"]

#: Complex values of a group of maps: 512 kB.
_GROUP = 1 << 16
#: Complex values of the spectra that all scales are applied to before the next ones are computed: 1 MB.
_BATCH = 1 << 17


def scatter(planes: np.ndarray, bank: FilterBank) -> np.ndarray:
    """Scattering coefficients.

    Args:
        planes: (P, H, W) float32.
        bank: for that size.

    Returns:
        (P, paths, h, w) float32: order 0, then order 1 by scale and angle, then order 2 by the first wavelet, then the second.
    """
    coefficients = np.empty((len(planes), bank.paths, *bank.output), np.float32)
    coefficients[:, 0] = _two_sided(planes, bank.average)
    batch = max(1, _BATCH // math.prod(bank.padded))
    for start in range(0, len(planes), batch):
        part = slice(start, start + batch)
        padded = planes[part].take(bank.rows, axis=1).take(bank.columns, axis=2)
        _first_order(forward(padded), bank, coefficients[part])
    return coefficients


@dataclass(frozen=True)
class _Group:
    """Moduli (L', P', m, n) float32 of some planes behind some wavelets, valid until the next group."""

    maps: np.ndarray
    angles: slice
    planes: slice


class _Space(threading.local):
    """Work space for a group of maps, one a thread: fresh memory would cost as much as the transforms of a small image."""

    def __init__(self) -> None:
        self._spectra, self._maps = np.empty(0, np.complex64), np.empty(0, np.float32)

    def shaped(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Spectra, complex64, and maps, float32, of this shape; what they hold is arbitrary."""
        count = math.prod(shape)
        if count > len(self._maps):
            size = max(count, _GROUP)
            self._spectra, self._maps = np.empty(size, np.complex64), np.empty(size, np.float32)
        return self._spectra[:count].reshape(shape), self._maps[:count].reshape(shape)


#: Maps of order 1 are still needed while those of order 2 are computed.
_SPACES = (_Space(), _Space())


def _first_order(spectra: np.ndarray, bank: FilterBank, coefficients: np.ndarray) -> None:
    """(P, M, N) spectra -> orders 1 and 2 of (P, paths, h, w)."""
    for j in range(bank.J):
        first = coefficients[:, bank.first_order(j)]
        for group in _groups(spectra, bank.scales[0][j], _SPACES[0]):
            first[group.planes, group.angles] = _two_sided(group.maps, bank.low_pass[j]).swapaxes(0, 1)
            if bank.order == 2 and j + 1 < bank.J:
                second = coefficients[:, bank.second_order(j)].reshape(len(spectra), bank.L, -1, bank.L, *bank.output)
                _second_order(group.maps, bank, j, second[group.planes, group.angles])


def _second_order(maps: np.ndarray, bank: FilterBank, j: int, coefficients: np.ndarray) -> None:
    """(L', P, m, n) maps of scale j -> (P, L', scales above j, L, h, w) coefficients."""
    spectra = forward(maps).reshape(-1, *maps.shape[2:])
    for k in range(j + 1, bank.J):
        low = np.empty((len(spectra), bank.L, *bank.output), np.float32)
        for group in _groups(spectra, bank.scales[j][k], _SPACES[1]):
            low[group.planes, group.angles] = _two_sided(group.maps, bank.low_pass[k]).swapaxes(0, 1)
        coefficients[:, :, k - j - 1] = low.reshape(*maps.shape[:2], *low.shape[1:]).swapaxes(0, 1)


def _groups(spectra: np.ndarray, scale: Scale, space: _Space) -> Iterator[_Group]:
    """Moduli of (P, M, N) spectra behind each wavelet."""
    size, angles = math.prod(scale.shape), len(scale.transfer)
    planes, together = max(1, _GROUP // (size * angles)), max(1, _GROUP // size)
    for start in range(0, len(spectra), planes):
        blocks = _blocks(spectra[start : start + planes], scale)
        for first in range(0, angles, together):
            transfer = scale.transfer[first : first + together]
            filtered, maps = space.shaped((len(transfer), len(blocks), *scale.shape))
            _filter(blocks, transfer, filtered)
            np.abs(inverse(filtered), out=maps)
            yield _Group(maps, slice(first, first + len(transfer)), slice(start, start + len(blocks)))


def _blocks(spectra: np.ndarray, scale: Scale) -> np.ndarray:
    """(P, M, N) complex64 -> (P, B, m * n * 2) float32, the blocks that the scale keeps."""
    (m, n), (count, height, width) = scale.shape, spectra.shape
    if scale.places is None:
        kept = np.ascontiguousarray(spectra.reshape(count, height // m, m, width // n, n).swapaxes(2, 3))
    else:
        kept = spectra.reshape(count, -1).take(scale.places, axis=1)
    return kept.view(np.float32).reshape(count, *scale.transfer.shape[1:])


def _filter(blocks: np.ndarray, transfer: np.ndarray, filtered: np.ndarray) -> None:
    """Multiply by each wavelet's transfer function and add up the blocks, into (L', P, m, n) complex64."""
    flat = filtered.view(np.float32).reshape(len(transfer), *blocks.shape[::2])
    if blocks.shape[1] == 1:
        np.multiply(blocks[:, 0], transfer, out=flat)
    else:
        np.einsum("abx,fbx->fax", blocks, transfer, out=flat)


def _two_sided(maps: np.ndarray, matrices: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(..., m, n) -> (..., h, w): left @ map @ right^T. The rows first: they leave little to multiply."""
    left, right = matrices
    rows = np.matmul(left, maps)
    return (rows.reshape(-1, rows.shape[-1]) @ right.T).reshape(*rows.shape[:-1], len(right))
