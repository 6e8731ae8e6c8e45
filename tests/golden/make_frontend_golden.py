"""Write frontend_signature.npz: synthetic images and iisignature's float64 signatures of their rows.

Run from the repository root, where iisignature is installed: python tests/golden/make_frontend_golden.py
"""

from __future__ import annotations

from pathlib import Path

import iisignature
import numpy as np

OUT = Path(__file__).with_name("frontend_signature.npz")


def image(height: int, width: int, seed: int) -> np.ndarray:
    """(height, width, 3) uint8: smooth waves of a different direction for each colour, plus noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x * rng.uniform(0.1, 0.6) + y * rng.uniform(0.1, 0.6) + rng.uniform(0, 6)) for _ in range(3)]
    levels = 128 + 90 * np.stack(waves, axis=-1) + rng.normal(0, 8, (height, width, 3))
    return np.clip(levels, 0, 255).astype(np.uint8)


def paths(pixels: np.ndarray, kind: str) -> np.ndarray:
    """(rows, width, channels) float64, written out independently of the package."""
    rgb = pixels / 255.0
    time = np.broadcast_to(np.linspace(0, 1, pixels.shape[1])[None, :, None], (*pixels.shape[:2], 1))
    if kind == "rgb":
        return rgb
    grey = rgb @ np.array([[0.299], [0.587], [0.114]])
    return np.concatenate([rgb if kind == "rgb+time" else grey, time], axis=-1)


def main() -> None:
    """Compute and write."""
    arrays = {"image": image(12, 20, 0)}
    for kind, depth in (("rgb", 1), ("rgb", 4), ("rgb", 5), ("rgb+time", 3), ("grey+time", 6)):
        for direction, pixels in (("rows", arrays["image"]), ("columns", arrays["image"].swapaxes(0, 1))):
            arrays[f"{kind}/{depth}/{direction}"] = iisignature.sig(np.ascontiguousarray(paths(pixels, kind)), depth)
    np.savez_compressed(OUT, **arrays)


if __name__ == "__main__":
    main()
