"""Small ELF files and wheels, made to measure."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

MACHINES = {"armv7l": 40, "x86_64": 62, "aarch64": 183}


def elf(machine: str = "aarch64", versions: tuple[str, ...] = ("GLIBC_2.17",), weak: tuple[str, ...] = ()) -> bytes:
    """A shared library that loads nothing but asks libc.so.6 for these versions."""
    wide = machine != "armv7l"
    base = 0x1000
    names = ["libc.so.6", *versions, *weak]
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    places = [strings.index(b"\0" + name.encode() + b"\0") + 1 for name in names]
    header, entry, dynamic_entry = (64, 56, 16) if wide else (52, 32, 8)
    dynamic_at = header + 2 * entry
    strings_at = dynamic_at + 5 * dynamic_entry
    need_at = (strings_at + len(strings) + 7) // 8 * 8
    need = struct.pack("<HHIII", 1, len(names) - 1, places[0], 16, 0)
    for number, place in enumerate(places[1:], start=1):
        last = number == len(names) - 1
        flags = 2 if number > len(versions) else 0
        need += struct.pack("<IHHII", 0, flags, number + 1, place, 0 if last else 16)
    word = "Q" if wide else "I"
    entries = [(5, base + strings_at), (10, len(strings)), (0x6FFFFFFE, base + need_at), (0x6FFFFFFF, 1), (0, 0)]
    dynamic = b"".join(struct.pack(f"<{word}{word}", *pair) for pair in entries)
    size = need_at + len(need)

    def segment(kind: int, offset: int, length: int) -> bytes:
        if wide:
            return struct.pack("<IIQQQQQQ", kind, 4, offset, base + offset, base + offset, length, length, 8)
        return struct.pack("<IIIIIIII", kind, offset, base + offset, base + offset, length, length, 4, 8)

    identity = b"\x7fELF" + bytes((2 if wide else 1, 1, 1)) + bytes(9)
    fields = (3, MACHINES[machine], 1, 0, header, 0, 0, header, entry, 2, 64 if wide else 40, 0, 0)
    head = identity + struct.pack(f"<HHI{word}{word}{word}IHHHHHH", *fields)
    body = head + segment(1, 0, size) + segment(2, dynamic_at, len(dynamic)) + dynamic + strings
    return body.ljust(need_at, b"\0") + need


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    requires: tuple[str, ...] = (),
    binary: bytes | None = None,
    tag: str = "py3-none-any",
) -> Path:
    """A wheel with this metadata, and perhaps one binary."""
    module = name.replace("-", "_")
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            f"Version: {version}",
            *(f"Requires-Dist: {text}" for text in requires),
        ]
        archive.writestr(f"{module}-{version}.dist-info/METADATA", "\n".join(lines) + "\n")
        archive.writestr(f"{module}/__init__.py", "")
        if binary is not None:
            archive.writestr(f"{module}/_native.so", binary)
    return path
