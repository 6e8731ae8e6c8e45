"""One HTML page of an evaluation: where the model that a board would run errs, and how every artifact fares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.training.reliability import reliability
from edgekit.workflows.evaluate import Evaluation, Outcome
from edgekit.workflows.figures import ClassFigures, answers_figure, class_figures, ranking_figure, reliability_figure
from edgekit.workflows.mistakes import AT_MOST, worst_mistakes
from edgekit.workflows.page import confusion_figure, inline, render

__all__ = ["evaluation_report"]

_HEADER = ["artifact", "runtime", "bytes", "accuracy", "macro F1", "average precision", "ROC AUC", "ECE"]
_CLASS_HEADER = ["class", "examples", "precision", "recall", "F1", "average precision", "ROC AUC"]


def evaluation_report(evaluation: Evaluation, data: str) -> str:
    """The page as text.

    Args:
        evaluation: with the inputs still where they were: the mistakes are drawn.
        data: name of the data, for the heading.

    Raises:
        MissingExtraError: without Jinja2 or matplotlib.
        ImageError: when an image can no longer be decoded.
    """
    outcome, targets, labels = evaluation.outcomes[evaluation.deployed], evaluation.data.targets, evaluation.card.labels
    classes = class_figures(targets, outcome.ranking, labels)
    ranked = any(row.average_precision is not None for row in classes)
    wrong = sum(map(sum, outcome.row["confusion"])) - sum(row[i] for i, row in enumerate(outcome.row["confusion"]))
    windows = evaluation.card.frontend.name == "samples"
    return render(
        "evaluation.html.j2",
        title=f"{evaluation.name} on {data}",
        lead=f"{outcome.row['artifact']} on {outcome.row['runtime']}, {len(targets)} {'windows' if windows else 'images'}.",
        tiles=_tiles(outcome),
        header=_HEADER,
        rows=[_row(row.row) for row in evaluation.outcomes],
        chosen=evaluation.deployed,
        class_header=_CLASS_HEADER,
        classes=[_class_row(row) for row in classes],
        confusion=inline(confusion_figure(outcome.row["confusion"], labels)),
        ranking=inline(ranking_figure(targets, outcome.ranking, classes)) if ranked else None,
        honesty=_honesty(evaluation, outcome),
        wrong=wrong,
        at_most=AT_MOST,
        mistakes=worst_mistakes(evaluation.data.inputs, targets, outcome.ranking, labels, outcome.probabilities is not None),
    )


def _honesty(evaluation: Evaluation, outcome: Outcome) -> dict[str, Any] | None:
    """The reliability diagram and what a threshold would do; None where there are no probabilities."""
    if outcome.probabilities is None:
        return None
    targets = evaluation.data.targets
    return {
        "reliability": inline(reliability_figure(reliability(targets, outcome.probabilities))),
        "answers": inline(answers_figure(targets, outcome.probabilities, evaluation.card.output.answer_from)),
    }


def _tiles(outcome: Outcome) -> list[tuple[str, str]]:
    row, answers = outcome.row, outcome.row["answers"]
    withheld = []
    if answers is not None:
        share = f"{_percent(answers['coverage'])} answered, of these right"
        withheld = [(f"{share} (from {answers['threshold']:.3f} on)", _percent(answers["precision"]))]
    return [
        ("accuracy", _percent(row["accuracy"])),
        ("macro F1", _figure(row["macro_f1"])),
        ("calibration error (ECE)", _percent(row["ece"])),
        *withheld,
        ("file", f"{row['bytes']:,} bytes"),
    ]


def _row(row: dict[str, Any]) -> Sequence[str]:
    figures = (_figure(row[key]) for key in ("macro_f1", "average_precision", "roc_auc"))
    return [row["artifact"], row["runtime"], f"{row['bytes']:,}", _percent(row["accuracy"]), *figures, _percent(row["ece"])]


def _class_row(row: ClassFigures) -> Sequence[str]:
    shares = (_percent(value) for value in (row.precision, row.recall, row.f1))
    return [row.label, str(row.n), *shares, _figure(row.average_precision), _figure(row.roc_auc)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
