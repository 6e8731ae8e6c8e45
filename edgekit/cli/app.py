"""The command table."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any

import typer

__all__ = ["main"]

#: What typer raises on a wrong option or argument; of its bases it exports this one's child alone.
_USAGE_ERROR: Any = typer.BadParameter.__base__

#: Command -> its module. Only the one asked for is imported: a quick start, and `edgekit doctor` runs where NumPy does not.
_COMMANDS = {
    "quickstart": "quickstart",
    "train": "train",
    "sweep": "sweep",
    "evaluate": "evaluate",
    "export": "export",
    "pack": "pack",
    "compare": "compare",
    "inspect": "inspect",
    "predict": "predict",
    "bench": "bench",
    "serve": "serve",
    "deploy": "deploy",
    "install": "install",
    "rollback": "install",
    "doctor": "doctor",
    "sign": "sign",
    "verify": "sign",
    "wheelhouse": "wheelhouse",
    "models": "lists",
    "frontends": "frontends",
    "targets": "lists",
}


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("edgekit"))
        raise typer.Exit


def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def build(names: Iterable[str]) -> typer.Typer:
    """The command line with these commands."""
    app = typer.Typer(
        name="edgekit",
        help="From a folder of labelled photographs to a verified int8 model on a ten-watt board.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name in names:
        app.command(name)(getattr(import_module(f"edgekit.cli.{_COMMANDS[name]}"), name))
    return app


def main() -> None:
    """Entry point of the `edgekit` script. A wrong option is one line on stderr and exit code 2, as every wrong input."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        code = build([asked] if asked in _COMMANDS else _COMMANDS)(standalone_mode=False)
    except _USAGE_ERROR as error:
        message = error.format_message()
        # Without any argument the message is the help itself.
        hint = "" if "\n" in message else f" See: edgekit {asked if asked in _COMMANDS else ''} --help".replace("  ", " ")
        typer.echo(message if not hint else f"error: {message}{hint}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:  # before the command itself has begun, which tells it otherwise
        typer.echo("error: Interrupted. Nothing was begun.", err=True)
        sys.exit(2)
    sys.exit(code or 0)
