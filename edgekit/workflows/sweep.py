"""A grid of training runs in one folder: planned, recognised when done, summed up over seeds.

`sweep.json` holds the data and options that all runs share, `results.json` the document of `edgekit sweep --json`; beside them
lies a run folder for every combination, named after what was varied.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.core.files import write_file
from edgekit.errors import UserError
from edgekit.models.checkpoint import CONFIG, STATE, load_run, weights_of
from edgekit.models.counts import count_macs, count_parameters
from edgekit.models.registry import model_info, takes_neurons
from edgekit.training.progress import Progress
from edgekit.training.windows import digest_of

__all__ = ["AXES", "Finished", "Job", "Plan", "Runner", "plan_sweep", "run_sweep"]

#: What can be varied beside model and seed, in the order of the names: key -> option of `edgekit train`.
AXES = {"size": "--size", "depth": "--depth", "directions": "--directions", "neurons": "--neurons"}

_SHARED, _RESULTS = "sweep.json", "results.json"

#: Belong to the sweep itself.
_TAKEN = ("--model", "--out", "--seed", "--resume", "--json", "--help", *AXES.values())


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        name: of its run folder.
        values: "model", what of `AXES` was varied and concerns the model, "seed".
    """

    name: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """A sweep that can be run.

    Attributes:
        data: of every training.
        out: the sweep's folder.
        jobs: all of them, finished ones too.
        options: further options of `edgekit train`, the same for all.
    """

    data: Path
    out: Path
    jobs: tuple[Job, ...]
    options: tuple[str, ...]

    def is_finished(self, job: Job) -> bool:
        """Whether its run is whole."""
        return (self.out / job.name / CONFIG).is_file()

    def command(self, job: Job) -> list[str]:
        """Arguments of `edgekit` that train it, or go on where it was interrupted."""
        folder = self.out.resolve() / job.name
        varied = [word for key, option in AXES.items() if key in job.values for word in (option, job.values[key])]
        resume = ["--resume"] if (folder / STATE).is_file() else []
        fixed = ["--model", job.values["model"], "--seed", job.values["seed"], "--out", str(folder), "--json"]
        return ["train", str(self.data.resolve()), *fixed, *varied, *self.options, *resume]


@dataclass(frozen=True)
class Finished:
    """A job that came to its end; `error` is None where it trained well."""

    job: Job
    error: str | None


#: Runs jobs, some at the same time, and yields each when it has ended; closed early, it ends those that still run.
Runner = Callable[[Sequence[tuple[Job, list[str]]]], Generator[Finished, None, None]]


def plan_sweep(
    data: Path, out: Path, models: Sequence[str], axes: Mapping[str, Sequence[str]], seeds: Sequence[int], options: Sequence[str]
) -> Plan:
    """Every combination once; what does not concern a model does not multiply its runs.

    Args:
        data: as for `edgekit train`.
        out: a new folder, or that of an earlier sweep with the same data and options.
        models: names of networks.
        axes: of `AXES`, with the values to try.
        seeds: of split, weights, augmentation and order.
        options: further options of `edgekit train`.

    Raises:
        UnknownNameError: on an unknown network.
        UserError: on options that the sweep sets itself, an axis that concerns no model, or a folder of another sweep.
    """
    taken = [option for option in options if option.partition("=")[0] in _TAKEN]
    if taken:
        raise UserError(f"Expected other options of edgekit train after --, got {taken[0]}, which the sweep sets itself.")
    known = {model: [axis for axis in axes if _concerns(axis, model)] for model in models}
    idle = [axis for axis in axes if not any(axis in found for found in known.values())]
    if idle:
        raise UserError(f"Expected a network with {idle[0]} to vary, {', '.join(models)} has none. Leave the option out.")
    jobs = [
        _job({"model": model, **dict(zip(found, values, strict=True)), "seed": str(seed)})
        for model, found in known.items()
        for values in itertools.product(*(axes[axis] for axis in found))
        for seed in seeds
    ]
    plan = Plan(data, out, tuple({job.name: job for job in jobs}.values()), tuple(options))
    _check_folder(plan)
    return plan


