"""Data sets of sensor windows, `train.npz` and `test.npz` in one folder: checked, split, augmented, ready to fit."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.core.files import sha256_of
from edgekit.errors import DataError, UserError
from edgekit.frontends.base import FrontEnd, window_shape
from edgekit.frontends.windows import Windows, is_windows_file, load_windows, seen_by
from edgekit.models.checkpoint import Run
from edgekit.training.augment_windows import augment_windows
from edgekit.training.config import TrainConfig, default_copies
from edgekit.training.data import VALIDATION_SHARE, labelled_digest, scan
from edgekit.training.fit import predict_logits
from edgekit.training.inputs import InMemory
from edgekit.training.prepared import Prepared, Side, fit_frontend, prepared

__all__ = ["WindowSet", "digest_of", "holds_windows", "labelled_windows", "prepare_windows", "scan_windows"]

_POLICIES = ("photo", "none")


@dataclass(frozen=True)
class WindowSet:
    """A checked data set.

    Attributes:
        root: the folder.
        labels: class names by index.
        train: windows to train and validate on.
        test: windows that are only ever evaluated on, with the training side's class indices; None where there is no test.npz.
    """

    root: Path
    labels: tuple[str, ...]
    train: Windows
    test: Windows | None

    @property
    def digest(self) -> str:
        """sha256 over labels, names of channels, windows, classes and persons of both sides."""
        digest = hashlib.sha256("\n".join((*self.labels, *(self.train.channels or ()))).encode(errors="backslashreplace"))
        for side in (self.train, self.test):
            for array in () if side is None else (side.x, _classes(side), side.groups):
                if array is not None:
                    digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def test_digest(self) -> str:
        """`labelled_digest` of the test windows."""
        if self.test is None:
            return labelled_digest((), self.labels)
        return labelled_digest(zip(_contents(self.test), _classes(self.test), strict=True), self.labels)


def holds_windows(root: Path) -> bool:
    """True for a folder with train.npz or test.npz."""
    return any((root / name).exists() for name in ("train.npz", "test.npz"))


def digest_of(root: Path) -> str:
    """That of the data set in a folder, images or windows.

    Raises:
        DataError: as `scan` or `scan_windows` does.
    """
    return (scan_windows(root) if holds_windows(root) else scan(root)).digest


def scan_windows(root: Path) -> WindowSet:
    """Read both files and check that a classifier can be trained on them.

    Raises:
        DataError: on a missing file, windows without classes, fewer than two classes, a class with fewer than two windows, a test
            side of another shape, of other channels, or with classes that training lacks.
    """
    train = load_windows(root / "train.npz")
    if train.y is None:
        raise DataError(f"Expected labelled windows in {root / 'train.npz'}, it holds no y. Add one class index a window.")
    labels = train.labels or tuple(map(str, range(int(train.y.max()) + 1)))
    counts = np.bincount(train.y, minlength=len(labels))
    poor = [label for label, count in zip(labels, counts, strict=True) if count < 2]
    if len(labels) < 2 or poor:
        which = f"of {', '.join(poor)}" if poor else "of a second class"
        raise DataError(f"Expected at least 2 classes with 2 windows each in {root / 'train.npz'}, found too few {which}.")
    file = root / "test.npz"
    test = load_windows(file) if file.exists() else None
    if test is not None:
        if test.x.shape[1:] != train.x.shape[1:]:
            raise DataError(
                f"Expected windows of shape {train.x.shape[1:]} in {file} as in train.npz, got {test.x.shape[1:]}. Cut alike."
            )
        if None not in (test.channels, train.channels) and test.channels != train.channels:
            theirs, ours = (", ".join(side.channels or ()) for side in (test, train))
            raise DataError(f"Expected channels {ours} in {file} as in train.npz, got {theirs}. Record alike.")
        test = Windows(test.x, class_indices(test, labels, file), labels, test.groups, test.channels or train.channels)
    return WindowSet(root, labels, train, test)


def prepare_windows(config: TrainConfig, data: WindowSet, frontend: FrontEnd, teacher: Run | None) -> Prepared:
    """Split, standardise and augment.

    Args:
        config: the settings; "photo", the default, means the one augmentation that there is for windows.
        data: as `scan_windows` gave it.
        frontend: `Samples` of their shape, not yet fitted.
        teacher: whose logits are learned from; it may see channels that the network does not.

    Raises:
        DataError: when no person can be held out.
        UserError: on an augmentation of images, or a teacher of other windows.
    """
    if config.augment not in _POLICIES:
        raise UserError(f"Expected {' or '.join(_POLICIES)} as the augmentation of windows, got {config.augment}: for images.")
    if teacher is not None:
        _check_teacher(config, teacher, data)
    held_out = validation_rows(data, config.seed)
    raw, y = frontend.raw(seen_by(frontend, data.train, data.root / "train.npz")), _classes(data.train)
    fitted = fit_frontend(frontend, raw[~held_out], config.clip)
    side = partial(_side, config, fitted, teacher, data.root / "train.npz")
    sides = [partial(side, _rows(data.train, ~held_out), 0)]
    if config.refit:
        sides.append(partial(side, _rows(data.train, held_out), 1))
    test = np.zeros((0, *frontend.output.shape), np.float32), np.zeros(0, np.int64)
    if data.test is not None:
        test = frontend.raw(seen_by(frontend, data.test, data.root / "test.npz")), _classes(data.test)
    validation = raw[held_out], y[held_out]
    return prepared(fitted, len(data.labels), tuple(sides), validation, test)


def validation_rows(data: WindowSet, seed: int) -> np.ndarray:
    """(N,) bool: windows of the persons that are held out; without groups, a share of every class's windows.

    Persons are drawn in an order that hangs on the seed alone until they hold the share of windows; one whose windows a class
    cannot do without stays.
    """
    y, groups = _classes(data.train), data.train.groups
    held_out = _persons(y, groups, len(data.labels), seed) if groups is not None else _share_of_each(y, seed)
    if not held_out.any():
        raise DataError(
            f"Expected windows of at least 2 subjects in {data.root}, to validate on one: every class needs two. "
            "Record more people, or leave subject out of the file."
        )
    return held_out


def _share_of_each(y: np.ndarray, seed: int) -> np.ndarray:
    """(N,) bool: the first of every class, in an order that hangs on the seed, until they are its share; at least one."""
    held_out = np.zeros(len(y), bool)
    order = np.array(_order(range(len(y)), seed))
    for place, count in enumerate(np.bincount(y)):
        held_out[order[y[order] == place][: math.ceil(max(VALIDATION_SHARE * count, 1))]] = True
    return held_out


def _persons(y: np.ndarray, groups: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """(N,) bool: all windows of the persons that are held out."""
    held_out = np.zeros(len(y), bool)
    for person in _order(np.unique(groups).tolist(), seed):
        rows = groups == person
        left = np.bincount(y[~held_out & ~rows], minlength=classes)
        if held_out.sum() < max(VALIDATION_SHARE * len(y), 1) and left.min() > 0:
            held_out |= rows
    return held_out


def _order(keys: Iterable[Any], seed: int) -> list[Any]:
    return sorted(keys, key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).hexdigest())


def _check_teacher(config: TrainConfig, teacher: Run, data: WindowSet) -> None:
    given = seen_by(teacher.frontend, data.train, data.root / "train.npz").shape[1:]
    if given != (taken := window_shape(teacher.frontend)):
        raise UserError(
            f"Expected a teacher of windows of shape {given}, {config.teacher} takes windows of shape {taken}. "
            "Train one on the same data."
        )


def _rows(windows: Windows, kept: np.ndarray) -> Windows:
    return replace(windows, x=windows.x[kept], y=_classes(windows)[kept], groups=None)


def _side(config: TrainConfig, frontend: FrontEnd, teacher: Run | None, file: Path, side: Windows, number: int) -> Side:
    """Windows as they were recorded, changed, and then seen through each front end: as on the board."""
    x, y = side.x, _classes(side)
    copies = 0
    if config.augment != "none":
        copies = default_copies(len(x), 2 * math.prod(frontend.output.shape)) if config.copies is None else config.copies
    rng = np.random.default_rng([config.seed, number])
    features, logits = [], []
    for copy in range(1 + copies):
        windows = replace(side, x=augment_windows(x, rng) if copy else x)
        features.append(frontend(seen_by(frontend, windows, file)).astype(np.float16))
        if teacher is not None:
            taught = teacher.frontend(seen_by(teacher.frontend, windows, file))
            logits.append(predict_logits(teacher.module, InMemory(torch.from_numpy(taught))))
    return Side(np.concatenate(features), np.tile(y, 1 + copies), np.concatenate(logits) if logits else None)


def labelled_windows(labels: tuple[str, ...], frontend: FrontEnd, data: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Windows to evaluate on, with the model's class index of each.

    Args:
        labels: the model's, by index.
        frontend: the model's.
        data: an .npz file, or a folder with test.npz.

    Returns:
        (N, ...) float32 windows as the front end takes them, (N,) int64, and sha256 of each window as it was recorded.

    Raises:
        DataError: on a file that cannot be read, has no y, lacks a channel, or names a class that the model does not know.
    """
    file = data if is_windows_file(data) else data / "test.npz"
    windows = load_windows(file)
    return seen_by(frontend, windows, file), class_indices(windows, labels, file), _contents(windows)


