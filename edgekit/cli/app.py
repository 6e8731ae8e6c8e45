"""The command table."""

from __future__ import annotations

from typing import Annotated

import typer

from edgekit.cli.bench import bench
from edgekit.cli.evaluate import evaluate
from edgekit.cli.export import export
from edgekit.cli.inspect import inspect
from edgekit.cli.lists import frontends, models, targets
from edgekit.cli.pack import pack
from edgekit.cli.predict import predict
from edgekit.cli.quickstart import quickstart
from edgekit.cli.train import train
from edgekit.cli.wheelhouse import wheelhouse

__all__ = ["app", "main"]

app = typer.Typer(
    name="edgekit",
    help="From a folder of labelled photographs to a verified int8 model on a ten-watt board.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for _command in (quickstart, train, evaluate, export, pack, inspect, predict, bench, models, frontends, targets, wheelhouse):
    app.command(_command.__name__)(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("edgekit"))
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the `edgekit` script."""
    app()
