"""`edgekit frontends`: what there is, what it costs, and what it leaves of real images."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.common import Json, boundary, log, parse_size, print_json, print_table, progress_bar
from edgekit.errors import InputError, UserError
from edgekit.frontends.base import FRONTENDS, FrontEnd, create_frontend

__all__ = ["frontends"]


@boundary
def frontends(
    measure: Annotated[
        str | None, typer.Option(metavar="DATA", help="Measure on real images: a folder of them, an image, or a pattern.")
    ] = None,
    frontend: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This one alone; may be given several times. [all]")
    ] = None,
    size: Annotated[str | None, typer.Option(help="Height x width in pixels, e.g. 224x224. [each one's default]")] = None,
    samples: Annotated[int, typer.Option(min=1, help="How many images to measure on, drawn at random.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    json: Json = False,
) -> None:
    """Front ends with the shape, dtype and cost of their features; with --measure, bytes to send beside those of the image.

    Example: edgekit frontends --measure data/fire --size 224x224
    """
    config = {"size": list(parse_size(size))} if size else {}
    chosen = _choose(frontend or [], config, windows=measure is None)
    if measure is None:
        _list(chosen, json)
    else:
        _measure(chosen, measure, samples, seed, json, required=frontend or [])


def _choose(names: list[str], config: dict[str, Any], windows: bool) -> list[FrontEnd]:
    """The front ends of these names, or all; those of sensor windows, which have no size, only where they can be meant.

    Raises:
        UnknownNameError: listing the known names.
        InputError: when a front end of windows is named where images are meant; when none takes the config.
    """
    chosen, left_out = [], []
    for name in names or FRONTENDS:
        takes_windows = create_frontend(name).size is None
        if takes_windows and names and (config or not windows):
            raise InputError(f"Expected front ends of images, {name!r} takes sensor windows. Leave it out.")
        if takes_windows and (config or not windows):
            continue
        try:
            chosen.append(create_frontend(name, config))
        except InputError as error:
            if names:
                raise
            left_out.append(f"{name} was left out: {error}")
    if not chosen:
        raise InputError(f"Expected a size that a front end takes: {left_out[0]}")
    for line in left_out:
        log(line)
    return chosen


def _list(chosen: list[FrontEnd], json: bool) -> None:
    rows = [_row(frontend) for frontend in chosen]
    if json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(_line(row))


def _row(frontend: FrontEnd) -> dict[str, Any]:
    from edgekit.frontends.cost import cost_of

    spec, config = frontend.output, frontend.config_to_json()
    shape = {"name": frontend.name, "shape": list(spec.shape), "dtype": spec.dtype, "layout": spec.layout, "config": config}
    return {**shape, **asdict(cost_of(lambda: create_frontend(frontend.name, config)))}


def _line(row: dict[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in row["config"].items() if value is not None)
    macs = "MACs not stated" if row["macs"] is None else f"{row['macs']:,} MACs"
    space = "" if row["workspace_bytes"] is None else f", {row['workspace_bytes'] / 1024:,.0f} KiB of work space"
    missing = f" {row['missing']}" if row["missing"] else ""
    shape = "x".join(map(str, row["shape"]))
    return f"{row['name']}: {row['dtype']} {shape} ({row['layout']}); {macs}{space}; {settings}.{missing}"


def _measure(chosen: list[FrontEnd], data: str, samples: int, seed: int, json: bool, required: list[str]) -> None:
    from edgekit.bench.frontends import HEADER, measure_frontends, steps, table
    from edgekit.cli.predict import expand

    paths = [Path(path) for path in expand([data])]
    with progress_bar() as progress:
        progress.start("measure", steps(chosen, min(samples, len(paths))))
        document = measure_frontends(chosen, paths, samples, seed, progress.advance)
    missing = [row for row in document["frontends"] if row["missing"] is not None]
    for row in missing:
        if row["name"] in required:
            raise UserError(row["missing"])
    if json:
        print_json(document)
        return
    print_table(HEADER, table(document["frontends"]))
    typer.echo(f"means over {document['images']} images; JPEG of quality 75; ms: median of one image, resized before")
    for row in missing:
        log(f"{row['name']} was left out: {row['missing']}")
