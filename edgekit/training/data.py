"""Folders of labelled images: which there are, which class each is, and how they are split.

A data set is `train/CLASS/*` beside `test/CLASS/*`, or `CLASS/*`, split by a hash of each file's content, so that a file stays on
its side when others are added and copies of one file are on one side. No image is decoded here.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DataError
from edgekit.frontends.image import IMAGE_SUFFIXES

__all__ = ["TEST_SHARE", "VALIDATION_SHARE", "DataSet", "Example", "images_of", "is_whole", "scan", "validation_split"]

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.15
_MOST_NAMED = 5


@dataclass(frozen=True)
class Example:
    """One image file.

    Attributes:
        path: where it lies.
        label: index of its class.
        digest: sha256 of its bytes, hexadecimal.
    """

    path: Path
    label: int
    digest: str


@dataclass(frozen=True)
class DataSet:
    """A scanned data set.

    Attributes:
        root: the folder.
        labels: class names, sorted.
        train: images to train and validate on, sorted by class and name.
        test: images that are only ever evaluated on; may be empty.
    """

    root: Path
    labels: tuple[str, ...]
    train: tuple[Example, ...]
    test: tuple[Example, ...]

    @property
    def digest(self) -> str:
        """sha256 over the labels and every image's class, side and content; file names do not count."""
        lines = [f"label {label}" for label in self.labels]
        lines += sorted(f"train {example.label} {example.digest}" for example in self.train)
        lines += sorted(f"test {example.label} {example.digest}" for example in self.test)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def test_digest(self) -> str:
        """`labelled_digest` of the test images."""
        return labelled_digest(((example.digest, example.label) for example in self.test), self.labels)


