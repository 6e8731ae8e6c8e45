"""Every check: from facts to a finding and, where something can be done, an advice. No check reads anything itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgekit.bench.host import Host, State
from edgekit.deploy.wheels import RUNTIME_PACKAGES, RuntimeWheel, install_line, installable, refusals
from edgekit.doctor.environment import Environment
from edgekit.doctor.trial import Trial

__all__ = ["Check", "Facts", "run_checks"]

_OLDEST, _NEWEST = (3, 10), (3, 13)
_NUMPY = (1, 24)
_MACHINES = ("aarch64", "armv7l", "x86_64")

_HOT_C, _WARM_C = 80.0, 70.0
_MEMORY_MB = 100.0
_DISK_MB, _DISK_TO_INSTALL_MB = 50.0, 300.0

_POWER = "Use the board's own power supply and a short cable"
_COOLING = "Give the board a heat sink or a fan"
_THROTTLE_ADVICE = {
    "under-voltage": _POWER,
    "frequency-capped": f"{_POWER}, and cooling",
    "throttled": _COOLING,
    "soft-temperature-limit": _COOLING,
}


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report.

    Attributes:
        name: what was looked at.
        ok: False where something will not work, or will not work well.
        found: what is there.
        advice: what to do, or to know; None where there is nothing to say.
    """

    name: str
    ok: bool
    found: str
    advice: str | None = None


@dataclass(frozen=True)
class Facts:
    """Everything that the checks look at.

    Attributes:
        host: the board.
        state: how it is now.
        environment: the Python and its packages.
        trials: installed runtime -> how its trial went.
    """

    host: Host
    state: State
    environment: Environment
    trials: Mapping[str, Trial]


def run_checks(facts: Facts) -> list[Check]:
    """All checks, in the order in which a fault would stop somebody."""
    return [
        _python(facts),
        _architecture(facts),
        _userland(facts),
        _glibc(facts),
        _numpy(facts),
        _packages(facts),
        _runtimes(facts),
        *_trials(facts),
        _throttling(facts),
        _temperature(facts),
        _memory(facts),
        _disk(facts),
    ]


def _python(facts: Facts) -> Check:
    version = facts.environment.python
    found = _dotted(version)
    if version[:2] < _OLDEST:
        advice = f"edgekit runs on Python {_dotted(_OLDEST)} to {_dotted(_NEWEST)}. "
        jetson = facts.host.l4t is not None
        mend = "JetPack has no such Python: use a container with 3.10 or 3.11." if jetson else "Install a newer system or Python."
        return Check("python", False, found, advice + mend)
    untried = f"Not tried with edgekit, which is tested on {_dotted(_OLDEST)} to {_dotted(_NEWEST)}."
    return Check("python", True, found, untried if version[:2] > _NEWEST else None)


def _architecture(facts: Facts) -> Check:
    host, machine = facts.host, facts.environment.userland
    features = host.cpu_features
    known = sorted((features or frozenset()) & {"neon", "asimd", "asimddp", "asimdhp", "avx2", "avx512_vnni", "avx_vnni"})
    found = ", ".join([host.cpu or "unknown CPU", facts.environment.machine, *known])
    if machine not in _MACHINES:
        return Check("architecture", False, found, f"There are wheels for {', '.join(_MACHINES)}; none for {machine}.")
    strangers = []
    for package in facts.environment.packages.values():
        built_for = {binary.machine for _name, binary in package.binaries}
        if built_for and machine not in built_for:
            strangers.append(f"{package.name} is built for {', '.join(sorted(built_for))}")
    if strangers:
        advice = f"Install the packages on the board itself: {'; '.join(strangers)}, this is {machine}."
        return Check("architecture", False, found, advice)
    if features is not None and machine == "armv7l" and not features & {"neon", "asimd"}:
        return Check("architecture", False, found, "32-bit wheels need NEON (ARMv7); this processor has none.")
    if features is not None and machine == "aarch64" and "asimddp" not in features:
        advice = "No int8 dot product (asimddp): int8 may be no faster than float32 here. Compare with: edgekit bench"
        return Check("architecture", True, found, advice)
    return Check("architecture", True, found)


def _userland(facts: Facts) -> Check:
    environment = facts.environment
    kernel = 64 if environment.machine in ("aarch64", "x86_64", "armv8l") else 32
    found = f"{environment.bits}-bit Python on a {kernel}-bit kernel ({environment.machine})"
    if environment.userland == "armv7l":
        advice = (
            "Of the runtimes only tflite-runtime has 32-bit wheels; numpy and Pillow come from Debian: "
            "sudo apt install python3-numpy python3-pil, and a virtual environment with --system-site-packages."
        )
        if kernel == 64:
            advice += " A 64-bit system would run every runtime."
        return Check("userland", True, found, advice)
    return Check("userland", environment.bits == kernel, found, None if environment.bits == kernel else "Use a 64-bit Python.")


def _glibc(facts: Facts) -> Check:
    glibc = facts.environment.glibc
    if glibc is None:
        return Check("glibc", False, "another C library", "The runtimes' wheels need glibc. Use a system such as Debian.")
    faults = []
    for package in facts.environment.packages.values():
        needs = package.needs_glibc()
        runtime = next((name for name, wheel in RUNTIME_PACKAGES.items() if wheel == package.name), "")
        ran = runtime in facts.trials and facts.trials[runtime].ok
        if needs is not None and needs[0] > glibc and not ran:
            faults.append(f"{package.name} {package.version} needs {_dotted(needs[0])} ({needs[1]})")
    if faults:
        return Check("glibc", False, f"{_dotted(glibc)}, and {'; '.join(faults)}", _instead(facts))
    return Check("glibc", True, _dotted(glibc))


