"""`edgekit quickstart`: the main job on embedded data."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.common import Json, boundary, print_json, print_table, progress_bar
from edgekit.cli.evaluate import show_results
from edgekit.cli.export import show_artifacts
from edgekit.core.strict import to_json

__all__ = ["quickstart"]


@boundary
def quickstart(
    out: Annotated[Path | None, typer.Option(help="A new folder. Default: quickstart, or the next free quickstart-N.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 0,
    json: Json = False,
) -> None:
    """Train, export, verify, evaluate and bench on scikit-learn's digits, and write a report: a few minutes on two cores.

    Example: edgekit quickstart --out first-try
    """
    from edgekit.bench.report import HEADER, table
    from edgekit.workflows.quickstart import quickstart as run_quickstart

    folder = out or _free_folder()
    with progress_bar() as progress:
        result = run_quickstart(folder, progress, seed)
    bundle, report = folder / "digits.bundle", folder / "report.html"
    if json:
        print_json(
            {
                "out": str(folder),
                "bundle": str(bundle),
                "report": str(report),
                "train": {**result.training, "run": str(folder / "run")},
                "artifacts": [to_json(artifact) for artifact in result.manifest.artifacts],
                "evaluate": result.evaluation,
                "bench": result.bench,
                "int8_accuracy": result.int8_accuracy,
                "logistic_regression_accuracy": result.baseline_accuracy,
            }
        )
        return
    show_artifacts(bundle, result.manifest)
    typer.echo("")
    show_results(result.evaluation)
    typer.echo("")
    print_table(HEADER, table(result.bench["runs"]))
    typer.echo(f"\nlogistic regression on the pixels: {100 * result.baseline_accuracy:.2f} %")
    typer.echo(f"int8 TFLite:                       {100 * result.int8_accuracy:.2f} %\n")
    typer.echo(f"bundle: {bundle}\nreport: {report}\nnext:   edgekit predict {bundle} {folder}/digits/test/7")


def _free_folder() -> Path:
    names = itertools.chain(["quickstart"], (f"quickstart-{number}" for number in itertools.count(2)))
    return next(Path(name) for name in names if not Path(name).exists())
