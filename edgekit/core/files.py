"""Files that appear whole or not at all: written beside their place, synced, renamed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import UserError

__all__ = [
    "ARCHIVE_ERRORS",
    "check_new",
    "fresh_folder",
    "sha256_of",
    "staged_folder",
    "sync_folder",
    "write_file",
    "write_files",
]

#: What NumPy and zipfile raise on damaged archives.
ARCHIVE_ERRORS = (
    OSError,
    KeyError,
    ValueError,
    EOFError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def sha256_of(content: bytes) -> str:
    """Hex digest of the bytes."""
    return hashlib.sha256(content).hexdigest()


def check_new(out: Path) -> None:
    """Raise UserError when `out` exists (nothing is ever overwritten) or its parent is no folder to write into."""
    if not out.name:
        raise UserError(f"Expected a new path for the output, got {str(out)!r}. Give it a name.")
    if out.exists() or out.is_symlink():
        raise UserError(f"Expected a new path for the output, {out} exists. Remove it or choose another.")
    if not out.parent.is_dir():
        raise UserError(f"Expected the folder {out.parent} to exist, to write {out.name} into. Create it first.")
    try:  # permissions alone do not tell: the disk may be full, or mounted to be read
        tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.").cleanup()
    except OSError as error:
        raise UserError(f"Expected to write {out.name} into {out.parent}: {error.strerror}. Choose another place.") from error


def write_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` by rename, replacing what was there."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write several files into an existing folder and sync them and the folder."""
    for name, content in files.items():
        with open(folder / name, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    sync_folder(folder)


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out`, renamed to `out` when the block ends well and removed when it does not.

    Raises:
        UserError: when `out` exists or has no parent folder.
    """
    check_new(out)
    stage = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        os.chmod(stage, 0o777 & ~_umask())
        yield stage
        os.rename(stage, out)
        sync_folder(out.parent)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


@contextmanager
def fresh_folder(out: Path) -> Iterator[None]:
    """A new folder that is filled in place, because what is written refers to its final path; removed when the block fails.

    Raises:
        UserError: when `out` exists or has no parent folder.
    """
    check_new(out)
    out.mkdir()
    try:
        yield
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def sync_folder(folder: Path) -> None:
    """Let what was renamed in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    # The only portable way to read it is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
