"""What binaries need, against binutils."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.deploy.binaries import glibc_needed, parse_version, read_binary, read_binary_file
from edgekit.errors import UserError
from tests.deploy.elves import elf

pytestmark = pytest.mark.device


def objdump(path: Path) -> set[str]:
    """Versions that must be there, as binutils reads them."""
    if shutil.which("objdump") is None:
        pytest.skip("needs binutils")
    text = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^\s+0x[0-9a-f]{8} 0x([0-9a-f]{2}) \d+ (\S+)$", text.partition("Version References:")[2], re.MULTILINE)
    return {name for flags, name in rows if not int(flags, 16) & 2}


def binaries_of_this_environment() -> list[Path]:
    site = Path(sysconfig.get_paths()["platlib"])
    folders = [site / name for name in ("numpy", "numpy.libs", "PIL", "pillow.libs", "ai_edge_litert", "tflite_runtime")]
    found = [path for folder in folders for path in sorted(folder.rglob("*.so*"))]
    return [Path(sys.executable).resolve(), *found]


def test_every_binary_of_this_environment_reads_as_binutils_reads_it():
    paths = binaries_of_this_environment()
    assert len(paths) > 30
    for path in paths:
        binary = read_binary_file(path)
        assert binary is not None
        assert binary.versions == objdump(path), path


@pytest.mark.parametrize("machine", ["aarch64", "armv7l", "x86_64"])
def test_other_processors_and_32_bit_are_read_and_weak_references_left_out(tmp_path, machine):
    path = tmp_path / "native.so"
    path.write_bytes(elf(machine, ("GLIBC_2.17", "GLIBC_2.34", "GLIBCXX_3.4.30"), weak=("GLIBC_2.38",)))
    binary = read_binary_file(path)
    assert binary is not None
    assert binary.machine == machine
    assert binary.versions == {"GLIBC_2.17", "GLIBC_2.34", "GLIBCXX_3.4.30"}
    assert glibc_needed(binary.versions) == (2, 34)


def test_versions_compare_by_number_and_features_are_no_versions():
    assert glibc_needed(["GLIBC_2.4", "GLIBC_2.17", "GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "CXXABI_1.3"]) == (2, 17)
    assert glibc_needed([]) is None


def test_what_is_no_elf_file_needs_nothing(tmp_path):
    assert read_binary(b"#!/bin/sh\n") is None
    assert read_binary(b"") is None
    (tmp_path / "empty.so").write_bytes(b"")
    assert read_binary_file(tmp_path / "empty.so") is None


@given(st.integers(4, len(elf()) - 1), st.binary(max_size=8))
def test_a_damaged_file_is_one_error_or_still_readable(cut, noise):
    try:
        read_binary(elf()[:cut] + noise, "native.so")
    except UserError as error:
        message = str(error)
    else:
        return
    assert "native.so is damaged" in message


def test_a_truncated_file_is_named():
    with pytest.raises(UserError, match=r"Expected a whole ELF file, native\.so is damaged"):
        read_binary(elf()[:100], "native.so")


def test_a_version_is_numbers_and_dots():
    assert parse_version("2.36") == (2, 36)
    with pytest.raises(UserError, match="Expected a version such as"):
        parse_version("bookworm")
