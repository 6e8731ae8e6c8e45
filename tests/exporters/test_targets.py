from __future__ import annotations

import subprocess
import sys

import pytest

from edgekit.errors import UnknownNameError
from edgekit.exporters.targets import get_target


def test_generic_makes_both_formats_in_their_precisions() -> None:
    made = get_target("generic").artifacts
    assert set(made) == {("onnx", "fp32"), ("onnx", "int8")} | {("tflite", p) for p in ("fp32", "fp16", "int8-dynamic", "int8")}


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown target 'toaster'\. Known: generic"):
        get_target("toaster")


def test_targets_are_known_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; from edgekit.exporters.targets import TARGETS; print(*TARGETS)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "generic\n"
