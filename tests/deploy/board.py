"""A board to deploy onto: a real SSH server (asyncssh) on this machine, whose shell has a home of its own; ours is the client."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class TestBoard:
    """What a test needs of it.

    Attributes:
        name: as ssh_config knows it.
        ssh_config: for ssh -F.
        home: of the user there.
        login: a script that the shell runs first, as ~/.bashrc does.
    """

    name: str
    ssh_config: Path
    home: Path
    login: Path

    __test__ = False

    @property
    def store(self) -> Path:
        return self.home / "edgekit-store"

    def put_command(self, path: str, script: str) -> Path:
        """An executable in the home folder."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return file

    def put_edgekit(self) -> None:
        """Where install.sh of a wheelhouse puts it."""
        self.put_command("edgekit-venv/bin/edgekit", f'exec {sys.executable} -m edgekit "$@"')


@contextmanager
def running_board(folder: Path) -> Iterator[TestBoard]:
    """A board that listens while the block runs."""
    asyncssh: Any = pytest.importorskip("asyncssh")
    if shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH's client")
    home, login, key = folder / "home", folder / "login.sh", folder / "key"
    home.mkdir()
    login.write_text("")
    user_key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    user_key.write_private_key(key)
    key.chmod(0o600)
    user_key.write_public_key(folder / "authorized")
    started, found = threading.Event(), []

    async def serve() -> None:
        stop = asyncio.Event()
        async with asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=str(folder / "authorized"),
            process_factory=partial(_run, home, login),
            encoding=None,
        ) as server:
            found.append((server.get_port(), asyncio.get_running_loop(), stop))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        if not started.wait(30):
            raise RuntimeError("the SSH server did not start")
        config = _write_config(folder, key, found[0][0], host_key.export_public_key().decode().strip())
        yield TestBoard("board", config, home, login)
    finally:
        for _, loop, stop in found:
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)


def _write_config(folder: Path, key: Path, port: int, host_key: str) -> Path:
    """The ssh_config by which our client finds the board and knows it."""
    known, config = folder / "known_hosts", folder / "ssh_config"
    known.write_text(f"[127.0.0.1]:{port} {host_key}\n")
    config.write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  User pi\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {known}\n  GlobalKnownHostsFile /dev/null\n  BatchMode yes\n"
    )
    return config


async def _run(home: Path, login: Path, process: Any) -> None:
    """What sshd does with a command: the user's shell, in the user's home."""
    shell = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", f". {login}; {process.command}"),
        cwd=home,
        # What install.sh puts on PATH is not on the PATH of the machine that tests.
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    feeding = asyncio.ensure_future(_feed(process.stdin, shell.stdin))
    await asyncio.gather(_copy(shell.stdout, process.stdout), _copy(shell.stderr, process.stderr))
    feeding.cancel()
    process.exit(await shell.wait())


async def _copy(source: Any, sink: Any) -> None:
    while piece := await source.read(1 << 16):
        sink.write(piece)


async def _feed(source: Any, sink: Any) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # what runs there gave up reading
        await _copy(source, sink)
        await sink.drain()
    sink.close()
