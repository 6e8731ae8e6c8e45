"""One HTML page of a run and its bundle: the artifacts, their latency, training curves, confusion matrix. No external assets."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.bench.report import HEADER, table
from edgekit.core.manifest import Manifest, Parity
from edgekit.workflows.page import confusion_figure, inline, new_figure, render

__all__ = ["html_report"]

_TRAIN, _VALIDATION = "#8a96a3", "#0b6bcb"


def html_report(
    title: str,
    lead: str,
    tiles: Sequence[tuple[str, str]],
    run: Path,
    manifest: Manifest,
    evaluation: dict[str, Any],
    bench: dict[str, Any],
) -> str:
    """The page as text.

    Args:
        title: heading.
        lead: one sentence under it.
        tiles: (name, value) of the headline figures.
        run: the run folder, for its curves.csv.
        manifest: of the bundle.
        evaluation: the document of `edgekit evaluate --json` for the bundle.
        bench: the document of `edgekit bench --json` for the bundle.
    """
    chosen = _deployed(evaluation["results"])
    epochs = _curves(run / "curves.csv")
    return render(
        "report.html.j2",
        title=title,
        lead=lead,
        tiles=[{"name": name, "value": value} for name, value in tiles],
        parity_images=max(parity.n for artifact in manifest.artifacts for parity in artifact.parity),
        test_images=evaluation["n"],
        artifacts=_rows(manifest, evaluation["results"]),
        latency_header=HEADER,
        latency=table(bench["runs"]),
        machine=bench["device"]["cpu"] or bench["device"]["machine"],
        warnings=bench["warnings"],
        curves=inline(_curves_figure(epochs)),
        curves_caption=f"Loss and accuracy over {len(epochs['epoch'])} epochs.",
        confusion=inline(confusion_figure(chosen["confusion"], evaluation["labels"])),
        confusion_of=f"{chosen['artifact']} on {chosen['runtime']}",
        tools=sorted(manifest.tools.items()),
    )


def _deployed(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The row a board would run: int8 TFLite, else the last one."""
    return next((row for row in results if row["format"] == "tflite" and row["precision"] == "int8"), results[-1])


def _rows(manifest: Manifest, results: list[dict[str, Any]]) -> list[dict[str, str]]:
    evaluated = {(row["artifact"], row["runtime"]): row for row in results}
    return [
        _row(artifact.file, artifact.bytes, parity, evaluated.get((artifact.file, parity.runtime)))
        for artifact in manifest.artifacts
        for parity in artifact.parity
    ]


def _row(file: str, size: int, parity: Parity, evaluated: dict[str, Any] | None) -> dict[str, str]:
    return {
        "file": file,
        "runtime": parity.runtime,
        "bytes": f"{size:,}",
        "error": f"{parity.max_abs_error:.2g}",
        "sqnr": "exact" if parity.sqnr_db is None else f"{parity.sqnr_db:.1f}",
        "agreement": f"{100 * parity.agreement:.2f} %",
        "accuracy": "-" if evaluated is None else f"{100 * evaluated['accuracy']:.2f} %",
        "macro_f1": "-" if evaluated is None else f"{evaluated['macro_f1']:.4f}",
    }


def _curves(path: Path) -> dict[str, list[float]]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}


def _curves_figure(curves: dict[str, list[float]]) -> Any:
    figure = new_figure(9.0, 3.2)
    panels = figure.subplots(1, 2)
    for axes, word in zip(panels, ("loss", "accuracy"), strict=True):
        for name, values in curves.items():
            if name.endswith(word):
                colour = _VALIDATION if "validation" in name else _TRAIN
                axes.plot(curves["epoch"], values, label=name.replace("_", " "), color=colour, linewidth=1.6)
        axes.set_xlabel("epoch")
        axes.set_ylabel(word)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    return figure
