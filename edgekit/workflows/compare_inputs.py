"""What `edgekit compare` can read: run folders, bundles, and the JSON documents of evaluate and bench."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.core.bundle import Bundle, is_bundle
from edgekit.errors import UserError
from edgekit.inspection import inspect_bundle

__all__ = ["Facts", "read_facts"]

_EXPECTED = "a run folder, a bundle, or a JSON document of edgekit evaluate or edgekit bench"


@dataclass(frozen=True)
class Facts:
    """What one input says of one model; None where it does not say.

    Attributes:
        source: the input, for messages.
        name: of the bundle or the run.
        artifact: file name; of a run, its weights.
        precision: of the artifact.
        sha256: of the file, by which the facts of several inputs come together.
        runtime: on which accuracy and latency were measured.
        device: on which latency was measured.
        accuracy: on a test set, 0 to 1.
        n: examples of that test set.
        data: sha256 of that test set.
        bytes: of the file.
        parameters: of the network.
        macs: multiply-accumulates of one example; None too where a file leaves a size open.
        model_ms: median latency of the model alone in milliseconds.
        image_ms: median latency from image (or window) to label in milliseconds.
    """

    source: str
    name: str | None = None
    artifact: str | None = None
    precision: str | None = None
    sha256: str | None = None
    runtime: str | None = None
    device: str | None = None
    accuracy: float | None = None
    n: int | None = None
    data: str | None = None
    bytes: int | None = None
    parameters: int | None = None
    macs: int | None = None
    model_ms: float | None = None
    image_ms: float | None = None

    @property
    def is_evaluation(self) -> bool:
        """An accuracy without a network: a run knows its parameters."""
        return self.accuracy is not None and self.parameters is None


def read_facts(path: Path) -> list[Facts]:
    """All that one input says.

    Raises:
        UserError: when it is none of what can be read.
    """
    if is_bundle(path):
        return list(_of_bundle(path))
    if path.is_dir():
        return [_of_run(path)]
    if not path.exists():
        raise UserError(f"Expected {_EXPECTED} at {path}, found nothing there. Check the path.")
    document = _parse(path)
    try:
        if "results" in document:
            return [_sound(fact) for fact in _of_evaluation(path, document)]
        if "runs" in document:
            return [_sound(fact) for fact in _of_bench(path, document)]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"Expected {_EXPECTED}, {path} is none: {type(error).__name__} {error}. Write it again.") from error
    raise UserError(f"Expected {_EXPECTED}, {path} holds other keys: {', '.join(document)[:80]}. Write it with --json.")


def _of_bundle(path: Path) -> Iterator[Facts]:
    bundle = Bundle.open(path)
    report = inspect_bundle(bundle)
    walked = [row for row in report["artifacts"] if row["operators"] is not None]
    for artifact, row in zip(bundle.manifest.artifacts, report["artifacts"], strict=True):
        # Without onnx an ONNX graph is not walked: the bundle's other files are the same network. A count that the graph
        # itself leaves unknown stays unknown.
        told = next(iter(walked), row) if row["operators"] is None else row
        yield Facts(
            str(path),
            bundle.manifest.name,
            artifact.file,
            artifact.precision,
            artifact.sha256,
            bytes=artifact.bytes,
            parameters=told["parameters"],
            macs=told["macs"],
        )


def _of_run(path: Path) -> Facts:
    from edgekit.models.checkpoint import WEIGHTS, load_run
    from edgekit.models.counts import count_macs, count_parameters

    run = load_run(path)
    accuracy, n, data = _tested(path / "metrics.json")
    return Facts(
        str(path),
        path.resolve().name,
        WEIGHTS,
        "fp32",
        run.config.weights,
        "torch",
        accuracy=accuracy,
        n=n,
        data=data,
        bytes=(path / WEIGHTS).stat().st_size,
        parameters=count_parameters(run.module),
        macs=count_macs(run.module, run.config.input_shape),
    )


def _tested(metrics: Path) -> tuple[float | None, int | None, str | None]:
    """Accuracy, number of examples and sha256 of the test set, each None where it is not told."""
    test = _parse(metrics).get("test") if metrics.is_file() else None
    if not test:
        return None, None, None
    try:
        data = test.get("data")
        if not isinstance(data, str | None):
            raise TypeError(f"{data!r} is no text")
        return float(test["accuracy"]), int(test["n"]), data
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"Expected test figures in {metrics}, found {str(test)[:80]}. Train again, or remove it.") from error


def _of_evaluation(path: Path, document: dict[str, Any]) -> Iterator[Facts]:
    name = document.get("source") or path.stem
    for row in document["results"]:
        yield Facts(
            str(path),
            name,
            row["artifact"],
            row["precision"],
            row.get("sha256"),
            row["runtime"],
            accuracy=float(row["accuracy"]),
            n=int(document["n"]),
            data=document.get("data"),
            bytes=row.get("bytes"),
        )


def _of_bench(path: Path, document: dict[str, Any]) -> Iterator[Facts]:
    device = document["device"]
    for row in document["runs"]:
        yield Facts(
            str(path),
            path.stem,
            row["artifact"],
            row["precision"],
            row.get("sha256"),
            row["runtime"],
            device.get("board") or device.get("cpu") or device["machine"],
            bytes=row.get("bytes"),
            model_ms=float(row["model_only"]["p50_ms"]),
            image_ms=float(row["end_to_end"]["p50_ms"]),
        )


def _sound(fact: Facts) -> Facts:
    """The same, or a ValueError on texts that are no texts and figures that are none."""
    texts = (fact.name, fact.artifact, fact.precision, fact.sha256, fact.runtime, fact.device, fact.data)
    figures = (fact.accuracy, fact.n, fact.bytes, fact.model_ms, fact.image_ms)
    for text in texts:
        if not isinstance(text, str | None):
            raise ValueError(f"{text!r} is no text")
    for figure in figures:
        if figure is not None and not (isinstance(figure, int | float) and 0 <= figure < math.inf):
            raise ValueError(f"{figure!r} is no figure")
    if fact.accuracy is not None and fact.accuracy > 1:
        raise ValueError(f"an accuracy of {fact.accuracy} is above 1")
    return fact


def _parse(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"Expected {_EXPECTED}, {path} cannot be read as JSON: {error}.") from error
    if not isinstance(document, dict):
        raise UserError(f"Expected {_EXPECTED}, {path} holds a JSON {type(document).__name__}.")
    return document
