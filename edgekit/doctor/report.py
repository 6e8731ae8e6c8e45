"""The whole examination, and its report."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.bench.host import Run, read_host, read_state, run_command
from edgekit.deploy.wheels import RUNTIME_PACKAGES
from edgekit.doctor.checks import Check, Facts, run_checks
from edgekit.doctor.environment import Environment, this_environment
from edgekit.doctor.trial import Try, try_runtime

__all__ = ["Report", "diagnose"]

_WIDTH = 110


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        board: its name, None where it has none.
        checks: all of them.
    """

    board: str | None
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """True when no check failed."""
        return all(check.ok for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The document of `edgekit doctor --json`."""
        return {"ok": self.ok, "checks": [asdict(check) for check in self.checks]}

    def to_text(self) -> str:
        """A table for people: verdict, name, finding, with the advice below."""
        width = max(len(check.name) for check in self.checks)
        lines = [self.board] if self.board else []
        indent = " " * (8 + width)
        for check in self.checks:
            verdict = "ok" if check.ok else "FAULT"
            lines += _wrapped(check.found, f"{verdict:<6}{check.name:<{width}}  ", indent)
            if check.advice:
                lines += _wrapped(check.advice, f"{indent}-> ", f"{indent}   ")
        return "\n".join(lines)


def diagnose(
    root: Path = Path("/"),
    run: Run = run_command,
    environment: Environment | None = None,
    attempt: Try = try_runtime,
    step: Callable[[str], None] = lambda _text: None,
) -> Report:
    """Examine this board and this Python.

    Args:
        root: stands for "/".
        run: runs `vcgencmd`.
        environment: by default the one that runs this.
        attempt: tries a runtime.
        step: told what is tried next.
    """
    environment = environment or this_environment()
    trials = {}
    for name, package in RUNTIME_PACKAGES.items():
        if package in environment.packages:
            step(name)
            trials[name] = attempt(name)
    host = read_host(root, run)
    return Report(host.board, tuple(run_checks(Facts(host, read_state(root, run), environment, trials))))


def _wrapped(text: str, head: str, indent: str) -> list[str]:
    """Lines of at most 110 characters; commands are not broken at their hyphens."""
    return textwrap.wrap(text, _WIDTH, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)
