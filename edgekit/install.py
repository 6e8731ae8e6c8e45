"""Into a board's bundle store: a bundle becomes the current version once it has reproduced its golden vectors on this board.

What is wrong shows before the `current` link moves. A daemon that is named is told, too: when it refuses the version (another
signature, too little memory), the links go back to what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.core.bundle import Bundle
from edgekit.core.signature import verify
from edgekit.core.store import Store
from edgekit.deploy.reload import reload_model
from edgekit.errors import GateError, UserError
from edgekit.golden import GoldenCheck, check_golden
from edgekit.pipeline import choose_artifact

__all__ = ["Installed", "install", "roll_back"]

Step = Callable[[int, int], None]


@dataclass(frozen=True)
class Installed:
    """What a store holds now.

    Attributes:
        name: of the model.
        version: the current one.
        previous: the one to roll back to; None where there is none.
        path: folder of the current version.
        checks: every artifact on every runtime of this board against the golden vectors.
        daemon: the socket of the daemon that answers with this version; None where none was asked.
    """

    name: str
    version: str
    previous: str | None
    path: Path
    checks: tuple[GoldenCheck, ...]
    daemon: Path | None

    def to_json(self) -> dict[str, Any]:
        """The document of `edgekit install --json`."""
        return {
            "name": self.name,
            "version": self.version,
            "previous": self.previous,
            "path": str(self.path),
            "daemon": None if self.daemon is None else str(self.daemon),
            "checks": [asdict(check) for check in self.checks],
        }


def install(
    source: Path, store: Store, signed_by: Path | None = None, daemon: Path | None = None, step: Step = lambda _one, _all: None
) -> Installed:
    """Verify a bundle, put it into the store and make it the current version. Twice the same bundle is one version.

    Args:
        source: a bundle (folder or .zip).
        store: where to; made where it is absent.
        signed_by: a public key that must have signed it; None takes any.
        daemon: Unix socket of a daemon that serves the store; it has to answer with the version before it counts as installed.
        step: called with 1 and the number of all after each check of an artifact on a runtime.

    Raises:
        BundleError: when it is damaged, or its name cannot be a folder's.
        SignatureError: when it is not signed by that key.
        ModelError: when one of its artifacts does not run here.
        MissingExtraError: when no runtime for it is installed.
        GateError: when golden vectors come out differently, or the daemon refuses it.
        UserError: when the store is no folder or may not be written, or no daemon listens on that socket.
    """
    bundle = Bundle.open(source)
    checks = _verified(bundle, signed_by, step)
    name = bundle.manifest.name
    with store.locked(name):
        known = store.versions(name)
        try:
            return _make_current(store, name, store.write(bundle), checks, daemon)
        except BaseException:
            if bundle.version in {*store.versions(name)} - {*known, store.current(name)}:
                store.remove(name, bundle.version)
            raise


def roll_back(
    name: str,
    store: Store,
    version: str | None = None,
    signed_by: Path | None = None,
    daemon: Path | None = None,
    step: Step = lambda _one, _all: None,
) -> Installed:
    """Verify an earlier version of the store and make it the current one; a second time goes forward again.

    Args:
        name: of the model.
        store: holds it.
        version: which; by default the one that was current before.
        signed_by: see `install`.
        daemon: see `install`.
        step: see `install`.

    Raises:
        UserError: when there is no such version, or no previous one.
        EdgekitError: see `install`.
    """
    wanted = version or store.previous(name)
    if wanted is None:
        versions = ", ".join(store.versions(name)) or "none"
        raise UserError(f"Expected a previous version of {name!r} in {store.root}, found none. Versions there: {versions}.")
    checks = _verified(Bundle.open(store.path(name, wanted)), signed_by, step)
    with store.locked(name):
        return _make_current(store, name, wanted, checks, daemon)


def _verified(bundle: Bundle, signed_by: Path | None, step: Step) -> tuple[GoldenCheck, ...]:
    if signed_by is not None:
        verify(bundle, signed_by)
    checks = check_golden(bundle, step)
    if not checks:
        choose_artifact(bundle)  # raises the error with the install line
    for check in checks:
        if not check.ok:
            raise GateError(
                f"Expected {check.artifact} of {bundle.manifest.name} to reproduce its golden vectors on {check.runtime} "
                f"{check.version} here, its probabilities differ by up to {check.max_difference:.3f}. Nothing was changed."
            )
    return checks


def _make_current(store: Store, name: str, version: str, checks: tuple[GoldenCheck, ...], daemon: Path | None) -> Installed:
    before = store.current(name), store.previous(name)
    store.switch(name, version)
    if daemon is not None:
        try:
            _tell(daemon, store, name, version)
        except BaseException:
            store.restore(name, *before)
            raise
    return Installed(name, version, store.previous(name), store.root / name / version, checks, daemon)


def _tell(daemon: Path, store: Store, name: str, version: str) -> None:
    answering = reload_model(daemon, name)
    if answering != version:
        raise UserError(
            f"Expected the daemon at {daemon} to answer with version {version} of {name}, it answers with {answering}: it does "
            f"not serve {store.root}. Start it with --store {store.root}, or leave --daemon out. The store is as it was."
        )
