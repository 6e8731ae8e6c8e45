"""These tests are for arm64: `make test-arm`, or pytest on a board. Elsewhere the other folders hold the same ground."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable

import numpy as np
import pytest

from edgekit.cli import main

collect_ignore_glob = [] if platform.machine() in ("aarch64", "arm64") else ["test_*.py"]
#: Once is enough: it takes as long as all the others, and what is NumPy's in the daemon is tested elsewhere with both.
collect_ignore = ["test_serve.py"] if np.__version__.startswith("1.") else []


@pytest.fixture
def edgekit(monkeypatch, capsys) -> Callable[..., str]:
    """Run a command in this process (a new one takes seconds to start when emulated); its standard output."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["edgekit", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            main()
        captured = capsys.readouterr()
        assert exited.value.code in (0, None), captured.err
        return captured.out

    return run
