"""Broken requests of every kind, slow ones beside them, and a thousand connections: no crash, no hang, memory bounded.

    python benchmarks/daemon_fuzz.py fire.bundle [--requests 100000] [--seed 0]

Prints one JSON object: answers by status, by kind of request; 500s and their log lines; RSS before, at most and after; the
longest wait for an answer to health meanwhile.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon_client import Daemon, Requests, requests_of, serving
from daemon_soak import some_picture

NONE = "closed"
SLOW_CLIENTS = 50
CONNECTIONS = 1000

Make = Callable[[random.Random], bytes]


def http(path: str, body: bytes, headers: str = "", method: str = "POST") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode("latin-1") + body


def flipped(content: bytes, rng: random.Random, most: int = 8) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, most)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def kinds_of(requests: Requests, picture: bytes) -> dict[str, Make]:
    """Kind -> makes one broken request."""
    infer, classify = requests.path, f"/v1/models/{requests.name}/classify"
    head = f"Inference-Header-Content-Length: {requests.binary_head}\r\n"
    shape = list(requests.features.shape)

    def tensor(data: object, **changed: object) -> bytes:
        fields = {"name": "features", "shape": shape, "datatype": "FP32", "data": data, **changed}
        return http(infer, json.dumps({"inputs": [fields]}).encode())

    few = [0.5] * 16
    types = ["INT8", "FP64", "BYTES", "BOOL", "", "fp32", 7]
    values = [[float("nan")], ["a"], [None], [1e308], {}, [[]], "x" * 1000, [10**30], [True], few]
    lengths = ["-1", "0", "1", "99999999", "abc", "", "1e3", "\xff"]
    paths = [
        "/",
        "/v2",
        "/v2/models/stats",
        "/metrics",
        "/nothing",
        "/v2/models//infer",
        "/%00",
        "/v2/models/%2e%2e/ready",
        "/v1/status",
    ]
    names = ["/v2/repository/index", f"/v2/repository/models/{requests.name}/load", f"/v1/models/{requests.name}/rollback"]
    verbs = ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"]
    return {
        "truncated picture": lambda r: http(classify, picture[: r.randrange(len(picture))]),
        "flipped picture": lambda r: http(classify, flipped(picture, r)),
        "truncated json": lambda r: http(infer, requests.as_json[: r.randrange(len(requests.as_json))]),
        "flipped json": lambda r: http(infer, flipped(requests.as_json, r)),
        "flipped binary": lambda r: http(infer, flipped(requests.binary, r), head),
        "wrong length of the json": lambda r: http(
            infer, requests.binary, f"Inference-Header-Content-Length: {r.choice(lengths)}\r\n"
        ),
        "truncated binary": lambda r: http(infer, requests.binary[: r.randrange(len(requests.binary))], head),
        "wrong values": lambda r: tensor(r.choice(values)),
        "wrong dtype": lambda r: tensor(few, datatype=r.choice(types)),
        "wrong shape": lambda r: tensor(few, shape=[r.choice([-1, 0, 1, 4, 16, 2**40]) for _ in range(r.randrange(5))]),
        "huge json": lambda r: http(infer, b'{"inputs":[' + r.choice([b"[", b"{},", b'"', b"1,"]) * r.randrange(1, 200_000)),
        "bad encoding": lambda r: http(
            infer, flipped(requests.as_json, r), f"Content-Encoding: {r.choice(['gzip', 'deflate', 'br'])}\r\n"
        ),
        "bad headers": lambda r: http(
            infer, b"{}", "".join(f"X{i}: {'y' * r.randrange(300)}\r\n" for i in range(r.randrange(60)))
        ),
        "wrong verb": lambda r: http(r.choice(paths), b"", method=r.choice(verbs)),
        "addresses": lambda r: http(
            r.choice(paths + names), r.choice([b"", b"{", b"[]", b"\xff"]), method=r.choice(["GET", "POST"])
        ),
        "wrong content-length": lambda r: http(infer, b"{}").replace(
            b"Content-Length: 2", b"Content-Length: " + r.choice([b"-2", b"x", b"2, 3"])
        ),
        "garbage": lambda r: r.randbytes(r.randrange(1, 2000)) + b"\r\n\r\n",
        "good": lambda _: http(infer, requests.as_json),
    }


class Client:
    """A connection that is made anew when the daemon closes it."""

    def __init__(self, daemon: Daemon) -> None:
        self._address = (daemon.host, daemon.port)
        self._socket: socket.socket | None = None

    def ask(self, request: bytes, method_head: bool) -> str:
        """Status, or "closed"; a request that never ends is given up after a second and its connection closed."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, timeout=30)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request)
            return self._answer(method_head)
        except OSError:
            self.close()
            return NONE

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self, method_head: bool) -> str:
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += self._part()
        head, _, body = seen.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = 0 if method_head else int(fields.get(b"content-length", b"0"))
        while len(body) < length:
            body += self._part()
        if fields.get(b"connection") == b"close":
            self.close()
        return head.split(b" ", 2)[1].decode()

    def _part(self) -> bytes:
        if self._socket is None or not (part := self._socket.recv(65536)):
            raise ConnectionError
        return part


