"""The Python that edgekit runs in, and what is installed in it: told without importing any of it."""

from __future__ import annotations

import os
import platform
import re
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.deploy.binaries import Binary, glibc_needed, parse_version, read_binary_file
from edgekit.errors import UserError

__all__ = ["Environment", "Package", "find_packages", "this_environment"]

#: Packages with binaries that a board's edgekit loads, and what else it cannot run without.
_LOADED = ("numpy", "pillow", "typer", "ai-edge-litert", "onnxruntime", "tflite-runtime", "ml-dtypes", "protobuf")

#: The same engine under other names.
_ALIASES = {"onnxruntime-gpu": "onnxruntime", "tflite": "tflite-runtime"}

#: What a 32-bit userland is called on a 64-bit kernel.
_USERLANDS = {("aarch64", 32): "armv7l", ("armv8l", 32): "armv7l", ("x86_64", 32): "i686"}


@dataclass(frozen=True)
class Package:
    """One installed package.

    Attributes:
        name: canonical.
        version: as its metadata says.
        binaries: name of the file -> what it needs; empty for pure Python, and where the package does not list its files.
    """

    name: str
    version: str
    binaries: tuple[tuple[str, Binary], ...]

    def needs_glibc(self) -> tuple[tuple[int, ...], str] | None:
        """The newest glibc that one of its binaries needs, and which one that is; None where none needs any."""
        needs = [(version, name) for name, binary in self.binaries if (version := glibc_needed(binary.versions)) is not None]
        return max(needs, default=None)


@dataclass(frozen=True)
class Environment:
    """A Python and its packages.

    Attributes:
        python: version, three numbers.
        bits: 32 or 64.
        machine: of the kernel, as `uname -m` says to this process.
        glibc: None where the C library is another one.
        packages: by canonical name, those that edgekit loads.
        disk_free_mb: where packages are installed, None where it cannot be told.
    """

    python: tuple[int, int, int]
    bits: int
    machine: str
    glibc: tuple[int, ...] | None
    packages: dict[str, Package]
    disk_free_mb: float | None

    @property
    def userland(self) -> str:
        """The processor that wheels must be built for: a 32-bit system often runs on a 64-bit kernel."""
        return _USERLANDS.get((self.machine, self.bits), self.machine)


def this_environment() -> Environment:
    """The Python that runs this."""
    major, minor, micro = sys.version_info[:3]
    return Environment(
        python=(major, minor, micro),
        bits=8 * struct.calcsize("P"),
        machine=platform.machine(),
        glibc=_glibc(),
        packages=find_packages(map(Path, sys.path)),
        disk_free_mb=_disk_free_mb(Path(sys.prefix)),
    )


def find_packages(folders: Iterable[Path]) -> dict[str, Package]:
    """Packages that edgekit loads, as the metadata in these folders tells; the first folder that has one counts."""
    from importlib.metadata import distributions

    found: dict[str, Package] = {}
    for distribution in distributions(path=[str(folder) for folder in folders]):
        said = distribution.metadata["Name"]
        name = re.sub(r"[-_.]+", "-", said or "").lower()
        name = _ALIASES.get(name, name)
        if name in _LOADED and name not in found:
            paths = [Path(str(distribution.locate_file(file))) for file in distribution.files or () if ".so" in file.name]
            found[name] = Package(name, distribution.version, tuple(_binaries(paths)))
    return found


def _binaries(paths: Iterable[Path]) -> Iterable[tuple[str, Binary]]:
    for path in paths:
        try:
            binary = read_binary_file(path)
        except (OSError, UserError):
            # Absent or damaged: the trial of the runtime says what that does.
            continue
        if binary is not None:
            yield path.name, binary


def _glibc() -> tuple[int, ...] | None:
    try:
        said = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return None
    found = re.search(r"glibc ([0-9.]+)", said)
    return parse_version(found[1]) if found else None


def _disk_free_mb(folder: Path) -> float | None:
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize / 2**20
