"""Two-dimensional Fourier transforms in single precision: NumPy's own, or SciPy's where NumPy would compute in float64.

NumPy 2 transforms complex64 as it is, as fast as SciPy (docs/results.md), and writes where it is told to; NumPy 1 widens to
float64, so there SciPy is used where it is installed. NumPy alone suffices in either case. Forward transforms are scaled by
1 / size and inverse ones by 1 / size again: an unscaled call would run in double precision in NumPy 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np

__all__ = ["Fourier", "forward", "fourier", "inverse", "numpy_fourier", "scipy_fourier"]

#: Up to this length a transform is two products with small matrices, which takes half the time.
_SMALL = 16


class Fourier(Protocol):
    """The two transforms that a scattering needs, over the last two axes."""

    def forward(self, images: np.ndarray) -> np.ndarray:
        """(..., M, N) float32 -> (..., M, N) complex64: the sum over pixels of image * exp(-i w u), over M N."""
        ...

    def inverse(self, spectra: np.ndarray, work: np.ndarray) -> np.ndarray:
        """(..., M, N) complex64 -> the same: the sum over frequencies of spectrum * exp(i w u), over M N.

        Both arrays may be overwritten, and either may be what is returned. `work` has the shape of `spectra`.
        """
        ...


def forward(images: np.ndarray) -> np.ndarray:
    """As `Fourier.forward`."""
    return fourier().forward(images)


def inverse(spectra: np.ndarray, work: np.ndarray) -> np.ndarray:
    """As `Fourier.inverse`, the fastest way for the size."""
    rows, columns = spectra.shape[-2:]
    if max(rows, columns) > _SMALL:
        return fourier().inverse(spectra, work)
    along_rows = work.view(np.float32).reshape(-1, 2 * columns)
    np.matmul(spectra.view(np.float32).reshape(-1, 2 * columns), _real_matrix(columns), out=along_rows)
    return np.matmul(_matrix(rows), work, out=spectra)


@lru_cache(maxsize=_SMALL)
def _matrix(length: int) -> np.ndarray:
    """(length, length) complex64: exp(2 pi i u v / length) / length, symmetric."""
    turns = np.outer(np.arange(length), np.arange(length)) % length / length
    return np.asarray(np.exp(2j * np.pi * turns) / length, np.complex64)


@lru_cache(maxsize=_SMALL)
def _real_matrix(length: int) -> np.ndarray:
    """(2 length, 2 length) float32: `_matrix` for rows of real and imaginary parts side by side."""
    matrix = _matrix(length)
    parts = np.stack([matrix, 1j * matrix], axis=1).reshape(2 * length, length)
    return np.ascontiguousarray(parts).view(np.float32)


@lru_cache(maxsize=1)
def fourier() -> Fourier:
    """The fastest transforms of this environment."""
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        return _SinglePrecision()
    try:
        return scipy_fourier()
    except ImportError:
        return _DoublePrecision()


def numpy_fourier() -> Fourier:
    """NumPy's transforms, whatever else is installed."""
    return _SinglePrecision() if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else _DoublePrecision()


def scipy_fourier() -> Fourier:
    """SciPy's transforms.

    Raises:
        ImportError: where SciPy is not installed.
    """
    return _Scipy(import_module("scipy.fft"))


def _complete(spectra: np.ndarray) -> None:
    """Fill the columns past N / 2 of the spectra of real images in place: the conjugates of the opposite frequencies."""
    columns = spectra.shape[-1]
    half = columns // 2 + 1
    np.conjugate(spectra[..., 0, columns - half : 0 : -1], out=spectra[..., 0, half:])
    np.conjugate(spectra[..., :0:-1, columns - half : 0 : -1], out=spectra[..., 1:, half:])


#: As NumPy 2 has it: with `out`.
_fft: Any = np.fft


class _SinglePrecision:
    """NumPy 2."""

    def forward(self, images: np.ndarray) -> np.ndarray:
        spectra = np.empty(images.shape, np.complex64)
        half = _fft.rfft(images, axis=-1, norm="forward")
        _fft.fft(half, axis=-2, norm="forward", out=spectra[..., : half.shape[-1]])
        _complete(spectra)
        return spectra

    def inverse(self, spectra: np.ndarray, work: np.ndarray) -> np.ndarray:
        _fft.ifft(spectra, axis=-1, out=work)
        return _fft.ifft(work, axis=-2, out=spectra)


class _DoublePrecision:
    """NumPy 1."""

    def forward(self, images: np.ndarray) -> np.ndarray:
        spectra = np.empty(images.shape, np.complex64)
        half = np.fft.rfft2(images, norm="forward")
        spectra[..., : half.shape[-1]] = half
        _complete(spectra)
        return spectra

    def inverse(self, spectra: np.ndarray, work: np.ndarray) -> np.ndarray:
        work[...] = np.fft.ifft2(spectra)
        return work


@dataclass(frozen=True)
class _Scipy:
    """SciPy keeps single precision, and transforms several lines at once."""

    module: Any

    def forward(self, images: np.ndarray) -> np.ndarray:
        spectra = np.empty(images.shape, np.complex64)
        half = self.module.rfft2(images, norm="forward")
        spectra[..., : half.shape[-1]] = half
        _complete(spectra)
        return spectra

    def inverse(self, spectra: np.ndarray, work: np.ndarray) -> np.ndarray:  # noqa: ARG002 - SciPy takes no array to write to
        return self.module.ifft2(spectra, overwrite_x=True)
