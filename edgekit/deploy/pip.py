"""pip as the user has configured it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from edgekit.errors import UserError

__all__ = ["Pip", "run_pip"]

#: Runs pip with these arguments; raises UserError in one line when it fails.
Pip = Callable[[Sequence[str]], None]

_FOR_HERE = ("PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV")


def run_pip(arguments: Sequence[str]) -> None:
    """Run this Python's pip: its indexes, certificates and proxies are the user's own.

    Raises:
        UserError: with pip's own reason, when it is absent or fails.
    """
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    # A configuration that is meant for installing here would be obeyed for the board too.
    environment = {key: value for key, value in os.environ.items() if key not in _FOR_HERE}
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except OSError as error:
        raise UserError(f"Expected to be able to start {sys.executable}: {error.strerror}.") from error
    if result.returncode != 0:
        raise UserError(f"pip {arguments[0]} failed: {_reason(result.stderr or result.stdout)}")


def _reason(text: str) -> str:
    """The last error line; before it stands the list of what pip tried."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it gave no reason"])[-1]
