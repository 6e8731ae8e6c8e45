"""`edgekit models` and `edgekit targets`: what there is."""

from __future__ import annotations

from typing import Any

import typer

from edgekit.cli.common import Json, boundary, print_json, print_table

__all__ = ["models", "targets"]


@boundary
def models(json: Json = False) -> None:
    """Networks with parameters, MACs (of convolutions and linear layers) and input, at their paper's number of classes.

    Example: edgekit models --json
    """
    from edgekit.models.registry import describe

    rows = describe()
    if json:
        print_json(rows)
        return
    print_table(
        ["name", "parameters", "MACs", "input", "classes"],
        [
            [r["name"], f"{r['parameters']:,}", f"{r['macs']:,}", "x".join(map(str, r["input_shape"])), str(r["classes"])]
            for r in rows
        ],
    )


@boundary
def targets(json: Json = False) -> None:
    """Boards to export for, with the artifacts that each gets.

    Example: edgekit targets --json
    """
    from edgekit.exporters.targets import TARGETS

    rows: list[dict[str, Any]] = [
        {
            "name": target.name,
            "description": target.description,
            "opset": target.opset,
            "artifacts": [{"format": kind, "precision": precision} for kind, precision in target.artifacts],
        }
        for target in TARGETS.values()
    ]
    if json:
        print_json(rows)
        return
    for row in rows:
        files = ", ".join(f"{artifact['format']} {artifact['precision']}" for artifact in row["artifacts"])
        typer.echo(f"{row['name']}: {row['description']} Opset {row['opset']}; {files}.")
