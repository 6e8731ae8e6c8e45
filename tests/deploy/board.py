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
    user_key = asyncssh.generate_private_key("ssh-ed25519")
    user_key.write_private_key(key)
    key.chmod(0o600)
    user_key.write_public_key(folder / "authorized")
    # What install.sh puts on PATH is not on the PATH of the machine that tests.
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)}

    async def copy(source: Any, sink: Any) -> None:
        while piece := await source.read(1 << 16):
            sink.write(piece)

    async def feed(source: Any, sink: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # what runs there gave up reading
            await copy(source, sink)
            await sink.drain()
        sink.close()

    async def handle(process: Any) -> None:
        shell = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", f". {login}; {process.command}"),
            cwd=home,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        feeding = asyncio.ensure_future(feed(process.stdin, shell.stdin))
        await asyncio.gather(copy(shell.stdout, process.stdout), copy(shell.stderr, process.stderr))
        feeding.cancel()
        process.exit(await shell.wait())

    started, found = threading.Event(), []
    host_key = asyncssh.generate_private_key("ssh-ed25519")

    async def serve() -> None:
        stop = asyncio.Event()
        async with asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=str(folder / "authorized"),
            process_factory=handle,
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
        port, loop, stop = found[0]
        public = host_key.export_public_key().decode().strip()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
        config = folder / "ssh_config"
        config.write_text(
            f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  User pi\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {folder / 'known_hosts'}\n  GlobalKnownHostsFile /dev/null\n  BatchMode yes\n"
        )
        yield TestBoard("board", config, home, login)
        loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join(30)
