"""A window of sensor samples that somebody sent: JSON, or an .npz file with one array x."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np

from edgekit.daemon.messages import read_window_request
from edgekit.daemon.refusals import BadRequest, TooLarge
from edgekit.daemon.tensors import check_length, numbers

__all__ = ["read_window"]

#: Of float64, with the array's header and alignment.
_VALUE = 8
_AROUND = 4096

#: Of an archive's other members and its directory, whose entries take twenty times their bytes as objects.
_ARCHIVE = 64 << 10


def read_window(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The window, told by its first bytes.

    Args:
        content: an .npz archive holding `x`, of `shape` or (1, *shape); or JSON, {"window": nested numbers}.
        shape: that the front end takes.

    Returns:
        `shape`, an integer or float dtype; whether all is finite is checked by the front end.

    Raises:
        BadRequest: when it is neither, or of another shape.
        TooLarge: when the archive has, or declares, more than such a window needs.
    """
    window = _from_npz(content, shape) if content[:2] == b"PK" else _from_json(content, shape)
    if window.dtype.kind not in "fiu" or window.shape not in (shape, (1, *shape)):
        raise BadRequest(f"Expected a window of numbers of shape {list(shape)}.")
    return window.reshape(shape)


def _from_json(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    check_length(len(content), shape)
    try:
        data = read_window_request(content).window
    except BadRequest as error:
        raise BadRequest('Expected JSON {"window": [...]}, or an .npz file with an array x.') from error
    return numbers(data, shape, "window")


def _from_npz(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    limit = _AROUND + _VALUE * int(np.prod(shape))
    if len(content) > limit + _ARCHIVE:
        raise TooLarge(f"Expected one window of {list(shape)}, the file is larger.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.getinfo("x.npy").file_size > limit:
                raise TooLarge(f"Expected one window of {list(shape)}, the file declares more.")
            # The declared size may lie: no more than that is read.
            with archive.open("x.npy") as member:
                raw = member.read(limit + 1)
        window: np.ndarray = np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)  # type: ignore[no-untyped-call]
    except (KeyError, ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error) as error:
        raise BadRequest("Expected an .npz file with a plain array x: numpy.savez(file, x=window).") from error
    return window
