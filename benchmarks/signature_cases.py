"""Signatures and log-signatures against iisignature and pysiglib, from uint8 image to features; and a whole prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from interleaved import Call, Case

from edgekit import open as open_bundle
from edgekit.frontends import LogSignature, Signature
from edgekit.pipeline import Pipeline

__all__ = ["jpeg_cases", "signature_cases"]

Oracle = Callable[[np.ndarray], np.ndarray]


def signature_cases(photo: np.ndarray) -> list[Case]:
    """The cases on a photograph, (H, W, 3) uint8."""
    from edgekit.frontends.image import resize_area

    small, large = resize_area(photo, (64, 64)), resize_area(photo, (224, 224))
    batch = np.stack([np.roll(small, shift, axis=1) for shift in range(64)])
    plain = partial(_signatures, small)
    return [
        Case("signature, 64 x 64, depth 4", partial(plain, 4, per_row=True), 7, 12),
        Case("the same, two directions", partial(plain, 4, directions="both"), 8.5, 13),
        Case("the same, 64 images at once", partial(_signatures, batch, 4), 8.5, 13),
        Case("signature, 224 x 224, depth 4", partial(_signatures, large, 4, per_row=True), 11, 15),
        Case("signature, 64 x 64, depth 5", partial(plain, 5), 4, 8),
        Case("signature, 64 x 64, depth 6", partial(plain, 6), 4, 8),
        Case("signature, 64 x 64, depth 4, float64", partial(plain, 4, dtype="float64"), 4.3, 6),
        Case("signature, 224 x 224, depth 4, float64", partial(_signatures, large, 4, dtype="float64")),
        Case("signature, 64 x 64, depth 2", partial(plain, 2)),
        Case("signature, 64 x 64, depth 3", partial(plain, 3)),
        Case("signature, 64 x 64, depth 4, grey+time", partial(plain, 4, path="grey+time")),
        Case("signature, 64 x 64, depth 4, lead-lag", partial(plain, 4, path="lead-lag")),
        Case("signature, 64 x 64, depth 4, rgb+time", partial(plain, 4, path="rgb+time")),
        Case("log-signature, 64 x 64, depth 4", partial(_logsignatures, small, 4), 4.5, 8),
        Case("the same, two directions", partial(_logsignatures, small, 4, directions="both")),
        Case("log-signature, 224 x 224, depth 4", partial(_logsignatures, large, 4)),
        Case("log-signature, 64 x 64, depth 5", partial(_logsignatures, small, 5)),
    ]


def _signatures(image: np.ndarray, depth: int, per_row: bool = False, path: str = "rgb", **config: str) -> Mapping[str, Call]:
    import iisignature

    ours = Signature(image.shape[-3:-1], depth, path=path, **config)
    both = config.get("directions") == "both"
    calls: dict[str, Call] = {
        "edgekit": lambda: ours(image),
        "iisignature": lambda: _directions(lambda view: iisignature.sig(_points(view, path), depth), image, both),
    }
    if per_row:
        calls["iisignature per row"] = lambda: np.stack([iisignature.sig(row, depth) for row in _points(image, path)])
    single = _pysiglib()
    if single is not None:
        dtype = np.float64 if config.get("dtype") == "float64" else np.float32
        calls["pysiglib"] = lambda: _directions(lambda view: _flat(single.sig, _points(view, path, dtype), depth), image, both)
    return calls


def _logsignatures(image: np.ndarray, depth: int, **config: str) -> Mapping[str, Call]:
    import iisignature

    ours = LogSignature(image.shape[-3:-1], depth, **config)
    both = config.get("directions") == "both"
    prepared = {method: iisignature.prepare(3, depth, method) for method in "DS"}

    def theirs(method: str) -> np.ndarray:
        return _directions(lambda view: iisignature.logsig(_points(view, "rgb"), prepared[method], method), image, both)

    return {"edgekit": lambda: ours(image)} | {f"iisignature {method}": partial(theirs, method) for method in "DS"}


def _directions(features: Oracle, image: np.ndarray, both: bool) -> np.ndarray:
    if not both:
        return features(image)
    return np.concatenate([features(image), features(np.ascontiguousarray(image.swapaxes(0, 1)))])


def _flat(function: Callable[..., np.ndarray], points: np.ndarray, depth: int) -> np.ndarray:
    """Call pysiglib, which takes one batch axis and copies views."""
    flat = points if points.ndim == 3 else points.reshape(-1, *points.shape[-2:]).copy()
    return function(flat, depth).reshape(*points.shape[:-2], -1)


def _points(image: np.ndarray, path: str, dtype: type = np.float64) -> np.ndarray:
    """(..., H, points, C): what a user of either library writes."""
    if path == "rgb":
        return image / dtype(255)
    rgb = image / 255.0
    grey = rgb @ np.array([[0.299], [0.587], [0.114]])
    if path == "lead-lag":
        twice = np.repeat(grey, 2, axis=-2)
        return np.concatenate([twice[..., 1:, :], twice[..., :-1, :]], axis=-1).astype(dtype)
    time = np.broadcast_to(np.linspace(0, 1, image.shape[-2])[:, None], (*image.shape[:-1], 1))
    return np.concatenate([rgb if path == "rgb+time" else grey, time], axis=-1).astype(dtype)


def _pysiglib() -> Any:
    """The module, None where there is no wheel (it is for x86-64)."""
    try:
        import pysiglib
    except ImportError:
        return None
    return pysiglib


def jpeg_cases(photo: np.ndarray, bundle: Path) -> list[Case]:
    """From a JPEG of 640 x 480 to a label by the int8 network of a bundle with a signature front end, rgb, rows."""
    return [
        Case("JPEG 640 x 480 to label, scaled decoding", partial(_jpeg, photo, bundle, "scaled"), 2.4, 4),
        Case("JPEG 640 x 480 to label, exact decoding", partial(_jpeg, photo, bundle, "exact")),
    ]


def _decoding(bundle: Path, decode: str) -> Pipeline:
    """The int8 network of a bundle behind its front end with that choice of decoding."""
    opened = open_bundle(bundle, precision="int8", threads=1)
    config = {**opened.card.frontend.config, "decode": decode}
    card = replace(opened.card, frontend=replace(opened.card.frontend, config=config))
    return Pipeline(card, opened.runtime)


def _jpeg(photo: np.ndarray, bundle: Path, decode: str) -> Mapping[str, Call]:
    import cv2
    import iisignature
    from PIL import Image

    from edgekit.frontends.image import resize_area

    written = BytesIO()
    Image.fromarray(resize_area(photo, (480, 640))).save(written, "JPEG", quality=90)
    content = written.getvalue()
    ours, theirs = _decoding(bundle, decode), open_bundle(bundle, precision="int8", threads=1)
    front = ours.frontend
    height, width = front.size

    def naive() -> int:
        with Image.open(BytesIO(content)) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        features = np.stack([iisignature.sig(row, front.config.depth) for row in resized / 255.0])
        return int(theirs.infer(theirs.prepare(features.astype(np.float32))).argmax())

    return {"edgekit": lambda: ours.predict(content).index, "Pillow, OpenCV, iisignature per row": naive}