def _numpy(facts: Facts) -> Check:
    packages, machine = facts.environment.packages, facts.environment.userland
    if "numpy" not in packages:
        line = "sudo apt install python3-numpy" if machine == "armv7l" else f"pip install 'numpy>={_dotted(_NUMPY)}'"
        return Check("numpy", False, "not installed", line)
    version = packages["numpy"].version
    numbers = _numbers(version)
    if numbers < _NUMPY:
        return Check("numpy", False, version, f"pip install 'numpy>={_dotted(_NUMPY)}'")
    if "tflite-runtime" in packages and numbers >= (2,):
        found = f"{version} with tflite-runtime {packages['tflite-runtime'].version}, which is compiled for numpy 1"
        others = [name for name, trial in facts.trials.items() if trial.ok and name != "tflite-runtime"]
        keep = f"use {others[0]}" if others else "use another runtime"
        return Check("numpy", False, found, f"pip install 'numpy<2', or {keep}: pip uninstall tflite-runtime")
    return Check("numpy", True, version)


def _packages(facts: Facts) -> Check:
    packages = facts.environment.packages
    missing = [name for name in ("pillow", "typer") if name not in packages]
    found = ", ".join(f"{name} {packages[name].version}" for name in ("pillow", "typer") if name in packages) or "none"
    if missing:
        apt = ["sudo apt install python3-pil"] if "pillow" in missing and facts.environment.userland == "armv7l" else []
        rest = [name for name in missing if not (apt and name == "pillow")]
        lines = apt + ([f"pip install {' '.join(rest)}"] if rest else [])
        return Check("packages", False, f"{found}; not installed: {', '.join(missing)}", " && ".join(lines))
    return Check("packages", True, found)


def _runtimes(facts: Facts) -> Check:
    packages = facts.environment.packages
    installed = [f"{name} {packages[package].version}" for name, package in RUNTIME_PACKAGES.items() if package in packages]
    if installed:
        return Check("runtimes", True, ", ".join(installed))
    return Check("runtimes", False, "none installed", _instead(facts))


def _trials(facts: Facts) -> Iterator[Check]:
    for name, trial in facts.trials.items():
        if trial.ok:
            yield Check(f"runtime {name}", True, f"{trial.told} runs")
        else:
            yield Check(f"runtime {name}", False, trial.told, _instead(facts, name))


def _throttling(facts: Facts) -> Check:
    now, before = facts.state.throttled, facts.state.throttled_since_boot
    if now is None or before is None:
        return Check("throttling", True, "this board does not tell")
    told = [f"{name} now" for name in sorted(now)] + [f"{name} since boot" for name in sorted(before - now)]
    if not told:
        return Check("throttling", True, "none since boot")
    advice = dict.fromkeys(_THROTTLE_ADVICE[name] for name in sorted(now | before))
    return Check("throttling", False, ", ".join(told), f"{'; '.join(advice)}. The history starts anew at the next boot.")


def _temperature(facts: Facts) -> Check:
    celsius = facts.state.temperature_c
    if celsius is None:
        return Check("temperature", True, "no sensor")
    advice = _COOLING + ": boards slow down at 80 to 85 C." if celsius >= _WARM_C else None
    return Check("temperature", celsius < _HOT_C, f"{celsius:.0f} C", advice)


def _memory(facts: Facts) -> Check:
    free, total = facts.state.memory_available_mb, facts.host.memory_mb
    if free is None or total is None:
        return Check("memory", True, "unknown")
    found = f"{free:.0f} of {total:.0f} MB available"
    if free < _MEMORY_MB:
        return Check("memory", False, found, f"A prediction needs about {_MEMORY_MB:.0f} MB: end other programs or the desktop.")
    return Check("memory", True, found)


def _disk(facts: Facts) -> Check:
    free = facts.environment.disk_free_mb
    if free is None:
        return Check("disk", True, "unknown")
    needed = _DISK_MB if facts.trials else _DISK_TO_INSTALL_MB
    found = f"{free:,.0f} MB free where packages are installed"
    what = "Bundles and updates" if facts.trials else "Installing a runtime"
    return Check("disk", free >= needed, found, None if free >= needed else f"{what} need {needed:.0f} MB: make room.")


def _instead(facts: Facts, broken: str | None = None) -> str:
    """What to do about a runtime that is missing or broken: one that runs here, a pip line, or why there is none."""
    running = [name for name, trial in facts.trials.items() if trial.ok]
    if running and broken is not None:
        return f"Use {running[0]}, which runs here, and remove this one: pip uninstall {RUNTIME_PACKAGES[broken]}"
    environment = facts.environment
    why = refusals(environment.userland, environment.python[:2], environment.glibc)
    wheels = [wheel for wheel in _installable(facts) if wheel.runtime != broken]
    if wheels:
        return install_line(wheels[0]) + (f" ({'; '.join(why)})" if why else "")
    same = [wheel for wheel in _installable(facts) if wheel.runtime == broken]
    if same:
        return f"Install it again: {install_line(same[0])} --force-reinstall"
    here = f"{environment.userland}, Python {_dotted(environment.python[:2])}, glibc {_dotted(environment.glibc or ())}"
    known = f"; {'; '.join(why)}" if why else ""
    return f"No runtime has a wheel for {here}{known}. See docs/boards.md of edgekit for systems that work."


def _installable(facts: Facts) -> list[RuntimeWheel]:
    environment = facts.environment
    return installable(environment.userland, environment.python[:2], environment.glibc)


def _numbers(version: str) -> tuple[int, ...]:
    """Leading numbers of a version: "2.0.0rc1" -> (2, 0)."""
    numbers = []
    for part in version.split(".")[:2]:
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) or "none"
