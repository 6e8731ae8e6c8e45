"""The `edgekit` command. One file a command; what needs torch is imported inside the command's body."""

from edgekit.cli.app import main

__all__ = ["main"]
