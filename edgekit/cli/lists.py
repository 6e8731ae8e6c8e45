"""`edgekit models`, `edgekit frontends`, `edgekit targets`: what there is."""

from __future__ import annotations

from typing import Any

import typer

from edgekit.cli.common import Json, boundary, print_json, print_table

__all__ = ["frontends", "models", "targets"]


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
def frontends(json: Json = False) -> None:
    """Front ends with the shape and dtype of their features at the default config.

    Example: edgekit frontends --json
    """
    from edgekit.frontends.base import FRONTENDS, create_frontend

    rows: list[dict[str, Any]] = []
    for name in FRONTENDS:
        frontend = create_frontend(name)
        spec, config = frontend.output, frontend.config_to_json()
        rows.append({"name": name, "shape": list(spec.shape), "dtype": spec.dtype, "layout": spec.layout, "config": config})
    if json:
        print_json(rows)
        return
    for row in rows:
        settings = ", ".join(f"{key} {value}" for key, value in row["config"].items() if value is not None)
        typer.echo(f"{row['name']}: {row['dtype']} {_shape(row['shape'])} ({row['layout']}); {settings}")


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


def _shape(sizes: list[int]) -> str:
    return "x".join(map(str, sizes))
