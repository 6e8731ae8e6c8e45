"""Scanning data sets: what is found, how it is split, and what is refused with which words."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import DataError
from edgekit.frontends.image import IMAGE_SUFFIXES
from edgekit.training.data import VALIDATION_SHARE, DataSet, Example, images_of, scan, validation_split


def example(number: int, label: int) -> Example:
    return Example(Path(f"{label}/{number}.png"), label, hashlib.sha256(str(number).encode()).hexdigest())


def test_a_split_folder_keeps_its_sides(split_folder):
    data = scan(split_folder)
    assert data.labels == ("blue", "red")
    assert [len(data.train), len(data.test)] == [24, 8]
    assert [e.label for e in data.test] == [0] * 4 + [1] * 4


def test_a_plain_folder_is_split_by_content_and_stays_so_when_images_are_added(tmp_path, write_pictures):
    root = write_pictures(tmp_path / "plain", {"a": 60, "b": 60})
    before = scan(root)
    assert 10 <= len(before.test) <= 40
    for path in sorted((root / "a").iterdir()):
        path.rename(path.with_name(f"renamed-{path.name}"))
    write_pictures(tmp_path / "more", {"a": 20})
    for path in (tmp_path / "more" / "a").iterdir():
        path.rename(root / "a" / f"more-{path.name}")
    after = scan(root)
    assert {e.digest for e in before.test} <= {e.digest for e in after.test}
    assert {e.digest for e in before.train} <= {e.digest for e in after.train}


def test_a_class_folder_whose_name_is_no_text_is_refused(tmp_path, write_pictures):
    root = write_pictures(tmp_path / "plain", {"a": 6, "b": 6})
    try:
        os.mkdir(os.fsencode(root) + b"/caf\xe9")
    except OSError:
        pytest.skip("this file system takes no names but UTF-8")
    with pytest.raises(DataError, match="names of classes in UTF-8"):
        scan(root)


def test_every_ending_that_predict_takes_is_an_image_of_a_data_set(split_folder):
    for suffix in IMAGE_SUFFIXES:
        (split_folder / "train" / "red" / f"more{suffix.upper()}").write_bytes(suffix.encode())
    assert len(scan(split_folder).train) == 24 + len(IMAGE_SUFFIXES)


def test_files_that_are_no_images_and_hidden_ones_are_passed_over(split_folder):
    (split_folder / "train" / "red" / "Thumbs.db").write_bytes(b"x")
    (split_folder / "train" / "red" / ".hidden.png").write_bytes(b"x")
    (split_folder / "train" / ".ipynb_checkpoints").mkdir()
    assert len(scan(split_folder).train) == 24


def test_the_digest_knows_contents_and_classes_but_not_names(split_folder):
    before = scan(split_folder).digest
    path = split_folder / "train" / "red" / "000.png"
    path = path.rename(path.with_name("other.png"))
    assert scan(split_folder).digest == before
    path.rename(split_folder / "train" / "blue" / "other.png")
    assert scan(split_folder).digest != before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "found nothing there"),
        (lambda root: root.write_bytes(b"PK"), "found a file. Pass the folder, unpacked"),
        (lambda root: root.mkdir(), "found an empty folder"),
        (lambda root: (root.mkdir(), (root / "a.png").touch()), "Expected a folder for each class"),
        (lambda root: (root.mkdir(), (root / "train.npz").touch()), "sensor windows (.*), which this network does not take"),
        (lambda root: (root / "a").mkdir(parents=True), "at least 2 classes in .*found 1: a"),
        (lambda root: (root / "train" / "a").mkdir(parents=True), "Expected test/CLASS"),
    ],
    ids=["missing", "file", "empty", "no classes", "sensor windows", "one class", "train alone"],
)
def test_a_folder_that_is_no_data_set_is_refused(tmp_path, make, message):
    make(tmp_path / "data")
    with pytest.raises(DataError, match=message) as error:
        scan(tmp_path / "data")
    assert "\n" not in str(error.value)


def test_empty_classes_are_named_and_counted(tmp_path, write_pictures):
    root = write_pictures(tmp_path / "data", {"a": 9, "b": 9})
    for i in range(7):
        (root / f"empty{i}").mkdir()
    with pytest.raises(DataError, match=r"found 7 without: empty0, empty1, empty2, empty3, empty4 and 2 more"):
        scan(root)


def test_training_images_without_a_test_are_refused_with_what_can_be_done(split_folder):
    shutil.rmtree(split_folder / "test")
    with pytest.raises(DataError, match="train itself to have it split"):
        scan(split_folder)
    with pytest.raises(DataError, match="train itself to evaluate on it"):
        images_of(split_folder, ("blue", "red"))


def test_classes_that_differ_between_train_and_test_are_refused(split_folder):
    (split_folder / "test" / "red").rename(split_folder / "test" / "rot")
    with pytest.raises(DataError, match=r"only in train/: red; only in test/: rot"):
        scan(split_folder)


def test_a_class_with_a_single_image_is_refused(split_folder, write_pictures):
    write_pictures(split_folder / "train", {"green": 1})
    write_pictures(split_folder / "test", {"green": 1})
    with pytest.raises(DataError, match=r"at least 2 training images in every class .* found 1 with fewer: green \(1\)"):
        scan(split_folder)


def test_a_class_of_copies_of_one_image_is_refused_by_the_split():
    examples = [example(i, 0) for i in range(5)] + [example(99, 1), example(99, 1)]
    with pytest.raises(DataError, match=r"at least 2 different images in every class.*: b has fewer"):
        validation_split(examples, ("a", "b"), seed=0)


@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=4),
    copies=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_the_validation_split_is_stratified_repeatable_and_keeps_copies_together(counts, copies, seed):
    examples = [example(1000 * label + i, label) for label, count in enumerate(counts) for i in range(count)] * copies
    labels = [str(i) for i in range(len(counts))]
    train, validation = validation_split(examples, labels, seed)
    assert validation_split(examples, labels, seed) == (train, validation)
    assert sorted(map(str, (*train, *validation))) == sorted(map(str, examples))
    assert not {e.digest for e in train} & {e.digest for e in validation}
    for label, count in enumerate(counts):
        assert sum(e.label == label for e in validation) == copies * max(1, round(VALIDATION_SHARE * count))


def test_another_seed_gives_another_validation_split():
    examples = [example(i, i % 2) for i in range(100)]
    assert validation_split(examples, ("a", "b"), 0) != validation_split(examples, ("a", "b"), 1)


def test_evaluation_takes_the_test_side_where_there_is_one(split_folder):
    found = images_of(split_folder, ["blue", "red"])
    assert len(found) == 8
    assert all(path.parent.parent.name == "test" for path, _ in found)
    assert [index for _, index in found] == [0] * 4 + [1] * 4


def test_evaluation_takes_every_image_of_a_plain_folder_in_the_networks_order_of_labels(split_folder):
    found = images_of(split_folder / "train", ["red", "green", "blue"])
    assert [index for _, index in found] == [2] * 12 + [0] * 12


def test_evaluation_refuses_classes_that_the_network_does_not_know(split_folder):
    with pytest.raises(DataError, match=r"Expected classes out of red, green in .* found 1 others: blue"):
        images_of(split_folder, ["red", "green"])


def test_evaluation_refuses_class_folders_without_images(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="found none"):
        images_of(tmp_path, ["a", "b"])


def test_scanning_needs_no_torch(split_folder):
    code = f"import sys; sys.modules['torch'] = None; from edgekit.training.data import scan; scan({str(split_folder)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_data_set_without_test_images_has_a_digest(tmp_path):
    assert len(DataSet(tmp_path, ("a",), (example(0, 0),), ()).digest) == 64
