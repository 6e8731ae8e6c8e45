"""kymatio, imported where it is installed; tests that need it skip elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

_WHY = "kymatio is the oracle for scattering"


def reference(planes: np.ndarray, scales: int, angles: int, order: int) -> np.ndarray:
    """kymatio's coefficients in float64: (..., H, W) -> (..., paths, h, w)."""
    _prepare()
    from kymatio.numpy import Scattering2D

    return Scattering2D(scales, planes.shape[-2:], angles, max_order=order)(planes.astype(np.float64))


def reference_filters(rows: int, columns: int, scales: int, angles: int) -> dict[str, Any]:
    """kymatio's filters on a padded size."""
    _prepare()
    from kymatio.scattering2d.filter_bank import filter_bank

    return filter_bank(rows, columns, scales, angles)


def _prepare() -> None:
    special = pytest.importorskip("scipy.special", reason=_WHY)
    if not hasattr(special, "sph_harm"):  # removed in SciPy 1.17; kymatio's third dimension imports it
        special.sph_harm = lambda m, n, theta, phi: special.sph_harm_y(n, m, phi, theta)
    pytest.importorskip("kymatio", reason=_WHY)
