"""The edgekit of a board: one command of it over ssh, and its errors as ours."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgekit.deploy.ssh import Answer, Host
from edgekit.errors import EdgekitError, GateError, UserError

__all__ = ["RemoteEdgekit"]

#: Beside what a shell without login finds: where the wheelhouse's install.sh and `pip install --user` put the command.
_PATH = 'PATH="$HOME/edgekit-venv/bin:$HOME/.local/bin:$PATH"'

_NO_COMMAND = 127
_GATE_MISSED = 1


@dataclass(frozen=True)
class RemoteEdgekit:
    """Where edgekit is on a board.

    Attributes:
        host: the board.
        command: that starts edgekit there, e.g. "edgekit" or "sudo -u edgekit /opt/edgekit/bin/edgekit".
    """

    host: Host
    command: str = "edgekit"

    @property
    def name(self) -> str:
        """Of the board, as the user gave it."""
        return self.host.destination

    def run(
        self, words: Sequence[str], content: bytes = b"", sent: Callable[[int], None] = lambda _: None, before: str = "exec "
    ) -> str:
        """One command.

        Args:
            words: its name, options and arguments.
            content: what it reads on stdin.
            sent: told of the bytes of every piece that went out.
            before: shell that stands before it.

        Returns:
            What it said on stdout.

        Raises:
            UserError: when ssh does not reach the board, edgekit is not there or too old, the board refuses, or on an interrupt.
            GateError: when a gate failed on the board.
        """
        command = self._words()
        # 127 from the shell itself would look like one from within the command.
        there = f"command -v {shlex.quote(command[0])} > /dev/null || exit {_NO_COMMAND}"
        try:
            answer = self.host.run(f"{_PATH}; {there}; {before}{shlex.join([*command, *words])}", content, sent)
        except KeyboardInterrupt as error:  # what runs without a terminal does not end with the connection
            raise UserError(
                f"Interrupted. What {self.name} had received whole by then it may still carry out; ask again."
            ) from error
        if answer.code != 0:
            raise self._error(answer, words[0])
        return answer.out

    def _words(self) -> list[str]:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise UserError(f"Expected the board's edgekit command, got {self.command!r}: {error}.") from error
        if not words:
            raise UserError("Expected the board's edgekit command, got nothing. Leave --edgekit out for `edgekit`.")
        return words

    def _error(self, answer: Answer, verb: str) -> EdgekitError:
        host, lines = self.name, answer.err.strip().splitlines()
        if answer.code == _NO_COMMAND:
            return UserError(
                f"Expected edgekit on {host}, found no {self._words()[0]} in its PATH, ~/edgekit-venv/bin or ~/.local/bin. "
                "Install it (docs/boards.md: edgekit wheelhouse), or say where it is with --edgekit."
            )
        if "No such command" in answer.err or "No such option" in answer.err:
            return UserError(f"Expected an edgekit on {host} whose `{verb}` is this one, it is older. Install a newer one there.")
        message = next((line.removeprefix("error: ") for line in reversed(lines) if line.startswith("error: ")), None)
        if message is None:
            return UserError(f"Expected edgekit on {host} to answer, it ended with {answer.code}: {(lines or ['no word'])[-1]}")
        return (GateError if answer.code == _GATE_MISSED else UserError)(f"{host}: {message}")
