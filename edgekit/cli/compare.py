"""`edgekit compare`: accuracy against bytes against cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.common import Json, boundary, log, print_json, print_table

__all__ = ["compare"]


@boundary
def compare(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="RUN_OR_RESULT...", help="Run folders, bundles, JSON documents of evaluate and bench."),
    ],
    precision: Annotated[str | None, typer.Option(help="Only fp32, fp16, int8-dynamic or int8.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A new .png or .svg: accuracy over each cost.")] = None,
    json: Json = False,
) -> None:
    """Accuracy against bytes, MACs and latency: one row for every file and runtime, the same file of several inputs put together.

    Marked are the models that no other beats: none is at least as accurate for less.

    Example: edgekit compare fire.bundle small.bundle fire.json small.json bench.json --precision int8 --plot fire.png
    """
    from edgekit.core.files import check_new, write_file
    from edgekit.core.recipe import PRECISIONS
    from edgekit.errors import UnknownNameError, UserError
    from edgekit.workflows.compare import compare as compare_sources
    from edgekit.workflows.compare_plot import PLOT_SUFFIXES, comparison_picture

    if precision is not None and precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    if plot is not None:
        if plot.suffix.lower() not in PLOT_SUFFIXES:
            raise UserError(f"Expected a plot named {' or '.join(PLOT_SUFFIXES)}, got {plot.name}.")
        check_new(plot)
    document = compare_sources(sources, precision)
    if plot is not None:
        write_file(plot, comparison_picture(document["rows"], plot.suffix.lower()))
    for warning in document["warnings"]:
        log(f"warning: {warning}")
    if json:
        print_json(document)
        return
    _show(document["rows"])


def _show(rows: list[dict[str, Any]]) -> None:
    from edgekit.workflows.compare import COSTS

    header = ["model", "file", "runtime", "bytes", "parameters", "MACs", "model ms", "image ms", "accuracy", "unbeaten in"]
    print_table(
        header,
        [
            [
                row["name"] or "-",
                row["artifact"] or "-",
                row["runtime"] or "-",
                *(_count(row[key]) for key in ("bytes", "parameters", "macs")),
                *("-" if row[key] is None else f"{row[key]:.3f}" for key in ("model_ms", "image_ms")),
                "-" if row["accuracy"] is None else f"{100 * row['accuracy']:.2f} %",
                ", ".join(COSTS[cost] for cost in row["pareto"]),
            ]
            for row in rows
        ],
    )


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
