"""From an .npz file to windows of sensor samples: the only reader of them.

The file holds `x` (N, ...) and, where the windows are labelled, `y` (N,) class indices, with `labels` (classes,) naming them,
`subject` (N,) where it is known whose they are, and `channels` (C,) names of the sensors of (N, C, T) windows.
"""

from __future__ import annotations

import unicodedata
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.core.files import ARCHIVE_ERRORS
from edgekit.errors import DataError
from edgekit.frontends.base import FrontEnd

__all__ = ["Windows", "is_windows_file", "load_windows", "seen_by"]

#: A larger index is no class but a damaged file.
_MOST_CLASSES = 1_000_000

#: Unicode's control characters, and halves of characters that no encoding takes.
_NO_TEXT = ("Cc", "Cs")


@dataclass(frozen=True)
class Windows:
    """Windows of one file.

    Attributes:
        x: (N, ...) float32 samples, all finite.
        y: (N,) int64 class indices, None where the file has none.
        labels: class names by index, None where the file has none.
        groups: (N,) whose windows they are ("subject"), None where the file does not say.
        channels: names of the channels of (N, C, T) windows, None where the file has none.
    """

    x: np.ndarray
    y: np.ndarray | None
    labels: tuple[str, ...] | None
    groups: np.ndarray | None = None
    channels: tuple[str, ...] | None = None


def is_windows_file(path: Path) -> bool:
    """True for a file that is named like one."""
    return path.suffix.lower() == ".npz"


def load_windows(path: Path) -> Windows:
    """Read and check a file.

    Args:
        path: an .npz file; objects (pickles) in it are refused.

    Raises:
        DataError: on a file that is missing or no .npz, lacks x, holds NaN or other than numbers, or whose y does not fit.
    """
    arrays = _arrays(path)
    if "x" not in arrays:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(f"Expected windows as array x in {path}, found {found}. Save them: np.savez(file, x=windows, y=classes).")
    x = arrays["x"]
    if x.ndim < 2 or x.dtype.kind not in "fiu" or not len(x):
        raise DataError(
            f"Expected x of {path} as numbers of shape (windows, ...), got {x.dtype} of shape {x.shape}. Save real ones."
        )
    with np.errstate(over="ignore"):  # beyond float32 is infinity, and refused as such
        x = x.astype(np.float32)
    if not (finite := np.isfinite(x)).all():
        bad = int((~finite.reshape(len(x), -1).all(axis=1)).sum())
        raise DataError(
            f"Expected finite samples in {path}, {bad} of {len(x)} windows hold NaN or infinity in float32. Remove them."
        )
    labels = _labels(path, arrays.get("labels"))
    groups = arrays.get("subject")
    if groups is not None and groups.shape != (len(x),):
        raise DataError(f"Expected subject of {path} as ({len(x)},), one a window, got shape {groups.shape}.")
    return Windows(x, _classes(path, arrays.get("y"), len(x), labels), labels, groups, _channels(path, arrays.get("channels"), x))


def seen_by(frontend: FrontEnd, windows: Windows, path: Path) -> np.ndarray:
    """The samples that a front end takes: of windows that name their channels, those that it names, in its order.

    Args:
        frontend: `Samples`; where it names no channels, windows stay as they are.
        windows: of one file.
        path: of that file, for the message.

    Returns:
        (N, ...) float32.

    Raises:
        DataError: when a channel is not there.
    """
    wanted: tuple[str, ...] = frontend.config.channels
    known = windows.channels
    if not wanted or known is None or known == wanted:
        return windows.x
    if missing := [name for name in wanted if name not in known]:
        raise DataError(
            f"Expected channels {', '.join(wanted)} in {path}, found {', '.join(known)}: no {', '.join(missing)}. "
            "Record those sensors, too."
        )
    return windows.x[:, [known.index(name) for name in wanted]]


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        if not path.exists():
            raise DataError(f"Expected an .npz file at {path}, there is no such file. Check the path.")
        if not zipfile.is_zipfile(path):
            raise DataError(f"Expected an .npz file at {path}, it is no archive. Save it: np.savez(file, x=windows, y=classes).")
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name in ("x", "y", "labels", "subject", "channels")}
    except ARCHIVE_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"Expected an .npz file of plain arrays at {path}, it cannot be read: {reason:.120}. "
            "Save numbers, all windows of one length."
        ) from error


def _labels(path: Path, labels: np.ndarray | None) -> tuple[str, ...] | None:
    if labels is None:
        return None
    if labels.ndim != 1 or labels.dtype.kind not in "Uiu":
        expected = f"Expected labels of {path} as (classes,) names"
        raise DataError(f"{expected}, got {labels.dtype} of shape {labels.shape}. Save them as np.array(['a', 'b']).")
    return _names(path, "labels", labels)


def _channels(path: Path, channels: np.ndarray | None, x: np.ndarray) -> tuple[str, ...] | None:
    """Names, where the file gives a list of texts; numbers, or one text, of that name are not ours."""
    if channels is None or x.ndim != 3 or channels.ndim != 1 or channels.dtype.kind not in "US":
        return None
    if channels.shape != x.shape[1:2] or channels.dtype.kind == "S":
        expected = f"Expected channels of {path} as ({x.shape[1]},) names"
        raise DataError(f"{expected}, got {channels.dtype} of shape {channels.shape}. Save them as np.array(['x', 'y']).")
    return _names(path, "channels", channels)


def _names(path: Path, what: str, array: np.ndarray) -> tuple[str, ...]:
    names = tuple(map(str, array))
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DataError(f"Expected different {what} in {path}, got {twice[0]!r} more than once. Give every one its own name.")
    if bad := [name for name in names if not name or any(unicodedata.category(letter) in _NO_TEXT for letter in name)]:
        raise DataError(f"Expected {what} of {path} as text in one line each, got {bad[0]!r}. Name every one.")
    return names


def _classes(path: Path, y: np.ndarray | None, count: int, labels: tuple[str, ...] | None) -> np.ndarray | None:
    if y is None:
        return None
    if y.shape != (count,) or y.dtype.kind not in "iu":
        raise DataError(
            f"Expected y of {path} as ({count},) class indices, one a window, got {y.dtype} of shape {y.shape}. Save whole ones."
        )
    if count and (y.min() < 0 or y.max() >= _MOST_CLASSES or (labels is not None and y.max() >= len(labels))):
        allowed = f"0 to {len(labels) - 1}" if labels is not None else "of 0 and more"
        raise DataError(f"Expected classes {allowed} in y of {path}, got {y.min()} to {y.max()}. Count from 0.")
    return y.astype(np.int64)
