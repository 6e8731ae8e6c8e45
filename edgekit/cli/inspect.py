"""`edgekit inspect`: what a bundle or a model file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.common import Json, boundary, print_json, print_table
from edgekit.core.bundle import Bundle, is_bundle
from edgekit.core.strict import to_json
from edgekit.inspection import inspect_bundle, inspect_file

__all__ = ["inspect"]


@boundary
def inspect(
    source: Annotated[Path, typer.Argument(help="A bundle (folder or .zip), an .onnx or .tflite file, or ranges.json.")],
    json: Json = False,
) -> None:
    """Inputs, outputs, operators, dtype / scale / zero point per tensor, parameters, MACs, bytes, metadata; what is truly int8.

    Of ranges.json: what range each tensor was calibrated to.

    Example: edgekit inspect fire.bundle --json
    """
    if source.suffix.lower() == ".json":
        _inspect_ranges(source, json)
        return
    report = inspect_bundle(Bundle.open(source)) if _is_bundle(source) else inspect_file(source).to_json()
    if json:
        print_json(report)
        return
    for part in report.get("artifacts", [report]):
        _show(part)


def _is_bundle(source: Path) -> bool:
    """A folder that is no bundle is told so by `Bundle.open`."""
    return source.is_dir() or is_bundle(source)


def _inspect_ranges(source: Path, json: bool) -> None:
    from edgekit.calibration.ranges import Ranges

    ranges = Ranges.load(source)
    if json:
        print_json({"file": str(source), "format": "ranges", **to_json(ranges)})
        return
    kind = "symmetric" if ranges.symmetric else "asymmetric"
    typer.echo(f"{source}: ranges by {ranges.observer} of {ranges.samples:,} inputs ({ranges.calibration:.12}), {kind}\n")
    for graph in ranges.graphs:
        rows = [[name, f"{min(found.low):.6g}", f"{max(found.high):.6g}"] for name, found in graph.tensors.items()]
        typer.echo(f"{graph.format}, graph {graph.graph:.12}")
        print_table(["tensor", "low", "high"], rows)
        typer.echo("")


def _show(report: dict[str, Any]) -> None:
    typer.echo(f"{report['file']}: {report['format']}, {report['bytes']:,} bytes")
    for role in ("inputs", "outputs"):
        for spec in report[role]:
            typer.echo(f"  {role[:-1]} {spec['name']}: {_type(spec)}")
    if report["operators"] is None:
        typer.echo("  operators: unknown (pip install onnx to walk ONNX graphs)\n")
        return
    macs = (
        "unknown (of a product whose size the file leaves open, or of an operator that is not counted)"
        if report["macs"] is None
        else f"{report['macs']:,}"
    )
    typer.echo(f"  parameters {report['parameters']:,}, MACs {macs}")
    typer.echo(f"  int8: {report['int8']['summary']}")
    typer.echo("  operators " + ", ".join(f"{name} x {count}" for name, count in report["operators"].items()))
    metadata = report["metadata"]
    typer.echo(f"  metadata {'none of edgekit' if metadata is None else 'labels ' + ', '.join(metadata['labels'])}\n")
    others = {row["index"] for row in report["int8"]["not_int8"]}
    rows = [
        [str(i), row["name"] or "-", _type(row), "yes" if row["constant"] else "", "no" if i in others else ""]
        for i, row in enumerate(report["tensors"])
    ]
    print_table(["#", "tensor", "type", "constant", "int8"], rows)
    typer.echo("")


def _type(row: dict[str, Any]) -> str:
    shape = "x".join("?" if size < 0 else str(size) for size in row["shape"] or ()) or "scalar"
    if row["scale"] is None:
        return f"{row['dtype']} {shape}"
    if isinstance(row["scale"], list):
        return f"{row['dtype']} {shape}, {len(row['scale'])} scales on axis {row['axis']}"
    return f"{row['dtype']} {shape}, scale {row['scale']:.6g}, zero point {row['zero_point']}"
