"""What the benchmarks of the daemon share: a daemon as a process, and requests for it."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.core.bundle import Bundle

__all__ = ["Daemon", "Requests", "Unix", "requests_of", "serving"]

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Unix(http.client.HTTPConnection):
    """A connection to the daemon's Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


@dataclass
class Daemon:
    """A daemon that answers."""

    process: subprocess.Popen[str]
    host: str
    port: int
    uds: str
    log: Path

    def rss_mb(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def processor_s(self) -> float:
        """Processor time of all its threads so far, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def tcp(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=60)

    def admin(self, path: str) -> int:
        connection = Unix(self.uds)
        connection.request("POST", path, b"{}")
        status = connection.getresponse().status
        connection.close()
        return status

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@contextmanager
def serving(folder: Path, *arguments: object, core: int | None = None) -> Iterator[Daemon]:
    """A daemon with these arguments, killed at the end if it still lives; its log and socket lie in `folder`."""
    uds, log = folder / "edgekit.sock", folder / "daemon.log"
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    command = [*pinned, sys.executable, "-c", "from edgekit.cli import main; main()", "serve", *map(str, arguments)]
    with open(log, "a") as stream:
        process = subprocess.Popen(
            [*command, "--port", "0", "--uds", uds, "--json"], stdout=subprocess.PIPE, stderr=stream, text=True, env=ENVIRONMENT
        )
    stdout: Any = process.stdout
    document = ""
    try:
        while not document.endswith("}\n"):
            if not (line := stdout.readline()):
                raise SystemExit(f"Expected the daemon to start. See {log}.")
            document += line
        host, _, port = json.loads(document)["url"].rpartition("//")[2].rpartition(":")
        yield Daemon(process, host, int(port), str(uds), log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)
        stdout.close()


@dataclass(frozen=True)
class Requests:
    """One golden input as requests for inference."""

    name: str
    features: np.ndarray
    as_json: bytes
    binary: bytes
    binary_head: str

    @property
    def path(self) -> str:
        return f"/v2/models/{self.name}/infer"


def requests_of(path: Path) -> Requests:
    """Requests for a bundle."""
    bundle = Bundle.open(path)
    with np.load(io.BytesIO(bundle.read(bundle.manifest.golden.file))) as golden:
        features = golden["features"][:1].astype("<f4")
    tensor = {"name": bundle.manifest.input.name, "shape": list(features.shape), "datatype": "FP32"}
    body = json.dumps({"inputs": [{**tensor, "data": features.ravel().tolist()}]}).encode()
    sized = {**tensor, "parameters": {"binary_data_size": features.nbytes}}
    head = json.dumps({"inputs": [sized], "parameters": {"binary_data_output": True}}).encode()
    return Requests(bundle.manifest.name, features, body, head + features.tobytes(), str(len(head)))
