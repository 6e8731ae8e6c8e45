"""`edgekit export`: a trained run as a verified bundle."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.common import Json, boundary, log, print_json, print_table, progress_bar
from edgekit.core.manifest import Manifest
from edgekit.core.strict import to_json
from edgekit.errors import UserError

__all__ = ["export", "show_artifacts"]


@boundary
def export(
    out: Annotated[Path, typer.Option(help="The bundle to write: a new folder, or a new .zip.")],
    run: Annotated[Path | None, typer.Argument(help="A run folder that `edgekit train` wrote; none with --module.")] = None,
    module: Annotated[str | None, typer.Option(help="Any trained nn.Module in place of a run: package.module:factory.")] = None,
    data: Annotated[Path | None, typer.Option(help="With --module: labelled images; their classes are its labels.")] = None,
    frontend: Annotated[
        str | None, typer.Option(help="With --module: its front end by name, pixels by default; see: edgekit frontends")
    ] = None,
    frontend_config: Annotated[str | None, typer.Option(help="With --module: the front end's config as JSON.")] = None,
    target: Annotated[str, typer.Option(help="Board to export for; see: edgekit targets")] = "generic",
    calibration: Annotated[
        Path | None, typer.Option(help="Labelled images to calibrate and compare on. Default: the run's own training images.")
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this of the target's precisions, or mixed: int8, layers in float where it misses its gate; several times."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="Only this of the target's formats, onnx or tflite.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Images in the calibration sample; int8 takes at least 16.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the calibration sample.")] = 0,
    observer: Annotated[
        str, typer.Option(help="How ranges are found: min-max, moving-average, percentile, entropy or mse.")
    ] = "min-max",
    weights_observer: Annotated[
        str, typer.Option(help="How the ranges of int8 weights are found, one a channel: the same names.")
    ] = "min-max",
    ranges: Annotated[
        Path | None, typer.Option(help="Ranges of an earlier export (a bundle or its ranges.json) in place of a calibration.")
    ] = None,
    gate: Annotated[
        float | None,
        typer.Option(help="Points of accuracy that int8 may lose; where it loses more, some layers stay in float."),
    ] = None,
    qat: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs of fine-tuning for int8 first, on the same images; where int8 misses its gate."),
    ] = None,
    answer_precision: Annotated[
        float | None,
        typer.Option(help="Share of right ones wanted among answers, as 0.95, on the validation split; below, unknown."),
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
    from edgekit.cli.pack import json_config
    from edgekit.core.recipe import Recipe
    from edgekit.exporters.targets import get_target
    from edgekit.workflows.export import export_run

    notes: list[str] = []
    config = None if frontend_config is None else json_config("--frontend-config", frontend_config)
    # What a user's own module prints is no part of the document on stdout.
    with redirect_stdout(sys.stderr), progress_bar() as progress:
        subject = _subject(run, module, data, frontend, config, out)
        recipe = Recipe("int8", observer=observer, weights_observer=weights_observer, samples=samples, seed=seed)
        known = None if ranges is None else Ranges.load(ranges)
        if known is not None and observer not in ("min-max", known.observer):
            raise UserError(f"Expected --ranges or --observer {observer}: {ranges} was found by {known.observer}. Leave one out.")
        manifest = export_run(
            *(subject, out, progress, target, calibration, recipe, precision or (), fuse_frontend),
            *(notes.append, known, gate, answer_precision, qat or 0, formats or ()),
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


def _subject(
    run: Path | None, module: str | None, data: Path | None, frontend: str | None, config: dict[str, Any] | None, out: Path
) -> Any:
    """What is exported: a run folder, or an opened run around somebody's module."""
    if (run is None) == (module is None):
        raise UserError("Expected a run folder, or --module package.module:factory; one of them.")
    if module is None:
        options = (("--data", data), ("--frontend", frontend), ("--frontend-config", config))
        if given := [option for option, value in options if value is not None]:
            raise UserError(
                f"Expected {' and '.join(given)} with --module alone: a run knows its data and its front end. "
                "Use --calibration for other images."
            )
        return run
    if data is None:
        raise UserError("Expected --data DATA with --module: labelled images, to calibrate and compare on.")
    from edgekit.frontends.base import create_frontend
    from edgekit.workflows.module import module_run

    name = out.name.removesuffix(".zip").removesuffix(".bundle")
    return module_run(module, data, create_frontend(frontend or "pixels", config or {}), name, log)


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
