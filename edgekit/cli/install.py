"""`edgekit install` and `edgekit rollback`: the bundle store of this board."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.common import Json, boundary, print_json
from edgekit.cli.late_bar import LateBar
from edgekit.errors import UserError

__all__ = ["install", "rollback", "say"]

_STDIN = Path("-")
_STAGE = "golden vectors"

StoreOption = Annotated[Path, typer.Option(help="The bundle store, as of edgekit serve --store; made where it is absent.")]
SignedBy = Annotated[Path | None, typer.Option(help="Take only what this public key signed; see edgekit sign.")]
Daemon = Annotated[Path | None, typer.Option(help="Unix socket of the daemon that serves the store: it must take the version.")]

_DEFAULT_STORE = Path("~/edgekit-store")


@boundary
def install(
    bundle: Annotated[Path, typer.Argument(help="A bundle (folder or .zip); - reads a .zip from stdin.")],
    store: StoreOption = _DEFAULT_STORE,
    signed_by: SignedBy = None,
    daemon: Daemon = None,
    json: Json = False,
) -> None:
    """Put a bundle into this board's store, once every file of it has reproduced its golden vectors here, and make it current.

    Example: edgekit install fire.bundle --store /var/lib/edgekit
    """
    from edgekit.core.store import Store
    from edgekit.install import install as install_bundle

    with _on_disk(bundle) as path, ExitStack() as stack:
        step = LateBar(stack, _STAGE).progress
        installed = install_bundle(path, Store(_expanded(store)), signed_by, daemon and _expanded(daemon), step)
    say(installed.to_json(), json)


@boundary
def rollback(
    name: Annotated[str, typer.Argument(help="The model's.")],
    version: Annotated[str | None, typer.Argument(help="Which; by default the one that was current before.")] = None,
    store: StoreOption = _DEFAULT_STORE,
    signed_by: SignedBy = None,
    daemon: Daemon = None,
    json: Json = False,
) -> None:
    """Make an earlier version of this board's store the current one, once it has reproduced its golden vectors again.

    Example: edgekit rollback fire --store /var/lib/edgekit
    """
    from edgekit.core.store import Store
    from edgekit.install import roll_back

    with ExitStack() as stack:
        step = LateBar(stack, _STAGE).progress
        rolled_back = roll_back(name, Store(_expanded(store)), version, signed_by, daemon and _expanded(daemon), step)
    say(rolled_back.to_json(), json)


def say(installed: dict[str, Any], json: bool) -> None:
    """Tell what a store holds now; with a "host", of which board."""
    if json:
        print_json(installed)
        return
    where = f"{installed['host']}:" if "host" in installed else ""
    typer.echo(f"{where}{installed['path']} is current; before: {installed['previous'] or 'nothing'}")
    for check in installed["checks"]:
        came = "bit-equal" if check["bit_equal"] else f"probabilities within {check['max_difference']:.1g}"
        typer.echo(f"  {check['artifact']} on {check['runtime']} {check['version']}: golden vectors {came}")
    if installed["daemon"] is not None:
        typer.echo(f"  the daemon at {installed['daemon']} answers with it")


def _expanded(path: Path) -> Path:
    """With the home folder for ~, which no shell replaces in --store=~/x, nor in what `edgekit deploy` hands over."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UserError(f"Expected a path, got {path}: no such user's home. Pass the whole path.") from error


@contextmanager
def _on_disk(bundle: Path) -> Iterator[Path]:
    if bundle != _STDIN:
        yield bundle
        return
    if sys.stdin.isatty():
        raise UserError("Expected a bundle's .zip on stdin, it is a terminal. Pass the bundle's path.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stdin.zip"
        with open(path, "wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        yield path
