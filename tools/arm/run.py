"""Run a Python module of this checkout on an emulated core: what a board would print.

usage: run.py CORE [--numpy1] MODULE [ARGUMENT...]
"""

from __future__ import annotations

import os
import subprocess
import sys

from root import CORES, NUMPY1, ArmError, ensure_root
from suite import REPO


def main(core: str, words: list[str]) -> int:
    """Exit status of the module, 2 when there is no board to be had."""
    if core not in CORES:
        print(f"Expected a core of {', '.join(CORES)}, got {core!r}.", file=sys.stderr)
        return 2
    numpy1 = words[:1] == ["--numpy1"]
    try:
        board = ensure_root()
    except ArmError as error:
        print(error, file=sys.stderr)
        return 2
    environment = {
        **os.environ,
        "EDGEKIT_ARM_CORE": core,
        "EDGEKIT_ARM_PATH": str(board / "root" / NUMPY1) if numpy1 else "",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run([str(board / "python"), "-m", *words[numpy1:]], cwd=REPO, env=environment).returncode


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: run.py CORE [--numpy1] MODULE [ARGUMENT...]")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
