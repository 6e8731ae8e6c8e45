"""Figures of an evaluation: ROC and precision-recall curves, the reliability diagram, answers withheld."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.training.reliability import Reliability, answers_at
from edgekit.workflows.page import INK, as_text, new_figure

__all__ = ["ClassFigures", "answers_figure", "class_figures", "ranking_figure", "reliability_figure"]

_GREY, _FILL = "#8a96a3", "#c9d3dc"

#: Colours that the colour-blind tell apart (Okabe and Ito 2008), with strokes for those who print in grey.
_STROKES = (("#0072b2", "-"), ("#d55e00", "--"), ("#009e73", "-."), ("#cc79a7", ":"), ("#1a1f24", (0, (5, 1, 1, 1, 1, 1))))


@dataclass(frozen=True)
class ClassFigures:
    """One class against all others.

    Attributes:
        label: its name.
        n: examples of it.
        precision: share of right ones among those called so, None where none is.
        recall: share of its examples that are called so, None where there are none; likewise the next three.
        f1: harmonic mean of both.
        average_precision: area under precision over recall.
        roc_auc: area under the ROC curve.
    """

    label: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None
    roc_auc: float | None


def class_figures(targets: np.ndarray, scores: np.ndarray, labels: Sequence[str]) -> list[ClassFigures]:
    """Figures of every class; those that are undefined (a class without examples, or without others) are None.

    Args:
        targets: (N,) class indices.
        scores: (N, C) probabilities, or scores that rank the same way.
        labels: C names.
    """
    from sklearn import metrics

    predicted, classes = scores.argmax(axis=1), np.arange(len(labels))
    precision, recall, f1, counts = metrics.precision_recall_fscore_support(
        targets, predicted, labels=classes, average=None, zero_division=np.nan
    )
    rows = []
    for i, label in enumerate(labels):
        truth, ranking = targets == i, scores[:, i]
        ranked = bool(truth.any() and not truth.all() and np.isfinite(ranking).all())
        average = float(metrics.average_precision_score(truth, ranking)) if ranked else None
        auc = float(metrics.roc_auc_score(truth, ranking)) if ranked else None
        shares = (_known(precision[i]), _known(recall[i]), _known(f1[i]) if counts[i] else None)
        rows.append(ClassFigures(label, int(counts[i]), *shares, average, auc))
    return rows


def ranking_figure(targets: np.ndarray, scores: np.ndarray, classes: Sequence[ClassFigures]) -> Any:
    """ROC curves to the left, precision over recall to the right, one class against all others.

    Of two classes the second alone is drawn: its curve says everything. The classes with the least average precision have names
    and strokes, the others are grey.

    Args:
        targets: (N,) class indices.
        scores: (N, C) probabilities, or scores that rank the same way.
        classes: as `class_figures` gave them, at least one of them ranked.
    """
    from sklearn import metrics

    shown = [i for i in (range(len(classes)) if len(classes) != 2 else (1,)) if classes[i].average_precision is not None]
    shown.sort(key=lambda i: classes[i].average_precision or 0.0)
    figure = new_figure(9.0, 4.2)
    roc, recall_axes = figure.subplots(1, 2)
    for rank, i in reversed(list(enumerate(shown))):
        colour, stroke = _STROKES[rank] if rank < len(_STROKES) else (_FILL, "-")
        name, found = as_text(classes[i].label), classes[i]
        tpr_of = metrics.roc_curve(targets == i, scores[:, i])
        precision, recall, _ = metrics.precision_recall_curve(targets == i, scores[:, i])
        named = rank < len(_STROKES)
        style = {"color": colour, "linestyle": stroke, "linewidth": 1.6 if named else 0.8}
        roc.plot(tpr_of[0], tpr_of[1], **style, label=f"{name} ({found.roc_auc:.3f})" if named else None)
        label = f"{name} ({found.average_precision:.3f})" if named else None
        recall_axes.plot(recall, precision, drawstyle="steps-post", **style, label=label)
    roc.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    for axes, title, x, y in (
        (roc, "ROC (area)", "false positive rate", "true positive rate"),
        (recall_axes, "precision over recall (average precision)", "recall", "precision"),
    ):
        axes.set(xlabel=x, ylabel=y, xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        axes.set_title(title, fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="lower right" if axes is roc else "lower left")
    return figure


def reliability_figure(found: Reliability) -> Any:
    """Accuracy over confidence, bin by bin, above how many examples each bin holds."""
    figure = new_figure(4.4, 4.2)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    top.plot(found.confidence, found.accuracy, marker="o", markersize=4, color=INK, linewidth=1.2)
    top.set(ylabel="accuracy", ylim=(-0.02, 1.02), xlim=(0, 1.01))
    bottom.bar(found.confidence, found.count, width=0.03, color=_GREY)
    bottom.set(xlabel="best probability", ylabel="examples")
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def answers_figure(targets: np.ndarray, probabilities: np.ndarray, threshold: float | None) -> Any:
    """Coverage and precision over the threshold below which answers are withheld; the model's own one marked.

    Args:
        targets: (N,) class indices.
        probabilities: (N, C).
        threshold: of the model, None without one.
    """
    steps = np.linspace(0, 1, 101)
    answers = [answers_at(targets, probabilities, float(step)) for step in steps]
    figure = new_figure(4.4, 4.2)
    axes = figure.subplots()
    axes.plot(steps, [answer.coverage for answer in answers], color="#0072b2", label="answered")
    precision = [np.nan if answer.precision is None else answer.precision for answer in answers]
    axes.plot(steps, precision, color="#d55e00", linestyle="--", label="right among the answers")
    if threshold is not None:
        axes.axvline(threshold, color=_GREY, linestyle=":", label=f"threshold {threshold:.3f}")
    axes.set(xlabel="least probability of an answer", ylabel="share of examples", xlim=(0, 1.01), ylim=(-0.02, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
