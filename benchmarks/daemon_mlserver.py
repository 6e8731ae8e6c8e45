"""Requests per second against MLServer: one core, one worker, the same engine, the same bytes; figures in turns, in one run.

    pip install mlserver            # into an environment of its own, beside edgekit[litert]
    python benchmarks/daemon_mlserver.py fire.bundle --mlserver /path/to/venv/bin/mlserver [--seconds 4] [--rounds 5]

MLServer's own default is one inference process behind its HTTP process; --in-process measures it without (parallel_workers 0).

Needs Debian's wrk. Both servers are pinned to core 0, wrk to core 1. Requests are those that `json.dumps` makes of the golden
input's `tolist()`, flat and nested, and binary tensors, which MLServer does not take. Beside the requests per second stands the
processor time of a request as the kernel accounts it: on a busy machine the first depends on the neighbours, the second hardly.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgekit.core.bundle import Bundle

PORTS = {"edgekit": 8471, "mlserver": 8472}
CONNECTIONS = (1, 8)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

SCRIPT = """local f = io.open("{body}", "rb")
wrk.body = f:read("*a")
wrk.method = "POST"
wrk.headers["Content-Type"] = "{kind}"
{more}
"""


def features_of(bundle: Bundle) -> np.ndarray:
    with np.load(io.BytesIO(bundle.read(bundle.manifest.golden.file))) as golden:
        return golden["features"][:1].astype("<f4")


def write_requests(folder: Path, features: np.ndarray, name: str) -> dict[str, Path]:
    """Kind of request -> wrk script."""
    tensor = {"name": name, "shape": list(features.shape), "datatype": "FP32"}
    scripts = {}
    for kind, data in (("json flat", features.ravel().tolist()), ("json nested", features.tolist())):
        body = json.dumps({"inputs": [{**tensor, "data": data}]}).encode()
        scripts[kind] = write_script(folder, kind, body, "application/json", "")
    binary = {**tensor, "parameters": {"binary_data_size": features.nbytes}}
    head = json.dumps({"inputs": [binary], "parameters": {"binary_data_output": True}}).encode()
    more = f'wrk.headers["Inference-Header-Content-Length"] = "{len(head)}"'
    scripts["binary"] = write_script(folder, "binary", head + features.tobytes(), "application/octet-stream", more)
    return scripts


def write_script(folder: Path, kind: str, body: bytes, content: str, more: str) -> Path:
    stem = folder / kind.replace(" ", "_")
    stem.with_suffix(".body").write_bytes(body)
    script = stem.with_suffix(".lua")
    script.write_text(SCRIPT.format(body=stem.with_suffix(".body"), kind=content, more=more))
    print(f"{kind}: {len(body)} bytes a request", file=sys.stderr)
    return script


@contextmanager
def server(command: list[str], folder: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    with open(folder / f"{Path(command[0]).name}.log", "wb") as log:
        process = subprocess.Popen(["taskset", "-c", "0", *command], cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log)
    try:
        wait_for(url)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=1)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"Expected an answer at {url} within 30 s. See the log beside the requests.")


def measure(pid: int, script: Path, port: int, name: str, connections: int, seconds: float) -> tuple[float, float]:
    """Requests per second, processor microseconds of a request."""
    before = processor_s(pid)
    url = f"http://127.0.0.1:{port}/v2/models/{name}/infer"
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        raise SystemExit(f"Expected answers without errors from {url}: {text}")
    count = int(re.search(r"(\d+) requests in", text)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1])  # type: ignore[index]
    return rate, (processor_s(pid) - before) / count * 1e6


def processor_s(pid: int) -> float:
    """Of a process and its children, in seconds."""
    rows = [path.read_text().rpartition(")")[2].split() for path in family(pid)]
    return sum(int(fields[11]) + int(fields[12]) for fields in rows) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[Path]:
    """The stat files of a process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{pid}/stat"), *(path for child in children for path in family(int(child)))]


def mlserver_folder(folder: Path, bundle: Path, name: str, workers: int) -> None:
    """What MLServer reads."""
    port = PORTS["mlserver"]
    ports = {"http_port": port, "grpc_port": port + 10, "metrics_port": port + 20, "metrics_endpoint": None}
    settings = {"debug": False, "parallel_workers": workers, "host": "127.0.0.1", **ports}
    (folder / "settings.json").write_text(json.dumps(settings))
    runtime = "daemon_mlserver_runtime.EdgekitModel"
    model = {"name": name, "implementation": runtime, "parameters": {"uri": str(bundle)}}
    (folder / "model-settings.json").write_text(json.dumps(model))
    ENVIRONMENT["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path[1:2], os.environ.get("PYTHONPATH", "")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--mlserver", required=True)
    parser.add_argument("--in-process", action="store_true", help="MLServer without its inference process")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    bundle = Bundle.open(arguments.bundle)
    name = bundle.manifest.name
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mlserver_folder(folder, arguments.bundle.absolute(), name, 0 if arguments.in_process else 1)
        scripts = write_requests(folder, features_of(bundle), bundle.manifest.input.name)
        serve = [sys.executable, "-c", "from edgekit.cli import main; main()", "serve", str(arguments.bundle.absolute())]
        options = ["--port", str(PORTS["edgekit"]), "--runtime", "litert", "--precision", "int8"]
        live = {who: f"http://127.0.0.1:{port}/v2/health/ready" for who, port in PORTS.items()}
        with (
            server([*serve, *options], folder, live["edgekit"]) as ours,
            server([arguments.mlserver, "start", "."], folder, live["mlserver"]) as theirs,
        ):
            pids = {"edgekit": ours.pid, "mlserver": theirs.pid}
            report(pids, scripts, name, arguments.seconds, arguments.rounds)


def report(pids: dict[str, int], scripts: dict[str, Path], name: str, seconds: float, rounds: int) -> None:
    turns = [
        (kind, count, who) for kind in scripts for count in CONNECTIONS for who in pids if (kind, who) != ("binary", "mlserver")
    ]
    taken: dict[tuple[str, int, str], list[tuple[float, float]]] = {turn: [] for turn in turns}
    for _ in range(rounds):
        for turn in turns:
            kind, count, who = turn
            taken[turn].append(measure(pids[who], scripts[kind], PORTS[who], name, count, seconds))
    print("| request | connections | server | requests/s | processor us a request | ratio of requests/s | of processor time |")
    print("|---|---|---|---|---|---|---|")
    for turn, samples in taken.items():
        kind, count, who = turn
        rate, cost = (statistics.median(column) for column in zip(*samples, strict=True))
        ratios = ["-", "-"]
        theirs = taken.get((kind, count, "mlserver"))
        if who == "edgekit" and theirs:
            pairs = list(zip(samples, theirs, strict=True))
            ratios = [
                f"{statistics.median(a[0] / b[0] for a, b in pairs):.1f}",
                f"{statistics.median(b[1] / a[1] for a, b in pairs):.1f}",
            ]
        print(f"| {kind} | {count} | {who} | {rate:.0f} | {cost:.0f} | {ratios[0]} | {ratios[1]} |")


if __name__ == "__main__":
    main()
