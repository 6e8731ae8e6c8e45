"""What training tells whoever watches it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """A bar that is started for each stage and advanced; the command line draws it. Stages come one after the other."""

    def start(self, stage: str, total: int) -> None:
        """A stage begins: its name for a reader, and how many steps it has."""
        ...

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Steps of the stage are done; `note` is a short text beside the bar, e.g. the validation accuracy."""
        ...


class Silent:
    """Shows nothing."""

    def start(self, stage: str, total: int) -> None:
        """Do nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Do nothing."""
