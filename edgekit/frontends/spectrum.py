"""Two-dimensional Fourier transforms in single precision: SciPy's where it is installed, NumPy's otherwise.

NumPy alone suffices. NumPy 2 transforms complex64 as it is and writes where it is told to, nearly as fast as SciPy; NumPy 1
widens to float64. Forward transforms are scaled by 1 / size and inverse ones by 1 / size again: an unscaled call would run in
double precision in NumPy 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np

__all__ = ["Fourier", "forward", "fourier", "inverse", "numpy_fourier", "scipy_fourier"]

#: Up to this length a transform is two products with small matrices: in a third of an FFT's time at 6 samples, two thirds at 12.
_SMALL = 16

#: As NumPy 2 has it: with `out`.
_fft: Any = np.fft


class Fourier(Protocol):
    """The two transforms that a scattering needs, over the last two axes."""

    def forward(self, images: np.ndarray) -> np.ndarray:
        """(..., M, N) float32 -> (..., M, N) complex64: the sum over pixels of image * exp(-i w u), over M N."""
        ...

    def inverse(self, spectra: np.ndarray) -> np.ndarray:
        """(..., M, N) complex64 -> the same: the sum over frequencies of spectrum * exp(i w u), over M N.

        `spectra`, contiguous, may be overwritten, and may be what is returned.
        """
        ...


def forward(images: np.ndarray) -> np.ndarray:
    """As `Fourier.forward`."""
    return fourier().forward(images)


def inverse(spectra: np.ndarray) -> np.ndarray:
    """As `Fourier.inverse`, the fastest way for the size."""
    rows, columns = spectra.shape[-2:]
    if max(rows, columns) > _SMALL:
        return fourier().inverse(spectra)
    along_rows = spectra.view(np.float32).reshape(-1, 2 * columns) @ _real_matrix(columns)
    return np.matmul(_matrix(rows), along_rows.view(np.complex64).reshape(spectra.shape), out=spectra)


@lru_cache(maxsize=_SMALL)
def _matrix(length: int) -> np.ndarray:
    """(length, length) complex64: exp(2 pi i u v / length) / length, symmetric."""
    turns = np.outer(np.arange(length), np.arange(length)) % length / length
    return np.asarray(np.exp(2j * np.pi * turns) / length, np.complex64)


@lru_cache(maxsize=_SMALL)
def _real_matrix(length: int) -> np.ndarray:
    """(2 length, 2 length) float32: `_matrix` for rows of real and imaginary parts side by side."""
    matrix = _matrix(length)
    return np.stack([matrix, np.complex64(1j) * matrix], axis=1).reshape(2 * length, length).view(np.float32)


@lru_cache(maxsize=1)
def fourier() -> Fourier:
    """SciPy's transforms where it is installed, NumPy's otherwise."""
    try:
        return scipy_fourier()
    except ImportError:
        return numpy_fourier()


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


class _SinglePrecision:
    """NumPy 2."""

    def forward(self, images: np.ndarray) -> np.ndarray:
        spectra = np.empty(images.shape, np.complex64)
        half = _fft.rfft(images, axis=-1, norm="forward")
        _fft.fft(half, axis=-2, norm="forward", out=spectra[..., : half.shape[-1]])
        _complete(spectra)
        return spectra

    def inverse(self, spectra: np.ndarray) -> np.ndarray:
        _fft.ifft(spectra, axis=-1, out=spectra)
        return _fft.ifft(spectra, axis=-2, out=spectra)


class _DoublePrecision:
    """NumPy 1."""

    def forward(self, images: np.ndarray) -> np.ndarray:
        spectra = np.empty(images.shape, np.complex64)
        half = np.fft.rfft2(images, norm="forward")
        spectra[..., : half.shape[-1]] = half
        _complete(spectra)
        return spectra

    def inverse(self, spectra: np.ndarray) -> np.ndarray:
        spectra[...] = np.fft.ifft2(spectra)
        return spectra


@dataclass(frozen=True)
class _Scipy:
    """SciPy keeps single precision in any version."""

    module: Any

    def forward(self, images: np.ndarray) -> np.ndarray:
        spectra = np.empty(images.shape, np.complex64)
        half = self.module.rfft2(images, norm="forward")
        spectra[..., : half.shape[-1]] = half
        _complete(spectra)
        return spectra

    def inverse(self, spectra: np.ndarray) -> np.ndarray:
        return self.module.ifft2(spectra, overwrite_x=True)
