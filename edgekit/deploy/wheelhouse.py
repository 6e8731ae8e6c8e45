"""A folder that installs edgekit on a board without a network: wheels, hashes, install.sh."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.core.files import staged_folder, write_files
from edgekit.deploy.boards import Board, System
from edgekit.deploy.pip import Pip, run_pip
from edgekit.deploy.resolve import Wheel, download, read_wheel
from edgekit.deploy.script import install_script, readme, requirements
from edgekit.deploy.source import build_wheel
from edgekit.errors import UnknownNameError, UserError

__all__ = ["Wheelhouse", "choose_runtime", "make_wheelhouse"]


@dataclass(frozen=True)
class Wheelhouse:
    """What was collected.

    Attributes:
        out: the folder.
        board: whom it is for.
        system: of the board.
        runtime: the chosen one.
        wheels: all of them, by name.
    """

    out: Path
    board: Board
    system: System
    runtime: str
    wheels: tuple[Wheel, ...]

    def to_json(self) -> dict[str, Any]:
        """The document of `edgekit wheelhouse --json`."""
        return {
            "out": str(self.out),
            "target": self.board.name,
            "system": self.system.name,
            "python": self.system.python,
            "machine": self.system.machine,
            "glibc": ".".join(map(str, self.system.glibc)),
            "runtime": self.runtime,
            "reason": self.system.reason,
            "debian": list(self.system.debian),
            "bytes": sum(wheel.bytes for wheel in self.wheels),
            "installed_bytes": sum(wheel.installed_bytes for wheel in self.wheels),
            "wheels": [
                {
                    "file": wheel.file,
                    "name": wheel.name,
                    "version": wheel.version,
                    "bytes": wheel.bytes,
                    "sha256": wheel.sha256,
                    "needs_glibc": None if wheel.needs_glibc is None else ".".join(map(str, wheel.needs_glibc)),
                }
                for wheel in self.wheels
            ],
        }


def choose_runtime(system: System, runtime: str | None) -> str:
    """The asked-for runtime if it runs on the system; its default where none is asked for.

    Raises:
        UnknownNameError: on a runtime that there is nowhere.
        UserError: on a runtime that does not run there; says why and what does.
    """
    if runtime is None:
        return next(iter(system.runtimes))
    if runtime not in ("litert", "onnxruntime", "tflite-runtime"):
        raise UnknownNameError("runtime", runtime, ("litert", "onnxruntime", "tflite-runtime"))
    if runtime not in system.runtimes:
        raise UserError(f"{runtime} does not run on {system.name}: {system.reason}. Use {' or '.join(system.runtimes)}.")
    return runtime


def make_wheelhouse(
    board: Board,
    system: System,
    out: Path,
    runtime: str | None = None,
    wheel: Path | None = None,
    pip: Pip = run_pip,
    step: Callable[[str], None] = lambda _text: None,
) -> Wheelhouse:
    """Collect the wheels that run on a board, and write the script that installs them there.

    Args:
        board: the board.
        system: of the board; see `edgekit.deploy.boards.find_system`.
        out: a new folder.
        runtime: by default the system's first.
        wheel: edgekit's own; by default built from the source tree.
        pip: runs pip.
        step: told what happens next.

    Raises:
        UserError: when `out` exists, when a wheel is missing or unreadable, or when pip fails. Nothing is left half-written.
    """
    name = choose_runtime(system, runtime)
    with staged_folder(out) as stage, tempfile.TemporaryDirectory() as temporary:
        work, wheels_folder = Path(temporary), stage / "wheels"
        wheels_folder.mkdir()
        step("edgekit's wheel")
        own = _check_own(wheel) if wheel is not None else build_wheel(work, pip)
        step("wheels")
        wheels = tuple(download(own, system.runtimes[name], system, wheels_folder, work, pip))
        step("script")
        texts = {
            "install.sh": install_script(board, system),
            "requirements.txt": requirements(wheels),
            "README.txt": readme(board, system, name),
        }
        write_files(stage, {file: text.encode("utf-8") for file, text in texts.items()})
        (stage / "install.sh").chmod(0o755)
    return Wheelhouse(out, board, system, name, wheels)


def _check_own(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"Expected edgekit's wheel at {path}, found no file there.")
    if read_wheel(path).name != "edgekit":
        raise UserError(f"Expected edgekit's wheel, got {path.name}. Build it with: python -m build --wheel")
    return path
