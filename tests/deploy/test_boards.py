"""Every board's answer: what is installed there, and why; what is refused, and what to do instead."""

from __future__ import annotations

import pytest

from edgekit.deploy.boards import BOARDS, find_system, get_board
from edgekit.deploy.wheelhouse import choose_runtime
from edgekit.deploy.wheels import RUNTIME_PACKAGES, install_line, installable, refusals
from edgekit.errors import UnknownNameError, UserError

pytestmark = pytest.mark.device

ANSWERS = [
    ("pi5", "3.11", "litert", {"litert", "onnxruntime", "tflite-runtime"}),
    ("pi4", "3.11", "litert", {"litert", "onnxruntime", "tflite-runtime"}),
    ("pi4", "3.13", "litert", {"litert", "onnxruntime"}),
    ("pi3", "3.13", "litert", {"litert", "onnxruntime"}),
    ("pi-zero2", "3.11", "litert", {"litert", "onnxruntime", "tflite-runtime"}),
    ("pi-32bit", "3.11", "tflite-runtime", {"tflite-runtime"}),
    ("jetson-nano", "3.10", "onnxruntime", {"onnxruntime", "tflite-runtime"}),
    ("jetson-nano", "3.11", "onnxruntime", {"onnxruntime"}),
]


@pytest.mark.parametrize(("board", "python", "default", "choice"), ANSWERS)
def test_each_board_has_its_runtime(board, python, default, choice):
    system = find_system(get_board(board), python)
    assert choose_runtime(system, None) == default
    assert set(system.runtimes) == choice


@pytest.mark.parametrize(("board", "python", "default", "choice"), ANSWERS)
def test_the_boards_agree_with_the_table_of_wheels(board, python, default, choice):
    system = find_system(get_board(board), python)
    major, minor = map(int, python.split("."))
    wheels = {wheel.runtime: wheel for wheel in installable(system.machine, (major, minor), system.glibc)}
    assert set(wheels) == choice
    for name, requirements in system.runtimes.items():
        pinned = [text for text in requirements if "==" in text]
        assert pinned in ([], [f"{RUNTIME_PACKAGES[name]}=={wheels[name].version}"])


@pytest.mark.parametrize(
    ("board", "python", "words"),
    [
        ("jetson-nano", "3.8", ["needs Python 3.10 or newer", "container with Python 3.11"]),
        ("pi-32bit", "3.13", ["no runtime has a 32-bit wheel for Python 3.13", "64-bit system"]),
        (
            "pi4",
            "3.12",
            ["Expected a Python that Raspberry Pi 4 has, got 3.12", "3.11 (Raspberry Pi OS bookworm, 64 bit)", "3.13"],
        ),
    ],
)
def test_what_cannot_run_says_why_and_what_can(board, python, words):
    with pytest.raises(UserError) as caught:
        find_system(get_board(board), python)
    for word in words:
        assert word in str(caught.value)


def test_litert_on_a_jetson_is_refused_with_the_glibc_that_it_really_needs():
    with pytest.raises(UserError, match=r"claim glibc 2\.27 but their binaries need 2\.34.*Use onnxruntime"):
        choose_runtime(find_system(get_board("jetson-nano"), "3.11"), "litert")
    assert refusals("aarch64", (3, 11), (2, 27)) == [
        "ai-edge-litert's wheels claim glibc 2.27 but need 2.34 (2.3.0) or 2.30 (2.1.0)"
    ]
    assert refusals("aarch64", (3, 11), (2, 36)) == []


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UnknownNameError, match="jetson-nano, pi-32bit, pi-zero2, pi3, pi4, pi5"):
        get_board("toaster")
    with pytest.raises(UnknownNameError, match="litert, onnxruntime, tflite-runtime"):
        choose_runtime(find_system(get_board("pi4")), "tensorrt")


def test_install_lines_pin_only_where_the_newest_would_not_load():
    new, old = installable("aarch64", (3, 11), (2, 36)), installable("aarch64", (3, 11), (2, 31))
    assert install_line(new[0]) == "pip install 'edgekit[litert]'"
    assert install_line(old[0]) == "pip install 'edgekit[litert]' 'ai-edge-litert==2.1.0'"


def test_every_system_has_a_reason():
    assert all(system.reason for board in BOARDS.values() for system in board.systems)
