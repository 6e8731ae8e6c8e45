"""What a board says of itself: name, system, processor, memory; and its state now: clocks, temperature, throttling, power rails.

Everything is read below one root (`Path("/")`, or a recorded tree) and through one command runner (for `vcgencmd`); what a board
does not tell is None, never an error. Reading costs a few milliseconds: before and after a measurement, not within.

Sources: get_throttled's bits, https://www.raspberrypi.com/documentation/computers/os.html#get_throttled; Arm part numbers,
MIDR_EL1 in the cores' reference manuals; INA3221 rails, the Jetson Linux developer guide.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["THROTTLE_BITS", "Host", "Rail", "Run", "State", "read_host", "read_state", "run_command"]

#: Runs a command; its standard output, or None where it is absent, fails or hangs.
Run = Callable[[Sequence[str]], "str | None"]

#: Bit of get_throttled -> what it means; 16 bits further up, the same has happened since boot.
THROTTLE_BITS: Mapping[int, str] = {0: "under-voltage", 1: "frequency-capped", 2: "throttled", 3: "soft-temperature-limit"}

_SINCE_BOOT = 16

#: (implementer, part) of an Arm core -> its name, for the cores of the boards that edgekit is for and their neighbours.
_ARM_CORES = {
    (0x41, 0xB76): "ARM1176",
    (0x41, 0xC07): "Cortex-A7",
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD04): "Cortex-A35",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x4E, 0x003): "Denver 2",
    (0x4E, 0x004): "Carmel",
}

_TIMEOUT_S = 5.0

#: "VDD_CORE_A current(7)=0.98400000A", and the shorter "VDD_CORE_A=0.984A" of other firmware.
_PMIC_LINE = re.compile(r"^\s*(\w+)_([AV])\b[^=\n]*=\s*([0-9.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Host:
    """What does not change while a program runs.

    Attributes:
        board: name of the board, e.g. "Raspberry Pi 4 Model B Rev 1.4"; the product's name on a PC.
        os: e.g. "Debian GNU/Linux 12 (bookworm)".
        kernel: release, e.g. "6.6.31+rpt-rpi-v8".
        machine: of the kernel: "aarch64", "armv7l", "x86_64".
        l4t: release of Jetson Linux, e.g. "32.7.1", None elsewhere.
        cpu: model, e.g. "Cortex-A72" or "AMD EPYC 7763"; different cores joined by " + ".
        cpu_features: as the kernel names them, e.g. "asimd", "asimddp", "avx2".
        cores: logical processors.
        max_mhz: highest clock that the kernel offers.
        memory_mb: all of it, in MiB.
    """

    board: str | None
    os: str | None
    kernel: str | None
    machine: str | None
    l4t: str | None
    cpu: str | None
    cpu_features: frozenset[str] | None
    cores: int | None
    max_mhz: float | None
    memory_mb: float | None


@dataclass(frozen=True)
class Rail:
    """One sensed power rail. It is not wall power."""

    volts: float | None
    amperes: float | None
    watts: float


@dataclass(frozen=True)
class State:
    """What may change from second to second.

    Attributes:
        temperature_c: the hottest processor sensor, in degrees Celsius.
        throttled: which of `THROTTLE_BITS` hold now; None where the board does not tell.
        throttled_since_boot: which of them have held since boot.
        clocks_mhz: "arm" or "cpu0", "cpu1", ... -> MHz; empty where unknown.
        clocks_measured: True for a measured clock, False for the kernel's request, None where there is none.
        governor: of the clocks; several joined by " + ".
        memory_available_mb: in MiB.
        load: processes that run or want to, averaged over a minute.
        rails: name -> reading where there are current sensors; empty where there are none.
    """

    temperature_c: float | None
    throttled: frozenset[str] | None
    throttled_since_boot: frozenset[str] | None
    clocks_mhz: Mapping[str, float]
    clocks_measured: bool | None
    governor: str | None
    memory_available_mb: float | None
    load: float | None
    rails: Mapping[str, Rail]


def run_command(command: Sequence[str]) -> str | None:
    """Standard output of a command, None where it is absent, fails or takes more than five seconds."""
    try:
        result = subprocess.run(list(command), capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return result.stdout


def read_host(root: Path = Path("/"), run: Run = run_command) -> Host:
    """Read what the board is.

    Args:
        root: stands for "/".
        run: runs `uname -m` where the kernel does not name its architecture in /proc.
    """
    cpuinfo = _text(root / "proc/cpuinfo") or ""
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    processors = re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)
    pretty = re.search(r'^PRETTY_NAME="?([^"\n]*)"?$', _text(root / "etc/os-release") or "", re.MULTILINE)
    frequencies = [_number(path, 1e-3) for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq")]
    return Host(
        board=_board(root),
        os=pretty[1] if pretty else None,
        kernel=_text(root / "proc/sys/kernel/osrelease"),
        machine=_text(root / "proc/sys/kernel/arch") or _stripped(run(("uname", "-m"))),
        l4t=_l4t(root),
        cpu=_cpu(cpuinfo),
        cpu_features=frozenset(flags[1].split()) if flags else None,
        cores=len(processors) or None,
        max_mhz=max((f for f in frequencies if f is not None), default=None),
        memory_mb=_meminfo(root, "MemTotal"),
    )


def read_state(root: Path = Path("/"), run: Run = run_command) -> State:
    """Read how the board is now.

    Args:
        root: stands for "/".
        run: runs `vcgencmd` on a Raspberry Pi.
    """
    pi = (_board(root) or "").startswith("Raspberry Pi")
    bits = _throttle_bits(root, run if pi else None)
    clocks, measured = _clocks(root, run if pi else None)
    governors = [_text(path) for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")]
    load = (_text(root / "proc/loadavg") or "").split()
    return State(
        temperature_c=_temperature(root),
        throttled=None if bits is None else _names(bits),
        throttled_since_boot=None if bits is None else _names(bits >> _SINCE_BOOT),
        clocks_mhz=clocks,
        clocks_measured=measured,
        governor=" + ".join(sorted({name for name in governors if name})) or None,
        memory_available_mb=_meminfo(root, "MemAvailable"),
        load=_float(load[0]) if load else None,
        rails=dict(_rails(root, run if pi else None)),
    )


def _board(root: Path) -> str | None:
    for path in ("proc/device-tree/model", "sys/firmware/devicetree/base/model", "sys/class/dmi/id/product_name"):
        name = _text(root / path)
        if name:
            return name
    return None


def _l4t(root: Path) -> str | None:
    """From the file's first line, "# R32 (release), REVISION: 7.1, GCID: ..."."""
    found = re.search(r"R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)", _text(root / "etc/nv_tegra_release") or "")
    return f"{found[1]}.{found[2]}" if found else None


