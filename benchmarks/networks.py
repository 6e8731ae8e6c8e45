"""Every network on every data set over seeds: trained, exported to int8, evaluated in float and int8, by one command.

    python benchmarks/networks.py ../shared/data --out runs/networks
    python benchmarks/networks.py ../shared/data --out runs/networks --rows imagesig-cnn1d,resnet8 --data fire --seeds 0

What there is to do stands in networks.toml. The same command goes on after an interrupt: what is finished stays, a training
continues from its last epoch; what failed is tried again. Each step is an `edgekit` of its own. A line on stderr tells of each
step; at the end, and with --show at any time, the table comes as Markdown; `OUT/table.json` and `OUT/table.md` hold it too.

With --train-only a machine with a GPU and without the export extra does the trainings; copy OUT back and run it again without.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from networks_table import TableRow, read_table, write_table

from edgekit.cli.common import parse_numbers
from edgekit.errors import UserError

_EDGEKIT = [sys.executable, "-c", "from edgekit.cli import main; main()"]
_MISSED_GATE = 1


class StepError(Exception):
    """A command failed, with its last words."""


class GateMissedError(StepError):
    """It said that a gate was missed."""


@dataclass(frozen=True)
class Job:
    """One network on one data set with one seed."""

    row: TableRow
    data: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.row.name}-seed{self.seed}"


def main() -> None:
    arguments = _arguments()
    table = read_table(arguments.table)
    _check_known("rows", arguments.rows, [row.name for row in table.rows])
    _check_known("data", arguments.data_sets, table.data)
    rows = [row for row in table.rows if not arguments.rows or row.name in arguments.rows.split(",")]
    jobs = [
        Job(row, data, seed)
        for row in rows
        for data in row.data
        if not arguments.data_sets or data in arguments.data_sets.split(",")
        for seed in (table.seeds if arguments.seeds is None else arguments.seeds)
    ]
    # Those with a teacher come last: by then it is trained.
    jobs.sort(key=lambda job: job.row.teacher is not None)
    failures = [] if arguments.show else Runner(arguments).run(jobs)
    print(write_table(arguments.out, table))
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the folder of the data sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, default=Path(__file__).with_name("networks.toml"))
    parser.add_argument("--rows", help="only these, a comma between them")
    parser.add_argument("--data", dest="data_sets", help="only these data sets")
    parser.add_argument("--seeds", type=_seeds, help="in place of the table's, a comma between them")
    parser.add_argument("--jobs", type=int, default=1, help="at a time")
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument("--show", action="store_true", help="only the table of what is finished")
    return parser.parse_args()


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(parse_numbers("--seeds", text))
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _check_known(option: str, asked: str | None, known: Sequence[str]) -> None:
    unknown = [name for name in asked.split(",") if name not in known] if asked else []
    if unknown:
        raise SystemExit(f"--{option}: unknown {', '.join(unknown)}; known: {', '.join(known)}")


class Runner:
    """Runs the jobs, each from training to evaluation, some at a time."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.root: Path = arguments.root.resolve()
        self.out: Path = arguments.out.resolve()
        self.at_a_time: int = arguments.jobs
        self.train_only: bool = arguments.train_only
        self.done, self.lock = 0, threading.Lock()
        self.trained: dict[tuple[str, str], threading.Event] = {}

    def run(self, jobs: Sequence[Job]) -> list[str]:
        """All of them; what failed, in words."""
        failures = []
        self.trained = {(job.data, job.name): threading.Event() for job in jobs}
        with ThreadPoolExecutor(self.at_a_time) as pool:
            futures = {pool.submit(self.whole, job, len(jobs)): job for job in jobs}
            try:
                for future in as_completed(futures):
                    if (error := future.exception()) is not None:
                        if not isinstance(error, StepError):
                            raise error
                        failures.append(f"failed: {futures[future].data} {futures[future].name}: {error}")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return failures

    def whole(self, job: Job, jobs: int) -> None:
        """All steps of one job that are not done yet."""
        started = time.monotonic()
        try:
            self.train(job)
        finally:
            self.trained[job.data, job.name].set()
        if not self.train_only:
            self.export(job)
            self.evaluate(job)
        with self.lock:
            self.done += 1
            took = time.monotonic() - started
            print(f"[{self.done}/{jobs}] {job.data} {job.name} {took:.0f} s", file=sys.stderr, flush=True)

    def train(self, job: Job) -> None:
        folder = self.out / job.data / job.name
        size = [] if job.row.size_on(job.data) is None else ["--size", str(job.row.size_on(job.data))]
        command = ["--model", job.row.model, "--seed", str(job.seed), *size, *job.row.options]
        if job.row.teacher is not None:
            teacher = f"{job.row.teacher}-seed{job.seed}"
            if (waited_for := self.trained.get((job.data, teacher))) is not None:
                waited_for.wait()
            command += ["--teacher", str(folder.with_name(teacher))]
        self._check_same(folder.with_name(f"{job.name}.train.json"), command)
        if not (folder / "run.json").is_file():
            resume = ["--resume"] if (folder / "state.pt").is_file() else []
            self.edgekit("train", str(self.root / job.data), "--out", str(folder), *command, *resume)

    def export(self, job: Job) -> None:
        """int8 throughout; where that misses its gate, with layers in float."""
        run, bundle = self.out / job.data / job.name, self.bundle(job)
        if bundle.exists():
            return
        command = ["export", str(run), "--out", str(bundle), "--calibration", str(self.root / job.data)]
        try:
            self.edgekit(*command, "--precision", "int8", *job.row.export)
        except GateMissedError:
            self.edgekit(*command, "--precision", "mixed", *job.row.export)

    def evaluate(self, job: Job) -> None:
        """int8 on the whole test side; float and int8 on each source of it."""
        bundle, root = self.bundle(job), self.root / job.data
        self._evaluate(bundle, root, job, "int8", "--precision", "int8")
        for source in job.row.sources_of(job.data):
            view = self._view(job.data, source)
            self._evaluate(bundle, view, job, f"int8.{source}", "--precision", "int8")
            self._evaluate(bundle.with_name(job.name), view, job, f"float.{source}")

    def bundle(self, job: Job) -> Path:
        return self.out / job.data / f"{job.name}.bundle"

    def _evaluate(self, subject: Path, data: Path, job: Job, what: str, *options: str) -> None:
        file = self.out / job.data / f"{job.name}.{what}.json"
        if not file.exists():
            _write(file, self.edgekit("evaluate", str(subject), str(data), "--json", *options))

    def _view(self, data: str, source: str) -> Path:
        """The test images of one source, as links."""
        view = self.out / "views" / f"{data}-{source}"
        for path in sorted((self.root / data / "test").glob(f"*/{source}_*")):
            link = view / path.parent.name / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(path)
        return view

    def _check_same(self, file: Path, command: Sequence[str]) -> None:
        """A table that was changed is another experiment."""
        text = json.dumps(command)
        if file.exists() and file.read_text() != text:
            raise StepError(f"it was trained with {file.read_text()}, the table says {text}: remove it, or pass another --out")
        _write(file, text)

    def edgekit(self, *arguments: str) -> str:
        """Run a command to its end; what it wrote to stdout. An interrupt of the terminal reaches it, too."""
        environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // self.at_a_time)), **os.environ}
        done = subprocess.run([*_EDGEKIT, *arguments], capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            # A traceback exits with 1, too.
            if done.returncode == _MISSED_GATE and last.startswith("error: "):
                raise GateMissedError(last.removeprefix("error: "))
            print(f"edgekit {' '.join(arguments)}\n{done.stderr}", file=sys.stderr)
            raise StepError(last.removeprefix("error: "))
        return done.stdout


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}")
    beside.write_text(text)
    beside.replace(file)


if __name__ == "__main__":
    main()
