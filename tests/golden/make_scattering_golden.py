"""Write frontend_scattering.npz: two synthetic images and kymatio's float64 scattering coefficients of them.

Run from the repository root, where kymatio is installed: python tests/golden/make_scattering_golden.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.special

if not hasattr(scipy.special, "sph_harm"):  # removed in SciPy 1.17; kymatio imports it for its third dimension
    scipy.special.sph_harm = lambda m, n, theta, phi: scipy.special.sph_harm_y(n, m, phi, theta)

from kymatio.numpy import Scattering2D

OUT = Path(__file__).with_name("frontend_scattering.npz")
#: (height, width, J, L, order)
CASES = ((24, 20, 2, 4, 2), (33, 18, 3, 2, 1))


def image(height: int, width: int, seed: int) -> np.ndarray:
    """(height, width) uint8: a wave, an edge and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    levels = 110 + 60 * np.sin(x * 0.9 + y * 0.4) + 40 * (x + 2 * y > width) + rng.normal(0, 12, (height, width))
    return np.clip(levels, 0, 255).astype(np.uint8)


def main() -> None:
    """Compute and write."""
    arrays = {}
    for seed, (height, width, scales, angles, order) in enumerate(CASES):
        key = f"{scales}/{angles}/{order}"
        pixels = arrays[f"image/{key}"] = image(height, width, seed)
        scattering = Scattering2D(scales, (height, width), angles, max_order=order)
        arrays[f"coefficients/{key}"] = scattering(pixels / 255.0).astype(np.float32)
    np.savez_compressed(OUT, **arrays)


if __name__ == "__main__":
    main()
