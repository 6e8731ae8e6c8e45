"""The bundle: a folder, or one .zip of it, that alone crosses from workstation to board."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from edgekit.core.files import check_new, sha256_of, staged_folder, write_file, write_files
from edgekit.core.manifest import Artifact, Manifest
from edgekit.core.recipe import PRECISIONS
from edgekit.errors import BundleError, UnknownNameError

__all__ = ["MANIFEST", "SIGNATURE", "Bundle", "is_bundle", "put_file", "write_bundle"]

MANIFEST = "manifest.json"

#: Lies beside the manifest, which does not describe it; see `edgekit.core.signature`.
SIGNATURE = "signature.json"

#: Files of a bundle lie flat in it: no separators, no leading dot, so no path can leave it.
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MAX_FILE_BYTES = 1 << 30
_VERSION_DIGITS = 12


class Bundle:
    """An opened bundle, every file checked against the manifest.

    Attributes:
        path: the folder or .zip it was opened from.
        manifest: the parsed manifest.
    """

    def __init__(self, path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        self.path = path
        self.manifest = manifest
        self._files = dict(files)

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Read a bundle and verify the sha256 of every file.

        Raises:
            BundleError: when it is no bundle, a file is missing or changed, the manifest has an unknown key or another
                schema, or a path leaves the bundle.
        """
        path = Path(path)
        read = _read_zip(path) if path.is_file() else _read_folder(path)
        text = read.get(MANIFEST)
        if text is None:
            raise BundleError(f"Expected a bundle with a {MANIFEST} at {path}, found none. Make one with: edgekit export")
        try:
            manifest = Manifest.from_text(text.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise BundleError(f"Expected UTF-8 text in {path / MANIFEST}: {error}.") from error
        files = {name: _verified(name, sha256, read, path) for name, sha256 in manifest.digests.items()}
        signed = {SIGNATURE: read[SIGNATURE]} if SIGNATURE in read else {}
        return cls(path, manifest, {**files, **signed, MANIFEST: text})

    def read(self, file: str) -> bytes:
        """Content of one file of the manifest, or of the manifest itself."""
        return self._files[file]

    @property
    def signature(self) -> bytes | None:
        """Content of the signature file, None for an unsigned bundle. Nothing is verified here."""
        return self._files.get(SIGNATURE)

    @property
    def version(self) -> str:
        """12 hexadecimal digits of the sha256 of the manifest and the signature: equal for equal bundles only."""
        return sha256_of(self._files[MANIFEST] + (self.signature or b""))[:_VERSION_DIGITS]

    def archive(self) -> bytes:
        """One .zip of the bytes that were verified on opening, the signature among them; equal bundles give equal bytes."""
        return _zip(self._files)

    def save(self, out: Path) -> None:
        """Write the bytes that were verified on opening to a new folder: whole or not at all.

        Raises:
            UserError: when `out` exists.
        """
        with staged_folder(out) as stage:
            write_files(stage, self._files)

    def artifacts(self, precision: str | None = None, format: str | None = None) -> tuple[Artifact, ...]:  # noqa: A002
        """The artifacts of a precision and a format (all by default).

        Raises:
            UnknownNameError: on an unknown precision.
            BundleError: when the bundle holds none such.
        """
        if precision is not None and precision not in PRECISIONS:
            raise UnknownNameError("precision", precision, PRECISIONS)
        found = tuple(
            artifact
            for artifact in self.manifest.artifacts
            if precision in (None, artifact.precision) and format in (None, artifact.format)
        )
        if not found:
            present = ", ".join(f"{a.precision} ({a.format})" for a in self.manifest.artifacts)
            wanted = " ".join(word for word in (precision, format) if word)
            raise BundleError(f"Expected an artifact of {wanted} in {self.path}, it holds {present}. Choose one of these.")
        return found


def is_bundle(path: Path) -> bool:
    """True for a folder with a manifest.json, or a zip archive that is no model file."""
    if path.is_dir():
        return (path / MANIFEST).is_file()
    return path.suffix.lower() == ".zip" and path.is_file()


def write_bundle(out: str | Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Write a bundle to a new path: whole or not at all.

    Args:
        out: the folder, or the archive where the name ends in .zip.
        manifest: its entries must name exactly `files`.
        files: name -> content.

    Raises:
        UserError: when `out` exists.
        BundleError: on an unsafe file name or a file that the manifest does not describe.
    """
    out = Path(out)
    if manifest.digests != {name: sha256_of(content) for name, content in files.items()}:
        raise BundleError(f"Expected the files {sorted(manifest.digests)} as the manifest describes them, got {sorted(files)}.")
    for name in files:
        _check_name(name)
    everything = {**files, MANIFEST: manifest.to_text().encode("utf-8")}
    if out.suffix == ".zip":
        check_new(out)
        write_file(out, _zip(everything))
        return
    with staged_folder(out) as stage:
        write_files(stage, everything)


def put_file(path: Path, name: str, content: bytes) -> None:
    """Put a file that the manifest does not describe into a bundle (folder or .zip), by rename.

    Args:
        path: the bundle.
        name: of the file; one of that name is replaced.
        content: of the file.
    """
    _check_name(name)
    if path.is_file():
        write_file(path, _zip({**_read_zip(path), name: content}))
    else:
        write_file(path / name, content)


def _read_folder(path: Path) -> dict[str, bytes]:
    if not path.is_dir():
        raise BundleError(f"Expected a bundle (a folder or a .zip) at {path}, found nothing there.")
    root = path.resolve()
    files = {}
    for entry in sorted(path.iterdir()):
        if entry.is_symlink() and not _leads_into(entry, root):
            raise BundleError(
                f"Expected every file of {path} to lie inside it, {entry.name} links out of it, to itself or to nothing."
            )
        if entry.is_file() and (entry.name == MANIFEST or _SAFE_NAME.fullmatch(entry.name)):
            files[entry.name] = entry.read_bytes()
    return files


def _leads_into(link: Path, folder: Path) -> bool:
    try:
        return folder in link.resolve(strict=True).parents
    except (OSError, RuntimeError):  # it leads nowhere, or round in circles
        return False


def _read_zip(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            # An archive made of the bundle's folder holds the folder itself, too.
            tops = {entry.filename.partition("/")[0] for entry in entries if "/" in entry.filename}
            top = tops.pop() if len(tops) == 1 else ""
            prefix = f"{top}/" if top.strip(".") else ""
            named = {entry.filename.removeprefix(prefix): entry for entry in entries}
            for name, entry in named.items():
                _check_name(name)
                if entry.file_size > _MAX_FILE_BYTES:
                    raise BundleError(f"Expected files of at most {_MAX_FILE_BYTES} bytes in {path}, {name} is larger.")
            return {name: archive.read(entry) for name, entry in named.items()}
    # RuntimeError: encrypted; NotImplementedError: a compression that zipfile lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise BundleError(f"Expected a bundle (a folder or a .zip) at {path}: {error}.") from error


def _verified(name: str, sha256: str, read: Mapping[str, bytes], path: Path) -> bytes:
    _check_name(name)
    if name not in read:
        raise BundleError(f"Expected {name} in {path}, as its manifest says; it is missing. Copy the bundle again.")
    found = sha256_of(read[name])
    if found != sha256:
        raise BundleError(f"Expected {name} in {path} with sha256 {sha256:.12}..., got {found:.12}.... Copy the bundle again.")
    return read[name]


def _check_name(name: str) -> None:
    if not _SAFE_NAME.fullmatch(name):
        raise BundleError(f"Expected a plain file name inside the bundle, got {name!r}, which could leave it.")


def _zip(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            # ZipInfo's default date is fixed, so equal files give equal archives.
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[name])
    return stream.getvalue()
