"""Memory over many requests, reloads under load, bad bundles, kill -9 at random points, SIGTERM under load.

    python benchmarks/daemon_soak.py fire.bundle [--requests 200000] [--reloads 1000] [--corrupt 100] [--kills 200] ...

Each part prints one JSON object. A store is made in a temporary folder, with two versions that differ in their temperature.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon_client import Daemon, Requests, requests_of, serving

CLIENTS = 3


class Load:
    """Clients that ask on and on, each on a connection that it keeps."""

    def __init__(self, daemon: Daemon, requests: Requests, pause_s: float = 0.0) -> None:
        self.statuses: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self._stop = threading.Event()
        self._daemon, self._requests, self._pause_s = daemon, requests, pause_s
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def _ask(self) -> None:
        connection = self._daemon.tcp()
        while not self._stop.is_set():
            try:
                connection.request("POST", self._requests.path, self._requests.as_json)
                answer = connection.getresponse()
                body = answer.read()
            except ConnectionRefusedError:
                self.statuses["refused: not accepted"] += 1
                return
            except OSError as error:
                self.statuses[f"lost: {type(error).__name__}"] += 1
                return
            except Exception as error:  # noqa: BLE001 - http.client's own
                self.statuses[f"lost: {type(error).__name__}"] += 1
                return
            self.statuses[str(answer.status)] += 1
            if answer.status == 200:
                self.versions[json.loads(body)["model_version"]] += 1
            time.sleep(self._pause_s)
        connection.close()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def store_of(bundle: Path, name: str) -> Iterator[Path]:
    """STORE/NAME with versions 1 (current), 2 (another temperature) and bad (one bit of each file flipped)."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "store" / name
        for version in ("1", "2", "bad"):
            shutil.copytree(bundle, folder / version)
        manifest = json.loads((folder / "2/manifest.json").read_text())
        manifest["output"]["temperature"] *= 1.5
        (folder / "2/manifest.json").write_text(json.dumps(manifest))
        for path in (folder / "bad").glob("model.*"):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(bytes(content))
        point(folder, "1")
        yield folder.parent


def point(folder: Path, version: str) -> None:
    link = folder / ".new"
    link.symlink_to(version)
    os.replace(link, folder / "current")


