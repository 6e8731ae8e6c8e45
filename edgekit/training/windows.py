"""Data sets of sensor windows: `train.npz` and `test.npz` in one folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.errors import DataError
from edgekit.frontends.base import FrontEnd
from edgekit.frontends.windows import Windows, is_windows_file, load_windows

__all__ = ["labelled_windows"]


def labelled_windows(frontend: FrontEnd, labels: tuple[str, ...], data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Windows to evaluate on, with the model's class index of each.

    Args:
        frontend: one that takes windows.
        labels: the model's, by index.
        data: an .npz file, or a folder with test.npz.

    Returns:
        (N, ...) float32 raw features and (N,) int64.

    Raises:
        DataError: on a file that cannot be read, has no y, or names a class that the model does not know.
        InputError: on windows of another shape.
    """
    file = data if is_windows_file(data) else data / "test.npz"
    windows = load_windows(file)
    return frontend.raw(windows.x), _targets(windows, labels, file)


def _targets(windows: Windows, labels: tuple[str, ...], file: Path) -> np.ndarray:
    """The file's classes as the model's: by name where the file names them, by index otherwise."""
    if windows.y is None:
        raise DataError(f"Expected labelled windows in {file}, it holds no y. Add one class index a window.")
    if windows.labels is None:
        if windows.y.max() >= len(labels):
            raise DataError(f"Expected classes 0 to {len(labels) - 1} in y of {file}, got {windows.y.max()}.")
        return windows.y
    unknown = [windows.labels[index] for index in np.unique(windows.y) if windows.labels[index] not in labels]
    if unknown:
        known = ", ".join(labels)
        raise DataError(f"Expected the model's classes ({known}) in {file}, found {', '.join(unknown)} too. Leave those out.")
    index_of = {label: index for index, label in enumerate(labels)}
    return np.array([index_of[windows.labels[index]] for index in windows.y], np.int64)
