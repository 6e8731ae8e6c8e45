"""Onto a board over ssh: the bundle goes through one connection into `edgekit install` there, which verifies, then switches."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.core.bundle import Bundle
from edgekit.core.signature import verify
from edgekit.deploy.ssh import Answer, Host
from edgekit.errors import EdgekitError, GateError, UserError

__all__ = ["OnBoard", "deploy", "roll_back"]

#: Beside what a shell without login finds: where the wheelhouse's install.sh and `pip install --user` put the command.
_PATH = 'PATH="$HOME/edgekit-venv/bin:$HOME/.local/bin:$PATH"'

#: What `install` and `rollback` tell, as far as it is read here.
_ANSWER = frozenset({"version", "previous", "path", "daemon", "checks"})

_NO_COMMAND = 127
_GATE_MISSED = 1


@dataclass(frozen=True)
class OnBoard:
    """Where edgekit and its bundles are on a board.

    Attributes:
        host: the board.
        command: that starts edgekit there, e.g. "edgekit" or "sudo -u edgekit /opt/edgekit/bin/edgekit".
        store: the bundle store; None is the board's default.
        daemon: Unix socket of the daemon to tell; None tells none.
    """

    host: Host
    command: str = "edgekit"
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
            UserError: when ssh does not reach the board, edgekit is not there or too old, the board refuses, or on an interrupt.
            GateError: when a gate failed on the board.
        """
        options = [f"--{key}={value}" for key, value in (("store", self.store), ("daemon", self.daemon)) if value is not None]
        line = shlex.join([*self._command(), verb, *options, "--json", "--", argument])
        # 127 from the shell itself would look like one from within the command.
        script = f"{_PATH}; command -v {shlex.quote(self._command()[0])} > /dev/null || exit {_NO_COMMAND}; exec {line}"
        try:
            answer = self.host.run(script, content, sent)
        except KeyboardInterrupt as error:  # what runs without a terminal does not end with the connection
            host = self.host.destination
            raise UserError(f"Interrupted. What {host} had received whole by then it may still carry out; ask again.") from error
        if answer.code != 0:
            raise self._error(answer)
        return {"host": self.host.destination, **self._document(answer.out)}

    def _document(self, out: str) -> dict[str, Any]:
        try:
            document = json.loads(out)
        except ValueError:
            document = None
        if not isinstance(document, dict) or not document.keys() >= _ANSWER:
            raise UserError(
                f"Expected edgekit on {self.host.destination} to answer with what its store holds (JSON), got {out[:80]!r}. "
                "Is --edgekit the right command, and the version there this one?"
            )
        return document

    def _command(self) -> list[str]:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise UserError(f"Expected the board's edgekit command, got {self.command!r}: {error}.") from error
        if not words:
            raise UserError("Expected the board's edgekit command, got nothing. Leave --edgekit out for `edgekit`.")
        return words

    def _error(self, answer: Answer) -> EdgekitError:
        host, lines = self.host.destination, answer.err.strip().splitlines()
        if answer.code == _NO_COMMAND:
            return UserError(
                f"Expected edgekit on {host}, found no {self._command()[0]} in its PATH, ~/edgekit-venv/bin or ~/.local/bin. "
                "Install it (docs/boards.md: edgekit wheelhouse), or say where it is with --edgekit."
            )
        if "No such command" in answer.err:
            return UserError(
                f"Expected an edgekit on {host} that has `install` and `rollback`, this one is older. Install a newer one there."
            )
        message = next((line.removeprefix("error: ") for line in reversed(lines) if line.startswith("error: ")), None)
        if message is None:
            return UserError(f"Expected edgekit on {host} to answer, it ended with {answer.code}: {(lines or ['no word'])[-1]}")
        return (GateError if answer.code == _GATE_MISSED else UserError)(f"{host}: {message}")


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
            f"Expected version {bundle.version} on {board.host.destination}, it says {installed['version']}. Deploy again."
        )
    return installed


def roll_back(board: OnBoard, name: str) -> dict[str, Any]:
    """Make a board's previous version of a model its current one, once it has passed again there.

    Raises:
        EdgekitError: see `OnBoard.call`.
    """
    return board.call("rollback", name)
