"""The same measurement on a board over ssh: a bundle and images go there in one archive, the board's own document comes back."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgekit.bench.images import sample_of
from edgekit.bench.labelled import AT_MOST
from edgekit.core.bundle import Bundle
from edgekit.deploy.remote import RemoteEdgekit
from edgekit.errors import UserError

__all__ = ["bench_on"]

_BUNDLE, _IMAGES = "bundle.zip", "images"

#: A new folder for what comes on stdin, gone when the command has ended. Readable, for a command that sudo gives to another user.
_UNPACK = 'd=$(mktemp -d) && chmod 755 "$d" && trap \'rm -rf "$d"\' EXIT && cd "$d" && tar -xf - && '


def bench_on(
    board: RemoteEdgekit,
    bundle: Bundle,
    images: Sequence[Path],
    options: Sequence[str],
    labelled: bool = False,
    progress: Callable[[int, int], None] = lambda _sent, _all: None,
) -> dict[str, Any]:
    """Measure a bundle on a board.

    Args:
        board: with edgekit installed and a runtime.
        bundle: opened; what is sent are the bytes that were verified.
        images: of which a seeded sample is sent along; none for the bundle's own.
        options: of the board's `edgekit bench`.
        labelled: send as many images as accuracy takes, 1,000, not only those to measure with.
        progress: told of the bytes of every piece sent, and of all.

    Returns:
        The document of `edgekit bench --json` there, with the "host".

    Raises:
        EdgekitError: see `RemoteEdgekit.run`.
    """
    chosen = sample_of(_held_out(images), AT_MOST) if labelled else sample_of(images)
    content = _archive(bundle, chosen)
    words = ["bench", _BUNDLE, *(("--images", _IMAGES) if chosen else ()), *options, "--json"]
    out = board.run(words, content, lambda sent: progress(sent, len(content)), before=_UNPACK)
    try:
        document: dict[str, Any] = json.loads(out)
        _ = document["device"], document["runs"]
    except (ValueError, TypeError, LookupError) as error:
        raise UserError(
            f"Expected a measurement (JSON) from edgekit on {board.name}, got {out[:80]!r}. Is --edgekit the right command?"
        ) from error
    return {"host": board.name, **document}


def _held_out(images: Sequence[Path]) -> Sequence[Path]:
    """Those of test/ alone where there is such a folder: training images flatter."""
    return [path for path in images if "test" in path.parts[:-1]] or images


def _archive(bundle: Bundle, images: Sequence[Path]) -> bytes:
    """A .tar of the bundle and the images, in folders of their classes' names."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        _add(archive, _BUNDLE, bundle.archive())
        for number, path in enumerate(images):
            _add(archive, f"{_IMAGES}/{path.resolve().parent.name}/{number:04}-{path.name}", path.read_bytes())
    return stream.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))
