"""What boards say of themselves, from recorded trees."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgekit.bench.host import Host, State, read_host, read_state, run_command
from tests.bench.boards import BOARDS, unpack

pytestmark = pytest.mark.device


def board(name: str, root: Path) -> tuple[Host, State]:
    run = unpack(name, root)
    return read_host(root, run), read_state(root, run)


def nothing(_command) -> None:
    return None


@pytest.mark.parametrize(
    ("name", "model", "cpu", "machine", "max_mhz"),
    [
        ("pi3", "Raspberry Pi 3 Model B Plus Rev 1.3", "Cortex-A53", "aarch64", 1400),
        ("pi4", "Raspberry Pi 4 Model B Rev 1.4", "Cortex-A72", "aarch64", 1800),
        ("pi5", "Raspberry Pi 5 Model B Rev 1.0", "Cortex-A76", "aarch64", 2400),
        ("zero2", "Raspberry Pi Zero 2 W Rev 1.0", "Cortex-A53", "armv7l", 1000),
        ("jetson-nano-jetpack4", "NVIDIA Jetson Nano Developer Kit", "Cortex-A57", "aarch64", 1479),
        ("jetson-jetpack5", "NVIDIA Jetson Xavier NX Developer Kit", "Carmel", "aarch64", 1907.2),
    ],
)
def test_a_board_is_named_with_its_processor(tmp_path, name, model, cpu, machine, max_mhz):
    host, _ = board(name, tmp_path)
    assert (host.board, host.cpu, host.machine, host.max_mhz) == (model, cpu, machine, max_mhz)


def test_system_cores_and_memory_are_read(tmp_path):
    host, state = board("pi4", tmp_path)
    assert host.os == "Debian GNU/Linux 12 (bookworm)"
    assert host.kernel == "6.6.31+rpt-rpi-v8"
    assert (host.cores, host.memory_mb, host.l4t) == (4, 7812.4, None)
    assert (state.memory_available_mb, state.load) == (7139.7, 0.08)


def test_only_the_pi_5_has_dot_products(tmp_path):
    features = {name: board(name, tmp_path / name)[0].cpu_features for name in BOARDS}
    assert {name for name in BOARDS if "asimddp" in features[name]} == {"pi5"}
    assert "neon" in features["zero2"]


def test_a_jetson_tells_its_l4t_release(tmp_path):
    assert board("jetson-nano-jetpack4", tmp_path / "4")[0].l4t == "32.7.1"
    assert board("jetson-jetpack5", tmp_path / "5")[0].l4t == "35.4.1"


@pytest.mark.parametrize(
    ("name", "now", "since_boot"),
    [
        ("pi4", set(), set()),
        ("pi3", {"under-voltage", "throttled"}, {"under-voltage", "throttled"}),
        ("pi5", set(), {"soft-temperature-limit"}),
        (
            "zero2",
            {"frequency-capped", "throttled", "soft-temperature-limit"},
            {"frequency-capped", "throttled", "soft-temperature-limit"},
        ),
    ],
)
def test_throttle_bits_are_told_by_name(tmp_path, name, now, since_boot):
    _, state = board(name, tmp_path)
    assert (state.throttled, state.throttled_since_boot) == (now, since_boot)


def test_throttling_is_unknown_where_nothing_tells_it(tmp_path):
    _, state = board("jetson-nano-jetpack4", tmp_path)
    assert state.throttled is None
    assert state.throttled_since_boot is None


def test_the_measured_clock_of_a_pi_is_preferred_to_the_requested_one(tmp_path):
    run = unpack("pi3", tmp_path)
    state = read_state(tmp_path, run)
    assert (state.clocks_mhz, state.clocks_measured) == ({"arm": 600.0}, True)
    without = read_state(tmp_path, nothing)
    assert (without.clocks_mhz, without.clocks_measured) == ({"cpu0": 1400.0}, False)


def test_governor_and_requested_clocks_of_a_jetson(tmp_path):
    _, state = board("jetson-nano-jetpack4", tmp_path)
    assert state.governor == "schedutil"
    assert (state.clocks_mhz, state.clocks_measured) == ({"cpu0": 1428.0, "cpu1": 1428.0}, False)


@pytest.mark.parametrize(
    ("name", "celsius"), [("pi4", 48.686), ("zero2", 82.2), ("jetson-nano-jetpack4", 37.0), ("jetson-jetpack5", 41.5)]
)
def test_the_temperature_is_the_processors_not_that_of_another_zone(tmp_path, name, celsius):
    assert board(name, tmp_path)[1].temperature_c == celsius


def test_rails_of_a_pi_5_pair_volts_and_amperes(tmp_path):
    rails = board("pi5", tmp_path)[1].rails
    assert len(rails) == 12
    assert (rails["VDD_CORE"].volts, rails["VDD_CORE"].amperes) == (0.8, 0.9518)
    assert rails["VDD_CORE"].watts == pytest.approx(0.76144)
    assert "EXT5V" not in rails


def test_the_short_line_format_of_the_pmic_gives_the_same_rails(tmp_path):
    run = unpack("pi5", tmp_path)

    def short(command):
        return "VDD_CORE_A=0.9518A\nVDD_CORE_V=0.8V\n" if command[1] == "pmic_read_adc" else run(command)

    assert read_state(tmp_path, short).rails == {"VDD_CORE": read_state(tmp_path, run).rails["VDD_CORE"]}


def test_rails_of_a_jetson_are_matched_by_label(tmp_path):
    old = board("jetson-nano-jetpack4", tmp_path / "4")[1].rails
    assert {name: rail.watts for name, rail in old.items()} == {"POM_5V_IN": 2.345, "POM_5V_GPU": 0.124, "POM_5V_CPU": 0.618}
    new = board("jetson-jetpack5", tmp_path / "5")[1].rails
    assert set(new) == {"VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"}
    assert new["VDD_IN"].watts == pytest.approx(5.056 * 0.72)


def test_boards_without_current_sensors_have_no_rails(tmp_path):
    assert board("pi4", tmp_path)[1].rails == {}


def test_an_empty_tree_is_all_unknown_and_no_error(tmp_path):
    assert read_host(tmp_path, nothing) == Host(*(None,) * 10)
    assert read_state(tmp_path, nothing) == State(None, None, None, {}, None, None, None, None, {})


def test_damaged_files_are_unknown_and_no_error(tmp_path):
    run = unpack("pi5", tmp_path)
    for path in [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "model"]:
        path.write_bytes(b"\xff nonsense =\n")
    state = read_state(tmp_path, lambda command: "nonsense=\n" if command[0] == "vcgencmd" else run(command))
    assert (state.temperature_c, state.throttled, state.clocks_mhz, state.rails) == (None, None, {}, {})
    assert read_host(tmp_path, run).cores is None


def test_this_machine_can_be_read():
    assert read_host().cores >= 1
    assert read_state().memory_available_mb > 0


def test_a_command_that_is_absent_or_fails_gives_none():
    assert run_command(("no-such-command-anywhere",)) is None
    assert run_command((sys.executable, "-c", "raise SystemExit(1)")) is None
    assert run_command((sys.executable, "-c", "print('yes')")) == "yes\n"
