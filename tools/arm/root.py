"""Build the emulated board: qemu, an arm64 Python and its wheels, one view a core; without root rights.

    CACHE/arm64-DIGEST/qemu/           Debian's qemu-user and the libraries it needs (this machine's architecture)
    CACHE/arm64-DIGEST/root/           Debian's arm64 Python, the locked aarch64 wheels
    CACHE/arm64-DIGEST/cores/a72/...   root/ seen by a Cortex-A72: false /proc/cpuinfo and /sys/devices/system/cpu
    CACHE/arm64-DIGEST/python          runs that Python; EDGEKIT_ARM_CORE chooses the core

The digest is that of the lock files and of this file. The folder is built beside its place and renamed.
Packages come from the apt sources of this machine, by an apt state of their own: nothing is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["CORES", "HERE", "NUMPY1", "PIP_TARGET", "ArmError", "download", "ensure_root"]

HERE = Path(__file__).resolve().parent
PYTHON = "3.11"
SITE = f"usr/local/lib/python{PYTHON}/dist-packages"
#: Folder in the root with numpy 1 and tflite-runtime.
NUMPY1 = "opt/numpy1"

PACKAGES = (
    *("python3-minimal:arm64", "libpython3-stdlib:arm64", f"python{PYTHON}-venv:arm64"),
    *("libstdc++6:arm64", "zlib1g:arm64", "qemu-user:amd64"),
)
PIP_TARGET = [
    *("--implementation", "cp", "--python-version", PYTHON, "--only-binary=:all:"),
    *(f"--platform=manylinux{tag}_aarch64" for tag in ("_2_36", "_2_34", "_2_28", "_2_27", "_2_17", "2014")),
]

#: Core -> its part number and the features that Linux tells of it. onnxruntime and XNNPACK choose kernels by these.
#: a53: Pi 3, Pi Zero 2. a57: Jetson Nano. a72: Pi 4. a76: Pi 5.
CORES = {
    "a53": ("0xd03", "fp asimd evtstrm crc32 cpuid"),
    "a57": ("0xd07", "fp asimd evtstrm aes pmull sha1 sha2 crc32"),
    "a72": ("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "a76": (
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
}

#: sys.executable inside: a script of this machine, so that a subprocess of it is emulated too.
WRAPPER = """#!/bin/sh
# Python on an emulated Cortex-$EDGEKIT_ARM_CORE; EDGEKIT_ARM_PATH goes before the wheels, EDGEKIT_ARM_PLUGIN to qemu.
# A virtual environment's python is a link to this: it sees its own packages alone.
here=$(dirname "$(readlink -f "$0")")
core=$here/cores/${{EDGEKIT_ARM_CORE:-a72}}
wheels=:$core/{site}
[ ! -L "$0" ] || wheels=
export PYTHONHOME="$core/usr" PYTHONPATH="${{EDGEKIT_ARM_PATH:-}}$wheels" QEMU_LD_PREFIX="$core"
exec "$here/qemu/lib64/ld-linux-x86-64.so.2" \\
  --library-path "$here/qemu/lib/x86_64-linux-gnu:$here/qemu/usr/lib/x86_64-linux-gnu" \\
  "$here/qemu/usr/bin/qemu-aarch64" -cpu "cortex-${{EDGEKIT_ARM_CORE:-a72}}" \\
  ${{EDGEKIT_ARM_PLUGIN:+-plugin "$EDGEKIT_ARM_PLUGIN"}} -0 "$0" "$core/usr/bin/python{python}" "$@"
