"""The wheels of one board, resolved by pip for that board and checked by what their binaries really need."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any

from edgekit.core.files import sha256_of
from edgekit.core.optional import require
from edgekit.deploy.binaries import glibc_needed, newest, read_binary
from edgekit.deploy.boards import System
from edgekit.deploy.pip import Pip
from edgekit.errors import UserError

__all__ = ["Wheel", "download", "platform_tags", "read_wheel"]

#: Each round asks for an older version of what did not fit, or for what pip did not see; more than a few mean that nothing fits.
_ROUNDS = 8


@dataclass(frozen=True)
class Wheel:
    """One wheel, as read from the file.

    Attributes:
        file: its name.
        name: of the package, in canonical form.
        version: of the package.
        bytes: of the file.
        sha256: of the file.
        requires: its requirements, as written in its metadata.
        machines: processors of its binaries; empty for pure Python.
        needs_glibc: newest glibc that one of its binaries needs; None for pure Python.
        installed_bytes: unpacked.
    """

    file: str
    name: str
    version: str
    bytes: int
    sha256: str
    requires: tuple[str, ...]
    machines: frozenset[str]
    needs_glibc: tuple[int, ...] | None
    installed_bytes: int


def read_wheel(path: Path) -> Wheel:
    """Read a wheel: its metadata, and every binary in it.

    Raises:
        UserError: when the file is no wheel.
    """
    utils = _packaging("utils")
    try:
        name, version, _build, _tags = utils.parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            metadata = next(m for m in members if m.filename.endswith(".dist-info/METADATA") and m.filename.count("/") == 1)
            requires = message_from_bytes(archive.read(metadata)).get_all("Requires-Dist", [])
            binaries = [b for m in members if (b := read_binary(archive.read(m), f"{path.name}/{m.filename}")) is not None]
    except (utils.InvalidWheelFilename, zipfile.BadZipFile, StopIteration, OSError) as error:
        raise UserError(f"Expected a wheel at {path}, it cannot be read as one ({error or 'no METADATA'}).") from error
    return Wheel(
        file=path.name,
        name=str(name),
        version=str(version),
        bytes=path.stat().st_size,
        sha256=sha256_of(path.read_bytes()),
        requires=tuple(requires),
        machines=frozenset(binary.machine for binary in binaries),
        needs_glibc=newest(glibc_needed(binary.versions) for binary in binaries),
        installed_bytes=sum(member.file_size for member in members),
    )


def platform_tags(system: System) -> list[str]:
    """Tags of wheels that pip on that system would take, newest glibc first.

    >>> from edgekit.deploy.boards import find_system, get_board
    >>> platform_tags(find_system(get_board("pi4")))[:2]
    ['manylinux_2_36_aarch64', 'manylinux_2_35_aarch64']
    """
    major, minor = system.glibc
    tags = [f"manylinux_{major}_{m}_{system.machine}" for m in range(minor, 16, -1)]
    return [*tags, f"manylinux2014_{system.machine}", f"linux_{system.machine}"]


def download(own: Path, requirements: Sequence[str], system: System, folder: Path, work: Path, pip: Pip) -> list[Wheel]:
    """Fill `folder` with the wheels of `own` (edgekit's) and `requirements` that run on the system, and nothing else.

    pip resolves; then every wheel is read. A version whose binaries need a newer glibc, or another processor, is excluded and pip
    asked again. Requirements that pip did not see, because it reads markers (`python_version < "3.11"`) with its own
    Python and not the board's, are added in the same way.

    Args:
        own: edgekit's wheel.
        requirements: of the runtime.
        system: the board's.
        folder: existing and empty.
        work: a folder for constraints and stand-ins.
        pip: runs pip.

    Raises:
        UserError: when no set of versions runs there; says which package stands in the way and why.
    """
    wanted, excluded = [str(own.resolve()), *requirements], [f"{name}=={version}" for name, version in system.provided.items()]
    reasons: list[str] = []
    stand_ins = work / "provided"
    stand_ins.mkdir()
    for name, version in system.provided.items():
        _write_stand_in(stand_ins, name, version)
    for _ in range(_ROUNDS):
        for stale in folder.iterdir():
            stale.unlink()
        try:
            pip(_arguments(wanted, excluded, system, folder, work, stand_ins))
        except UserError as error:
            tried = f" ({'; '.join(reasons)})" if reasons else ""
            raise UserError(f"Expected wheels for {system.name}{tried}: {error}") from error
        wheels = {wheel.name: wheel for wheel in map(read_wheel, sorted(folder.iterdir())) if wheel.name not in system.provided}
        unfit = {wheel: reason for wheel in wheels.values() if (reason := _unfit(wheel, system)) is not None}
        reached, missing = _closure(wheels, [read_wheel(own).name, *requirements], system)
        if not unfit and not missing:
            for path in folder.iterdir():
                if path.name not in {wheels[name].file for name in reached}:
                    path.unlink()
            return [wheels[name] for name in sorted(reached)]
        excluded += [f"{wheel.name}<{wheel.version}" for wheel in unfit]
        reasons += list(unfit.values())
        wanted += missing
    raise UserError(f"Expected wheels for {system.name}, found none that fit ({'; '.join(reasons)}).")


def _arguments(
    wanted: Sequence[str], excluded: Sequence[str], system: System, folder: Path, work: Path, stand_ins: Path
) -> list[str]:
    constraints = work / "constraints.txt"
    constraints.write_text("".join(f"{line}\n" for line in excluded), encoding="utf-8")
    target = ["--implementation", "cp", "--python-version", system.python]
    for tag in platform_tags(system):
        target += ["--platform", tag]
    places = ["--dest", str(folder), "--constraint", str(constraints), "--find-links", str(stand_ins)]
    return ["download", "--only-binary=:all:", *target, *places, *wanted]


def _unfit(wheel: Wheel, system: System) -> str | None:
    """Why the wheel does not load there, None when it does."""
    others = wheel.machines - {system.machine}
    if wheel.machines and system.machine not in wheel.machines:
        return f"{wheel.name} {wheel.version} is built for {', '.join(sorted(others))}, not {system.machine}"
    if wheel.needs_glibc is not None and wheel.needs_glibc > system.glibc:
        needs, has = (".".join(map(str, version)) for version in (wheel.needs_glibc, system.glibc))
        return f"{wheel.name} {wheel.version} needs glibc {needs}, the board has {has}"
    return None


def _closure(wheels: Mapping[str, Wheel], roots: Iterable[str], system: System) -> tuple[set[str], list[str]]:
    """Names that are reached from the roots with the board's markers, and requirements that no wheel answers."""
    requirement, canonical = _packaging("requirements").Requirement, _packaging("utils").canonicalize_name
    environment = _environment(system)
    reached: set[str] = set()
    missing: list[str] = []
    waiting: list[tuple[Any, str]] = [(requirement(text), "") for text in roots]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted, _by = waiting.pop()
        name = canonical(wanted.name)
        if name in system.provided:
            continue
        if name not in wheels:
            missing.append(f"{wanted.name}{wanted.specifier}")
            continue
        reached.add(name)
        for extra in ("", *wanted.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in wheels[name].requires:
                further = requirement(text)
                if further.marker is None or further.marker.evaluate({**environment, "extra": extra}):
                    waiting.append((further, name))
    return reached, missing


def _environment(system: System) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{system.python}.0",
        "os_name": "posix",
        "platform_machine": system.machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{system.python}.0",
        "python_version": system.python,
        "sys_platform": "linux",
    }


def _write_stand_in(folder: Path, name: str, version: str) -> None:
    """A wheel with nothing in it, so that pip counts on what Debian's package brings."""
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{information}/RECORD", "")


def _packaging(module: str) -> Any:
    return require(f"packaging.{module}", "export", "packaging")
