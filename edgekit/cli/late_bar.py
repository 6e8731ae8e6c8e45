"""A progress bar that is not there before there is progress."""

from __future__ import annotations

from contextlib import ExitStack

from edgekit.cli.common import Bar, progress_bar

__all__ = ["LateBar"]


class LateBar:
    """Drawn from the first piece on: even an empty bar would wipe away what ssh asks before.

    Args:
        stack: closes it.
        stage: what is done piece by piece.
        then: what follows, of unknown length; None for nothing.
    """

    def __init__(self, stack: ExitStack, stage: str, then: str | None = None) -> None:
        self._stack = stack
        self._stage, self._then = stage, then
        self._bar: Bar | None = None
        self._done = 0

    def progress(self, more: int, of: int) -> None:
        """So much more is done, of so much in all."""
        if self._bar is None:
            self._bar = self._stack.enter_context(progress_bar())
            self._bar.start(self._stage, of)
        self._bar.advance(more)
        self._done += more
        if self._then is not None and self._done == of:
            self._bar.start(self._then, 1)
