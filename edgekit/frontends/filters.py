"""Morlet wavelets and their low-pass filter in the frequency domain, as kymatio 0.3 defines them.

Paper: Bruna & Mallat, "Invariant scattering convolution networks", TPAMI 2013, section 2.1 (Morlet wavelets, Gaussian window).
In space a wavelet of scale j and angle t is a Gaussian of width 0.8 * 2^j along t and L / 4 times that across, times a wave of
frequency 3 pi / 4 / 2^j along t, less the same Gaussian, so that it sums to zero. It is made periodic by adding up the copies
from -2 to +2 periods: where a filter is nearly as long as the padded image, that truncation shows, and so it is kept.
"""

from __future__ import annotations

import numpy as np

__all__ = ["crop_spectrum", "gaussian_spectrum", "morlet_spectra"]

#: Copies on each side that are added up.
_COPIES = 2
#: Widths after which a Gaussian is dropped: exp(-8^2 / 2) = 1e-14.
_TAIL = 8.0
#: The value of pi in the reference's normalisation.
_PI = 3.1415


def morlet_spectra(shape: tuple[int, int], j: int, angles: int) -> np.ndarray:
    """Transfer functions of the wavelets of one scale.

    Args:
        shape: (M, N) padded size in pixels.
        j: scale, 0 for the finest.
        angles: number of angles L; the t-th is (int(L / 2 - 1) - t) * pi / L from the vertical axis.

    Returns:
        (L, M, N) float64, real: frequency u * 2 pi / M at row u, v * 2 pi / N at column v.
    """
    first = int(angles - angles / 2 - 1)
    return np.stack([_morlet(shape, j, (first - t) * np.pi / angles, 4.0 / angles) for t in range(angles)])


def gaussian_spectrum(length: int, width: float) -> np.ndarray:
    """One axis of the low-pass filter's transfer function, which is the outer product of two of them.

    Args:
        length: padded size in pixels.
        width: standard deviation in pixels, 0.8 * 2^(J - 1) for a scattering of J scales.

    Returns:
        (length,) float64, real.
    """
    places = np.arange(-_COPIES * length, (_COPIES + 1) * length)
    samples = np.exp(-(places**2) / (2 * width**2)).reshape(-1, length).sum(axis=0)
    return np.fft.fft(samples).real / (np.sqrt(2 * _PI) * width)


def crop_spectrum(spectra: np.ndarray, level: int, axes: tuple[int, ...]) -> np.ndarray:
    """The low frequencies that are left on a grid 2^level times coarser; of two equal ones at the edge, the negative.

    Args:
        spectra: array with frequencies, as `numpy.fft` orders them, along each of `axes`.
        level: 0 leaves it as it is.
        axes: each of a length that 2^level divides.
    """
    for axis in axes:
        length = spectra.shape[axis]
        kept = length >> level
        positive = kept // 2
        spectra = spectra.take(np.r_[:positive, length - kept + positive : length], axis)
    return spectra


def _morlet(shape: tuple[int, int], j: int, angle: float, slant: float) -> np.ndarray:
    """(M, N) float64: one wavelet's transfer function."""
    sigma, frequency = 0.8 * 2**j, 0.75 * np.pi / 2**j
    cosine, sine = np.cos(angle), np.sin(angle)
    reach = _TAIL * sigma / min(slant, 1.0)
    rows, columns = (_places(length, reach) for length in shape)
    exponent = -1 / (2 * sigma**2)
    square = exponent * (cosine**2 + (slant * sine) ** 2) * rows[:, None] ** 2
    square = square + exponent * (sine**2 + (slant * cosine) ** 2) * columns**2
    square += (2 * exponent * cosine * sine * (1 - slant**2)) * (rows[:, None] * columns)
    envelope = np.exp(square, out=square) * (slant / (2 * _PI * sigma**2))
    wave = envelope * np.exp(1j * frequency * cosine * rows)[:, None]
    wave *= np.exp(1j * frequency * sine * columns)
    wave -= (wave.sum() / envelope.sum()) * envelope
    return np.fft.fft2(_periodic(wave, rows[0], columns[0], shape)).real


def _places(length: int, reach: float) -> np.ndarray:
    """Integer positions within `reach` of the origin, and within the copies."""
    edge = int(np.ceil(reach))
    return np.arange(max(-edge, -_COPIES * length), min(edge + 1, (_COPIES + 1) * length))


def _periodic(window: np.ndarray, top: int, left: int, shape: tuple[int, int]) -> np.ndarray:
    """Add up the copies of a window whose first sample stands at (top, left): (M, N) of its dtype."""
    for axis, (start, length) in enumerate(((top, shape[0]), (left, shape[1]))):
        before = start % length
        after = -(before + window.shape[axis]) % length
        widths = [(0, 0), (0, 0)]
        widths[axis] = (int(before), int(after))
        padded = np.pad(window, widths)
        split = (-1, length, padded.shape[1]) if axis == 0 else (padded.shape[0], -1, length)
        window = padded.reshape(split).sum(axis=axis)
    return window
