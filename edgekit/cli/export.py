"""`edgekit export`: a trained run as a verified bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.common import Json, boundary, log, print_json, print_table, progress_bar
from edgekit.core.manifest import Manifest
from edgekit.core.strict import to_json

__all__ = ["export", "show_artifacts"]


@boundary
def export(
    run: Annotated[Path, typer.Argument(help="A run folder that `edgekit train` wrote.")],
    out: Annotated[Path, typer.Option(help="The bundle to write: a new folder, or a new .zip.")],
    target: Annotated[str, typer.Option(help="Board to export for; see: edgekit targets")] = "generic",
    calibration: Annotated[
        Path | None, typer.Option(help="Labelled images to calibrate and compare on. Default: the run's own training images.")
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="Only this of the target's precisions, or mixed: int8 by --gate; may be given several times."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Images in the calibration sample.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the calibration sample.")] = 0,
    observer: Annotated[
        str, typer.Option(help="How ranges are found: min-max, moving-average, percentile, entropy or mse.")
    ] = "min-max",
    ranges: Annotated[
        Path | None, typer.Option(help="Ranges of an earlier export (a bundle or its ranges.json) in place of a calibration.")
    ] = None,
    gate: Annotated[
        float | None,
        typer.Option(help="Points of accuracy that int8 may lose; where it loses more, some layers stay in float."),
    ] = None,
    fuse_frontend: Annotated[
        bool, typer.Option("--fuse-frontend", help="Put the front end into the files: uint8 image in, logits out.")
    ] = False,
    json: Json = False,
) -> None:
    """ONNX and TFLite, calibrated on real images, compared with PyTorch on every installed runtime: a bundle.

    Exit code 1, and no bundle, when an artifact misses its gate.

    Example: edgekit export runs/fire --out fire.bundle --target pi4
    """
    from edgekit.calibration.ranges import Ranges
    from edgekit.core.recipe import Recipe
    from edgekit.exporters.targets import get_target
    from edgekit.workflows.export import export_run

    notes: list[str] = []
    with progress_bar() as progress:
        recipe = Recipe("int8", observer=observer, samples=samples, seed=seed)
        known = None if ranges is None else Ranges.load(ranges)
        manifest = export_run(
            run, out, progress, target, calibration, recipe, precision or (), fuse_frontend, notes.append, known, gate
        )
    profile = get_target(target)
    commands = profile.commands_for(out.name, {artifact.file for artifact in manifest.artifacts})
    if profile.caveat:
        notes.append(profile.caveat)
    for line in notes:
        log(line)
    if json:
        rows = [to_json(artifact) for artifact in manifest.artifacts]
        print_json({"bundle": str(out), "artifacts": rows, "commands": list(commands)})
        return
    show_artifacts(out, manifest)
    for line in commands:
        typer.echo(f"then, on the board: {line}")


def show_artifacts(out: Path, manifest: Manifest) -> None:
    """Every file on every runtime as a table on stdout."""
    typer.echo(f"{out}: {manifest.model}, {len(manifest.labels)} classes, target {manifest.target}")
    rows = [
        [
            artifact.file,
            f"{artifact.bytes:,}",
            parity.runtime,
            str(parity.n),
            f"{parity.max_abs_error:.2g}",
            "exact" if parity.sqnr_db is None else f"{parity.sqnr_db:.1f}",
            f"{100 * parity.agreement:.2f} %",
        ]
        for artifact in manifest.artifacts
        for parity in artifact.parity
    ]
    print_table(["artifact", "bytes", "runtime", "images", "largest error", "SQNR dB", "agreement"], rows)
