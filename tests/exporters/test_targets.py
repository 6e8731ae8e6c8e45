"""Target profiles: what each makes, why, and that its default precision follows from the counts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.deploy.boards import BOARDS
from edgekit.errors import UnknownNameError, UserError
from edgekit.exporters.targets import TARGETS, get_target
from edgekit.exporters.targets.base import WORTHWHILE

COUNTS = Path(__file__).resolve().parents[2] / "benchmarks/arm_cost.json"
BOARD_TARGETS = [target for target in TARGETS.values() if target.board]


def test_generic_makes_both_formats_in_their_precisions() -> None:
    made = get_target("generic").artifacts
    assert set(made) == {("onnx", "fp32"), ("onnx", "int8")} | {("tflite", p) for p in ("fp32", "fp16", "int8-dynamic", "int8")}


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(
        UnknownNameError, match=r"Unknown target 'toaster'\. Known: generic, jetson-nano, pi-zero2, pi3, pi4, pi5"
    ):
        get_target("toaster")


def test_targets_are_known_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; from edgekit.exporters.targets import TARGETS; print(*TARGETS)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == ["generic", "pi-zero2", "pi3", "pi4", "pi5", "jetson-nano"]


@pytest.mark.parametrize("target", BOARD_TARGETS, ids=lambda target: target.name)
def test_every_board_has_a_core_a_default_a_reason_and_runtimes_that_load_on_it(target) -> None:
    assert target.board in BOARDS
    assert target.default in {precision for _, precision in target.artifacts}
    assert target.reason
    assert target.memory_mb >= 512
    assert target.runtimes
    assert {runtime.system for runtime in target.runtimes} <= {system.name for system in BOARDS[target.board].systems}


@pytest.mark.parametrize("target", BOARD_TARGETS, ids=lambda target: target.name)
def test_the_default_precision_follows_from_the_instructions_of_the_board_s_core(target) -> None:
    counts = json.loads(COUNTS.read_text())["instructions"][target.core]
    runtime = "litert" if target.artifacts[0][0] == "tflite" else "onnxruntime"
    networks = {key.split("/")[0] for key in counts}
    shares = [
        counts[f"{name}/{runtime}/int8/inference"] / counts[f"{name}/{runtime}/fp32/inference"] for name in sorted(networks)
    ]
    assert (max(shares) <= WORTHWHILE) is (target.default == "int8"), shares


def test_only_the_pi_5_has_dot_products_and_it_gets_int8() -> None:
    assert [target.name for target in BOARD_TARGETS if "asimddp" in target.features] == ["pi5"]
    assert get_target("pi5").default == "int8"


def test_the_nano_gets_versions_that_load_on_its_old_glibc() -> None:
    assert [(r.python, r.runtime, r.version) for r in get_target("jetson-nano").runtimes] == [
        ("3.10", "onnxruntime", "1.23.2"),
        ("3.11", "onnxruntime", "1.28.0"),
    ]


def test_a_precision_that_the_board_does_not_get_is_refused_with_the_reason() -> None:
    with pytest.raises(UserError, match=r"target 'pi4' gets \(fp32, int8\), got 'fp16': LiteRT unpacks fp16 weights"):
        get_target("pi4").only(["fp16"])


def test_a_format_that_the_precision_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UserError, match=r"target 'generic' gets in int8-dynamic \(tflite\), got onnx"):
        get_target("generic").only(["int8-dynamic"], ["onnx"])
    with pytest.raises(UserError, match=r"target 'pi4' gets \(tflite\), got onnx"):
        get_target("pi4").only(formats=["onnx"])


def test_some_precisions_of_a_target_can_be_asked_for() -> None:
    assert get_target("pi4").only("int8", "tflite") == get_target("pi4").only(["int8"], ["tflite"])
    narrowed = get_target("pi4").only(["int8"])
    assert narrowed.artifacts == (("tflite", "int8"),)
    assert narrowed.default is None
    assert get_target("pi5").only(["int8"]).default == "int8"
