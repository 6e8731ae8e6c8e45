"""One command on a board over OpenSSH's own client: the user's keys, agent, jump hosts and ~/.ssh/config all count.

One connection a command: whoever types a password types it once. Questions of ssh (host keys, passwords) go to the terminal,
which is left to them: nothing is sent, and no progress told, before the board answers.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from edgekit.errors import UserError

__all__ = ["Answer", "Host"]

#: A login script may print before the command does.
_BEGIN = "edgekit-answer-begins"

_SSH_FAILED = 255
_CHUNK = 1 << 16
_LOOK_S = 0.02

#: No terminal there, which would change bytes. A board that is off, or goes off in the middle, ends the command within a minute.
_OPTIONS = ("-T", "-oConnectTimeout=20", "-oServerAliveInterval=15", "-oServerAliveCountMax=3")


@dataclass(frozen=True)
class Answer:
    """How a command on the board ended.

    Attributes:
        code: its exit code.
        out: its stdout.
        err: its stderr.
    """

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Host:
    """A board that ssh reaches.

    Attributes:
        destination: as ssh takes it: user@host, a name of ~/.ssh/config, or ssh://user@host:port.
        config: another file than ~/.ssh/config; None takes that one.
    """

    destination: str
    config: Path | None = None

    def run(self, script: str, content: bytes = b"", sent: Callable[[int], None] = lambda _: None) -> Answer:
        """Run a script by the board's /bin/sh.

        Args:
            script: POSIX shell.
            content: what it reads on stdin.
            sent: told of the bytes of every piece that went out.

        Raises:
            UserError: when there is no ssh here, or it does not reach the board.
        """
        ssh = shutil.which("ssh")
        if ssh is None:
            raise UserError("Expected OpenSSH's client, found no ssh on PATH. Install it: sudo apt install openssh-client")
        _check_destination(self.destination)
        config = () if self.config is None else ("-F", str(self.config))
        remote = f"sh -c {shlex.quote(f'echo {_BEGIN}; {script}')}"
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            command = [ssh, *_OPTIONS, *config, "--", self.destination, remote]
            code = _feed(command, content, sent, out.fileno(), err.fileno())
            out.seek(0)
            err.seek(0)
            answer = Answer(code, out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace"))
        _, begun, text = answer.out.partition(f"{_BEGIN}\n")
        if code == _SSH_FAILED or not begun:
            said = _last_line(answer.err) or _last_line(answer.out) or f"it ended with {code}"
            raise UserError(f"Expected ssh to reach {self.destination}: {said}.")
        return Answer(code, text, answer.err)


def _check_destination(destination: str) -> None:
    if not destination.strip():
        raise UserError("Expected user@host, a name of ~/.ssh/config or ssh://user@host:port, got nothing.")
    if not destination.startswith("ssh://"):
        return
    try:  # ssh itself would answer with its usage
        url = urlsplit(destination)
        is_whole = bool(url.hostname) and url.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise UserError(f"Expected ssh://user@host:port with a port of 1 to 65535, got {destination}. Mend it.")


def _feed(command: Sequence[str], content: bytes, sent: Callable[[int], None], out: int, err: int) -> int:
    # Unbuffered: what a buffer still held would be written once more on closing, to nobody.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=err, bufsize=0) as process:
        try:
            while process.poll() is None and not _begun(out):
                time.sleep(_LOOK_S)
            with contextlib.suppress(BrokenPipeError):  # the board gave up reading, and says why
                _write(process.stdin, content, sent)
            return process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise


def _begun(out: int) -> bool:
    # Not by seek and read: the offset is that of the process that writes.
    return f"{_BEGIN}\n".encode() in os.pread(out, os.fstat(out).st_size, 0)


def _write(pipe: IO[bytes] | None, content: bytes, sent: Callable[[int], None]) -> None:
    if pipe is None:  # not with PIPE
        return
    rest = memoryview(content)
    while rest:
        count = pipe.write(rest[:_CHUNK])
        sent(count)
        rest = rest[count:]
    pipe.close()


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else ""
