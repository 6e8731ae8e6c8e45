"""Planted faults: each is named by a check, with what to do about it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.doctor.environment import Environment, find_packages
from edgekit.doctor.report import Report, diagnose
from edgekit.doctor.trial import Trial
from tests.bench.boards import BOARDS, unpack
from tests.deploy.elves import elf

pytestmark = pytest.mark.device

GOOD = {"numpy": "2.4.6", "Pillow": "13.0.0", "typer": "0.28.0", "ai_edge_litert": "2.3.0"}

PI = Environment((3, 11, 2), 64, "aarch64", (2, 36), {}, 20_000.0)
PI_32 = dataclasses.replace(PI, bits=32)
JETSON = dataclasses.replace(PI, python=(3, 10, 14), glibc=(2, 27))


def install(site: Path, packages: dict[str, str], binaries: dict[str, bytes] | None = None) -> Path:
    """Metadata of packages in a folder, as pip leaves it, and a binary in some of them."""
    for name, version in packages.items():
        information = site / f"{name}-{version}.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        content = (binaries or {}).get(name)
        if content is not None:
            (site / name).mkdir()
            (site / name / "_native.so").write_bytes(content)
        (information / "RECORD").write_text(f"{name}/_native.so,,\n" if content is not None else "")
    return site


def examine(
    tmp_path: Path,
    board: str = "pi4",
    environment: Environment = PI,
    packages: dict[str, str] | None = None,
    binaries: dict[str, bytes] | None = None,
    trial: Trial = Trial(True, "2.3.0"),  # noqa: B008
    files: dict[str, str] | None = None,
) -> Report:
    """The report on a recorded board with these packages; `files` replace some of the recorded tree."""
    root = tmp_path / "root"
    run = unpack(board, root)
    for path, text in (files or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    site = install(tmp_path / "site", GOOD if packages is None else packages, binaries)
    found = dataclasses.replace(environment, packages=find_packages([site]))
    return diagnose(root, run, found, lambda _name: trial)


def faults(report: Report) -> dict[str, str]:
    """Failed checks: name -> finding and advice."""
    return {check.name: f"{check.found} -> {check.advice}" for check in report.checks if not check.ok}


@pytest.mark.parametrize("board", [name for name in BOARDS if not name.startswith("jetson")])
def test_a_healthy_pi_has_no_fault(tmp_path, board):
    calm = {"sys/devices/platform/soc/soc:firmware/get_throttled": "0\n", "sys/class/thermal/thermal_zone0/temp": "48000\n"}
    report = examine(tmp_path, board, files=calm)
    assert faults(report) == {}
    assert report.ok
    document = report.to_json()
    assert set(document) == {"ok", "checks"}
    assert all(set(row) == {"name", "ok", "found", "advice"} for row in document["checks"])


def test_only_a_pi_5_has_the_int8_dot_product(tmp_path):
    def architecture(board: str) -> str:
        report = examine(tmp_path / board, board)
        check = next(check for check in report.checks if check.name == "architecture")
        assert check.ok
        return f"{check.found} -> {check.advice}"

    assert "Cortex-A76, aarch64, asimd, asimddp" in architecture("pi5")
    assert "No int8 dot product (asimddp)" in architecture("pi4")


def test_numpy_2_with_tflite_runtime_is_named(tmp_path):
    packages = {**GOOD, "tflite_runtime": "2.14.0"}
    told = faults(examine(tmp_path, packages=packages))["numpy"]
    assert "2.4.6 with tflite-runtime 2.14.0, which is compiled for numpy 1" in told
    assert "pip install 'numpy<2'" in told


def test_litert_on_glibc_2_27_is_named_by_what_its_binaries_need(tmp_path):
    broken = Trial(False, "libc.so.6: version `GLIBC_2.34' not found")
    binaries = {"ai_edge_litert": elf(versions=("GLIBC_2.17", "GLIBC_2.34"))}
    told = faults(examine(tmp_path, "jetson-nano-jetpack4", JETSON, GOOD, binaries, broken))
    assert "2.27, and ai-edge-litert 2.3.0 needs 2.34 (_native.so)" in told["glibc"]
    assert "pip install 'edgekit[onnx]'" in told["glibc"]
    assert "claim glibc 2.27 but need 2.34 (2.3.0) or 2.30 (2.1.0)" in told["glibc"]
    assert "GLIBC_2.34" in told["runtime litert"]


def test_an_optional_library_that_needs_a_newer_glibc_is_no_fault_where_the_runtime_runs(tmp_path):
    binaries = {"ai_edge_litert": elf(versions=("GLIBC_2.38",))}
    assert faults(examine(tmp_path, packages=GOOD, binaries=binaries)) == {}


def test_a_32_bit_system_without_wheels_is_named(tmp_path):
    told = faults(examine(tmp_path, "pi3", dataclasses.replace(PI_32, python=(3, 13, 1), glibc=(2, 41)), {}))
    assert "No runtime has a wheel for armv7l, Python 3.13, glibc 2.41" in told["runtimes"]
    assert "sudo apt install python3-numpy" in told["numpy"]
    assert "sudo apt install python3-pil" in told["packages"]


def test_a_32_bit_bookworm_is_told_its_one_runtime(tmp_path):
    report = examine(tmp_path, "pi3", PI_32, {"numpy": "1.24.2", "Pillow": "9.4.0", "typer": "0.28.0"})
    assert "pip install 'edgekit[tflite-runtime]'" in faults(report)["runtimes"]
    userland = next(check for check in report.checks if check.name == "userland")
    assert userland.found == "32-bit Python on a 64-bit kernel (aarch64)"
    assert "A 64-bit system would run every runtime" in str(userland.advice)


def test_a_throttled_pi_is_named_with_its_history(tmp_path):
    told = faults(examine(tmp_path, files={"sys/devices/platform/soc/soc:firmware/get_throttled": "50001\n"}))["throttling"]
    assert told.startswith("under-voltage now, throttled since boot")
    assert "power supply" in told
    assert "heat sink" in told


def test_a_missing_runtime_is_named_with_its_install_line(tmp_path):
    packages = {name: version for name, version in GOOD.items() if name != "ai_edge_litert"}
    told = faults(examine(tmp_path, packages=packages))
    assert told == {"runtimes": "none installed -> pip install 'edgekit[litert]'"}


def test_a_runtime_that_dies_is_named_with_its_signal_and_another_runtime(tmp_path):
    told = faults(examine(tmp_path, trial=Trial(False, "died of SIGILL: an instruction that this processor lacks")))
    assert "SIGILL" in told["runtime litert"]
    assert "pip install 'edgekit[onnx]'" in told["runtime litert"]


@pytest.mark.parametrize(
    ("board", "words"),
    [("jetson-nano-jetpack4", "use a container with 3.10 or 3.11"), ("pi4", "Install a newer system or Python")],
)
def test_python_3_8_is_named(tmp_path, board, words):
    told = faults(examine(tmp_path, board, dataclasses.replace(JETSON, python=(3, 8, 0))))["python"]
    assert told.startswith("3.8.0 -> edgekit runs on Python 3.10 to 3.13.")
    assert words in told


def test_a_python_that_nobody_tried_is_said_and_no_fault(tmp_path):
    report = examine(tmp_path, environment=dataclasses.replace(PI, python=(3, 14, 0)))
    assert "python" not in faults(report)
    assert "Not tried" in str(report.checks[0].advice)


def test_packages_copied_from_the_workstation_are_named(tmp_path):
    told = faults(examine(tmp_path, packages=GOOD, binaries={"numpy": elf("x86_64")}))["architecture"]
    assert "numpy is built for x86_64, this is aarch64" in told


def test_a_processor_without_wheels_is_named(tmp_path):
    told = faults(examine(tmp_path, "pi3", dataclasses.replace(PI_32, machine="armv6l")))["architecture"]
    assert "none for armv6l" in told


def test_another_c_library_is_named(tmp_path):
    told = faults(examine(tmp_path, environment=dataclasses.replace(PI, glibc=None)))
    assert "The runtimes' wheels need glibc" in told["glibc"]


def test_heat_little_memory_and_a_full_disk_are_named(tmp_path):
    files = {
        "sys/class/thermal/thermal_zone0/temp": "83000\n",
        "proc/meminfo": "MemTotal: 430000 kB\nMemAvailable: 61440 kB\n",
    }
    told = faults(examine(tmp_path, environment=dataclasses.replace(PI, disk_free_mb=12.0), files=files))
    assert told["temperature"].startswith("83 C -> Give the board a heat sink")
    assert told["memory"].startswith("60 of 420 MB available")
    assert told["disk"].startswith("12 MB free")


def test_an_empty_environment_lists_everything_that_is_missing(tmp_path):
    told = faults(examine(tmp_path, packages={}))
    assert told["numpy"] == "not installed -> pip install 'numpy>=1.24'"
    assert "not installed: pillow, typer -> pip install pillow typer" in told["packages"]
    assert "runtimes" in told


def test_an_old_numpy_is_named(tmp_path):
    assert "pip install 'numpy>=1.24'" in faults(examine(tmp_path, packages={**GOOD, "numpy": "1.21.0"}))["numpy"]


def test_a_board_that_tells_nothing_has_no_fault_of_its_own(tmp_path):
    found = dataclasses.replace(PI, packages=find_packages([install(tmp_path / "site", GOOD)]), disk_free_mb=None)
    report = diagnose(tmp_path, lambda _command: None, found, lambda _name: Trial(True, "2.3.0"))
    assert report.ok


def test_the_table_puts_advice_below_the_finding(tmp_path):
    text = examine(tmp_path, packages={}).to_text()
    lines = text.splitlines()
    assert lines[0].startswith("Raspberry Pi 4 Model B")
    row = next(number for number, line in enumerate(lines) if line.startswith("FAULT runtimes"))
    assert "-> pip install 'edgekit[litert]'" in lines[row + 1]
    assert max(map(len, lines)) <= 110
