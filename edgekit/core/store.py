"""The bundle store of a board: ROOT/NAME/VERSION/ bundles, with a `current` and a `previous` link beside them.

A version is written once and never changed; what changes is where the links point, by rename, so that a reader finds the old
version or the new one and nothing between.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgekit.core.bundle import Bundle
from edgekit.core.files import sync_folder
from edgekit.core.names import NAME, NAMES, is_name
from edgekit.errors import BundleError, UnknownNameError, UserError

__all__ = ["CURRENT", "PREVIOUS", "Store"]

CURRENT = "current"
PREVIOUS = "previous"


class Store:
    """Bundles by name and version.

    Args:
        root: the folder; it need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> tuple[str, ...]:
        """Names of which one version is current, sorted."""
        if not self.root.is_dir():
            return ()
        return tuple(sorted(folder.name for folder in self.root.iterdir() if self.current(folder.name) is not None))

    def versions(self, name: str) -> tuple[str, ...]:
        """Versions of a name, the one written last first; none where its folder may not be read."""
        if not NAME.fullmatch(name):
            return ()
        try:
            written = [(path.stat().st_mtime_ns, path.name) for path in (self.root / name).iterdir() if _is_version(path)]
        except OSError:
            return ()
        return tuple(version for _, version in sorted(written, reverse=True))

    def current(self, name: str) -> str | None:
        """The version that `current` points at, None where it points nowhere or may not be read."""
        return self._target(name, CURRENT)

    def previous(self, name: str) -> str | None:
        """The version to roll back to: what was current before; None where there was none."""
        version = self._target(name, PREVIOUS)
        return None if version == self.current(name) else version

    def path(self, name: str, version: str) -> Path:
        """Folder of a version.

        Raises:
            UnknownNameError: when there is no such version.
        """
        if version not in self.versions(name):
            raise UnknownNameError("version", version, self.versions(name))
        return self.root / name / version

    def switch(self, name: str, version: str) -> None:
        """Make a version the current one, and the one that was current the previous one.

        Raises:
            UnknownNameError: when there is no such version.
        """
        self.path(name, version)
        before = self.current(name)
        if before is not None and before != version:
            self.remember(name, before)
        self._point(name, CURRENT, version)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """One writer at a time: other processes that ask for it wait. The root is made where it is absent.

        Args:
            name: of the model that is to be written.

        Raises:
            BundleError: when it is none that a model may have.
            UserError: when the root is no folder, or cannot be made.
        """
        _check_name(name)
        _make_folder(self.root)
        folder = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def write(self, bundle: Bundle) -> str:
        """Put a bundle into the store under its name, as `Bundle.version`; no link is changed.

        Returns:
            The version; one that is there already, byte for byte, is left as it is.

        Raises:
            BundleError: when its name is none that a model may have, or the version lies there with other bytes.
            UserError: when the name's folder is none, or cannot be made.
        """
        name, version = bundle.manifest.name, bundle.version
        _check_name(name)
        path = self.root / name / version
        if not path.exists():
            _make_folder(path.parent)
            try:
                bundle.save(path)
            except BaseException:
                self._forget(name)
                raise
        elif Bundle.open(path).archive() != bundle.archive():
            raise BundleError(f"Expected {path} as it was written, it was changed since. Remove that folder and install again.")
        return version

    def remove(self, name: str, version: str) -> None:
        """Delete a version, and the name's folder where nothing else is in it.

        Raises:
            UnknownNameError: when there is no such version.
            BundleError: when it is the current or the previous one.
        """
        if version in (self.current(name), self.previous(name)):
            raise BundleError(f"Expected a version of {name} that no link points at, got {version}. Switch to another first.")
        shutil.rmtree(self.path(name, version))
        self._forget(name)

    def restore(self, name: str, current: str | None, previous: str | None) -> None:
        """Put both links back to what they were before a switch that did not hold; None takes a link away."""
        for link, version in ((CURRENT, current), (PREVIOUS, previous)):
            if version is None:
                (self.root / name / link).unlink(missing_ok=True)
            else:
                self._point(name, link, version)

    def remember(self, name: str, version: str) -> None:
        """Make a version the previous one, for those who point `current` by other means."""
        if self._target(name, PREVIOUS) != version:
            self._point(name, PREVIOUS, version)

    def _forget(self, name: str) -> None:
        with contextlib.suppress(OSError):  # other versions are there
            (self.root / name).rmdir()

    def _target(self, name: str, link: str) -> str | None:
        path = self.root / name / link
        if not NAME.fullmatch(name):
            return None
        try:
            version = os.readlink(path).rstrip("/")
        except OSError:  # no link; or a folder of somebody else's, beside which the others are to be served
            return None
        return version if NAME.fullmatch(version) and _is_version(path.parent / version) else None

    def _point(self, name: str, link: str, version: str) -> None:
        folder = self.root / name
        temporary = folder / f".{link}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        try:
            os.symlink(version, temporary)
            os.replace(temporary, folder / link)
            sync_folder(folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise BundleError(f"Expected to be able to point {folder / link} at {version}: {error.strerror}.") from error


def _check_name(name: str) -> None:
    if not is_name(name):
        raise BundleError(f"Expected a bundle's name of {NAMES}, got {name!r}. Export or pack it under another name.")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Expected a folder at {path} for bundles, or to be able to make it: {error.strerror}. "
            "Choose another --store, or let its owner install."
        ) from error


def _is_version(path: Path) -> bool:
    return bool(NAME.fullmatch(path.name)) and path.is_dir() and not path.is_symlink()
