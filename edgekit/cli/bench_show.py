"""What `edgekit bench` prints without --json."""

from __future__ import annotations

from typing import Any

import typer

from edgekit.cli.common import log, print_table

__all__ = ["show"]


def show(document: dict[str, Any]) -> None:
    """Table, verdicts and warnings."""
    from edgekit.bench.report import HEADER, table

    if "host" in document:
        log(f"measured on {document['host']}: {document['device']['board'] or document['device']['cpu']}")
    print_table(HEADER, table(document["runs"]))
    if "comparison" in document:
        _show_comparison(document["comparison"])
    if "against" in document:
        _show_against(document["against"])
    for warning in document["warnings"]:
        log(f"warning: {warning}")


def _show_against(against: dict[str, Any]) -> None:
    header = ["against the earlier measurement", "runtime", "threads", "before ms", "now ms", "ratio", "spread ms", "verdict"]
    rows = [
        [
            *(run["artifact"], run["runtime"], str(run["threads"])),
            *(f"{run[key]:.3f}" for key in ("before_ms", "now_ms", "ratio", "spread_ms")),
            run["verdict"] if against["firm"] else f"({run['verdict']})",
        ]
        for run in against["runs"]
    ]
    print_table(header, rows)
    for note in against["notes"]:
        log(f"note: not judged: {note}.")


def _show_comparison(comparison: dict[str, Any]) -> None:
    for pair in comparison["pairs"]:
        typer.echo(f"{pair['runtime']}, {pair['threads']} thread(s): {pair['why']}. Ship {pair['ship']}.")
    ship, firm = comparison["ship"], "" if comparison["firm"] else " (not firm: the measurement is invalid or too short)"
    typer.echo(f"Ship {ship['artifact']} on {ship['runtime']}: {ship['p50_ms']:.3f} ms an image{firm}.")
    typer.echo(f"Rule: {comparison['rule']}")
    for note in comparison["notes"]:
        log(f"note: {note}.")
