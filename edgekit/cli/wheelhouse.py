"""`edgekit wheelhouse`: everything a board needs to install edgekit offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.common import Json, boundary, print_json, progress_bar

__all__ = ["wheelhouse"]


@boundary
def wheelhouse(
    target: Annotated[str, typer.Option(help="The board: pi5, pi4, pi3, pi-zero2, pi-32bit or jetson-nano.")],
    out: Annotated[Path, typer.Option(help="The folder to write; new.")],
    python: Annotated[str | None, typer.Option(help="Python of the board, e.g. 3.11; it tells the system.")] = None,
    runtime: Annotated[str | None, typer.Option(help="litert, onnxruntime or tflite-runtime.")] = None,
    wheel: Annotated[Path | None, typer.Option(help="edgekit's own wheel; by default built from the source tree.")] = None,
    json: Json = False,
) -> None:
    """Collect the wheels that run on a board, with an install.sh that needs no network.

    Example: edgekit wheelhouse --target pi4 --python 3.11 --out wheelhouse
    """
    from edgekit.deploy.boards import find_system, get_board
    from edgekit.deploy.wheelhouse import make_wheelhouse

    board = get_board(target)
    system = find_system(board, python)
    with progress_bar() as progress:
        progress.start("wheelhouse", 3)
        made = make_wheelhouse(board, system, out, runtime, wheel, step=lambda text: progress.advance(note=text))
    if json:
        print_json(made.to_json())
        return
    megabytes = sum(w.bytes for w in made.wheels) / 1e6
    typer.echo(f"{out}: {len(made.wheels)} wheels, {megabytes:.0f} MB, {made.runtime} for {system.name}, Python {system.python}.")
    typer.echo(f"Why: {system.reason}.")
    typer.echo("Copy the folder onto the board and run: sh install.sh")
