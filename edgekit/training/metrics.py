"""Classification metrics, all through scikit-learn; what is undefined is None, never a number made up."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import InputError

__all__ = ["Metrics", "compute_metrics", "result_row"]


@dataclass(frozen=True)
class Metrics:
    """How predictions compare with the truth.

    Attributes:
        n: number of examples.
        accuracy: share with the right label, 0 to 1.
        macro_f1: unweighted mean F1 of the classes that occur in truth or prediction, 0 to 1.
        average_precision: area under precision over recall; two classes: of the second (index 1); more: one-vs-rest, macro. None
            where undefined.
        roc_auc: area under the ROC curve; two classes or one-vs-rest, macro. None where undefined.
        confusion: (C, C) counts, row = truth, column = prediction.
    """

    n: int
    accuracy: float
    macro_f1: float
    average_precision: float | None
    roc_auc: float | None
    confusion: tuple[tuple[int, ...], ...]


def compute_metrics(targets: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """Compare class probabilities with the truth.

    Args:
        targets: (N,) integer class indices.
        probabilities: (N, C) float, rows summing to 1; any scores that rank the same way do.

    Raises:
        InputError: on no examples, shapes that do not fit, or an index out of range.
    """
    from sklearn import metrics

    targets, scores = np.asarray(targets), np.asarray(probabilities, np.float64)
    _check(targets, scores)
    classes = scores.shape[1]
    predicted = scores.argmax(axis=1)
    confusion = metrics.confusion_matrix(targets, predicted, labels=np.arange(classes))
    return Metrics(
        n=len(targets),
        accuracy=float(metrics.accuracy_score(targets, predicted)),
        macro_f1=float(metrics.f1_score(targets, predicted, average="macro", zero_division=0)),
        average_precision=_ranked(metrics.average_precision_score, targets, scores),
        roc_auc=_ranked(metrics.roc_auc_score, targets, scores),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def result_row(values: Metrics, *, artifact: str, kind: str | None, precision: str, runtime: str) -> dict[str, Any]:
    """One row of `edgekit evaluate --json`.

    Args:
        values: the metrics.
        artifact: file name, or the run's folder.
        kind: the artifact's format: "onnx" or "tflite", None for a run.
        precision: of the artifact.
        runtime: that gave the predictions.
    """
    return {
        "artifact": artifact,
        "format": kind,
        "precision": precision,
        "runtime": runtime,
        "accuracy": values.accuracy,
        "macro_f1": values.macro_f1,
        "average_precision": values.average_precision,
        "roc_auc": values.roc_auc,
        "confusion": [list(row) for row in values.confusion],
    }


def _ranked(score: Any, targets: np.ndarray, scores: np.ndarray) -> float | None:
    """A ranking metric: undefined unless every class has both examples and counter-examples, and the scores are finite."""
    classes = scores.shape[1]
    counts = np.bincount(targets, minlength=classes)
    if classes < 2 or counts.min() == 0 or not np.isfinite(scores).all():
        return None
    one_hot = np.eye(classes, dtype=np.int64)[targets]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if classes == 2:
            return float(score(targets, scores[:, 1]))
        return float(score(one_hot, scores, average="macro"))


def _check(targets: np.ndarray, scores: np.ndarray) -> None:
    if targets.ndim != 1 or scores.ndim != 2 or len(targets) != len(scores) or not len(targets):
        raise InputError(f"Expected (N,) targets and (N, C) probabilities, N > 0, got {targets.shape} and {scores.shape}.")
    if targets.dtype.kind not in "iu" or targets.min() < 0 or targets.max() >= scores.shape[1]:
        raise InputError(f"Expected integer targets in [0, {scores.shape[1] - 1}], got {targets.min()} to {targets.max()}.")
