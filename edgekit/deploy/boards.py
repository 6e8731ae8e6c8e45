"""Boards that a wheelhouse is made for: the system on them, the runtime that runs there, and why that one."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import UnknownNameError, UserError

__all__ = ["BOARDS", "Board", "System", "find_system", "get_board"]

_LITERT = "LiteRT has the fastest int8 kernels on a CPU and the smallest files"


@dataclass(frozen=True)
class System:
    """One operating system of a board, with the Python that it runs.

    Attributes:
        name: e.g. "Raspberry Pi OS bookworm, 64 bit".
        python: "3.11".
        machine: of the userland, as wheels are tagged: "aarch64" or "armv7l".
        glibc: of the system.
        runtimes: runtime -> requirements that bring it; the first is the default. Empty where nothing runs.
        reason: why the default, or why nothing.
        provided: package -> version that Debian's own packages bring, where there is no wheel.
        debian: the Debian packages to install first.
    """

    name: str
    python: str
    machine: str
    glibc: tuple[int, int]
    runtimes: dict[str, tuple[str, ...]]
    reason: str
    provided: dict[str, str]
    debian: tuple[str, ...] = ("python3-venv",)


@dataclass(frozen=True)
class Board:
    """A board and the systems that it is met with.

    Attributes:
        name: as `edgekit wheelhouse --target` takes it.
        title: in full.
        cores: of its CPU.
        systems: the preferred one first.
    """

    name: str
    title: str
    cores: str
    systems: tuple[System, ...]


_ANY_RUNTIME: dict[str, tuple[str, ...]] = {"litert": ("ai-edge-litert>=2.1",), "onnxruntime": ("onnxruntime>=1.17",)}
_TFLITE_RUNTIME = ("tflite-runtime==2.14.0", "numpy<2")

_PI_OS_64 = (
    System(
        "Raspberry Pi OS bookworm, 64 bit",
        "3.11",
        "aarch64",
        (2, 36),
        {**_ANY_RUNTIME, "tflite-runtime": _TFLITE_RUNTIME},
        _LITERT,
        {},
    ),
    System(
        "Raspberry Pi OS trixie, 64 bit",
        "3.13",
        "aarch64",
        (2, 41),
        _ANY_RUNTIME,
        f"{_LITERT}; tflite-runtime has no wheels after Python 3.11",
        {},
    ),
)

_PI_OS_32 = (
    System(
        "Raspberry Pi OS bookworm, 32 bit",
        "3.11",
        "armv7l",
        (2, 36),
        {"tflite-runtime": _TFLITE_RUNTIME},
        "tflite-runtime 2.14 is the only runtime with a 32-bit wheel; numpy and Pillow have none and come from Debian",
        {"numpy": "1.24.2", "pillow": "9.4.0"},
        ("python3-venv", "python3-numpy", "python3-pil"),
    ),
    System(
        "Raspberry Pi OS trixie, 32 bit",
        "3.13",
        "armv7l",
        (2, 41),
        {},
        "no runtime has a 32-bit wheel for Python 3.13. Use the 64-bit system, or bookworm (--python 3.11)",
        {},
    ),
)

_LITERT_MISLEADS = "LiteRT's wheels claim glibc 2.27 but their binaries need 2.34 (2.3) or 2.30 (2.1)"

_JETPACK_4 = (
    System(
        "a JetPack 4.6 container with Python 3.10",
        "3.10",
        "aarch64",
        (2, 27),
        {"onnxruntime": ("onnxruntime==1.23.2",), "tflite-runtime": ("tflite-runtime==2.13.0", "numpy<2")},
        f"onnxruntime 1.23.2 is the newest that runs on Python 3.10; {_LITERT_MISLEADS}",
        {},
    ),
    System(
        "a JetPack 4.6 container with Python 3.11",
        "3.11",
        "aarch64",
        (2, 27),
        {"onnxruntime": ("onnxruntime==1.28.0",)},
        f"onnxruntime 1.28.0 is the newest that runs on glibc 2.27; {_LITERT_MISLEADS}",
        {},
    ),
    System(
        "JetPack 4.6 itself, Python 3.8",
        "3.8",
        "aarch64",
        (2, 27),
        {},
        "edgekit needs Python 3.10 or newer, JetPack 4.6 has 3.6 and 3.8. Use a container with Python 3.11 (--python 3.11)",
        {},
    ),
)

BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        Board("pi5", "Raspberry Pi 5", "Cortex-A76, int8 dot products", _PI_OS_64),
        Board("pi4", "Raspberry Pi 4", "Cortex-A72", _PI_OS_64),
        Board("pi3", "Raspberry Pi 3", "Cortex-A53", _PI_OS_64),
        Board("pi-zero2", "Raspberry Pi Zero 2 W", "Cortex-A53", _PI_OS_64),
        Board("pi-32bit", "Raspberry Pi with a 32-bit system", "Cortex-A53 to A76 in 32-bit mode", _PI_OS_32),
        Board("jetson-nano", "NVIDIA Jetson Nano, JetPack 4.6", "Cortex-A57", _JETPACK_4),
    )
}


def get_board(name: str) -> Board:
    """The board of that name.

    Raises:
        UnknownNameError: listing the known names.
    """
    if name not in BOARDS:
        raise UnknownNameError("board", name, BOARDS)
    return BOARDS[name]


def find_system(board: Board, python: str | None = None) -> System:
    """The system of a board with that Python; the preferred one where none is asked for.

    Raises:
        UserError: when no system of the board has that Python, or when nothing runs on the one that has it.

    >>> find_system(get_board("pi4"), "3.13").name
    'Raspberry Pi OS trixie, 64 bit'
    """
    known = {system.python: system for system in board.systems}
    if python is not None and python not in known:
        choices = "; ".join(f"{system.python} ({system.name})" for system in board.systems if system.runtimes)
        raise UserError(f"Expected a Python that {board.title} has, got {python}. Known: {choices}.")
    system = board.systems[0] if python is None else known[python]
    if not system.runtimes:
        raise UserError(f"Nothing runs on {system.name} ({board.title}): {system.reason}.")
    return system
