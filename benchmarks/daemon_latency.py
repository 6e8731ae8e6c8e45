"""What the daemon adds to a bare run(): latency at 70 % of what one connection after the other can carry, and start to ready.

    python benchmarks/daemon_latency.py fire.bundle [--seconds 10] [--load 0.7]

The daemon is pinned to core 0, the clients to core 1. Requests leave on a fixed plan, and a request's latency counts from when it
was planned: a late answer is not excused by the request after it leaving late, too. From each percentile the median of
`Runtime.run`, in this process on the same input, is taken.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from daemon_client import Daemon, Requests, requests_of, serving

from edgekit.pipeline import open_pipeline

CLIENTS = 4
STARTS = 5


class Client:
    """A kept connection and one request as bytes: a client that costs little beside the daemon."""

    def __init__(self, daemon: Daemon, requests: Requests, binary: bool) -> None:
        body = requests.binary if binary else requests.as_json
        more = f"Inference-Header-Content-Length: {requests.binary_head}\r\n" if binary else ""
        self._request = f"POST {requests.path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body
        self._socket = socket.create_connection((daemon.host, daemon.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def once(self) -> None:
        self._socket.sendall(self._request)
        answer = self._socket.recv(65536)
        while not (found := re.search(rb"content-length: (\d+)\r\n(?s:.*?)\r\n\r\n", answer)) or len(answer) < found.end() + int(
            found[1]
        ):
            answer += self._socket.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"Expected 200, got {answer[:40]!r}.")

    def close(self) -> None:
        self._socket.close()


def capacity(daemon: Daemon, requests: Requests, binary: bool, seconds: float) -> float:
    """Requests per second that the clients get through one after the other."""
    counts = [0] * CLIENTS
    end = time.perf_counter() + seconds

    def ask(index: int) -> None:
        client = Client(daemon, requests, binary)
        while time.perf_counter() < end:
            client.once()
            counts[index] += 1
        client.close()

    together(ask)
    return sum(counts) / seconds


def at_rate(daemon: Daemon, requests: Requests, binary: bool, rate: float, seconds: float) -> np.ndarray:
    """(n,) latencies in milliseconds, of requests planned at even distances."""
    taken: list[float] = []
    start = time.perf_counter() + 0.2
    planned = start + np.arange(int(rate * seconds)) / rate

    def ask(index: int) -> None:
        client = Client(daemon, requests, binary)
        for when in planned[index::CLIENTS]:
            if (wait := when - time.perf_counter()) > 0:
                time.sleep(wait)
            client.once()
            taken.append((time.perf_counter() - when) * 1e3)
        client.close()

    together(ask)
    return np.array(taken)


def together(ask: object) -> None:
    threads = [threading.Thread(target=ask, args=(index,)) for index in range(CLIENTS)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bare_ms(bundle: Path, requests: Requests) -> float:
    """Median of `Runtime.run`."""
    with open_pipeline(bundle, "litert", "int8") as pipeline:
        name, run = pipeline.runtime.inputs[0].name, pipeline.runtime.run
        taken = []
        for _ in range(3000):
            start = time.perf_counter()
            run({name: requests.features})
            taken.append((time.perf_counter() - start) * 1e3)
    return float(np.median(taken))


def start_to_ready_s(bundle: Path) -> list[float]:
    """Seconds from the command to its word that every model is ready."""
    taken = []
    for _ in range(STARTS):
        begin = time.perf_counter()
        with TemporaryDirectory() as temporary, serving(Path(temporary), bundle, "--runtime", "litert"):
            taken.append(round(time.perf_counter() - begin, 2))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--load", type=float, default=0.7)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {1})
    bundle = arguments.bundle.absolute()
    requests = requests_of(bundle)
    bare = bare_ms(bundle, requests)
    report: dict[str, object] = {"bare run() p50_ms": round(bare, 4), "start_to_ready_s": start_to_ready_s(bundle)}
    with TemporaryDirectory() as temporary, serving(Path(temporary), bundle, "--runtime", "litert", core=0) as daemon:
        report["rss_mb after start"] = round(daemon.rss_mb(), 1)
        for binary in (True, False):
            most = capacity(daemon, requests, binary, 2)
            taken = at_rate(daemon, requests, binary, arguments.load * most, arguments.seconds) - bare
            alone = at_rate(daemon, requests, binary, 20, arguments.seconds / 2) - bare
            report["binary" if binary else "json"] = {
                "capacity": round(most),
                "added at the load, ms": {f"p{p}": round(float(np.percentile(taken, p)), 3) for p in (50, 90, 99)},
                "added when alone, ms": {f"p{p}": round(float(np.percentile(alone, p)), 3) for p in (50, 90)},
            }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
