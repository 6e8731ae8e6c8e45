"""Registries list what they know; a missing extra tells its pip line."""

from __future__ import annotations

import pytest

from edgekit.core.optional import has_module, require
from edgekit.core.recipe import Recipe
from edgekit.core.registry import Registry
from edgekit.errors import InputError, MissingExtraError, UnknownNameError

pytestmark = pytest.mark.device


def test_a_registry_imports_what_is_asked_for_and_no_more():
    registry = Registry("thing", {"join": "os.path:join", "broken": "no.such.module:x"})
    assert registry.load("join")("a", "b") == "a/b"
    assert list(registry) == ["join", "broken"]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"Unknown thing 'c'. Known: a, b\."):
        Registry("thing", {"b": "x:y", "a": "x:y"}).load("c")


def test_a_missing_extra_gives_the_install_line():
    with pytest.raises(MissingExtraError, match=r"nosuch is not installed. Install it with: pip install 'edgekit\[onnx\]'"):
        require("nosuch.module", "onnx")
    assert not has_module("nosuch.module")


def test_a_package_that_does_not_load_says_so(tmp_path, monkeypatch):
    (tmp_path / "broken_engine.py").write_text("raise ImportError('GLIBC_2.34 not found')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=r"broken_engine is installed but does not load here \(GLIBC_2.34 not found\)"):
        require("broken_engine", "litert")


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"precision": "int4"}, UnknownNameError), ({"observer": "magic"}, UnknownNameError), ({"samples": 0}, InputError)],
)
def test_a_recipe_that_cannot_be_is_refused(changes, error):
    with pytest.raises(error):
        Recipe(**{"precision": "int8", **changes})
