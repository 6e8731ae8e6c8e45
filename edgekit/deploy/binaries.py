"""What a compiled library asks of the machine that loads it: its processor and its versions of glibc, read from the file itself.

A wheel's tag is a promise of whoever built it; LiteRT's wheels say glibc 2.27 and hold binaries that need 2.34. The loader goes
by the file's own list of versions (GNU_VERNEED, found through the dynamic segment), and so does this module.

Why not pyelftools: a board would have to install a package to learn what it can install. One table is needed of the whole format,
it has not changed since 2000, and the tests compare every answer with binutils.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import UserError

__all__ = ["MACHINES", "Binary", "glibc_needed", "newest", "parse_version", "read_binary", "read_binary_file"]

#: e_machine -> the name that `uname -m` gives on such a board.
MACHINES = {40: "armv7l", 62: "x86_64", 183: "aarch64", 3: "i686", 243: "riscv64"}

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_STRTAB, _DT_STRSZ, _DT_VERNEED, _DT_VERNEEDNUM = 5, 10, 0x6FFFFFFE, 0x6FFFFFFF
_WEAK = 0x2
_PREFIX = "GLIBC_"


@dataclass(frozen=True)
class Binary:
    """One ELF file.

    Attributes:
        machine: as `uname -m`, or "machine N" for one that no board here has.
        versions: version names that must be there when the file is loaded, e.g. "GLIBC_2.34", "GLIBCXX_3.4.21"; no weak ones.
    """

    machine: str
    versions: frozenset[str]


def read_binary_file(path: Path) -> Binary | None:
    """As `read_binary`, of a file, without reading the whole of it.

    Raises:
        UserError: when it is an ELF file and damaged.
    """
    with path.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            return None
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return read_binary(content, path.name)


def read_binary(content: bytes | mmap.mmap, name: str = "the file") -> Binary | None:
    """Processor and version needs of an ELF file; None when the content is no ELF file.

    Args:
        content: the file's bytes.
        name: for messages.

    Raises:
        UserError: when it is an ELF file and damaged.
    """
    if content[:4] != b"\x7fELF":
        return None
    try:
        elf = _Elf(content)
        return Binary(MACHINES.get(elf.machine, f"machine {elf.machine}"), frozenset(elf.needed_versions()))
    except (struct.error, ValueError, IndexError, OverflowError) as error:
        raise UserError(f"Expected a whole ELF file, {name} is damaged ({error}). Install its package again.") from error


def parse_version(text: str) -> tuple[int, ...]:
    """Numbers of a version such as "2.36".

    Raises:
        UserError: when it is not numbers and dots.

    >>> parse_version("2.36")
    (2, 36)
    """
    try:
        return tuple(int(part) for part in text.split("."))
    except ValueError as error:
        raise UserError(f"Expected a version such as 2.36, got {text!r}.") from error


def glibc_needed(versions: Iterable[str]) -> tuple[int, ...] | None:
    """The newest glibc among version names, None where none is named.

    >>> glibc_needed({"GLIBC_2.4", "GLIBC_2.17", "GLIBCXX_3.4"})
    (2, 17)
    """
    # GLIBC_PRIVATE and GLIBC_ABI_* name features, not versions.
    return newest(parse_version(v[len(_PREFIX) :]) for v in versions if v.startswith(_PREFIX) and v[len(_PREFIX)].isdigit())


def newest(versions: Iterable[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    """The largest of the versions that are known, None when none is."""
    return max((version for version in versions if version is not None), default=None)


class _Elf:
    """Just enough of the format: header, program headers, dynamic segment, version needs."""

    def __init__(self, content: bytes | mmap.mmap) -> None:
        self._content = content
        wide, order = content[4], content[5]
        if wide not in (1, 2) or order not in (1, 2):
            raise ValueError(f"class {wide}, data encoding {order}")
        self._wide = wide == 2
        self._order = "<" if order == 1 else ">"
        self.machine: int = self._unpack("H", 18)[0]
        offset = self._unpack("Q", 32)[0] if self._wide else self._unpack("I", 28)[0]
        size, count = self._unpack("HH", 54 if self._wide else 42)
        segments = [self._segment(offset + i * size) for i in range(count)]
        self._loads = [segment for segment in segments if segment[0] == _PT_LOAD]
        self._dynamic = next((segment for segment in segments if segment[0] == _PT_DYNAMIC), None)

    def needed_versions(self) -> Iterator[str]:
        """Names of the versions that must be there; weak references left out, as the loader does."""
        entries = dict(self._dynamic_entries())
        if _DT_VERNEED not in entries:
            return
        names = self._offset(entries[_DT_STRTAB])
        end = names + entries[_DT_STRSZ]
        need = self._offset(entries[_DT_VERNEED])
        for _ in range(entries[_DT_VERNEEDNUM]):
            _version, count, _file, first, following = self._unpack("HHIII", need)
            version = need + first
            for _ in range(count):
                _hash, flags, _index, name, step = self._unpack("IHHII", version)
                if not flags & _WEAK:
                    yield self._text(names + name, end)
                version += step
            need += following

    def _dynamic_entries(self) -> Iterator[tuple[int, int]]:
        if self._dynamic is None:
            return
        _kind, offset, _address, size = self._dynamic
        step = 16 if self._wide else 8
        for position in range(offset, offset + size, step):
            tag, value = self._unpack("QQ" if self._wide else "II", position)
            if tag == 0:
                return
            yield tag, value

    def _segment(self, at: int) -> tuple[int, int, int, int]:
        """Kind, offset in the file, address in memory, size in the file."""
        if self._wide:
            kind, _flags, offset, address, _physical, size = self._unpack("IIQQQQ", at)
        else:
            kind, offset, address, _physical, size = self._unpack("IIIII", at)
        return kind, offset, address, size

    def _offset(self, address: int) -> int:
        for _kind, offset, start, size in self._loads:
            if start <= address < start + size:
                return int(address - start + offset)
        raise ValueError(f"address {address:#x} lies in no segment")

    def _text(self, start: int, end: int) -> str:
        stop = self._content.find(b"\0", start, end)
        if stop < 0:
            raise ValueError("a name without an end")
        return self._content[start:stop].decode("ascii")

    def _unpack(self, kinds: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(self._order + kinds, self._content, at)