"""


class ArmError(Exception):
    """One line for the user."""


def ensure_root() -> Path:
    """The folder of the emulated board, built when its lock files changed.

    Raises:
        ArmError: when this machine lacks what it takes.
    """
    inputs = sorted([*HERE.glob("requirements*.lock"), Path(__file__)])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgekit"
    final = cache / f"arm64-{digest}"
    if final.is_dir():
        return final
    _check_machine()
    cache.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix="arm64-building-", dir=cache))
    try:
        print(f"Building the emulated board in {final}", file=sys.stderr, flush=True)
        _build(building)
        try:
            building.rename(final)
        except OSError:
            if not final.is_dir():  # otherwise another process was quicker
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return final


def _check_machine() -> None:
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise ArmError(
                f"Expected Debian 12 with apt-get and dpkg, found no {tool} here. Run it on Debian 12 (or its container)."
            )
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    if architecture != "amd64":
        raise ArmError(f"Expected an amd64 machine, this is {architecture}. On a board itself, run: make device-test")


def _build(folder: Path) -> None:
    # arm64 as the native one: packages for all architectures are the board's then, and python3-venv needs two of them.
    for package in download(folder / "apt", PACKAGES, native="arm64"):
        part = "qemu" if package.name.endswith("_amd64.deb") else "root"
        _run(["dpkg", "-x", package, folder / part])
    shutil.rmtree(folder / "apt")
    for emulator in (folder / "qemu/usr/bin").glob("qemu-*"):
        if emulator.name != "qemu-aarch64":
            emulator.unlink()
    root = folder / "root"
    if not (root / f"usr/bin/python{PYTHON}").exists():
        found = ", ".join(path.name for path in sorted((root / "usr/bin").glob("python3.*")))
        raise ArmError(f"Expected python{PYTHON} (Debian 12) from this machine's apt sources, got {found}. Run it on Debian 12.")
    _pip("requirements.lock", root / SITE)
    _pip("requirements-numpy1.lock", root / NUMPY1)
    _compile(root / f"usr/lib/python{PYTHON}")
    for name, (part, features) in CORES.items():
        _make_core(folder / "cores" / name, part, features)
    wrapper = folder / "python"
    wrapper.write_text(WRAPPER.format(site=SITE, python=PYTHON))
    wrapper.chmod(0o755)
    # The wheels were unpacked for another machine: see that they load before anyone relies on it.
    _run([wrapper, "-c", "import numpy, onnxruntime, PIL.Image, ai_edge_litert.interpreter"])


def download(state: Path, packages: tuple[str, ...], native: str = "amd64") -> list[Path]:
    """The .deb files of packages and of all they depend on, by an apt that knows of nothing installed; its state in `state`."""
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    options = {
        "APT::Architecture": native,
        "APT::Architectures": "amd64,arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    _run([*apt, "update"])
    _run([*apt, "--yes", "--download-only", "install", *packages])
    return sorted((state / "archives").glob("*.deb"))


def _pip(lock: str, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    _run([*command, "--target", target, *PIP_TARGET, "--requirement", HERE / lock])


def _compile(library: Path) -> None:
    """Byte code of Debian's standard library, which its packages make on installation: each emulated start takes a third then."""
    # By a Python of this machine, a hundred times quicker than the emulated one; byte code is that of its minor version.
    host = next((path for path in (sys.executable, shutil.which(f"python{PYTHON}")) if path and _is_version(path)), None)
    if host is not None:
        _run([host, "-m", "compileall", "-q", library])


def _is_version(python: str) -> bool:
    asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == PYTHON


def _make_core(core: Path, part: str, features: str, count: int = 4) -> None:
    cpus = core / "sys/devices/system/cpu"
    for folder in (core / "proc", cpus):
        folder.mkdir(parents=True)
    for name in ("usr", "lib", "etc"):
        (core / name).symlink_to(f"../../root/{name}")
    entry = f"BogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
    entry += f"CPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: 3\n"
    (core / "proc/cpuinfo").write_text("".join(f"processor\t: {number}\n{entry}\n" for number in range(count)))
    for name in ("possible", "present", "online"):
        (cpus / name).write_text(f"0-{count - 1}\n")


def _run(command: list[object]) -> None:
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines() or ["no message"]
        errors = [line for line in lines if line.startswith(("E:", "ERROR"))] or lines
        raise ArmError(f"{Path(str(command[0])).name} failed with {result.returncode}: {errors[-1]}")


if __name__ == "__main__":
    try:
        print(ensure_root())
    except ArmError as error:
        sys.exit(f"make test-arm: {error}")
