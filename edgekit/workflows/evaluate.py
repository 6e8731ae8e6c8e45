"""Accuracy of a run, a bundle or a single file on labelled images: every artifact on every installed runtime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.core.bundle import Bundle, is_bundle
from edgekit.core.files import sha256_of
from edgekit.core.manifest import ModelCard
from edgekit.core.spec import TensorSpec
from edgekit.errors import MissingExtraError, UserError
from edgekit.frontends.base import create_frontend
from edgekit.inspection import inspect_file
from edgekit.models.checkpoint import WEIGHTS, is_run, load_run
from edgekit.packing import precision_of
from edgekit.pipeline import Pipeline, check_scores, choose_artifact, open_artifact, open_pipeline, probabilities_of
from edgekit.runtimes.base import RUNTIME_FORMATS
from edgekit.runtimes.module import TorchEngine
from edgekit.runtimes.open import installed_runtimes
from edgekit.runtimes.quantised import EngineRuntime
from edgekit.training.data import Example, images_of, labelled_digest
from edgekit.training.features import plain_features
from edgekit.training.metrics import compute_metrics, result_row
from edgekit.training.progress import Progress
from edgekit.training.reliability import answers_at, reliability
from edgekit.training.windows import labelled_windows
from edgekit.workflows.card import card_of_run

__all__ = ["Candidate", "Evaluation", "LabelledData", "Outcome", "assess", "evaluate", "labelled_data", "scores_of"]


@dataclass(frozen=True)
class Candidate:
    """One artifact on one runtime, opened.

    Attributes:
        artifact: file name, or the run's folder.
        format: "onnx" or "tflite", None for a run.
        precision: of the artifact.
        pipeline: to be closed.
        bytes: of the file; of a run, its weights.
        sha256: of the same.
    """

    artifact: str
    format: str | None
    precision: str
    pipeline: Pipeline
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """What one candidate said.

    Attributes:
        row: an element of "results" of `edgekit evaluate --json`.
        scores: (N, C) float32 as they came.
        probabilities: (N, C) float32, None where the model gives raw scores.
    """

    row: dict[str, Any]
    scores: np.ndarray
    probabilities: np.ndarray | None

    @property
    def ranking(self) -> np.ndarray:
        """(N, C): what to rank the classes by."""
        return self.scores if self.probabilities is None else self.probabilities


@dataclass(frozen=True)
class LabelledData:
    """Inputs with their classes.

    Attributes:
        inputs: N image files, or (N, ...) float32 windows as the front end takes them.
        features: (N, ...) float32, raw.
        targets: (N,) class indices.
        digest: sha256 over the images (windows) and the names of their classes, whatever a model sees of them.
    """

    inputs: Sequence[Path] | np.ndarray
    features: np.ndarray
    targets: np.ndarray
    digest: str


@dataclass(frozen=True)
class Evaluation:
    """Every candidate on the same inputs.

    Attributes:
        name: of the run, the bundle or the file.
        card: labels, front end, output kind.
        data: what was evaluated on.
        outcomes: one a candidate, one at least.
        deployed: the index of the one that `edgekit.open` would open.
    """

    name: str
    card: ModelCard
    data: LabelledData
    outcomes: tuple[Outcome, ...]
    deployed: int

    def to_json(self) -> dict[str, Any]:
        """The document of `edgekit evaluate --json`."""
        rows = [outcome.row for outcome in self.outcomes]
        told = {"source": self.name, "n": len(self.data.targets), "data": self.data.digest}
        return {**told, "labels": list(self.card.labels), "results": rows}


def evaluate(
    source: Path, data: Path, progress: Progress, runtime: str | None = None, precision: str | None = None, threads: int = 1
) -> dict[str, Any]:
    """The document of `edgekit evaluate --json`; arguments and errors as of `assess`."""
    return assess(source, data, progress, runtime, precision, threads).to_json()


def assess(
    source: Path, data: Path, progress: Progress, runtime: str | None = None, precision: str | None = None, threads: int = 1
) -> Evaluation:
    """Every artifact on every runtime, on labelled inputs.

    Args:
        source: a run folder, a bundle, or one exported model file.
        data: `test/` where it has one, else every image of a plain CLASS/* folder; for sensor windows an .npz file, or a folder
            with test.npz.
        progress: told of every image and artifact.
        runtime: only this one.
        precision: only artifacts of this one.
        threads: of the runtimes.

    Raises:
        UserError: when the source is none of these, or nothing is left to evaluate.
        DataError: on a folder that cannot be evaluated on.
    """
    card = _card(source)
    labelled = labelled_data(card, data, progress)
    outcomes = []
    for candidate in candidates(source, runtime, precision, threads):
        with candidate.pipeline as pipeline:
            scores = scores_of(pipeline, labelled.features, progress, f"{candidate.artifact} on {pipeline.runtime.name}")
            outcomes.append(_outcome(candidate, card, scores, labelled.targets))
    if not outcomes:
        raise MissingExtraError("A runtime for the artifacts", "litert,onnx")
    deployed = _deployed(source, runtime, precision, [outcome.row for outcome in outcomes])
    return Evaluation(source.resolve().name, card, labelled, tuple(outcomes), deployed)


def _outcome(candidate: Candidate, card: ModelCard, scores: np.ndarray, targets: np.ndarray) -> Outcome:
    probabilities = probabilities_of(scores, card.output)
    row = result_row(
        compute_metrics(targets, scores if probabilities is None else probabilities),
        artifact=candidate.artifact,
        kind=candidate.format,
        precision=candidate.precision,
        runtime=candidate.pipeline.runtime.name,
    )
    row["ece"] = None if probabilities is None else reliability(targets, probabilities).ece
    row["answers"] = _answers(targets, probabilities, card.output.answer_from)
    row |= {"bytes": candidate.bytes, "sha256": candidate.sha256}
    return Outcome(row, scores, probabilities)


def _answers(targets: np.ndarray, probabilities: np.ndarray | None, least: float | None) -> dict[str, Any] | None:
    """What is left of the answers where the model withholds some; accuracy and confusion are of all."""
    if probabilities is None or least is None:
        return None
    return asdict(answers_at(targets, probabilities, least))


def _deployed(source: Path, runtime: str | None, precision: str | None, rows: Sequence[dict[str, Any]]) -> int:
    if not is_bundle(source):
        return 0
    artifact, name = choose_artifact(Bundle.open(source), runtime, precision)
    return next(i for i, row in enumerate(rows) if (row["artifact"], row["runtime"]) == (artifact.file, name))


def labelled_data(card: ModelCard, data: Path, progress: Progress) -> LabelledData:
    """Labelled inputs and their raw features: of a folder of images, through the feature cache, or of windows of samples."""
    frontend = create_frontend(card.frontend.name, card.frontend.config)
    if frontend.size is None:
        windows, targets, contents = labelled_windows(card.labels, frontend, data)
        digest = labelled_digest(zip(contents, targets, strict=True), card.labels)
        return LabelledData(windows, frontend.raw(windows), targets, digest)
    found = images_of(data, card.labels)
    examples = [Example(path, label, sha256_of(path.read_bytes())) for path, label in found]
    features, _ = plain_features(examples, frontend, progress)
    targets = np.array([example.label for example in examples])
    digest = labelled_digest(((example.digest, example.label) for example in examples), card.labels)
    return LabelledData([path for path, _ in found], features, targets, digest)


def scores_of(pipeline: Pipeline, features: np.ndarray, progress: Progress, stage: str) -> np.ndarray:
    """Scores (N, classes) float32 of raw features (N, ...), one image at a time as on a board."""
    progress.start(stage, len(features))
    scores = []
    for item in features:
        scores.append(check_scores(pipeline.infer(pipeline.prepare(item))))
        progress.advance()
    return np.stack(scores)


def candidates(source: Path, runtime: str | None, precision: str | None, threads: int) -> Iterator[Candidate]:
    """Every artifact on every installed runtime that was asked for; opened one at a time."""
    if is_run(source):
        if runtime not in (None, "torch") or precision not in (None, "fp32"):
            raise UserError(f"Expected a bundle for {runtime or precision}, {source} is a run: torch in fp32. Export it first.")
        weights = (source / WEIGHTS).read_bytes()
        yield Candidate(source.name, None, "fp32", run_pipeline(source), len(weights), sha256_of(weights))
        return
    if runtime == "torch":
        raise UserError(f"Expected a run folder for torch, {source} is none. Pass the run, or another runtime.")
    if source.is_file() and not is_bundle(source):
        yield from _file_candidates(source, runtime, precision, threads)
        return
    bundle = Bundle.open(source)
    format_ = RUNTIME_FORMATS[runtime] if runtime else None
    for artifact in bundle.artifacts(precision, format_):
        for name in _runtimes(artifact.format, runtime):
            opened = open_artifact(bundle, artifact, name, threads)
            yield Candidate(artifact.file, artifact.format, artifact.precision, opened, artifact.bytes, artifact.sha256)


def run_pipeline(run_path: Path) -> Pipeline:
    """The trained network itself, in PyTorch, behind the pipeline."""
    run = load_run(run_path)
    card = card_of_run(run)
    batch = TensorSpec(card.input.name, "float32", (-1, *card.input.shape[1:]), card.input.layout)
    engine = TorchEngine(run.module, batch, TensorSpec("logits", "float32", (-1, len(card.labels)), "NC"))
    return Pipeline(card, EngineRuntime(engine))


def _file_candidates(source: Path, runtime: str | None, wanted: str | None, threads: int) -> Iterator[Candidate]:
    with open_pipeline(source, runtime, wanted) as first:
        format_ = RUNTIME_FORMATS[first.runtime.name]
        precision = precision_of(inspect_file(source), first.runtime.inputs[0])
    model = source.read_bytes()
    for name in _runtimes(format_, runtime):
        yield Candidate(source.name, format_, precision, open_pipeline(source, name, None, threads), len(model), sha256_of(model))


def _runtimes(format_: str, wanted: str | None) -> Sequence[str]:
    return (wanted,) if wanted else installed_runtimes(format_)


def _card(source: Path) -> ModelCard:
    if is_run(source):
        return card_of_run(load_run(source))
    if source.is_file() and not is_bundle(source):
        with open_pipeline(source) as pipeline:
            return pipeline.card
    return Bundle.open(source).manifest.card
