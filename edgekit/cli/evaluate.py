"""`edgekit evaluate`: accuracy of every artifact on every runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.common import Json, Threads, boundary, existing, log, print_json, print_table, progress_bar

__all__ = ["evaluate", "show_results"]


@boundary
def evaluate(
    source: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="A run folder, a bundle, or one exported file.")],
    data: Annotated[Path, typer.Argument(help="test/CLASS/* where DATA has one, else every image of CLASS/*.")],
    runtime: Annotated[str | None, typer.Option(help="Only litert, tflite-runtime, onnxruntime or torch.")] = None,
    precision: Annotated[str | None, typer.Option(help="Only fp32, fp16, int8-dynamic or int8.")] = None,
    threads: Threads = 1,
    report: Annotated[Path | None, typer.Option(help="New HTML page: curves, calibration, classes, worst mistakes.")] = None,
    json: Json = False,
) -> None:
    """Accuracy, macro F1, average precision, ROC AUC, calibration error and confusion matrix, per artifact and runtime.

    Example: edgekit evaluate fire.bundle data/fire --report fire.html
    """
    from edgekit.core.files import check_new, write_file
    from edgekit.core.recipe import PRECISIONS
    from edgekit.errors import UnknownNameError
    from edgekit.runtimes.base import RUNTIME_FORMATS
    from edgekit.training.data import is_whole
    from edgekit.workflows.evaluate import assess
    from edgekit.workflows.evaluation_report import evaluation_report

    if runtime is not None and runtime not in (*RUNTIME_FORMATS, "torch"):
        raise UnknownNameError("runtime", runtime, [*RUNTIME_FORMATS, "torch"])
    if precision is not None and precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    existing(source, "a run folder, a bundle or a model file")
    if report is not None:
        check_new(report)
    with progress_bar() as progress:
        evaluation = assess(source, data, progress, runtime, precision, threads)
    if report is not None:
        # Names of files may be no text.
        write_file(report, evaluation_report(evaluation, data.resolve().name).encode("utf-8", "replace"))
    document = evaluation.to_json()
    if evaluation.card.frontend.name != "samples" and is_whole(data):
        log(f"Note: all images of {data} are judged, and a model trained on this folder knows most: see train's test figure.")
    if json:
        print_json(document)
        return
    show_results(document, "windows" if evaluation.card.frontend.name == "samples" else "images")
    if report is not None:
        typer.echo(f"report: {report}")


def show_results(document: dict[str, Any], examples: str = "images") -> None:
    """The document as a table on stdout; `examples` says what was evaluated on."""
    typer.echo(f"{document['n']} {examples}, labels {', '.join(document['labels'])}")
    rows = [
        [
            row["artifact"],
            row["runtime"],
            f"{100 * row['accuracy']:.2f} %",
            f"{row['macro_f1']:.4f}",
            _optional(row["average_precision"]),
            _optional(row["roc_auc"]),
            _optional(row["ece"]),
        ]
        for row in document["results"]
    ]
    print_table(["artifact", "runtime", "accuracy", "macro F1", "AP", "ROC AUC", "ECE"], rows)
    for row in document["results"]:
        if (answers := row["answers"]) is not None:
            right = "none" if answers["precision"] is None else f"{100 * answers['precision']:.2f} % right"
            named = f"{row['artifact']} on {row['runtime']}"
            typer.echo(
                f"{named}: {100 * answers['coverage']:.2f} % answered from {answers['threshold']:.4f} on, of these {right}"
            )


def _optional(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
