"""Pictures of one size in one file on disk, read through the page cache: what a training needs beside its batches is no memory.

The file lies in the folder of the feature cache and is thrown away with it; it is keyed by the content of the images, the size,
the way JPEG files are decoded, and the code. Behind the pictures stands their sha256: a damaged file is made anew.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgekit.errors import ImageError
from edgekit.frontends.base import FrontEnd, image_size
from edgekit.frontends.image import resize_area
from edgekit.frontends.loading import load_image
from edgekit.training.cache import cache_folder, cache_key, code_version, prune
from edgekit.training.data import Example
from edgekit.training.decoding import CHUNK, check_readable, in_threads, unreadable
from edgekit.training.progress import Progress

__all__ = ["stored_images"]

_PIECE = 1 << 20


def stored_images(examples: Sequence[Example], frontend: FrontEnd, progress: Progress) -> np.ndarray:
    """All images at the front end's size.

    Args:
        examples: N images.
        frontend: one that takes images; its size and its way of decoding.
        progress: told of every image.

    Returns:
        (N, H, W, 3) uint8, RGB, mapped read-only from its file; in memory where the cache cannot be written.

    Raises:
        DataError: when images cannot be decoded; up to five are named, all are counted.
    """
    decode = getattr(frontend.config, "decode", "exact")
    key = cache_key(["images", [example.digest for example in examples], image_size(frontend), decode, code_version()])
    path = cache_folder() / f"{key}.npy"
    shape = (len(examples), *image_size(frontend), 3)
    known = _opened(path, shape)
    if known is not None:
        return known
    try:
        _write(path, shape, examples, frontend, progress)
    except OSError:
        images = np.zeros(shape, np.uint8)
        _fill(images, examples, frontend, progress)
        return images
    prune(path.parent, keep=path)
    return np.load(path, mmap_mode="r")


def _opened(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The mapped file, None when it is absent or damaged."""
    with suppress(OSError, ValueError, EOFError):
        if not _is_sealed(path):
            return None
        images: np.ndarray = np.load(path, mmap_mode="r")
        if images.shape == shape and images.dtype == np.uint8:
            return images
    return None


def _seal(path: str) -> None:
    """Put the sha256 of a file behind it."""
    with open(path, "r+b") as file:
        digest = _digest(file, os.path.getsize(path))
        file.write(digest)


def _is_sealed(path: Path) -> bool:
    size = path.stat().st_size - hashlib.sha256().digest_size
    with open(path, "rb") as file:
        return size > 0 and _digest(file, size) == file.read()


def _digest(file: BinaryIO, size: int) -> bytes:
    """sha256 of its first bytes; what follows is read next."""
    digest = hashlib.sha256()
    while size and (piece := file.read(min(size, _PIECE))):
        digest.update(piece)
        size -= len(piece)
    return digest.digest()


def _write(path: Path, shape: tuple[int, ...], examples: Sequence[Example], frontend: FrontEnd, progress: Progress) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=".npy")
    os.close(handle)
    try:
        images = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            name, mode="w+", dtype=np.uint8, shape=shape
        )
        _reserve(name)
        _fill(images, examples, frontend, progress)
        images.flush()
        del images
        _seal(name)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _reserve(name: str) -> None:
    """Take the disk's room now: a write into a mapped file on a full disk would kill the process.

    Raises:
        OSError: when there is no room.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with open(name, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, os.path.getsize(name))


def _fill(images: np.ndarray, examples: Sequence[Example], frontend: FrontEnd, progress: Progress) -> None:
    progress.start("images", len(examples))
    chunks = [range(start, min(start + CHUNK, len(examples))) for start in range(0, len(examples), CHUNK)]
    failures: list[str] = []
    for failed, rows in zip(in_threads(partial(_fill_rows, images, examples, frontend), chunks), chunks, strict=True):
        failures += failed
        progress.advance(len(rows))
    check_readable(failures, len(examples))


def _fill_rows(images: np.ndarray, examples: Sequence[Example], frontend: FrontEnd, rows: range) -> list[str]:
    """Decode and resize some of them into their places; what could not be read."""
    failures = []
    for row in rows:
        try:
            images[row] = resize_area(load_image(frontend, examples[row].path), image_size(frontend))
        except ImageError as error:
            failures.append(unreadable(examples[row].path, error))
    return failures
