"""A cache of arrays on disk: features cost more than training a small network on them.

It lies in `$XDG_CACHE_HOME/edgekit/features` (`~/.cache` where that is not set), may be deleted at any time, and throws its
oldest files away beyond `LIMIT_BYTES`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.core.files import ARCHIVE_ERRORS

__all__ = ["LIMIT_BYTES", "Arrays", "cache_folder", "cache_key", "cached", "code_version", "prune"]

#: Name of the array with the digest of the others.
_DIGEST = "sha256"

LIMIT_BYTES = 4 * 2**30
Arrays = Mapping[str, np.ndarray]


def cache_folder() -> Path:
    """Where the files lie; it may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "edgekit" / "features"


def cache_key(value: Any) -> str:
    """sha256 of a JSON value, keys sorted."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def code_version() -> str:
    """sha256 over the source of the front ends and of the augmentation: features of other code are other features."""
    package = Path(__file__).resolve().parents[1]
    training = package / "training"
    sources = [*sorted((package / "frontends").glob("*.py")), training / "augment.py", training / "features.py"]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()


def cached(key: str, compute: Callable[[], Arrays]) -> dict[str, np.ndarray]:
    """The arrays stored under `key`, or those that `compute` gives, then stored.

    A damaged file is computed anew. A cache that cannot be written (a full disk, a read-only home) costs time, never the result.
    """
    path = cache_folder() / f"{key}.npz"
    found = _read(path)
    if found is not None:
        return found
    arrays = dict(compute())
    with suppress(OSError):
        _write(path, arrays)
        prune(path.parent, keep=path)
    return arrays


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a whole file, None when it is absent or damaged."""
    try:
        # Opened here: NumPy leaves a damaged archive open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except ARCHIVE_ERRORS:
        return None
    told = arrays.pop(_DIGEST, None)
    return arrays if told is not None and told.tobytes() == _digest(arrays) else None


def _digest(arrays: Arrays) -> bytes:
    """sha256 over names, shapes and values: the zip's own CRC-32 says nothing of its directory."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.digest()


def _write(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays, **{_DIGEST: np.frombuffer(_digest(arrays), np.uint8)})
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def prune(folder: Path, keep: Path) -> None:
    """Delete the oldest files until what is left fits `LIMIT_BYTES`; `keep` stays, and what others are writing.

    Other trainings prune, too: a file that has gone meanwhile is no error.
    """
    files = []
    for entry in folder.glob("[!.]*.np[yz]"):
        with suppress(OSError):
            status = entry.stat()
            files.append((entry == keep, status.st_mtime, status.st_size, entry))
    total = 0
    for kept, _, size, file in sorted(files, reverse=True):
        total += size
        if total > LIMIT_BYTES and not kept:
            with suppress(OSError):
                file.unlink()
