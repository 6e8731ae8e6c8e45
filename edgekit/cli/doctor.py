"""`edgekit doctor`: what this board and environment can and cannot do."""

from __future__ import annotations

import typer

from edgekit.cli.common import Json, boundary, print_json, progress_bar

__all__ = ["doctor"]


@boundary
def doctor(json: Json = False) -> None:
    """What this board and environment can and cannot do, before anything crashes. Exit code 1 when a check fails.

    Example: edgekit doctor --json
    """
    from edgekit.deploy.wheels import RUNTIME_PACKAGES
    from edgekit.doctor.report import diagnose

    with progress_bar() as progress:
        progress.start("doctor", len(RUNTIME_PACKAGES))
        report = diagnose(step=lambda name: progress.advance(note=name))
    if json:
        print_json(report.to_json())
    else:
        typer.echo(report.to_text())
    if not report.ok:
        raise typer.Exit(1)
