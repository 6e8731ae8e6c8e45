"""Onto a board over ssh: the bundle goes through one connection into `edgekit install` there, which verifies, then switches."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.core.bundle import Bundle
from edgekit.core.signature import verify
from edgekit.deploy.remote import RemoteEdgekit
from edgekit.errors import UserError

__all__ = ["OnBoard", "deploy", "roll_back"]

#: What `install` and `rollback` tell, as far as it is read here.
_ANSWER = frozenset({"version", "previous", "path", "daemon", "checks"})


@dataclass(frozen=True)
class OnBoard:
    """Where edgekit and its bundles are on a board.

    Attributes:
        edgekit: of the board.
        store: the bundle store; None is the board's default.
        daemon: Unix socket of the daemon to tell; None tells none.
    """

    edgekit: RemoteEdgekit
    store: str | None = None
    daemon: str | None = None

    def call(
        self, verb: str, argument: str, content: bytes = b"", sent: Callable[[int], None] = lambda _: None
    ) -> dict[str, Any]:
        """`edgekit install` or `edgekit rollback` of the board.

        Args:
            verb: which of them.
            argument: its bundle or name.
            content: what it reads on stdin.
            sent: told of the bytes of every piece that went out.

        Returns:
            Its --json document, with the "host".

        Raises:
            EdgekitError: see `RemoteEdgekit.run`.
        """
        options = [f"--{key}={value}" for key, value in (("store", self.store), ("daemon", self.daemon)) if value is not None]
        out = self.edgekit.run([verb, *options, "--json", "--", argument], content, sent)
        return {"host": self.edgekit.name, **self._document(out)}

    def _document(self, out: str) -> dict[str, Any]:
        try:
            document = json.loads(out)
        except ValueError:
            document = None
        if not isinstance(document, dict) or not document.keys() >= _ANSWER:
            raise UserError(
                f"Expected edgekit on {self.edgekit.name} to answer with what its store holds (JSON), got {out[:80]!r}. "
                "Is --edgekit the right command, and the version there this one?"
            )
        return document


def deploy(
    board: OnBoard, source: Path, signed_by: Path | None = None, progress: Callable[[int, int], None] = lambda _sent, _all: None
) -> dict[str, Any]:
    """Put a bundle onto a board and make it the current version there.

    Args:
        board: where to.
        source: a bundle (folder or .zip); what is sent are the very bytes that were verified here.
        signed_by: a public key that must have signed it; None sends any.
        progress: told of the bytes of every piece sent, and of all.

    Returns:
        The document of the board's `edgekit install --json`, with the "host".

    Raises:
        BundleError: when the bundle is damaged.
        SignatureError: when it is not signed by that key: nothing is sent.
        EdgekitError: see `OnBoard.call`; the store is as it was.
    """
    bundle = Bundle.open(source)
    if signed_by is not None:
        verify(bundle, signed_by)
    content = bundle.archive()
    installed = board.call("install", "-", content, lambda sent: progress(sent, len(content)))
    if installed["version"] != bundle.version:
        raise UserError(
            f"Expected version {bundle.version} on {board.edgekit.name}, it says {installed['version']}. Deploy again."
        )
    return installed


def roll_back(board: OnBoard, name: str) -> dict[str, Any]:
    """Make a board's previous version of a model its current one, once it has passed again there.

    Raises:
        EdgekitError: see `OnBoard.call`.
    """
    return board.call("rollback", name)