def _contents(windows: Windows) -> tuple[str, ...]:
    return tuple(sha256_of(window.tobytes()) for window in windows.x)


def class_indices(windows: Windows, labels: tuple[str, ...], file: Path) -> np.ndarray:
    """(N,) int64: the file's classes as the model's, by name where the file names them, by index otherwise.

    Raises:
        DataError: when there are none, or others than the model's.
    """
    if windows.y is None:
        raise DataError(f"Expected labelled windows in {file}, it holds no y. Add one class index a window.")
    if windows.labels is None:
        if windows.y.max() >= len(labels):
            raise DataError(f"Expected classes 0 to {len(labels) - 1} in y of {file}, got {windows.y.max()}. Leave those out.")
        return windows.y
    unknown = [windows.labels[index] for index in np.unique(windows.y) if windows.labels[index] not in labels]
    if unknown:
        known = ", ".join(labels)
        raise DataError(f"Expected the model's classes ({known}) in {file}, found {', '.join(unknown)} too. Leave those out.")
    index_of = {label: index for index, label in enumerate(labels)}
    return np.array([index_of[windows.labels[index]] for index in windows.y], np.int64)


def _classes(windows: Windows) -> np.ndarray:
    if windows.y is None:
        raise DataError("Expected labelled windows, these have no classes.")
    return windows.y