def _cpu(cpuinfo: str) -> str | None:
    implementers = re.findall(r"^CPU implementer\s*:\s*(0x[0-9a-fA-F]+)", cpuinfo, re.MULTILINE)
    parts = re.findall(r"^CPU part\s*:\s*(0x[0-9a-fA-F]+)", cpuinfo, re.MULTILINE)
    pairs = dict.fromkeys((int(implementer, 16), int(part, 16)) for implementer, part in zip(implementers, parts, strict=False))
    if pairs:
        return " + ".join(_ARM_CORES.get(pair, f"Arm part {pair[1]:#05x} of {pair[0]:#04x}") for pair in pairs)
    named = re.search(r"^model name\s*:\s*(\S.*)$", cpuinfo, re.MULTILINE)
    return named[1].strip() if named else None


def _temperature(root: Path) -> float | None:
    """The hottest zone of the processor; of any zone where none is named after it. A Jetson's PMIC-Die always says 100."""
    zones = []
    for path in root.glob("sys/class/thermal/thermal_zone*/temp"):
        kind, value = (_text(path.parent / "type") or "").lower(), _number(path, 1e-3)
        if value is not None and "pmic" not in kind:
            zones.append((any(word in kind for word in ("cpu", "soc", "pkg")), value))
    return max((value for processor, value in zones if processor or not any(p for p, _ in zones)), default=None)


