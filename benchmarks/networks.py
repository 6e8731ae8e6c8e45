"""Every network on every data set over seeds: trained, exported to int8, evaluated in float and int8, by one command.

    python benchmarks/networks.py ../shared/data --out runs/networks
    python benchmarks/networks.py ../shared/data --out runs/networks --rows imagesig-cnn1d,resnet8 --data fire --seeds 0

What there is to do stands in networks.toml. The same command goes on after an interrupt: what is finished stays, a training
continues from its last epoch; what failed is tried again. Where a run was trained anew or its export options changed, what was
made from it is made anew; a run of other training options or of other data is refused until it is removed. Each step is an
`edgekit` of its own. A line on stderr tells of each step; at the end, and with --show at any time, the table comes as Markdown;
`OUT/table.json` and `OUT/table.md` hold it too.

With --train-only a machine with a GPU and without the export extra does the trainings; copy OUT back and run it again without.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from networks_made import (
    Training,
    bundle_of,
    data_of,
    export_file,
    export_text,
    files_of,
    forget_export,
    forget_results,
    is_evaluation_of,
    is_exported,
    read_training,
    training_file,
    weights_of,
)
from networks_table import TableRow, read_table, write_table

from edgekit.cli.common import parse_numbers
from edgekit.errors import EdgekitError, UserError
from edgekit.models.checkpoint import CONFIG, STATE, is_run
from edgekit.training.windows import digest_of

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
        self.digests: dict[Path, str] = {}

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
        run, teacher = self.run_of(job), job.row.teacher_of(job.seed)
        if teacher is not None and (waited_for := self.trained.get((job.data, teacher))) is not None:
            waited_for.wait()
        training = job.row.training(run.parent, job.data, job.seed)
        self._check_same(run, training, self.root / job.data)
        if not (run / CONFIG).is_file():
            learn = [] if teacher is None else ["--teacher", str(run.with_name(teacher))]
            resume = ["--resume"] if (run / STATE).is_file() else []
            self.edgekit("train", str(self.root / job.data), "--out", str(run), *training.options, *learn, *resume)

    def export(self, job: Job) -> None:
        """int8 throughout; where that misses its gate, with layers in float."""
        run = self.run_of(job)
        if is_exported(run, job.row.export):
            return
        forget_export(run)
        # Told first: after an interrupt the bundle is there and what is told is true of it, or it is not there.
        _write(export_file(run), export_text(run, job.row.export))
        command = ["export", str(run), "--out", str(bundle_of(run)), "--calibration", str(self.root / job.data)]
        try:
            self.edgekit(*command, "--precision", "int8", *job.row.export)
        except GateMissedError:
            self.edgekit(*command, "--precision", "mixed", *job.row.export)

    def evaluate(self, job: Job) -> None:
        """int8 on the whole test side; float and int8 on each source of it."""
        run = self.run_of(job)
        bundle, files, weights = bundle_of(run), files_of(bundle_of(run)), {weights_of(run)}
        self._evaluate(bundle, files, self.root / job.data, job, "int8", "--precision", "int8")
        for source in job.row.sources_of(job.data):
            view = self._view(job.data, source)
            self._evaluate(bundle, files, view, job, f"int8.{source}", "--precision", "int8")
            self._evaluate(run, weights, view, job, f"float.{source}")

    def run_of(self, job: Job) -> Path:
        return self.out / job.data / job.name

    def _evaluate(self, subject: Path, sha256s: Collection[str | None], data: Path, job: Job, what: str, *options: str) -> None:
        file = self.out / job.data / f"{job.name}.{what}.json"
        if not is_evaluation_of(file, sha256s):
            _write(file, self.edgekit("evaluate", str(subject), str(data), "--json", *options))

    def _view(self, data: str, source: str) -> Path:
        """The test images of one source, as links; other jobs may be at it, too."""
        view = self.out / "views" / f"{data}-{source}"
        for path in sorted((self.root / data / "test").glob(f"*/{source}_*")):
            link = view / path.parent.name / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                link.symlink_to(path)
        return view

    def _check_same(self, run: Path, training: Training, data: Path) -> None:
        """A table or data that were changed are another experiment; what was made from a run that is gone goes, too."""
        told, file = read_training(run), training_file(run)
        if not is_run(run):
            forget_results(run)
            _write(file, training.to_text())
            return
        mend = f"Remove {run} to train it anew, or pass another --out."
        if told is None:
            raise StepError(f"Expected what {run} was trained with in {file}, found nothing. {mend}")
        if not told.fits(training):
            raise StepError(f"Expected the training of {run}, {told.to_text()}, got {training.to_text()} from the table. {mend}")
        if (run / CONFIG).is_file() and data_of(run) != self._digest_of(data):
            raise StepError(f"Expected the data that {run} was trained on in {data}, they have changed. {mend}")

    def _digest_of(self, data: Path) -> str:
        """Read once."""
        with self.lock:
            if data not in self.digests:
                try:
                    self.digests[data] = digest_of(data)
                except EdgekitError as error:
                    raise StepError(str(error)) from error
            return self.digests[data]

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
