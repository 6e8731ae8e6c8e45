"""`edgekit sweep`: every combination once, recognised when done, resumed when interrupted, summed up over seeds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import UserError
from edgekit.training.progress import Silent
from edgekit.workflows.sweep import Finished, Job, Plan, plan_sweep, run_sweep
from edgekit.workflows.sweep_runners import local_runner
from tests.synthetic import write_textures

pytest.importorskip("torch", reason="training needs torch")

MAIN = [sys.executable, "-c", "from edgekit.cli import main; main()"]
FAST = ("--", "--epochs", "1", "--augment", "none")


def edgekit(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MAIN, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return write_textures(tmp_path_factory.mktemp("few") / "data", train=6, test=2, size=16)


@pytest.fixture
def swept(tmp_path, two_seeds) -> Path:
    """A copy of two seeds of a sweep in s/, over windows in data/."""
    shutil.copytree(two_seeds, tmp_path, dirs_exist_ok=True)
    shared = tmp_path / "s" / "sweep.json"
    shared.write_text(shared.read_text().replace(str(two_seeds), str(tmp_path)))
    return tmp_path


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    write_windows(folder / "data", np.random.default_rng(99))
    result = edgekit("sweep", "data", "--model", "tsak-student", "--out", "s", "--seeds", "0,1", *FAST, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


def plan(data: Path, out: Path, models: list[str], axes: dict[str, list[str]], seeds: list[int], *options: str) -> Plan:
    return plan_sweep(data, out, models, axes, seeds, options)


def names(planned: Plan) -> list[str]:
    return [job.name for job in planned.jobs]


def test_what_does_not_concern_a_network_does_not_multiply_its_runs(tmp_path):
    axes = {"size": ["32x32"], "depth": ["2", "3"], "neurons": ["25"]}
    assert names(plan(tmp_path, tmp_path / "s", ["imagesig-fc", "resnet8"], axes, [0, 7])) == [
        "imagesig-fc-32x32-depth2-neurons25-seed0",
        "imagesig-fc-32x32-depth2-neurons25-seed7",
        "imagesig-fc-32x32-depth3-neurons25-seed0",
        "imagesig-fc-32x32-depth3-neurons25-seed7",
        "resnet8-32x32-seed0",
        "resnet8-32x32-seed7",
    ]


def test_a_command_is_that_of_edgekit_train(tmp_path):
    planned = plan(tmp_path, tmp_path / "s", ["imagesig-fc"], {"directions": ["both"]}, [3], "--epochs", "2")
    (job,) = planned.jobs
    folder = tmp_path / "s" / job.name
    command = planned.command(job)
    assert command[:2] == ["train", str(tmp_path)]
    assert command[2:] == [
        *("--model", "imagesig-fc", "--seed", "3", "--out", str(folder), "--json", "--directions", "both", "--epochs", "2")
    ]
    folder.mkdir(parents=True)
    (folder / "state.pt").write_bytes(b"")
    assert planned.command(job)[-1] == "--resume"


def test_a_sweep_trains_sums_up_and_goes_on(tmp_path, pictures):
    arguments = ("sweep", pictures, "--model", "imagesig-fc", "--out", "s", "--sizes", "8,8x8", "--depths", "1")
    first = edgekit(*arguments, "--neurons", "4", "--seeds", "0,1", "--jobs", "2", "--json", *FAST, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    document = json.loads(first.stdout)
    assert [row["seed"] for row in document["runs"]] == ["0", "1"]
    (row,) = document["table"]
    accuracies = [json.loads((tmp_path / "s" / run["run"] / "metrics.json").read_text())["test"] for run in document["runs"]]
    assert row["test"]["mean"] == pytest.approx(np.mean([test["accuracy"] for test in accuracies]))
    assert row["test"]["deviation"] == pytest.approx(statistics.stdev([test["accuracy"] for test in accuracies]))
    # 8 rows of 3 features, 4 neurons, 3 classes.
    assert (row["n"], row["parameters"], row["macs"]) == (2, 8 * 3 * 4 + 4 + 4 * 3 + 3, 8 * 3 * 4 + 4 * 3)
    before = {run["run"]: (tmp_path / "s" / run["run"] / "run.json").stat().st_mtime_ns for run in document["runs"]}
    again = edgekit(*arguments, "--neurons", "4", "--seeds", "0,1,2", *FAST, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[1].split()[:5] == ["imagesig-fc", "8x8", "1", "4", "3"]
    assert {run: (tmp_path / "s" / run / "run.json").stat().st_mtime_ns for run in before} == before
    assert json.loads((tmp_path / "s" / "results.json").read_text())["table"][0]["n"] == 3
    damaged = next(iter(before))
    (tmp_path / "s" / damaged / "metrics.json").write_text("{}")
    third = edgekit(*arguments, "--neurons", "4", "--seeds", "0,1", *FAST, cwd=tmp_path)
    assert (third.returncode, len(third.stderr.splitlines())) == (2, 1)
    assert f"Expected the figures of a finished run in s/{damaged}/metrics.json" in third.stderr


@pytest.mark.parametrize("where", ["here", "ray"])
def test_an_interrupted_sweep_keeps_its_epochs_and_is_resumed(tmp_path, pictures, where):
    place = () if where == "here" else ("--ray", "local")
    if place:
        pytest.importorskip("ray", reason="the cluster's side needs ray")
    arguments = ("sweep", pictures, "--model", "imagesig-fc", "--out", "s", "--sizes", "8", "--depths", "1", "--seeds", "0")
    options = ("--", "--epochs", "3000", "--augment", "none")
    process = subprocess.Popen(
        [*MAIN, *map(str, arguments), *place, *options], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    folder = tmp_path / "s" / "imagesig-fc-8x8-depth1-seed0"
    while not (folder / "state.pt").is_file() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=120)
    assert (process.returncode, output) == (2, ""), error
    assert "go on with the same command" in error
    assert (folder / "state.pt").is_file()
    assert not (folder / "run.json").exists()
    # Nobody trains on.
    written = (folder / "state.pt").stat().st_mtime_ns
    time.sleep(1)
    assert (folder / "state.pt").stat().st_mtime_ns == written
    planned = plan(pictures, tmp_path / "s", ["imagesig-fc"], {"size": ["8x8"], "depth": ["1"]}, [0], *options[1:])
    assert planned.command(planned.jobs[0])[-1] == "--resume"


def test_windows_are_swept_over_seeds(tmp_path, rng):
    (tmp_path / "data").mkdir()
    for side, count in (("train", 24), ("test", 8)):
        np.savez(tmp_path / "data" / f"{side}.npz", x=rng.normal(size=(count, 3, 100)), y=np.arange(count) % 2)
    arguments = ("sweep", "data", "--model", "tsak-student", "--out", "s", "--seeds", "5", "--json", *FAST)
    result = edgekit(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["table"]
    assert (row["n"], row["size"], row["test"]["deviation"]) == (1, None, None)


def write_windows(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(exist_ok=True)
    for side, count in (("train", 24), ("test", 8)):
        np.savez(folder / f"{side}.npz", x=rng.normal(size=(count, 3, 100)), y=np.arange(count) % 2)


@pytest.mark.parametrize("seeds", ["0,1,2", "2"])
def test_a_sweep_does_not_go_on_with_changed_data_at_the_same_path(swept, rng, seeds):
    before = (swept / "s" / "results.json").read_bytes()
    write_windows(swept / "data", rng)
    result = edgekit("sweep", "data", "--model", "tsak-student", "--out", "s", "--seeds", seeds, *FAST, cwd=swept)
    (line,) = result.stderr.strip().splitlines()
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert "changed data in data: tsak-student-seed0 was trained on other (2 of 2 runs)" in line
    assert "Restore" in line
    assert (swept / "s" / "results.json").read_bytes() == before
    assert not (swept / "s" / "tsak-student-seed2").exists()


def test_data_that_change_while_a_sweep_is_under_way_are_not_summed_up(swept, rng):
    planned = plan(swept / "data", swept / "s", ["tsak-student"], {}, [0, 1, 2], "--epochs", "1", "--augment", "none")

    def runner(work):
        write_windows(swept / "data", rng)
        yield from local_runner(1)(work)

    with pytest.raises(UserError, match=r"tsak-student-seed2 was trained on other \(1 of 3 runs\)"):
        run_sweep(planned, runner, Silent())


def test_a_sweep_does_not_go_on_with_another_teacher_at_the_same_place(swept):
    (swept / "teacher").symlink_to(swept / "s" / "tsak-student-seed0")
    taught = (swept / "data", swept / "taught", ["tsak-student"], {}, [0], "--teacher", str(swept / "teacher"))
    run_sweep(plan(*taught), lambda work: (Finished(job, "Killed.") for job, _ in work[1:]), Silent())
    plan(*taught)
    (swept / "teacher").unlink()
    (swept / "teacher").symlink_to(swept / "s" / "tsak-student-seed1")
    with pytest.raises(UserError, match="Expected the data and options"):
        plan(*taught)


def test_a_run_that_an_earlier_sweep_finished_meanwhile_is_no_failure(swept):
    """Killed, a sweep leaves its trainings, and the next one begins before they have ended."""
    planned = plan(swept / "data", swept / "s", ["tsak-student"], {}, [0, 1], *FAST[1:])
    hidden = swept / "s" / "tsak-student-seed1" / "run.json"
    content = hidden.read_bytes()
    hidden.unlink()

    def runner(work):
        for job, _ in work:
            hidden.write_bytes(content)
            yield Finished(job, "Expected an interrupted run, found a finished one.")

    rows = run_sweep(planned, runner, Silent())["runs"]
    assert [row["error"] for row in rows] == [None, None]


def test_a_training_that_leaves_no_run_is_a_failure(tmp_path, pictures):
    planned = plan(pictures, tmp_path / "s", ["imagesig-fc"], {}, [0])
    assert planned.jobs == (Job("imagesig-fc-seed0", {"model": "imagesig-fc", "seed": "0"}),)
    with pytest.raises(UserError, match="ended without a run"):
        run_sweep(planned, lambda work: (Finished(job, None) for job, _ in work), Silent())


def test_a_run_that_does_not_say_its_data_is_named(swept):
    (swept / "s" / "tsak-student-seed1" / "run.json").write_text("{}")
    result = edgekit("sweep", "data", "--model", "tsak-student", "--out", "s", "--seeds", "0,1", *FAST, cwd=swept)
    (line,) = result.stderr.strip().splitlines()
    assert result.returncode == 2
    assert "s/tsak-student-seed1/run.json" in line


def test_a_file_among_the_folders_of_out_is_one_line(tmp_path, pictures):
    (tmp_path / "file").write_text("")
    result = edgekit("sweep", pictures, "--model", "imagesig-fc", "--out", "file/sub", cwd=tmp_path)
    (line,) = result.stderr.strip().splitlines()
    assert (result.returncode, result.stdout) == (2, "")
    assert f"found the file {tmp_path / 'file'}. Choose another --out." in line


def test_a_failure_among_successes_is_told_and_the_rest_stands(tmp_path, pictures):
    arguments = ("sweep", pictures, "--model", "imagesig-fc,imagesig-cnn1d", "--out", "s", "--sizes", "8", "--depths", "1")
    result = edgekit(*arguments, "--seeds", "0", "--json", *FAST, cwd=tmp_path)
    assert result.returncode == 2
    runs = {row["model"]: row for row in json.loads(result.stdout)["runs"]}
    assert runs["imagesig-fc"]["error"] is None
    assert "at least 17 paths" in runs["imagesig-cnn1d"]["error"]
    assert "1 of 2 runs failed" in result.stderr.strip().splitlines()[-1]


def test_a_failure_of_the_first_run_ends_the_sweep(tmp_path):
    planned = plan(tmp_path, tmp_path / "s", ["imagesig-fc"], {}, [0, 1, 2])
    started: list[str] = []

    def runner(work):
        for job, _ in work:
            started.append(job.name)
            yield Finished(job, "Expected images.")

    with pytest.raises(UserError, match="Expected images"):
        run_sweep(planned, runner, Silent())
    assert len(started) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "resnet-50"], ["Unknown network 'resnet-50'"]),
        (["--model", "tsak-student", "--depths", "3"], ["depth to vary", "tsak-student"]),
        (["--model", "resnet8", "--neurons", "9"], ["neurons to vary"]),
        (["--model", "imagesig-fc", "--seeds", "0,x"], ["--seeds", "0,x"]),
        (["--model", "imagesig-fc", "--sizes", "32,,64"], ["--sizes"]),
        (["--model", "imagesig-fc", "--sizes", "large"], ["HEIGHTxWIDTH"]),
        (["--model", "imagesig-fc", "--", "--seed", "3"], ["--seed", "the sweep sets itself"]),
        (["--model", "imagesig-fc", "--", "--help"], ["--help"]),
        (["--model", "imagesig-fc", "--seeds", "0", "--", "--colour"], ["--colour"]),
        (["--model", "imagesig-fc", "--seeds", "0"], ["nothing there"]),
    ],
)
def test_wrong_input_is_one_line(tmp_path, arguments, words):
    result = edgekit("sweep", "no-data", "--out", "s", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert all(word in result.stderr for word in words), result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_and_other_options_are_refused(tmp_path, pictures):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(UserError, match="neither"):
        plan(pictures, tmp_path / "full", ["imagesig-fc"], {}, [0])
    run_sweep(plan(pictures, tmp_path / "s", ["imagesig-fc"], {}, [], "--epochs", "2"), lambda work: (x for x in ()), Silent())
    plan(pictures, tmp_path / "s", ["imagesig-fc"], {}, [0], "--epochs", "2")
    with pytest.raises(UserError, match="Expected the data and options"):
        plan(pictures, tmp_path / "s", ["imagesig-fc"], {}, [0], "--epochs", "3")


def test_a_local_ray_cluster_runs_the_same_jobs(tmp_path, pictures):
    pytest.importorskip("ray", reason="the cluster's side needs ray")
    arguments = ("sweep", pictures, "--model", "imagesig-fc", "--out", "s", "--sizes", "8", "--depths", "1", "--seeds", "0,1")
    result = edgekit(*arguments, "--ray", "local", "--jobs", "2", "--json", *FAST, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["table"][0]["n"] == 2


def test_a_ray_cluster_that_is_not_there_is_one_line(tmp_path, pictures):
    pytest.importorskip("ray", reason="the cluster's side needs ray")
    environment = {**os.environ, "RAY_ADDRESS": ""}
    command = [*MAIN, "sweep", str(pictures), "--model", "imagesig-fc", "--out", "s", "--ray", "auto"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert result.returncode == 2
    assert "Ray cluster at auto" in result.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_a_ray_address_where_nobody_listens_is_one_line_and_leaves_nothing(tmp_path, pictures, address):
    pytest.importorskip("ray", reason="the cluster's side needs ray")
    result = edgekit("sweep", pictures, "--model", "imagesig-fc", "--out", "s", "--ray", address, cwd=tmp_path)
    (line,) = result.stderr.strip().splitlines()
    assert result.returncode == 2
    assert f"Ray cluster at {address}" in line
    assert not (tmp_path / "s").exists()