def flat(bundle: Path, requests: Requests, count: int) -> dict[str, object]:
    """RSS after the first 5 % of the requests and at the end; JSON, binary and pictures in turn."""
    with TemporaryDirectory() as temporary, serving(Path(temporary), bundle, "--runtime", "litert") as daemon:
        picture = some_picture()
        kinds = [
            (requests.path, requests.binary, {"Inference-Header-Content-Length": requests.binary_head}),
            (requests.path, requests.as_json, {}),
            (f"/v1/models/{requests.name}/classify", picture, {}),
        ]
        connection = daemon.tcp()
        marks: dict[int, float] = {0: daemon.rss_mb()}
        statuses: Counter[int] = Counter()
        for number in range(1, count + 1):
            path, body, headers = kinds[(number % 10 == 0) + (number % 50 == 0)]
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
            if number % (count // 20) == 0:
                marks[number] = daemon.rss_mb()
    early, late = marks[count // 20], marks[count]
    marks_mb = {str(number): round(mb, 1) for number, mb in marks.items()}
    return {"part": "memory", "statuses": statuses, "growth_percent": round(100 * (late / early - 1), 2), "rss_mb": marks_mb}


def some_picture() -> bytes:
    import io

    import numpy as np
    from PIL import Image

    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(noise).resize((640, 480)).save(stream, "JPEG")
    return stream.getvalue()


def reloads(bundle: Path, requests: Requests, count: int) -> dict[str, object]:
    """Loads and rollbacks in turn, while clients ask on."""
    with (
        store_of(bundle, requests.name) as store,
        serving(store.parent, "--store", store, "--runtime", "litert") as daemon,
    ):
        point(store / requests.name, "2")
        before = daemon.rss_mb()
        statuses: Counter[int] = Counter()
        with Load(daemon, requests) as load:
            start = time.monotonic()
            for number in range(count):
                call = f"/v1/models/{requests.name}/rollback" if number % 2 else f"/v2/repository/models/{requests.name}/load"
                if number % 2 == 0:
                    point(store / requests.name, "2")
                statuses[daemon.admin(call)] += 1
            seconds = time.monotonic() - start
        rss = {"before": round(before, 1), "after": round(daemon.rss_mb(), 1)}
    told = {"loads": statuses, "seconds": round(seconds, 1), "requests": load.statuses, "versions": load.versions, "rss_mb": rss}
    return {"part": "reloads under load", **told}


def corrupt(bundle: Path, requests: Requests, count: int) -> dict[str, object]:
    """A damaged version is made current and loaded, again and again, while clients ask on."""
    with (
        store_of(bundle, requests.name) as store,
        serving(store.parent, "--store", store, "--runtime", "litert") as daemon,
    ):
        statuses: Counter[int] = Counter()
        with Load(daemon, requests) as load:
            for _ in range(count):
                point(store / requests.name, "bad")
                statuses[daemon.admin(f"/v2/repository/models/{requests.name}/load")] += 1
        refused = sum(line["message"] == "load refused" for line in daemon.log_lines())
    told = {"loads": statuses, "log lines": refused, "requests": load.statuses, "versions": load.versions}
    return {"part": "corrupted bundles", **told}


def kills(bundle: Path, requests: Requests, count: int) -> dict[str, object]:
    """SIGKILL at a random moment of serving, loading and switching; does the next one start and answer?"""
    rng, starts, wrong = random.Random(0), [], []
    with store_of(bundle, requests.name) as store:
        folder = store / requests.name
        for number in range(count):
            start = time.monotonic()
            with serving(store.parent, "--store", store, "--runtime", "litert") as daemon:
                starts.append(time.monotonic() - start)
                connection = daemon.tcp()
                connection.request("POST", requests.path, requests.as_json)
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                if answer.status != 200 or json.loads(body)["model_version"] not in ("1", "2"):
                    wrong.append((number, answer.status))
                point(folder, rng.choice(["1", "2", "bad"]))
                caller = threading.Thread(target=quietly, args=(daemon, requests, rng.random() < 0.5))
                caller.start()
                time.sleep(rng.random() * 0.3)
                daemon.process.send_signal(signal.SIGKILL)
                daemon.process.wait()
                caller.join()
        left = sorted(path.name for path in folder.iterdir())
    told = {"starts": len(starts), "wrong": wrong, "start_to_ready_s": {"max": round(max(starts), 2)}, "left": left}
    told["start_to_ready_s"]["median"] = round(sorted(starts)[len(starts) // 2], 2)  # type: ignore[index]
    return {"part": "kill -9", **told}


def quietly(daemon: Daemon, requests: Requests, back: bool) -> None:
    call = f"/v1/models/{requests.name}/rollback" if back else f"/v2/repository/models/{requests.name}/load"
    try:
        daemon.admin(call)
    except Exception:  # noqa: BLE001 - the daemon is killed meanwhile
        return


def terms(bundle: Path, requests: Requests, count: int) -> dict[str, object]:
    """SIGTERM while clients ask on; they end when nothing listens any more."""
    statuses: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    for _ in range(count):
        with TemporaryDirectory() as temporary, serving(Path(temporary), bundle, "--runtime", "litert") as daemon:
            with Load(daemon, requests) as load:
                time.sleep(0.5)
                daemon.process.send_signal(signal.SIGTERM)
                codes[daemon.process.wait(60)] += 1
                time.sleep(0.2)
            statuses.update(load.statuses)
    return {"part": "SIGTERM under load", "exit codes": codes, "requests": statuses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    for name, count in (("requests", 200_000), ("reloads", 1_000), ("corrupt", 100), ("kills", 200), ("terms", 20)):
        parser.add_argument(f"--{name}", type=int, default=count, help="0 leaves the part out")
    arguments = parser.parse_args()
    bundle = arguments.bundle.absolute()
    requests = requests_of(bundle)
    parts = {"requests": flat, "reloads": reloads, "corrupt": corrupt, "kills": kills, "terms": terms}
    for name, part in parts.items():
        if count := getattr(arguments, name):
            print(json.dumps(part(bundle, requests, count)), flush=True)


if __name__ == "__main__":
    main()