class Watch:
    """Asks for health all the while: the longest wait, and the largest memory."""

    def __init__(self, daemon: Daemon) -> None:
        self.longest_s, self.most_mb, self.failures = 0.0, daemon.rss_mb(), 0
        self._daemon, self._stop = daemon, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            start = time.monotonic()
            try:
                connection = self._daemon.tcp()
                connection.request("GET", "/v2/health/live")
                self.failures += connection.getresponse().status != 200
                connection.close()
            except OSError:
                self.failures += 1
            self.longest_s = max(self.longest_s, time.monotonic() - start)
            self.most_mb = max(self.most_mb, self._daemon.rss_mb())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def slow_loris(daemon: Daemon, stop: threading.Event) -> None:
    """Connections that send a byte a second and never a whole request."""
    clients: list[socket.socket] = []
    text = b"POST /v2/models/a/infer HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"a" * 10_000
    sent = 0
    while not stop.wait(1):
        for client in list(clients):
            try:
                client.sendall(text[sent : sent + 1])
            except OSError:
                client.close()
                clients.remove(client)
        sent += 1
        while len(clients) < SLOW_CLIENTS:
            clients.append(socket.create_connection((daemon.host, daemon.port), timeout=30))
    for client in clients:
        client.close()


def thousand(daemon: Daemon) -> dict[str, object]:
    """A thousand connections at once; then one request on each."""
    clients = [socket.create_connection((daemon.host, daemon.port), timeout=60) for _ in range(CONNECTIONS)]
    time.sleep(0.5)
    for client in clients:
        client.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: a\r\n\r\n")
    answered = sum(client.recv(1000).startswith(b"HTTP/1.1 200") for client in clients)
    rss = daemon.rss_mb()
    for client in clients:
        client.close()
    return {"held": CONNECTIONS, "answered": answered, "rss_mb": round(rss, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    requests, rng = requests_of(arguments.bundle), random.Random(arguments.seed)
    kinds = kinds_of(requests, some_picture())
    statuses: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    with (
        TemporaryDirectory() as temporary,
        serving(Path(temporary), arguments.bundle.absolute(), "--runtime", "litert") as daemon,
    ):
        before, watch, stop = daemon.rss_mb(), Watch(daemon), threading.Event()
        loris = threading.Thread(target=slow_loris, args=(daemon, stop))
        loris.start()
        client, start = Client(daemon), time.monotonic()
        for number in range(arguments.requests):
            kind = rng.choice(list(kinds))
            request = kinds[kind](rng)
            statuses[kind][client.ask(request, request.startswith(b"HEAD"))] += 1
            if number == arguments.requests // 20:
                warm = daemon.rss_mb()
        seconds = time.monotonic() - start
        held = thousand(daemon)
        stop.set()
        loris.join()
        watch.stop()
        rss = {"start": before, "after 5 %": warm, "most": watch.most_mb, "end": daemon.rss_mb()}
        alive = daemon.process.poll() is None
        good = client.ask(kinds["good"](rng), False)
        client.close()
        errors = [line for line in daemon.log_lines() if line["level"] == "error"]
    total = sum(statuses.values(), Counter())
    report = {
        "requests": arguments.requests,
        "seconds": round(seconds),
        "alive": alive,
        "last good request": good,
        "answers": dict(sorted(total.items())),
        "answers of status 500": total["500"],
        "error lines": len(errors),
        "health": {"failures": watch.failures, "longest_s": round(watch.longest_s, 3)},
        "rss_mb": {when: round(mb, 1) for when, mb in rss.items()},
        "connections": held,
        "by kind": {kind: dict(sorted(counts.items())) for kind, counts in statuses.items()},
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
