"""`benchmarks/networks.py`: figures in one row are of one run, its own export and the table's options."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.synthetic import write_textures

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("litert_torch", reason="exporting needs litert-torch")
pytest.importorskip("tomllib", reason="the benchmark's table needs Python 3.11")

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))

from networks import Runner  # noqa: E402
from networks_made import Training, is_evaluation_of, is_exported, read_training, training_file  # noqa: E402

TABLE = """
seeds = [0]
[data.textures]
size = 32
sources = ["a"]
[row.fc]
model = "imagesig-fc"
options = ["--epochs", "EPOCHS", "--augment", "none", "--depth", "3"]
export = EXPORT
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A benchmark that has come to its end in out/."""
    folder = tmp_path_factory.mktemp("finished")
    textures = write_textures(folder / "data" / "textures", train=20, test=4)
    for path in textures.glob("test/*/*.png"):
        path.rename(path.with_name(f"a_{path.name}"))
    result = networks(folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def work(tmp_path, finished) -> Path:
    """A copy of it."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def networks(work: Path, *options: str, epochs: int = 5, export: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The benchmark by its command, with a table of one row."""
    (work / "table.toml").write_text(TABLE.replace("EPOCHS", str(epochs)).replace("EXPORT", json.dumps(export)))
    command = [sys.executable, str(BENCHMARKS / "networks.py"), "data", "--out", "out", "--table", "table.toml", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=work, check=False)


def place(work: Path, what: str) -> Path:
    return work / "out" / "textures" / f"fc-seed0{what}"


def written(work: Path) -> dict[str, int]:
    """When each result was written, by its file."""
    files = [file for file in (work / "out" / "textures").rglob("*") if file.is_file()]
    return {str(file.relative_to(work)): file.stat().st_mtime_ns for file in files}


def shown(work: Path) -> dict[str, list[float]]:
    """The table's row."""
    (row,) = json.loads((work / "out" / "table.json").read_text())
    return row


def test_what_is_finished_stays(work):
    before = written(work)
    assert networks(work).returncode == 0
    assert written(work) == before


def test_a_bundle_of_other_weights_is_exported_again_without_training(work):
    told = json.loads(place(work, ".bundle.json").read_text())
    place(work, ".bundle.json").write_text(json.dumps({**told, "weights": hashlib.sha256(b"other").hexdigest()}))
    before = written(work)
    assert networks(work, "--show").returncode == 0
    assert (shown(work)["int8_tflite"], len(shown(work)["float"])) == ([], 1)
    result = networks(work)
    assert result.returncode == 0, result.stderr
    again = {file for file, when in written(work).items() if before.get(file) != when}
    assert {file for file in before if ".int8" in file or ".bundle/" in file} <= again
    assert not any("/fc-seed0/" in file or ".float." in file for file in again)
    assert len(shown(work)["int8_tflite"]) == 1


def test_a_run_of_other_data_is_refused_by_its_folder(work):
    next((work / "data" / "textures" / "test").rglob("*.png")).unlink()
    before = written(work)
    result = networks(work)
    (line,) = result.stderr.strip().splitlines()
    assert result.returncode == 1
    assert f"data/textures, they have changed. Remove {place(work, '')} to train it anew, or pass another --out." in line
    assert written(work) == before


def test_other_options_of_the_export_make_it_anew(work):
    before = written(work)
    export = ("--format", "tflite")
    assert networks(work, "--show", export=export).returncode == 0
    assert shown(work)["int8_onnx"] == []
    result = networks(work, export=export)
    assert result.returncode == 0, result.stderr
    assert not place(work, ".bundle/model.int8.onnx").exists()
    assert {row["runtime"] for row in json.loads(place(work, ".int8.json").read_text())["results"]}.isdisjoint({"onnxruntime"})
    assert written(work)["out/textures/fc-seed0/run.json"] == before["out/textures/fc-seed0/run.json"]


def test_what_was_made_from_a_run_goes_with_it(work):
    shutil.rmtree(place(work, ""))
    result = networks(work, "--train-only", epochs=2)
    assert result.returncode == 0, result.stderr
    assert {path.name for path in place(work, "").parent.iterdir()} == {"fc-seed0", "fc-seed0.train.json"}
    assert (shown(work)["epochs"], shown(work)["int8_tflite"], shown(work)["sources"]["a"]["float"]) == ([2], [], [])


def test_a_run_that_was_trained_elsewhere_is_not_shown_with_the_evaluations_of_another(work):
    config = json.loads(place(work, "/run.json").read_text())
    place(work, "/run.json").write_text(json.dumps({**config, "weights": (other := hashlib.sha256(b"other").hexdigest())}))
    assert not is_exported(place(work, ""), ())
    assert not is_evaluation_of(place(work, ".float.a.json"), {other})


@pytest.mark.parametrize("told", [True, False])
def test_a_run_of_other_options_is_refused_by_its_folder_and_not_shown(work, told):
    if not told:
        place(work, ".train.json").unlink()
    before = written(work)
    result = networks(work, epochs=3)
    (line,) = result.stderr.strip().splitlines()
    assert result.returncode == 1
    assert f"Remove {place(work, '')} to train it anew, or pass another --out." in line
    assert written(work) == before
    assert json.loads((work / "out" / "table.json").read_text()) == []


def test_a_student_of_another_teacher_is_refused(tmp_path):
    alone, first, second = (Training(("--seed", "0"), *teacher) for teacher in ((), ("t-seed0", "a"), ("t-seed0", "b")))
    run = tmp_path / "s-seed0"
    training_file(run).write_text(first.to_text())
    assert read_training(run) == first
    assert not first.fits(second)
    assert not first.fits(alone)


def test_two_jobs_may_link_the_same_pictures(work, monkeypatch):
    asked = argparse.Namespace(root=work / "data", out=work / "new", jobs=2, train_only=False)
    view = Runner(asked)._view("textures", "a")
    # The other job made its links when this one had just looked.
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)
    assert Runner(asked)._view("textures", "a") == view
    assert len(list(view.glob("*/a_*"))) == 12
