"""`edgekit models` and `edgekit targets`: what there is."""

from __future__ import annotations

from collections.abc import Iterator
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
    """Boards to export for: what each gets, in which precision it is opened, which runtimes there are, and why.

    Example: edgekit targets --json
    """
    from edgekit.exporters.targets import TARGETS

    rows = [target.to_json() for target in TARGETS.values()]
    if json:
        print_json(rows)
        return
    typer.echo("\n\n".join("\n".join(_target_lines(row)) for row in rows))


def _target_lines(row: dict[str, Any]) -> Iterator[str]:
    files = ", ".join(f"{artifact['format']} {artifact['precision']}" for artifact in row["artifacts"])
    default = f"; opens {row['default']}" if row["default"] else ""
    yield f"{row['name']}: {row['description']}"
    onnx = f"; opset {row['opset']}, IR {row['ir_version']}, {row['scheme']} int8" if "onnx" in files else ""
    yield f"  files: {files}{default}{onnx}"
    if row["core"]:
        features = ", ".join(row["features"])
        yield f"  core: Cortex-{row['core'].upper()} ({features}), {row['memory_mb']} MB; threads {row['threads']}"
    for runtime in row["runtimes"]:
        yield f"  runtime: {runtime['runtime']} {runtime['version']} on {runtime['system']} (Python {runtime['python']})"
    yield f"  why: {row['reason']}"
    for precision, reason in row["refused"].items():
        yield f"  no {precision}: {reason}"
    for command in row["commands"]:
        yield f"  then: {command}"
    if row["caveat"]:
        yield f"  note: {row['caveat']}"
