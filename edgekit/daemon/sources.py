"""Where a model comes from: a bundle's path, or a name in a bundle store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgekit.core.bundle import Bundle
from edgekit.core.names import RESERVED
from edgekit.core.store import Store
from edgekit.daemon.loading import LoadedModel
from edgekit.daemon.refusals import LoadFailed
from edgekit.errors import BundleError

__all__ = ["FromPath", "FromStore", "Load", "Source", "check_name"]

#: (path, version) -> the verified model.
Load = Callable[[Path, "str | None"], LoadedModel]


class Source(Protocol):
    """What a model is loaded from, again and again. Called from the loading thread."""

    def load(self, load: Load) -> LoadedModel:
        """The model that is wanted now."""
        ...

    def fallbacks(self) -> tuple[str, ...]:
        """Versions to try at the start when the one that is wanted is refused, the best first."""
        ...

    def load_version(self, load: Load, version: str) -> LoadedModel:
        """One of the other versions."""
        ...

    def stamp(self) -> object:
        """Changes when another version is wanted; None where nothing is to be watched."""
        ...

    def swapped(self, replaced: str | None, version: str) -> None:
        """A version took another's place: note the way back."""
        ...

    def want(self, version: str) -> None:
        """Make a version the wanted one."""
        ...

    def ways_back(self, running: str | None) -> tuple[str, ...]:
        """Versions to roll back to, the best first.

        Raises:
            LoadFailed: when there is none.
        """
        ...


@dataclass(frozen=True)
class FromPath:
    """A bundle that may be replaced where it lies."""

    path: Path

    def load(self, load: Load) -> LoadedModel:
        """See `Source`."""
        return load(self.path, None)

    def fallbacks(self) -> tuple[str, ...]:
        """See `Source`."""
        return ()

    def load_version(self, load: Load, version: str) -> LoadedModel:  # noqa: ARG002
        """See `Source`."""
        raise LoadFailed("Expected a model of a bundle store, this one has no versions.")

    def stamp(self) -> object:
        """See `Source`."""
        return None

    def swapped(self, replaced: str | None, version: str) -> None:
        """See `Source`."""

    def want(self, version: str) -> None:
        """See `Source`."""

    def ways_back(self, running: str | None) -> tuple[str, ...]:  # noqa: ARG002
        """See `Source`."""
        raise LoadFailed("Expected a model of a bundle store to roll back, this one was given as a path.")


@dataclass(frozen=True)
class FromStore:
    """A name in a store; what its `current` link points at is wanted."""

    store: Store
    name: str

    def load(self, load: Load) -> LoadedModel:
        """See `Source`."""
        version = self.store.current(self.name)
        if version is None:
            raise BundleError(f"Expected a current version of {self.name} in {self.store.root}, found none.")
        return self.load_version(load, version)

    def fallbacks(self) -> tuple[str, ...]:
        """See `Source`."""
        first = [version for version in (self.store.previous(self.name),) if version is not None]
        others = [version for version in self.store.versions(self.name) if version not in first]
        return tuple(version for version in first + others if version != self.store.current(self.name))

    def load_version(self, load: Load, version: str) -> LoadedModel:
        """See `Source`."""
        return load(self.store.path(self.name, version), version)

    def stamp(self) -> object:
        """See `Source`."""
        return self.store.current(self.name)

    def swapped(self, replaced: str | None, version: str) -> None:
        """See `Source`."""
        if replaced not in (None, version) and version == self.store.current(self.name):
            self.store.remember(self.name, str(replaced))

    def want(self, version: str) -> None:
        """See `Source`."""
        before = self.store.previous(self.name)
        self.store.switch(self.name, version)
        # What `current` pointed at may have been refused: `swapped` notes what was running, this keeps what was noted before.
        if before not in (None, version):
            self.store.remember(self.name, str(before))

    def ways_back(self, running: str | None) -> tuple[str, ...]:
        """See `Source`.

        Where another version runs than the link says, the wanted one was refused (or comes only now): the way back is the
        one that runs. Further ones follow, because a version that was noted as the previous one may be a bad one, too.
        """
        versions = [version for version in self.store.versions(self.name) if version != self.store.current(self.name)]
        first = [version for version in (running, self.store.previous(self.name)) if version in versions]
        found = tuple(dict.fromkeys(first + versions))
        if not found:
            raise LoadFailed("Expected another version in the store to roll back to, found none.")
        return found


def check_name(path: Path) -> str:
    """Name under which a bundle is served.

    Raises:
        BundleError: when it is no bundle, or its name cannot stand in an address.
    """
    name = Bundle.open(path).manifest.name
    if name == RESERVED or not name or not all(c.isascii() and (c.isalnum() or c in "._-") for c in name):
        raise BundleError(
            f"Expected a bundle's name of letters, digits, '.', '_' and '-' (and not {RESERVED!r}), got {name!r}: {path}."
        )
    return name