def run_sweep(plan: Plan, runner: Runner, progress: Progress) -> dict[str, Any]:
    """Train what is not finished yet, then sum up.

    Args:
        plan: of `plan_sweep`.
        runner: of `edgekit.workflows.sweep_runners`.
        progress: told of every run.

    Returns:
        {"out", "runs": [{"run", values, "validation", "test", "error"}], "table": [{values, "n", "parameters", "macs",
        "validation", "test"}]}; the table's accuracies are {"mean", "deviation"} over seeds, the deviation of a sample, None for
        one seed.

    Raises:
        UserError: when a job fails before any has succeeded: something is wrong with all of them; when there is no
            cluster; when finished runs in the folder were trained on other data than the rest, or than what lies there now.
        DataError: when there are finished runs and the data cannot be read.
    """
    trained_on = _trained_on(plan)
    if trained_on:
        _check_data(plan, trained_on, digest_of(plan.data))
    plan.out.mkdir(parents=True, exist_ok=True)
    write_file(plan.out / _SHARED, _shared(plan))
    waiting = [job for job in plan.jobs if not plan.is_finished(job)]
    done = len(plan.jobs) - len(waiting)
    progress.start("sweep", len(plan.jobs))
    progress.advance(done)
    errors: dict[str, str] = {}
    try:
        with closing(runner([(job, plan.command(job)) for job in waiting])) as ended:
            for finished in ended:
                # A sweep that was killed leaves its trainings: one that they finish meanwhile is no failure.
                if plan.is_finished(finished.job):
                    done += 1
                else:
                    error = finished.error or "The training ended without a run."
                    if not done:
                        raise UserError(error)
                    errors[finished.job.name] = error
                progress.advance(1, finished.job.name)
    except BaseException:
        _leave_nothing(plan)
        raise
    # The data may have changed while the sweep was under way.
    trained_on = _trained_on(plan)
    _check_data(plan, trained_on, next(iter(trained_on.values()), ""))
    runs = [_run_row(plan, job, errors.get(job.name)) for job in plan.jobs]
    document = {"out": str(plan.out), "runs": runs, "table": list(_table(plan, runs))}
    write_file(plan.out / _RESULTS, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
    return document


def _leave_nothing(plan: Plan) -> None:
    """Remove the folder where nothing but the shared settings lies in it."""
    if [path.name for path in plan.out.iterdir()] == [_SHARED]:
        (plan.out / _SHARED).unlink()
        plan.out.rmdir()


def _trained_on(plan: Plan) -> dict[str, str]:
    """Digest of the data of every finished run in the folder, by the run's name; of runs that this plan leaves out, too."""
    return {file.parent.name: _recorded_digest(file) for file in sorted(plan.out.glob(f"*/{CONFIG}"))}


def _recorded_digest(file: Path) -> str:
    try:
        return str(json.loads(file.read_bytes())["data"]["digest"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"Expected the data of a finished run in {file}: {error!r}. Remove its folder to train it again."
        ) from error


def _check_data(plan: Plan, trained_on: Mapping[str, str], digest: str) -> None:
    """Runs of different data have no mean in common; the path says nothing of what lies there."""
    others = [name for name, found in trained_on.items() if found != digest]
    if others:
        raise UserError(
            f"Expected one data set in the sweep, got changed data in {plan.data}: {others[0]} was trained on other "
            f"({len(others)} of {len(trained_on)} runs). Restore them, remove its folder, or choose another --out."
        )


def _concerns(axis: str, model: str) -> bool:
    return takes_neurons(model) if axis == "neurons" else axis in model_info(model).config


def _job(values: dict[str, str]) -> Job:
    words = {"depth": "depth", "neurons": "neurons", "seed": "seed"}
    return Job("-".join(f"{words.get(key, '')}{value}" for key, value in values.items()), values)


def _shared(plan: Plan) -> bytes:
    shared: dict[str, Any] = {"data": str(plan.data.resolve()), "options": list(plan.options)}
    if (teacher := _teacher(plan.options)) is not None:
        shared["teacher's weights"] = weights_of(teacher)
    return (json.dumps(shared, indent=1) + "\n").encode()


def _teacher(options: Sequence[str]) -> Path | None:
    """What --teacher names, as the command line has it: the last one counts."""
    given = None
    for option, following in itertools.zip_longest(options, options[1:]):
        name, joined, value = option.partition("=")
        if name == "--teacher":
            given = value if joined else following
    return Path(given) if given else None


def _check_folder(plan: Plan) -> None:
    if not plan.out.exists():
        parent = next(folder for folder in plan.out.absolute().parents if folder.exists())
        if not parent.is_dir():
            raise UserError(f"Expected a folder to make the sweep in, found the file {parent}. Choose another --out.")
        return
    shared = plan.out / _SHARED
    if not shared.is_file():
        if plan.out.is_dir() and not any(plan.out.iterdir()):
            return
        raise UserError(f"Expected a new folder or that of a sweep for --out, {plan.out} is neither. Choose another.")
    if shared.read_bytes() != _shared(plan):
        found = " ".join(shared.read_text(encoding="utf-8").split())
        raise UserError(
            f"Expected the data and options of the sweep in {plan.out}, which are {found}. Pass those, or another --out."
        )


def _run_row(plan: Plan, job: Job, error: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {"run": job.name, **_values(job), "validation": None, "test": None, "error": error}
    if plan.is_finished(job):
        file = plan.out / job.name / "metrics.json"
        try:
            metrics = json.loads(file.read_bytes())
            row["validation"] = metrics["validation"]["accuracy"]
            row["test"] = metrics["test"]["accuracy"] if metrics["test"] else None
        except (OSError, KeyError, TypeError, ValueError) as reason:
            raise UserError(
                f"Expected the figures of a finished run in {file}: {reason}. Remove its folder to train it again."
            ) from reason
    return row


def _values(job: Job) -> dict[str, str | None]:
    return {key: job.values.get(key) for key in ("model", *AXES, "seed")}


def _table(plan: Plan, runs: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for every combination, in the order of the plan; combinations without a finished run are left out."""
    groups: dict[tuple[str | None, ...], list[dict[str, Any]]] = {}
    for row in runs:
        if row["validation"] is not None:
            groups.setdefault(tuple(row[key] for key in ("model", *AXES)), []).append(row)
    for key, rows in groups.items():
        run = load_run(plan.out / rows[0]["run"])
        yield {
            **dict(zip(("model", *AXES), key, strict=True)),
            "n": len(rows),
            "parameters": count_parameters(run.module),
            "macs": count_macs(run.module, run.config.input_shape),
            **{side: _spread([row[side] for row in rows if row[side] is not None]) for side in ("validation", "test")},
        }


def _spread(values: Sequence[float]) -> dict[str, float | None] | None:
    if not values:
        return None
    return {"mean": statistics.fmean(values), "deviation": statistics.stdev(values) if len(values) > 1 else None}
