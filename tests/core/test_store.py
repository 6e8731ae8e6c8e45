from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.core.store import Store
from edgekit.errors import BundleError, UnknownNameError, UserError

pytestmark = pytest.mark.device


@pytest.fixture
def store(tmp_path) -> Store:
    for number, version in enumerate(("1", "2", "3")):
        (tmp_path / "fire" / version).mkdir(parents=True)
        os.utime(tmp_path / "fire" / version, (number, number))
    return Store(tmp_path)


def test_an_empty_or_absent_store_has_no_names(tmp_path):
    assert Store(tmp_path).names() == ()
    assert Store(tmp_path / "absent").names() == ()


def test_a_name_counts_once_one_of_its_versions_is_current(store):
    assert store.names() == ()
    store.switch("fire", "2")
    assert store.names() == ("fire",)
    assert store.current("fire") == "2"
    assert store.previous("fire") is None


def test_versions_come_the_newest_first_and_links_are_none(store):
    store.switch("fire", "1")
    assert store.versions("fire") == ("3", "2", "1")


def test_switching_remembers_the_way_back(store):
    for version in ("1", "2", "2"):
        store.switch("fire", version)
    assert (store.current("fire"), store.previous("fire")) == ("2", "1")
    store.switch("fire", "1")
    assert (store.current("fire"), store.previous("fire")) == ("1", "2")


def test_what_a_link_points_at_is_not_removed(store):
    for version in ("1", "2"):
        store.switch("fire", version)
    for version in ("1", "2"):
        with pytest.raises(BundleError, match="no link points at"):
            store.remove("fire", version)
    store.remove("fire", "3")
    assert store.versions("fire") == ("2", "1")


def test_a_version_that_is_not_there_cannot_be_switched_to(store):
    with pytest.raises(UnknownNameError, match="Known: 1, 2, 3"):
        store.switch("fire", "4")
    assert store.current("fire") is None


@pytest.mark.parametrize("target", ["../secret", "/etc", "4", ".", ".."])
def test_links_out_of_the_store_or_to_nothing_count_for_nothing(store, tmp_path, target):
    (tmp_path / "secret").mkdir()
    (tmp_path / "fire" / "current").symlink_to(target)
    assert store.current("fire") is None
    assert store.names() == ()


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", ""])
def test_names_that_could_leave_the_store_are_none_of_its_own(store, name):
    assert store.current(name) is None
    assert store.versions(name) == ()


def test_a_link_that_cannot_be_made_is_one_worded_error(store, tmp_path):
    (tmp_path / "fire" / "current").mkdir()
    with pytest.raises(BundleError, match="Expected to be able to point"):
        store.switch("fire", "1")
    assert sorted(path.name for path in (tmp_path / "fire").iterdir()) == ["1", "2", "3", "current"]


@pytest.mark.parametrize("name", ["stats", "../fire", "", "x" * 129])
def test_a_name_that_cannot_be_served_is_not_written(tmp_path, name):
    with pytest.raises(BundleError, match="another name"), Store(tmp_path / "store").locked(name):
        pass
    assert not (tmp_path / "store").exists()


def test_a_root_that_is_no_folder_and_cannot_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(UserError, match="Expected a folder at .* for bundles"), Store(root).locked("fire"):
            pass


def test_a_folder_that_may_not_be_read_leaves_the_others_alone(store, tmp_path, monkeypatch):
    store.switch("fire", "1")
    (tmp_path / "others" / "1").mkdir(parents=True)
    (tmp_path / "others" / "current").symlink_to("1")
    read, scan = os.readlink, Path.iterdir

    def denied(path: Path) -> None:
        if "others" in str(path):
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "readlink", lambda path: denied(path) or read(path))
    monkeypatch.setattr(Path, "iterdir", lambda path: denied(path) or scan(path))
    assert store.names() == ("fire",)
    assert (store.current("others"), store.versions("others")) == (None, ())