def labelled_digest(examples: Iterable[tuple[str, int]], labels: Sequence[str]) -> str:
    """By which figures of one test set know each other: sha256 over what is in it, in whatever order.

    Args:
        examples: sha256 of an image's (window's) bytes, and its index into `labels`.
        labels: names of the classes.
    """
    lines = sorted(f"{content} {labels[target]}" for content, target in examples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def scan(root: str | os.PathLike[str]) -> DataSet:
    """Find the images of a data set and check that a classifier can be trained on them.

    Args:
        root: a folder of `train/CLASS/*` and `test/CLASS/*`, or of `CLASS/*`.

    Raises:
        DataError: on a folder that is missing or empty, holds sensor windows, no class folders, one class, a class with too few
            images, or classes that differ between train and test.
    """
    root = Path(root)
    _check_folder(root)
    aside = ""
    if _is_split(root):
        train, test = _class_folders(root / "train"), _class_folders(root / "test")
        _check_same_classes(train, test)
        labels = _labels(root / "train", train)
        data = DataSet(root, labels, _examples(train, labels), _examples(test, labels))
    else:
        folders = _class_folders(root)
        labels = _labels(root, folders)
        examples = _examples(folders, labels)
        test_side = [example for example in examples if _fraction(example.digest) < TEST_SHARE]
        train_side = [example for example in examples if _fraction(example.digest) >= TEST_SHARE]
        data = DataSet(root, labels, tuple(train_side), tuple(test_side))
        aside = f" once {100 * TEST_SHARE:.0f} % of all, chosen by a hash, were set aside for the test"
    _check_counts(data, aside)
    return data


def validation_split(
    examples: Sequence[Example], labels: Sequence[str], seed: int, share: float = VALIDATION_SHARE
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Set a share of every class aside, chosen by a hash of seed and content; copies of one file stay together.

    Args:
        examples: the training side of a data set.
        labels: class names, for messages.
        seed: another seed, another split.
        share: of each class's distinct images, rounded, at least one image.

    Returns:
        What to train on, what to validate on; in the order given.

    Raises:
        DataError: when a class has fewer than two distinct images.
    """
    chosen: set[str] = set()
    for label in range(len(labels)):
        distinct = {example.digest for example in examples if example.label == label}
        ranked = sorted(distinct, key=lambda digest: hashlib.sha256(f"{seed}:{digest}".encode()).hexdigest())
        chosen.update(ranked[: max(1, round(share * len(ranked)))])
    train = tuple(example for example in examples if example.digest not in chosen)
    left = Counter(example.label for example in train)
    poor = [name for label, name in enumerate(labels) if not left[label]]
    if poor:
        raise DataError(
            f"Expected at least 2 different images in every class, to train on one and validate on another: {_named(poor)} "
            f"has fewer. Add images, or remove the class."
        )
    return train, tuple(example for example in examples if example.digest in chosen)


def images_of(root: str | os.PathLike[str], labels: Sequence[str]) -> list[tuple[Path, int]]:
    """The images to evaluate on: `test/` where there is one, otherwise every image of a plain `CLASS/*` folder.

    Args:
        root: a data set's folder.
        labels: the network's labels; a folder may lack some of them, but not have others.

    Returns:
        (path, index into labels), sorted by class and name.

    Raises:
        DataError: on a folder that is missing, empty, or has classes that the network does not know.
    """
    root = Path(root)
    _check_folder(root)
    has_side = _is_split(root, "evaluate on it") or (_has_folders(root / "test") and "test" not in labels)
    folder = root / "test" if has_side else root
    folders = _class_folders(folder)
    unknown = [name for name in folders if name not in labels]
    if unknown:
        raise DataError(
            f"Expected classes out of {', '.join(labels)} in {folder}, found {len(unknown)} others: {_named(unknown)}. "
            "Rename the folders as the network's labels, or remove them."
        )
    found = [(path, list(labels).index(name)) for name, paths in folders.items() for path in paths]
    if not found:
        raise DataError(f"Expected images in the class folders of {folder}, found none. {_suffix_hint()}")
    return found


def is_whole(root: str | os.PathLike[str]) -> bool:
    """Whether `images_of` takes a plain `CLASS/*` folder whole, of which `scan` trains on a part."""
    return not (Path(root) / "test").is_dir()


def _check_folder(root: Path) -> None:
    if not root.exists():
        raise DataError(f"Expected a folder of images at {root}, found nothing there. Check the path.")
    if not root.is_dir():
        raise DataError(f"Expected a folder of images at {root}, found a file. Pass the folder, unpacked.")
    if any((root / name).exists() for name in ("train.npz", "test.npz")):
        raise DataError(
            f"Expected images in {root}, found sensor windows (.npz), which this network does not take. Try tsak-student."
        )
    if not any(root.iterdir()):
        raise DataError(f"Expected train/CLASS/* and test/CLASS/*, or CLASS/*, in {root}, found an empty folder.")


def _has_folders(folder: Path) -> bool:
    return folder.is_dir() and any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir())


def _is_split(root: Path, use: str = "have it split") -> bool:
    """True for train/ and test/ that hold class folders; one without the other is refused."""
    train, test = _has_folders(root / "train"), _has_folders(root / "test")
    if train and not test:
        raise DataError(f"Expected test/CLASS/* beside {root / 'train'}, found none. Pass {root / 'train'} itself to {use}.")
    return train and test


def _class_folders(folder: Path) -> dict[str, list[Path]]:
    """Class name to its images, both sorted by name."""
    entries = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not entries:
        raise DataError(
            f"Expected a folder for each class in {folder}, found none. Sort the images into folders named as classes."
        )
    for entry in entries:
        if not _is_text(entry.name):
            raise DataError(f"Expected names of classes in UTF-8 in {folder}, got {entry.name!r}. Rename the folder.")
    return {entry.name: sorted(path for path in entry.iterdir() if _is_image(path)) for entry in entries}


def _is_text(name: str) -> bool:
    """Whether a file's name is text: bytes that are none become lone surrogates, which nothing can be made of."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _labels(folder: Path, folders: dict[str, list[Path]]) -> tuple[str, ...]:
    if len(folders) < 2:
        raise DataError(f"Expected at least 2 classes in {folder}, found 1: {next(iter(folders))}. Add a folder for each class.")
    empty = [name for name, paths in folders.items() if not paths]
    if empty:
        raise DataError(
            f"Expected images in every class of {folder}, found {len(empty)} without: {_named(empty)}. {_suffix_hint()}"
        )
    return tuple(sorted(folders))


def _check_same_classes(train: Iterable[str], test: Iterable[str]) -> None:
    only_train, only_test = sorted(set(train) - set(test)), sorted(set(test) - set(train))
    if only_train or only_test:
        raise DataError(
            f"Expected the same classes in train/ and test/: only in train/: {_named(only_train)}; only in test/: "
            f"{_named(only_test)}. Add or remove the folders."
        )


def _check_counts(data: DataSet, aside: str) -> None:
    counts = Counter(example.label for example in data.train)
    poor = [f"{name} ({counts[label]})" for label, name in enumerate(data.labels) if counts[label] < 2]
    if poor:
        raise DataError(
            f"Expected at least 2 training images in every class of {data.root}, to train and to validate on, found "
            f"{len(poor)} with fewer{aside}: {_named(poor)}. Add images, or remove the class."
        )


def _examples(folders: dict[str, list[Path]], labels: Sequence[str]) -> tuple[Example, ...]:
    index = {name: i for i, name in enumerate(labels)}
    return tuple(Example(path, index[name], _digest(path)) for name, paths in folders.items() for path in paths)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"Expected to read {path}: {error.strerror}. Check its permissions.") from error


def _fraction(digest: str) -> float:
    """The digest as a number in [0, 1)."""
    return int(digest[:12], 16) / 16**12


def _named(names: Sequence[str]) -> str:
    """Up to five names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return (", ".join(names[:_MOST_NAMED]) or "none") + (f" and {more} more" if more > 0 else "")


def _suffix_hint() -> str:
    return f"Images end in {', '.join(sorted(IMAGE_SUFFIXES))}."
