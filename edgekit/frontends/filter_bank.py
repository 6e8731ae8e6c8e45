"""The constants of a scattering of one size: where pixels are mirrored to, which frequencies a wavelet keeps, the low-pass.

Subsampling by k in space adds up k x k blocks of the spectrum. So a spectrum is cut into blocks, of which the first lies around
frequency 0: about nine of them hold the wavelets of a scale, however many there are. The low-pass filter is the outer product of
two Gaussians: filtering, subsampling and dropping the border are two small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgekit.frontends.filters import crop_spectrum, gaussian_spectrum, morlet_spectra

__all__ = ["FilterBank", "Scale", "filter_bank", "path_count"]

#: A block is left out where the transfer function, whose largest value is about 1, stays below.
_NEGLIGIBLE = 3e-7


@dataclass(frozen=True)
class Scale:
    """The wavelets of one scale, for images on a grid of some level.

    Attributes:
        shape: (m, n) of what they give.
        places: (B * m * n,) places in a flat spectrum of the B blocks that some wavelet needs; None where they are all needed.
        transfer: (L, B, m * n * 2) float32: m n times the transfer function, each value twice, for real and imaginary parts that
            lie side by side.
    """

    shape: tuple[int, int]
    places: np.ndarray | None
    transfer: np.ndarray


@dataclass(frozen=True)
class FilterBank:
    """Everything that does not depend on the image; arrays are read-only.

    Attributes:
        J: number of scales.
        L: number of angles.
        order: 1 or 2.
        padded: (M, N) size in pixels on which the convolutions are periodic.
        rows: (M,) the row of the image that each padded row mirrors.
        columns: (N,) likewise.
        output: (h, w) of a map of coefficients.
        average: (h, H) and (w, W) float32: low-pass of the image itself, padding included.
        low_pass: for each scale j, (h, M / 2^j) and (w, N / 2^j) float32.
        scales: the wavelets of scale j for images on a grid of 2^level pixels, [level][j]: level 0 for the image and the
            maps of the first scale; higher ones at order 2, for the scales above.
    """

    J: int
    L: int
    order: int
    padded: tuple[int, int]
    rows: np.ndarray
    columns: np.ndarray
    output: tuple[int, int]
    average: tuple[np.ndarray, np.ndarray]
    low_pass: tuple[tuple[np.ndarray, np.ndarray], ...]
    scales: tuple[dict[int, Scale], ...]

    @property
    def paths(self) -> int:
        """Number of coefficients at a place."""
        return path_count(self.J, self.L, self.order)

    def first_order(self, j: int) -> slice:
        """The paths of the wavelets of scale j."""
        return slice(1 + j * self.L, 1 + (j + 1) * self.L)

    def second_order(self, j: int) -> slice:
        """The paths whose first wavelet is of scale j: first angle, second scale, second angle."""
        before = sum(self.J - 1 - i for i in range(j))
        start = 1 + self.J * self.L + before * self.L**2
        return slice(start, start + (self.J - 1 - j) * self.L**2)


@lru_cache(maxsize=4)
def filter_bank(size: tuple[int, int], J: int, L: int, order: int) -> FilterBank:
    """The constants for images of `size` (height, width). A few are kept: each is 10 MB at 224 x 224 with J = 3 and L = 8."""
    padded = _padded(size[0], 2**J), _padded(size[1], 2**J)
    rows, columns = _mirror(size[0], padded[0]), _mirror(size[1], padded[1])
    low_pass = tuple((_low_pass(padded[0], J, j), _low_pass(padded[1], J, j)) for j in range(J))
    average = _fold(low_pass[0][0], rows), _fold(low_pass[0][1], columns)
    output = size[0] // 2**J, size[1] // 2**J
    return FilterBank(J, L, order, padded, rows, columns, output, average, low_pass, _scales(padded, J, L, order))


def path_count(J: int, L: int, order: int) -> int:
    """Number of coefficients at a place: 1 + J L, and L^2 J (J - 1) / 2 more at order 2."""
    return 1 + J * L + (L**2 * J * (J - 1) // 2 if order == 2 else 0)


def _padded(length: int, step: int) -> int:
    """A multiple of `step` with at least half a step more on each side."""
    return ((length + step) // step + 1) * step


def _mirror(length: int, padded: int) -> np.ndarray:
    """(padded,) indices: reflection that does not repeat the edge, the extra pixel after the end."""
    extra = padded - length
    return _frozen(np.pad(np.arange(length), (extra // 2, (extra + 1) // 2), mode="reflect"))


def _low_pass(length: int, J: int, j: int) -> np.ndarray:
    """(h, length / 2^j) float32: one axis of low-pass, subsampling to a step of 2^J pixels, first and last sample left out."""
    window = np.fft.ifft(crop_spectrum(gaussian_spectrum(length, 0.8 * 2 ** (J - 1)), j, (0,))).real
    centres = np.arange(1, (length >> J) - 1) << (J - j)
    return _frozen(window[(centres[:, None] - np.arange(len(window))) % len(window)].astype(np.float32))


def _fold(low_pass: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """(h, padded) -> (h, length): the weights of mirrored pixels go to the pixels themselves."""
    weights = np.zeros((int(mirror.max()) + 1, len(low_pass)))
    np.add.at(weights, mirror, low_pass.T)
    return _frozen(np.ascontiguousarray(weights.T, np.float32))


def _scales(padded: tuple[int, int], J: int, L: int, order: int) -> tuple[dict[int, Scale], ...]:
    levels: tuple[dict[int, Scale], ...] = tuple({} for _ in range(J if order == 2 else 1))
    for j in range(J):
        spectra = morlet_spectra(padded, j, L)
        for level, scales in enumerate(levels):
            if level == 0 or level < j:
                scales[j] = _scale(crop_spectrum(spectra, level, (1, 2)), 2 ** (j - level))
    return levels


def _scale(spectra: np.ndarray, factor: int) -> Scale:
    """Cut (L, M, N) transfer functions into blocks of frequencies that are one after subsampling, and keep the active ones."""
    angles, height, width = spectra.shape
    m, n = height // factor, width // factor
    if factor <= 2:  # every block is active, and blocks as they lie are copied faster
        places, kept = None, spectra.reshape(angles, factor, m, factor, n).swapaxes(2, 3)
    else:
        rows, columns = _aliases(height, factor), _aliases(width, factor)
        blocks = (rows[:, None, :, None] * width + columns[:, None, :]).reshape(factor**2, -1)
        largest = np.abs(spectra).max(axis=0).ravel()
        places = _frozen(blocks[largest[blocks].max(axis=1) > _NEGLIGIBLE].ravel())
        kept = spectra.reshape(angles, -1)[:, places]
    transfer = np.repeat(kept.reshape(angles, -1, m * n).astype(np.float32) * np.float32(m * n), 2, axis=-1)
    return Scale((m, n), places, _frozen(transfer))


def _aliases(length: int, factor: int) -> np.ndarray:
    """(factor, m) places in a spectrum: those of a column are one frequency after subsampling; row 0 lies around frequency 0."""
    kept = length // factor
    signed = (np.arange(kept) + kept // 2) % kept - kept // 2
    return (signed + kept * np.arange(factor)[:, None]) % length


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
