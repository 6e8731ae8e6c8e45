"""The whole road on data that lies in the box: scikit-learn's handwritten digits, to a verified int8 bundle and a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench.plan import SMOKE, candidates_of
from edgekit.bench.run import bench_bundle
from edgekit.core.bundle import Bundle
from edgekit.core.files import fresh_folder, write_file
from edgekit.core.manifest import Manifest
from edgekit.errors import GateError
from edgekit.golden import check_golden
from edgekit.training.config import TrainConfig
from edgekit.training.digits import DIGITS_RECIPE, write_digits
from edgekit.training.loop import train
from edgekit.training.progress import Progress
from edgekit.workflows.evaluate import evaluate
from edgekit.workflows.export import export_run
from edgekit.workflows.report import html_report

__all__ = ["Quickstart", "logistic_regression_accuracy", "quickstart"]


@dataclass(frozen=True)
class Quickstart:
    """What came out.

    Attributes:
        training: the document of `edgekit train --json`.
        manifest: of the bundle.
        evaluation: the document of `edgekit evaluate --json`.
        bench: the document of `edgekit bench --smoke --json` on test images.
        int8_accuracy: of the int8 TFLite file on the test images, 0 to 1.
        baseline_accuracy: of logistic regression on the pixels, on the same test images.
    """

    training: dict[str, Any]
    manifest: Manifest
    evaluation: dict[str, Any]
    bench: dict[str, Any]
    int8_accuracy: float
    baseline_accuracy: float


def quickstart(out: Path, progress: Progress, seed: int = 0) -> Quickstart:
    """Train, export, verify, evaluate, bench, report; everything lands in `out`: digits/, run/, digits.bundle/, report.html.

    Args:
        out: a new folder.
        progress: told of every step.
        seed: of the training.

    Raises:
        UserError: when `out` exists.
        GateError: when an artifact misses its gate or does not reproduce its golden vectors.
    """
    with fresh_folder(out):
        data, run, bundle = out / "digits", out / "run", out / "digits.bundle"
        write_digits(data)
        training = train(TrainConfig(data=data, out=run, seed=seed, **DIGITS_RECIPE), progress).to_json()
        manifest = export_run(run, bundle, progress)
        _verify(bundle)
        evaluation = evaluate(bundle, data, progress)
        bench = _bench(bundle, data / "test", progress)
        int8 = min(row["accuracy"] for row in evaluation["results"] if row["format"] == "tflite" and row["precision"] == "int8")
        result = Quickstart(training, manifest, evaluation, bench, int8, logistic_regression_accuracy(data))
        write_file(out / "report.html", _report(result, run).encode("utf-8"))
    return result


def logistic_regression_accuracy(data: Path) -> float:
    """Accuracy on test/ of scikit-learn's logistic regression on the pixels of train/, the baseline to beat."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (x_train, y_train), (x_test, y_test) = (_pixels(data / side) for side in ("train", "test"))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x_train, y_train)
    return float(model.score(x_test, y_test))


def _pixels(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    from edgekit.frontends.image import decode

    paths = sorted(folder.glob("*/*.png"))
    return np.stack([decode(path)[..., 0].ravel() for path in paths]), np.array([int(path.parent.name) for path in paths])


def _verify(bundle: Path) -> None:
    failed = [check for check in check_golden(Bundle.open(bundle)) if not check.ok]
    if failed:
        names = ", ".join(f"{check.artifact} on {check.runtime}" for check in failed)
        raise GateError(f"Expected every artifact to reproduce its golden vectors, these do not: {names}.")


def _bench(path: Path, images: Path, progress: Progress) -> dict[str, Any]:
    bundle = Bundle.open(path)
    candidates = candidates_of(bundle)
    progress.start("bench", len(candidates) * (1 + SMOKE.windows))
    return bench_bundle(bundle, candidates, SMOKE, sorted(images.glob("*/*.png")), progress.advance)


def _report(result: Quickstart, run: Path) -> str:
    sizes = {artifact.file: artifact.bytes for artifact in result.manifest.artifacts}
    tiles = [
        ("int8 TFLite, test accuracy", f"{100 * result.int8_accuracy:.2f} %"),
        ("logistic regression on the pixels", f"{100 * result.baseline_accuracy:.2f} %"),
        ("int8 TFLite file", f"{sizes['model.int8.tflite']:,} bytes"),
        ("artifacts verified", str(len(sizes))),
    ]
    lead = f"{result.manifest.model} on scikit-learn's handwritten digits: trained, exported and measured on every runtime."
    return html_report("Digits, from photographs to int8", lead, tiles, run, result.manifest, result.evaluation, result.bench)
