"""What the daemon adds to a bare run(): latency while its core is busy 70 % of the time, and start to ready.

    python benchmarks/daemon_latency.py fire.bundle [--seconds 10] [--load 0.7] [--rounds 5]

The daemon is pinned to core 0, the client to core 1. Requests leave on a fixed plan at even distances, over whichever of 16
connections is free, and a request's latency counts from when it was planned: a late answer is not excused by the request after it
leaving late, too. The rate is found by trial: the daemon's processor time, as the kernel accounts it, is the load. From each
percentile the median of `Runtime.run`, in this process on the same input, is taken. The percentiles are those of each round,
their median over the rounds, and the worst round in brackets.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import socket
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from daemon_client import Daemon, Requests, requests_of, serving

from edgekit.pipeline import open_pipeline

CONNECTIONS = 16
STARTS = 5
TRIALS = 3
TRIAL_S = 2.0


class Client:
    """A kept connection and one request as bytes: a client that costs little beside the daemon."""

    def __init__(self, daemon: Daemon, requests: Requests, binary: bool) -> None:
        body = requests.binary if binary else requests.as_json
        more = f"Inference-Header-Content-Length: {requests.binary_head}\r\n" if binary else ""
        self._request = f"POST {requests.path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body
        self._socket = socket.create_connection((daemon.host, daemon.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = b""
        self.planned = 0.0

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self, planned: float) -> None:
        self.planned = planned
        self._socket.sendall(self._request)

    def answered(self) -> bool:
        """Read what is there; True when that was the rest of the answer."""
        self._answer += self._socket.recv(65536)
        found = re.search(rb"content-length: (\d+)\r\n(?s:.*?)\r\n\r\n", self._answer)
        if not found or len(self._answer) < found.end() + int(found[1]):
            return False
        if not self._answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"Expected 200, got {self._answer[:40]!r}.")
        self._answer = b""
        return True

    def close(self) -> None:
        self._socket.close()


def rate_for(daemon: Daemon, requests: Requests, binary: bool, load: float) -> float:
    """Requests per second at which the daemon's core is busy for this share of the time."""
    rate = 500.0
    for _ in range(TRIALS):
        before = daemon.processor_s()
        at_rate(daemon, requests, binary, rate, TRIAL_S)
        rate *= load * TRIAL_S / (daemon.processor_s() - before)
    return rate


def at_rate(daemon: Daemon, requests: Requests, binary: bool, rate: float, seconds: float) -> np.ndarray:
    """(n,) latencies in milliseconds, of requests planned at even distances."""
    idle = [Client(daemon, requests, binary) for _ in range(CONNECTIONS)]
    clients, busy, taken = list(idle), set(), []
    start = time.perf_counter() + 0.2
    due = [start + index / rate for index in range(int(rate * seconds))][::-1]
    while due or busy:
        now = time.perf_counter()
        while due and idle and due[-1] <= now:
            client = idle.pop()
            client.ask(due.pop())
            busy.add(client)
        wait = max(0.0, due[-1] - time.perf_counter()) if due and idle else 60
        for client in select.select(busy, (), (), wait)[0]:
            if client.answered():
                taken.append((time.perf_counter() - client.planned) * 1e3)
                busy.remove(client)
                idle.append(client)
    for client in clients:
        client.close()
    return np.array(taken)


def percentiles(rounds: list[np.ndarray], *wanted: int) -> dict[str, str]:
    """Percentile -> the rounds' median, and the worst round."""
    values = {wish: [float(np.percentile(taken, wish)) for taken in rounds] for wish in wanted}
    return {f"p{wish}": f"{statistics.median(found):.3f} ({max(found):.3f})" for wish, found in values.items()}


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
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {1})
    bundle = arguments.bundle.absolute()
    requests = requests_of(bundle)
    bare = bare_ms(bundle, requests)
    report: dict[str, object] = {"bare run() p50_ms": round(bare, 4), "start_to_ready_s": start_to_ready_s(bundle)}
    with TemporaryDirectory() as temporary, serving(Path(temporary), bundle, "--runtime", "litert", core=0) as daemon:
        report["rss_mb after start"] = round(daemon.rss_mb(), 1)
        for binary in (True, False):
            rate = rate_for(daemon, requests, binary, arguments.load)
            before = daemon.processor_s()
            loaded = [at_rate(daemon, requests, binary, rate, arguments.seconds) - bare for _ in range(arguments.rounds)]
            busy = (daemon.processor_s() - before) / (arguments.rounds * arguments.seconds)
            alone = [at_rate(daemon, requests, binary, 20, arguments.seconds / 2) - bare for _ in range(arguments.rounds)]
            report["binary" if binary else "json"] = {
                "requests per second": round(rate),
                "core busy": round(busy, 2),
                "requests a round": len(loaded[0]),
                "added at the load, ms": percentiles(loaded, 50, 90, 99),
                "added at 20 requests per second, ms": percentiles(alone, 50, 90),
            }
    report["load averages of the machine"] = os.getloadavg()
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
