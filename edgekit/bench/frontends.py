"""What front ends leave of real images: share of zeros, bytes to send, time.

Paper: Li, "Evaluation of Sparse Image Representations for Visual Recognition": a sparse representation is worth its lost
accuracy where bandwidth is scarce. So the bytes stand beside those of the resized image itself as PNG and as JPEG.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench.images import sample_of
from edgekit.bench.transmit import choose_packing, jpeg_bytes, png_bytes, share_of_zeros
from edgekit.errors import MissingExtraError
from edgekit.frontends.base import FrontEnd, image_size
from edgekit.frontends.image import decode, resize_area

__all__ = ["HEADER", "Originals", "measure_frontends", "steps", "table"]

#: How often each image goes through each front end; the median is over all of them.
_ROUNDS = 3

HEADER = ["front end", "shape", "zeros", "in 8 bits", "sent as", "bytes", "image PNG", "image JPEG", "of PNG", "of JPEG", "ms"]


@dataclass(frozen=True)
class Originals:
    """The images at one size.

    Attributes:
        images: (H, W, 3) uint8 each.
        png_bytes: mean size of their PNG files.
        jpeg_bytes: mean size of their JPEG files.
    """

    images: Sequence[np.ndarray]
    png_bytes: float
    jpeg_bytes: float


def steps(frontends: Sequence[FrontEnd], images: int) -> int:
    """How often `measure_frontends` calls `advance`."""
    return images + len(frontends)


def measure_frontends(
    frontends: Sequence[FrontEnd], paths: Sequence[Path], samples: int, seed: int, advance: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Measure every front end on the same seeded sample.

    Args:
        frontends: of images.
        paths: image files.
        samples: how many of them to take, at least 1; more than there are takes all.
        seed: of the draw.
        advance: called after each image that is decoded and each front end that is measured.

    Returns:
        {"images", "seed", "frontends": [{"name", "shape", "config", "sparsity", "sparsity_8bit", "packing", "bytes",
        "image_png_bytes", "image_jpeg_bytes", "median_ms", "missing"}]}: shares of zeros (1: all) and bytes are means over the
        images; all are None where "missing" says how to install what the front end needs.

    Raises:
        ImageError: when an image cannot be decoded.
        InputError: for a front end that takes no images.
    """
    chosen = sample_of(paths, samples, seed)
    originals = _originals(chosen, {image_size(frontend) for frontend in frontends}, advance)
    rows = []
    for frontend in frontends:
        rows.append(_row(frontend, originals[image_size(frontend)]))
        advance()
    return {"images": len(chosen), "seed": seed, "frontends": rows}


def table(rows: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Cells under `HEADER`; rows of what could not be measured are left out."""
    return [_cells(row) for row in rows if row["missing"] is None]


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["name"],
        "x".join(map(str, row["shape"])),
        f"{100 * row['sparsity']:.1f} %",
        f"{100 * row['sparsity_8bit']:.1f} %",
        row["packing"],
        *(f"{row[key]:,.0f}" for key in ("bytes", "image_png_bytes", "image_jpeg_bytes")),
        *(f"{row['bytes'] / row[key]:.2f}" for key in ("image_png_bytes", "image_jpeg_bytes")),
        f"{row['median_ms']:.2f}",
    ]


def _originals(
    paths: Sequence[Path], sizes: Iterable[tuple[int, int]], advance: Callable[[], None]
) -> dict[tuple[int, int], Originals]:
    """Each image decoded once, and kept at the sizes that are needed: a photograph itself may be of 30 MB."""
    resized: dict[tuple[int, int], list[np.ndarray]] = {size: [] for size in sizes}
    for path in paths:
        image = decode(path)
        for size, images in resized.items():
            images.append(resize_area(image, size))
        advance()
    return {
        size: Originals(
            images, _mean(len(png_bytes(image)) for image in images), _mean(len(jpeg_bytes(image)) for image in images)
        )
        for size, images in resized.items()
    }


def _row(frontend: FrontEnd, originals: Originals) -> dict[str, Any]:
    row = {"name": frontend.name, "shape": list(frontend.output.shape), "config": frontend.config_to_json()}
    try:
        return {**row, **_measure(frontend, originals), "missing": None}
    except MissingExtraError as error:
        measured = ("sparsity", "sparsity_8bit", "packing", "bytes", "image_png_bytes", "image_jpeg_bytes", "median_ms")
        return {**row, **dict.fromkeys(measured), "missing": str(error)}


def _measure(frontend: FrontEnd, originals: Originals) -> dict[str, Any]:
    sample = np.stack([frontend.raw(image) for image in originals.images])
    packing = choose_packing(frontend.output, sample, frontend.feature_axis)
    packed = [packing.pack(features) for features in sample]
    return {
        "sparsity": share_of_zeros(sample),
        "sparsity_8bit": _mean(zeros for _, zeros in packed),
        "packing": packing.name,
        "bytes": _mean(len(sent) for sent, _ in packed),
        "image_png_bytes": originals.png_bytes,
        "image_jpeg_bytes": originals.jpeg_bytes,
        "median_ms": _median_ms(frontend, originals.images),
    }


def _median_ms(frontend: FrontEnd, images: Sequence[np.ndarray]) -> float:
    """Of one image at a time, already of the front end's size."""
    times = []
    for image in [*images] * _ROUNDS:
        start = time.perf_counter_ns()
        frontend(image)
        times.append(time.perf_counter_ns() - start)
    return float(np.median(times)) * 1e-6


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
