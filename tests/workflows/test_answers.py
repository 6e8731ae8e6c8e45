"""Withheld answers: chosen at export on the validation split, carried by every file, applied wherever is predicted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgekit as package
from edgekit.core.bundle import Bundle
from edgekit.core.manifest import ModelCard, OutputEntry
from edgekit.errors import BundleError, ModelError
from edgekit.models.checkpoint import load_run
from edgekit.training.data import scan, validation_split
from edgekit.training.validation import load_validation

pytest.importorskip("torch", reason="the workstation's side needs torch")


def edgekit(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def with_validation(run: Path, out: Path, confidence: list[float], right: list[bool]) -> Path:
    """A copy of the run whose validation split said this."""
    shutil.copytree(run, out)
    temperature = load_run(out).config.temperature
    logits = np.array([[np.log(p), np.log((1 - p) / 2), np.log((1 - p) / 2)] for p in confidence], np.float32)
    np.savez(out / "validation.npz", logits=logits * temperature, targets=np.where(right, 0, 1))
    return out


#: About as sure as the textures' network is of their test side, so that some of it is answered and some is not.
CHOSEN = [0.7, 0.6, 0.5, 0.45, 0.42, 0.38], [True, True, True, True, False, True]


@pytest.fixture(scope="module")
def exported(tmp_path_factory, trained_run) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    with_validation(trained_run, folder / "run", *CHOSEN)
    arguments = ("export", "run", "--out", "x.bundle", "--precision", "int8", "--answer-precision", "0.9", "--samples", "32")
    result = edgekit(*arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "answers from 0.4500 on: 66.7 % of 6 validation examples, 100.00 % of these right" in result.stderr
    return folder / "x.bundle"


def test_the_run_keeps_what_its_validation_split_said(trained_run, textures):
    logits, targets = load_validation(trained_run)
    data, run = scan(textures), load_run(trained_run)
    _, held_out = validation_split(data.train, data.labels, run.config.split_seed)
    assert targets.tolist() == [example.label for example in held_out]
    metrics = json.loads((trained_run / "metrics.json").read_text())["validation"]
    assert (logits.argmax(axis=1) == targets).mean() == pytest.approx(metrics["accuracy"])


def test_manifest_and_files_carry_the_threshold(exported):
    manifest = Bundle.open(exported).manifest
    assert manifest.output.answer_from == pytest.approx(0.45, abs=1e-5)
    with package.open(exported / "model.int8.tflite") as pipeline:
        assert pipeline.card.output == manifest.output


def test_a_prediction_below_the_threshold_is_unknown_and_keeps_its_probabilities(exported, textures, tmp_path):
    pictures = sorted((textures / "test").rglob("*.png"))
    plain = tmp_path / "plain.bundle"
    shutil.copytree(exported, plain)
    manifest = json.loads((plain / "manifest.json").read_text())
    manifest["output"]["answer_from"] = None
    (plain / "manifest.json").write_text(json.dumps(manifest))
    with package.open(exported) as careful, package.open(plain) as bold:
        pairs = [(careful.predict(picture), bold.predict(picture)) for picture in pictures]
        least = careful.card.output.answer_from
    assert least is not None
    for withheld, given in pairs:
        assert withheld.probabilities == given.probabilities
        unsure = max(given.probabilities.values()) < least
        assert (withheld.label, withheld.index) == (("unknown", -1) if unsure else (given.label, given.index))


def test_a_threshold_of_one_leaves_predict_unknown(exported, textures, tmp_path):
    shutil.copytree(exported, tmp_path / "x.bundle")
    manifest = json.loads((tmp_path / "x.bundle/manifest.json").read_text())
    manifest["output"]["answer_from"] = 1.0
    (tmp_path / "x.bundle/manifest.json").write_text(json.dumps(manifest))
    result = edgekit("predict", "x.bundle", textures / "test" / "blobs", "--json", cwd=tmp_path)
    rows = json.loads(result.stdout)
    assert {(row["label"], row["index"]) for row in rows if max(row["probabilities"].values()) < 1} == {("unknown", -1)}
    assert edgekit("predict", "x.bundle", textures / "test" / "blobs", cwd=tmp_path).returncode == 0


def test_evaluate_tells_coverage_and_precision_and_leaves_accuracy_to_all(exported, textures, tmp_path):
    arguments = ("evaluate", exported, textures, "--runtime", "litert", "--report", "r.html", "--json")
    result = edgekit(*arguments, cwd=tmp_path)
    (row,) = json.loads(result.stdout)["results"]
    with package.open(exported, runtime="litert") as pipeline:
        pictures = sorted((textures / "test").rglob("*.png"))
        found = [(pipeline.predict(picture).label, picture.parent.name) for picture in pictures]
    given = [(label, truth) for label, truth in found if label != "unknown"]
    assert 0 < len(given) < len(found)
    assert row["answers"]["coverage"] == pytest.approx(len(given) / len(found))
    assert row["answers"]["precision"] == pytest.approx(np.mean([label == truth for label, truth in given]))
    assert np.sum(row["confusion"]) == len(found)
    assert "answered, of these right" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_older_cards_without_a_threshold_open():
    card = json.dumps(
        {
            "name": "x",
            "labels": ["a"],
            "frontend": {"name": "signature", "config": {}},
            "output": {"kind": "logits", "temperature": 1.0},
            "input": {"name": "f", "dtype": "float32", "shape": [1, 2]},
            "schema": 1,
        }
    )
    assert ModelCard.from_text(card).output == OutputEntry("logits", 1.0, None)


@pytest.mark.parametrize(("kind", "least"), [("logits", -0.1), ("logits", 1.1), ("logits", float("nan")), ("raw", 0.5)])
def test_a_threshold_that_means_nothing_is_refused(kind, least):
    with pytest.raises(BundleError, match="least probability"):
        OutputEntry(kind, 1.0, least)


@pytest.mark.parametrize(("option", "words"), [("1.5", "above 0 to 1"), ("0.9999", "the best is")])
def test_a_precision_that_cannot_be_had_leaves_no_bundle(trained_run, tmp_path, option, words):
    with_validation(trained_run, tmp_path / "run", [0.9, 0.8, 0.7], [False, True, True])
    result = edgekit("export", "run", "--out", "x.bundle", "--answer-precision", option, cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr
    assert not (tmp_path / "x.bundle").exists()


@pytest.mark.parametrize(
    "content", [None, b"", b"PK", {"logits": np.zeros(3)}, {"logits": np.zeros((2, 3)), "targets": np.zeros(3)}]
)
def test_a_run_without_its_validation_split_is_refused(tmp_path, content):
    if isinstance(content, bytes):
        (tmp_path / "validation.npz").write_bytes(content)
    elif content is not None:
        np.savez(tmp_path / "validation.npz", **content)
    with pytest.raises(ModelError, match=r"validation\.npz"):
        load_validation(tmp_path)
