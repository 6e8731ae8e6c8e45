"""Where the jobs of a sweep run: processes on this machine, or a Ray cluster whose nodes see the same folders."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from typing import Any

from edgekit.core.optional import require
from edgekit.errors import UserError
from edgekit.workflows.sweep import Finished, Job, Runner

__all__ = ["local_runner", "ray_runner"]

_MAIN = "from edgekit.cli import main; main()"
_PATIENCE_S = 30
_ANSWER_S = 10
_POLL_S = 0.5


def local_runner(jobs: int) -> Runner:
    """So many processes at a time; they share the machine's cores, and are ended when the sweep is."""
    return partial(_run_locally, jobs)


def ray_runner(address: str, jobs: int) -> Runner:
    """The same processes as tasks of a Ray cluster.

    Args:
        address: of the cluster ("auto", "HOST:PORT", "ray://..."), or "local" to start one on this machine.
        jobs: of a local cluster: how many at a time.
    """
    return partial(_run_on_ray, address, jobs)


def _run_locally(jobs: int, work: Sequence[tuple[Job, list[str]]]) -> Generator[Finished, None, None]:
    children = _Children(max(1, (os.cpu_count() or 1) // jobs))
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {pool.submit(children.run, command): job for job, command in work}
        try:
            for future in as_completed(futures):
                yield Finished(futures[future], future.result())
        finally:
            # An interrupt, or a sweep that was given up: a training keeps its epochs when it is told to end.
            for future in futures:
                future.cancel()
            children.end()


class _Children:
    """Processes that can all be ended."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._alive: set[subprocess.Popen[str]] = set()
        self._ended = False

    def run(self, command: Sequence[str]) -> str | None:
        """Run a command of edgekit to its end: None, or why it failed."""
        with self._lock:
            if self._ended:
                return "The sweep was ended."
            process = _start(command, self._threads, os.getcwd())
            self._alive.add(process)
        _, told = process.communicate()
        with self._lock:
            self._alive.discard(process)
        return _reason(process.returncode, told)

    def end(self) -> None:
        """Ask all to end, kill those that do not; later ones do not start."""
        with self._lock:
            self._ended, alive = True, list(self._alive)
        for process in alive:
            process.terminate()
        for process in alive:
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _run_on_ray(address: str, jobs: int, work: Sequence[tuple[Job, list[str]]]) -> Generator[Finished, None, None]:
    ray: Any = require("ray", "ray", "Ray")
    _check_answers(address)
    options: dict[str, Any] = {"num_cpus": jobs} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if options else None, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, error) from error
    try:
        train, here = ray.remote(num_cpus=1, max_retries=0)(_train), os.getcwd()
        pending = {train.remote(command, here): job for job, command in work}
        try:
            while pending:
                (done,), _ = ray.wait(list(pending), num_returns=1)
                yield Finished(pending.pop(done), ray.get(done))
        finally:
            for task in pending:
                ray.cancel(task)
            # The tasks end their processes; without their workers nobody would.
            if pending:
                ray.wait(list(pending), num_returns=len(pending), timeout=_PATIENCE_S)
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Whether somebody listens at HOST:PORT or ray://HOST:PORT: Ray itself would wait for minutes, deaf to interrupts."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(f"Expected a Ray cluster at {address}: {reason:.160}. Start one: ray start --head")


def _train(command: Sequence[str], folder: str) -> str | None:
    """A task: on one core of whatever node it is given."""
    process = _start(command, 1, folder)
    try:
        while True:
            # Ray's cancelling waits for Python to run.
            with suppress(subprocess.TimeoutExpired):
                _, told = process.communicate(timeout=_POLL_S)
                return _reason(process.returncode, told)
    finally:
        process.terminate()


def _start(command: Sequence[str], threads: int, folder: str) -> subprocess.Popen[str]:
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
    return subprocess.Popen(
        [sys.executable, "-c", _MAIN, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
        # An interrupt of the terminal reaches the sweep alone, which ends them in order.
        start_new_session=True,
    )


def _reason(code: int, told: str) -> str | None:
    """Why a command failed: its last line on stderr."""
    if code == 0:
        return None
    lines = told.strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else f"The training ended with exit code {code}."
