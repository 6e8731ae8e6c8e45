"""Scattering against kymatio's NumPy backend in float32: one colour image, J = 3, L = 8.

    OMP_NUM_THREADS=1 PYTHONPATH=. .venv-compare/bin/python benchmarks/scattering_cases.py

Each case is measured with our transforms made of NumPy's, which is what the bars ask for, and with SciPy's beside it ("edgekit"
is the former). kymatio's own always are SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter

import numpy as np
from interleaved import Call, Case, measure

from edgekit.frontends import Scattering, spectrum
from edgekit.frontends.filter_bank import filter_bank

__all__ = ["scattering_cases"]

#: (side in pixels, order, at least, aim)
_ASKED = ((32, 1, 3.5, 6), (64, 1, 2.3, 4), (224, 1, 1.4, 2), (32, 2, 4.5, 8), (64, 2, 2.8, 5))


def scattering_cases(photo: np.ndarray) -> list[Case]:
    """The cases on a photograph, (H, W, 3) uint8."""
    from edgekit.frontends.image import resize_area

    cases = []
    for side, order, at_least, aim in _ASKED:
        image = resize_area(photo, (side, side))
        planes = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32)[None] / np.float32(255)
        name = f"scattering, {side} x {side}, order {order}"
        cases.append(Case(name, partial(_calls, planes, order), at_least, aim))
    return cases


def _calls(planes: np.ndarray, order: int) -> Mapping[str, Call]:
    side = planes.shape[-1]
    ours, theirs = Scattering((side, side), 3, 8, order), _kymatio()(3, (side, side), 8, max_order=order)
    return {
        "edgekit": partial(_with, spectrum.numpy_fourier(), ours, planes),
        "kymatio": lambda: theirs(planes),
        "edgekit with SciPy": partial(_with, spectrum.scipy_fourier(), ours, planes),
    }


def _with(fourier: spectrum.Fourier, front: Scattering, planes: np.ndarray) -> np.ndarray:
    chosen, spectrum.fourier = spectrum.fourier, lambda: fourier  # type: ignore[assignment]
    try:
        return front.transform(planes)
    finally:
        spectrum.fourier = chosen


def _kymatio() -> Callable[..., Callable[[np.ndarray], np.ndarray]]:
    import scipy.special

    if not hasattr(scipy.special, "sph_harm"):  # removed in SciPy 1.17; kymatio imports it for its third dimension
        scipy.special.sph_harm = lambda m, n, theta, phi: scipy.special.sph_harm_y(n, m, phi, theta)
    from kymatio.numpy import Scattering2D

    return Scattering2D


def _build_ms(side: int) -> float:
    """Milliseconds for the filters of side x side pixels, order 1, J = 3, L = 8: the best of five."""
    times = []
    for _ in range(5):
        filter_bank.cache_clear()
        start = perf_counter()
        filter_bank((side, side), 3, 8, 1)
        times.append((perf_counter() - start) * 1e3)
    return min(times)


def main() -> None:
    """Print a table."""
    from frontends import line, smoothed_noise, versions

    print(versions())
    for case in scattering_cases(smoothed_noise()):
        print(line(case, measure(case, 15)), flush=True)
    print(f"filters for 224 x 224: {_build_ms(224):.0f} ms")


if __name__ == "__main__":
    main()
