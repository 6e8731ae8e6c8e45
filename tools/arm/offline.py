"""docs/boards.md on the emulated board: `edgekit wheelhouse` here, install.sh there without a network, a prediction."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from root import HERE

__all__ = ["install_offline"]

REPO = HERE.parents[1]

#: Writes the picture that the installed command is to recognise.
_PICTURE = """
import sys
from PIL import Image
from tests.synthetic import texture
Image.fromarray(texture("stripes", 3)).save(sys.argv[1])
"""


def install_offline(board: Path, wheel: Path, folder: Path) -> str:
    """What went wrong, "" when all is well.

    Args:
        board: of `root.ensure_root`.
        wheel: edgekit's own.
        folder: an empty one to work in.
    """
    house, venv, picture = folder / "wheelhouse", folder / "venv", folder / "stripes.png"
    offline = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
        "EDGEKIT_ARM_CORE": "a72",
        "PYTHON": str(board / "python"),
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "OPENBLAS_NUM_THREADS": "1",
    }
    collect = [sys.executable, "-c", "from edgekit.cli import main; main()", "wheelhouse", "--target", "pi4", "--python", "3.11"]
    try:
        _run([*collect, "--wheel", wheel, "--out", house], None)
        _run([sys.executable, "-c", _PICTURE, picture], None)
        told = _run(["sh", house / "install.sh", venv], offline)
        if f"Installed: {venv}/bin/edgekit" not in told or "runtime litert  2" not in told:
            return f"install.sh did not tell of a working installation:\n{told}"
        answer = _run([venv / "bin/edgekit", "predict", REPO / "tests/golden/textures.bundle", picture, "--json"], offline)
        label = json.loads(answer)[0]["label"]
        return "" if label == "stripes" else f"Expected label stripes, got {label}."
    except subprocess.CalledProcessError as error:
        return f"{error.cmd} failed with {error.returncode}:\n{error.stdout}{error.stderr}"


def _run(command: list[object], environment: dict[str, str] | None) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=REPO, env=environment, capture_output=True, text=True, check=True).stdout
