"""A window of sensor samples that somebody sent: JSON, or an .npz file with one array x."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np

from edgekit.core.files import ARCHIVE_ERRORS
from edgekit.daemon.messages import read_window_request
from edgekit.daemon.refusals import BadRequest, TooLarge
from edgekit.daemon.tensors import check_length, numbers

__all__ = ["read_window"]

#: Of float64, with the array's header and alignment.
_VALUE = 8
_AROUND = 4096

#: Of an archive's other members and its directory, whose entries take twenty times their bytes as objects.
_ARCHIVE = 64 << 10


def read_window(content: bytes, shape: tuple[int, ...], channels: tuple[str, ...] = ()) -> np.ndarray:
    """The window, told by its first bytes.

    Args:
        content: an .npz archive holding `x`, of `shape` or (1, *shape); or JSON, {"window": nested numbers}.
        shape: that the front end takes.
        channels: names of them, where the front end knows some: an archive that names its own is put in this order.

    Returns:
        `shape`, an integer or float dtype; whether all is finite is checked by the front end.

    Raises:
        BadRequest: when it is neither, or of another shape.
        TooLarge: when the archive has, or declares, more than such a window needs.
    """
    window = _from_npz(content, shape, channels) if content[:2] == b"PK" else _from_json(content, shape)
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


def _from_npz(content: bytes, shape: tuple[int, ...], channels: tuple[str, ...]) -> np.ndarray:
    limit = _AROUND + _VALUE * int(np.prod(shape))
    if len(content) > limit + _ARCHIVE:
        raise TooLarge(f"Expected one window of {list(shape)}, the file is larger.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            window = _array(archive, "x.npy", limit, shape)
            named = bool(channels) and "channels.npy" in archive.namelist()
            names = _array(archive, "channels.npy", _ARCHIVE, shape) if named else None
    except (*ARCHIVE_ERRORS, struct.error) as error:
        raise BadRequest("Expected an .npz file with a plain array x: numpy.savez(file, x=window).") from error
    is_text = names is not None and names.dtype.kind in "US" and names.ndim == 1
    return _ordered(window, names, shape, channels) if names is not None and is_text else window


def _array(archive: zipfile.ZipFile, name: str, limit: int, shape: tuple[int, ...]) -> np.ndarray:
    if archive.getinfo(name).file_size > limit:
        raise TooLarge(f"Expected one window of {list(shape)}, the file declares more.")
    # The declared size may lie: no more than that is read.
    with archive.open(name) as member:
        raw = member.read(limit + 1)
    array: np.ndarray = np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)  # type: ignore[no-untyped-call]
    return array


def _ordered(window: np.ndarray, names: np.ndarray, shape: tuple[int, ...], channels: tuple[str, ...]) -> np.ndarray:
    # Looked at before the names are: texts of no length take no bytes, however many there are.
    if window.shape not in (shape, (1, *shape)) or names.shape != (len(channels),) or names.dtype.kind != "U":
        raise BadRequest(
            f"Expected a window of shape {list(shape)} with channels {', '.join(channels)} as {len(channels)} texts."
        )
    known = list(map(str, names))
    if set(known) != set(channels):
        raise BadRequest(f"Expected channels {', '.join(channels)} in the file, found {', '.join(known)[:200]}.")
    return window[..., [known.index(name) for name in channels], :]
