"""Features of a data set's images, plain and augmented, from the cache where they are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgekit.errors import DataError, ImageError
from edgekit.frontends.base import FrontEnd, image_size
from edgekit.frontends.image import is_single_tint, resize_area
from edgekit.frontends.loading import load_image
from edgekit.training.augment import augment
from edgekit.training.cache import Arrays, cache_key, cached, code_version
from edgekit.training.data import Example
from edgekit.training.decoding import CHUNK, check_readable, in_threads, unreadable
from edgekit.training.progress import Progress

__all__ = ["augmented_features", "check_colour", "plain_features"]

_LARGEST = 4
_HALF_LIMIT = 60000.0


@dataclass(frozen=True)
class _Part:
    """Features of one chunk of examples, and the images that could not be read."""

    features: np.ndarray
    single_tint: np.ndarray
    failures: tuple[str, ...] = ()


def plain_features(
    examples: Sequence[Example], frontend: FrontEnd, progress: Progress, stage: str = "features", keep: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Raw features of images as they are.

    Args:
        examples: N images.
        frontend: its standardisation is not applied.
        progress: told of every image.
        stage: what the bar says.
        keep: False computes them without a look into the cache, and leaves nothing in it.

    Returns:
        (N, ...) float32 features before standardisation, and (N,) bool: True for an image of a single tint (grey).

    Raises:
        DataError: when images cannot be decoded; up to five are named, all are counted.
    """
    compute = partial(_collect, examples, frontend, partial(_plain_part, frontend), progress, stage)
    arrays = cached(cache_key(["plain", *_identity(examples, frontend)]), compute) if keep else compute()
    return arrays["features"], arrays["single_tint"]


def augmented_features(
    examples: Sequence[Example],
    frontend: FrontEnd,
    progress: Progress,
    *,
    policy: str,
    copies: int,
    seed: int,
    spread: np.ndarray,
) -> np.ndarray:
    """Raw features of augmented copies, divided by `spread` and kept in half precision (relative error 5e-4).

    The randomness of a copy comes from the seed, the image's content and the copy's number alone.

    Args:
        examples: N images.
        frontend: its standardisation is not applied.
        progress: told of every image.
        policy: a name of `edgekit.training.augment.POLICIES`.
        copies: C augmented copies of each image.
        seed: of the draw.
        spread: float32, > 0, broadcast against one image's features: their standard deviations, which bring them into the
            range of float16.

    Returns:
        (N * C, ...) float16; the copies of one image lie together.

    Raises:
        DataError: when images cannot be decoded.
        UnknownNameError: on an unknown policy.
    """
    part = partial(_augmented_part, frontend, policy, copies, seed, spread.astype(np.float32))
    compute = partial(_collect, examples, frontend, part, progress, "augmented features")
    key = cache_key(["augmented", *_identity(examples, frontend), policy, copies, seed, spread.ravel().astype(float).tolist()])
    return cached(key, compute)["features"]


def check_colour(frontend: FrontEnd, single_tint: np.ndarray) -> None:
    """Refuse a data set of mostly grey images where the path is their colour: all three channels then move as one.

    Args:
        frontend: only a signature on the path "rgb" is concerned.
        single_tint: (N,) bool.

    Raises:
        DataError: when more than half are of a single tint.
    """
    if frontend.config_to_json().get("path") == "rgb" and single_tint.mean() > 0.5:
        raise DataError(
            f"Expected colour images for the path rgb, found {int(single_tint.sum())} of {len(single_tint)} in one tint: "
            "their three channels move as one and the signature says next to nothing. Pass --path grey+time."
        )


def _identity(examples: Sequence[Example], frontend: FrontEnd) -> list[object]:
    config = frontend.with_standardisation(None).config_to_json()
    return [[example.digest for example in examples], frontend.name, config, code_version()]


def _plain_part(frontend: FrontEnd, chunk: Sequence[Example]) -> _Part:
    images, tints, failures = [], [], []
    for example in chunk:
        try:
            image = load_image(frontend, example.path)
        except ImageError as error:
            failures.append(unreadable(example.path, error))
            continue
        tints.append(is_single_tint(image))
        images.append(resize_area(image, image_size(frontend)))
    features = frontend.raw(np.stack(images)) if images else np.zeros((0, *frontend.output.shape))
    return _Part(features.astype(np.float32), np.array(tints, bool), tuple(failures))


def _augmented_part(
    frontend: FrontEnd, policy: str, copies: int, seed: int, spread: np.ndarray, chunk: Sequence[Example]
) -> _Part:
    parts, failures = [], []
    for example in chunk:
        try:
            image = _workable(load_image(frontend, example.path), image_size(frontend))
        except ImageError as error:
            failures.append(unreadable(example.path, error))
            continue
        generators = (np.random.default_rng([seed, int(example.digest[:16], 16), copy]) for copy in range(copies))
        batch = np.stack([resize_area(augment(image, policy, rng), image_size(frontend)) for rng in generators])
        scaled = frontend.raw(batch).astype(np.float32) / spread
        parts.append(np.clip(scaled, -_HALF_LIMIT, _HALF_LIMIT).astype(np.float16))
    features = np.concatenate(parts) if parts else np.zeros((0, *frontend.output.shape), np.float16)
    return _Part(features, np.zeros(len(features), bool), tuple(failures))


def _workable(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Between once and four times the front end's size on each side.

    Augmenting megapixels would cost most of the time; turning and shifting a picture of few pixels would blur it.
    """
    height, width = (min(max(have, want), _LARGEST * want) for have, want in zip(image.shape[:2], size, strict=True))
    return image if (height, width) == image.shape[:2] else resize_area(image, (height, width))


def _collect(
    examples: Sequence[Example], frontend: FrontEnd, part: Callable[[Sequence[Example]], _Part], progress: Progress, stage: str
) -> Arrays:
    """Run `part` over chunks in threads and put the results together in order."""
    progress.start(stage, len(examples))
    chunks = [examples[start : start + CHUNK] for start in range(0, len(examples), CHUNK)]
    parts = []
    for chunk, done in zip(chunks, in_threads(part, chunks), strict=True):
        parts.append(done)
        progress.advance(len(chunk))
    check_readable([failure for done in parts for failure in done.failures], len(examples))
    if not parts:
        return {"features": np.zeros((0, *frontend.output.shape), np.float32), "single_tint": np.zeros(0, bool)}
    return {
        "features": np.concatenate([done.features for done in parts]),
        "single_tint": np.concatenate([done.single_tint for done in parts]),
    }
