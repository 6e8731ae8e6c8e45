"""edgekit's own wheel, built from the source tree that this edgekit runs from."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgekit.deploy.pip import Pip
from edgekit.errors import UserError

__all__ = ["build_wheel", "source_tree"]

_PARTS = ("pyproject.toml", "README.md", "LICENSE")


def source_tree() -> Path | None:
    """The folder with pyproject.toml that this edgekit is imported from; None when it was installed from a wheel."""
    root = Path(__file__).resolve().parents[2]
    project = root / "pyproject.toml"
    return root if project.is_file() and 'name = "edgekit"' in project.read_text(encoding="utf-8") else None


def build_wheel(work: Path, pip: Pip) -> Path:
    """Build the wheel in a copy of the source tree: modules that were removed linger in a build folder that is used again.

    Raises:
        UserError: when edgekit runs from an installed wheel, or when the build fails.
    """
    root = source_tree()
    if root is None:
        raise UserError("Expected edgekit's own wheel: this edgekit was installed from one. Pass that file as --wheel FILE.")
    copy, out = work / "source", work / "wheel"
    copy.mkdir()
    shutil.copytree(root / "edgekit", copy / "edgekit", ignore=shutil.ignore_patterns("__pycache__"))
    for part in _PARTS:
        if (root / part).is_file():
            shutil.copy(root / part, copy / part)
    pip(["wheel", "--no-deps", "--wheel-dir", str(out), str(copy)])
    return next(out.glob("edgekit-*.whl"))
