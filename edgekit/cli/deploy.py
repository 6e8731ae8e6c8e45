"""`edgekit deploy`: a bundle onto a board over ssh."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.common import Json, boundary
from edgekit.cli.install import say
from edgekit.cli.late_bar import LateBar
from edgekit.errors import UserError

__all__ = ["deploy"]


@boundary
def deploy(
    host: Annotated[str, typer.Argument(help="user@host, a name of ~/.ssh/config, or ssh://user@host:port.")],
    bundle: Annotated[Path | None, typer.Argument(help="A bundle (folder or .zip).")] = None,
    rollback: Annotated[
        str | None, typer.Option(help="Instead: back to the previous version of this model.", metavar="NAME")
    ] = None,
    store: Annotated[str | None, typer.Option(help="The board's bundle store; by default ~/edgekit-store there.")] = None,
    signed_by: Annotated[Path | None, typer.Option(help="Send only what this public key signed; see edgekit sign.")] = None,
    daemon: Annotated[str | None, typer.Option(help="Unix socket of the board's daemon: it must take the version.")] = None,
    edgekit: Annotated[str, typer.Option(help="The board's command, as 'sudo -u edgekit /opt/edgekit/bin/edgekit'.")] = "edgekit",
    ssh_config: Annotated[Path | None, typer.Option(help="In place of ~/.ssh/config.")] = None,
    json: Json = False,
) -> None:
    """Put a bundle into a board's store over ssh, where it is verified before it becomes current; or roll back.

    Example: edgekit deploy pi@raspberrypi fire.bundle
    """
    from edgekit.deploy.deploying import OnBoard, roll_back
    from edgekit.deploy.deploying import deploy as send
    from edgekit.deploy.remote import RemoteEdgekit
    from edgekit.deploy.ssh import Host

    if (bundle is None) == (rollback is None):
        raise UserError("Expected a bundle, or --rollback NAME, one of the two. See: edgekit deploy --help")
    if rollback is not None and signed_by is not None:
        raise UserError("Expected --signed-by with a bundle: a rollback sends nothing. The board's daemon checks what it loads.")
    board = OnBoard(RemoteEdgekit(Host(host, ssh_config), edgekit), store, daemon)
    if bundle is None:
        say(roll_back(board, str(rollback)), json)
        return
    with ExitStack() as stack:
        installed = send(board, bundle, signed_by, LateBar(stack, "sending", "the board verifies it").progress)
    say(installed, json)