def _throttle_bits(root: Path, run: Run | None) -> int | None:
    for path in root.glob("sys/devices/platform/soc*/*firmware/get_throttled"):
        bits = _hexadecimal(_text(path))
        if bits is not None:
            return bits
    return _hexadecimal((run(("vcgencmd", "get_throttled")) or "").partition("=")[2]) if run else None


def _names(bits: int) -> frozenset[str]:
    return frozenset(name for bit, name in THROTTLE_BITS.items() if bits >> bit & 1)


def _clocks(root: Path, run: Run | None) -> tuple[dict[str, float], bool | None]:
    """The measured clock where a Pi tells it; else what the kernel asks for; else what /proc/cpuinfo says."""
    if run is not None:
        hertz = _float((run(("vcgencmd", "measure_clock", "arm")) or "").partition("=")[2])
        if hertz:
            return {"arm": round(hertz * 1e-6, 1)}, True
    paths = root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
    asked = {path.parent.parent.name: mhz for path in sorted(paths) if (mhz := _number(path, 1e-3)) is not None}
    if asked:
        return asked, False
    said = re.findall(r"^cpu MHz\s*:\s*([0-9.]+)", _text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return {f"cpu{i}": float(mhz) for i, mhz in enumerate(said)}, (False if said else None)


def _rails(root: Path, run: Run | None) -> Iterator[tuple[str, Rail]]:
    yield from _pmic_rails((run(("vcgencmd", "pmic_read_adc")) or "") if run else "")
    for folder in sorted(root.glob("sys/bus/i2c/drivers/ina3221x/*/iio:device*")):
        yield from _iio_rails(folder)
    for folder in sorted(root.glob("sys/bus/i2c/devices/*/hwmon/hwmon*")):
        yield from _hwmon_rails(folder)


def _pmic_rails(text: str) -> Iterator[tuple[str, Rail]]:
    """Raspberry Pi 5: a rail's amperes and volts stand on lines of their own; rails without a current sensor are left out."""
    readings = {(name, unit): float(value) for name, unit, value in _PMIC_LINE.findall(text) if _float(value) is not None}
    for name, unit in readings:
        volts = readings.get((name, "V"))
        if unit == "A" and volts is not None:
            amperes = readings[name, "A"]
            yield name, Rail(volts, amperes, volts * amperes)


def _iio_rails(folder: Path) -> Iterator[tuple[str, Rail]]:
    """Jetson, JetPack 4: mV, mA and mW by channel, the rail's name beside them."""
    for path in sorted(folder.glob("rail_name_*")):
        channel, name = path.name.rpartition("_")[2], _text(path)
        watts = _number(folder / f"in_power{channel}_input", 1e-3)
        if name and watts is not None:
            volts, amperes = (_number(folder / f"in_{what}{channel}_input", 1e-3) for what in ("voltage", "current"))
            yield name, Rail(volts, amperes, watts)


def _hwmon_rails(folder: Path) -> Iterator[tuple[str, Rail]]:
    """Jetson, JetPack 5 and later: mV and mA by channel; channels without a current (the sum of the shunts) are left out."""
    for path in sorted(folder.glob("in*_label")):
        channel, name = path.name.removeprefix("in").removesuffix("_label"), _text(path)
        volts, amperes = _number(folder / f"in{channel}_input", 1e-3), _number(folder / f"curr{channel}_input", 1e-3)
        if name and volts is not None and amperes is not None:
            yield name, Rail(volts, amperes, volts * amperes)


def _meminfo(root: Path, key: str) -> float | None:
    found = re.search(rf"^{key}:\s*(\d+) kB", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return round(int(found[1]) / 1024, 1) if found else None


def _text(path: Path) -> str | None:
    """Content without the white space and NUL around it; None where it cannot be read, or is empty."""
    try:
        return _stripped(path.read_bytes().decode("utf-8", "replace"))
    except OSError:
        return None


def _stripped(text: str | None) -> str | None:
    return (text or "").strip(" \t\r\n\0") or None


def _number(path: Path, factor: float) -> float | None:
    value = _float(_text(path))
    return None if value is None else round(value * factor, 6)


def _float(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _hexadecimal(text: str | None) -> int | None:
    try:
        return int((text or "").strip(), 16)
    except ValueError:
        return None
