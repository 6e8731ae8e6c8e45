"""What a wheelhouse says to the board: install.sh, requirements.txt, README.txt."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.deploy.boards import Board, System
from edgekit.deploy.resolve import Wheel

__all__ = ["install_script", "readme", "requirements"]

#: --no-compile: 28 MB less on the card. What edgekit really imports is compiled when the doctor and the first commands run.
_SCRIPT = """\
#!/bin/sh
# Installs edgekit offline on {board} ({system}).
# Usage: sh install.sh [VENV]    default: $HOME/edgekit-venv; PYTHON=... for another python{python}
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${{1:-$HOME/edgekit-venv}}
python=${{PYTHON:-python{python}}}

fail() {{
    echo "error: $1" >&2
    exit 1
}}

command -v "$python" > /dev/null || fail "Expected Python {python}, found no $python. These wheels are for {system}."
found=$("$python" -c 'import platform as p, struct, sys
print("%d.%d-%s-%d" % (*sys.version_info[:2], p.machine(), 8 * struct.calcsize("P")))')
case "$found" in
    {accepted}) ;;
    *) fail "Expected Python {python} on {machine} ({bits} bit), got $found. Make one for this board: edgekit wheelhouse" ;;
esac
[ ! -e "$venv" ] || fail "Expected a new path for the virtual environment, $venv exists. Remove it or pass another."
{provided}
trap 'rm -rf "$venv"' EXIT
"$python" -m venv {site}"$venv" || fail "Expected Debian's venv: sudo apt install {debian}"
"$venv/bin/python" -m pip --disable-pip-version-check --isolated install --quiet --no-index --no-compile \\
    --find-links "$here/wheels" --no-deps --require-hashes --requirement "$here/requirements.txt"
trap - EXIT
echo "Installed: $venv/bin/edgekit"
"$venv/bin/edgekit" doctor
"""

_PROVIDED = """\
"$python" -c 'import {modules}' 2> /dev/null || fail "Expected {packages} from Debian: sudo apt install {debian}"
"""

_MODULES = {"numpy": "numpy", "pillow": "PIL"}

#: What platform.machine() says in a userland: a 32-bit one often runs on a 64-bit kernel.
_KERNELS = {"armv7l": ("armv7l", "armv8l", "aarch64")}


def install_script(board: Board, system: System) -> str:
    """The shell script that makes a virtual environment and installs from the folder that it lies in."""
    bits = 32 if system.machine == "armv7l" else 64
    debian = " ".join(system.debian)
    provided = ""
    if system.provided:
        modules = ", ".join(_MODULES[name] for name in system.provided)
        provided = _PROVIDED.format(modules=modules, packages=" and ".join(system.provided), debian=debian)
    return _SCRIPT.format(
        board=board.title,
        system=system.name,
        python=system.python,
        machine=system.machine,
        bits=bits,
        accepted="|".join(f"{system.python}-{kernel}-{bits}" for kernel in _KERNELS.get(system.machine, (system.machine,))),
        provided=provided,
        site="--system-site-packages " if system.provided else "",
        debian=debian,
    )


def requirements(wheels: Sequence[Wheel]) -> str:
    """Every wheel with its version and hash: pip installs these and nothing else."""
    return "".join(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)


def readme(board: Board, system: System, runtime: str) -> str:
    """What this folder is and how to use it."""
    return (
        f"edgekit for {board.title}, {system.name}, Python {system.python}, runtime {runtime} ({system.reason}).\n"
        f"Copy this folder onto the board and run: sh install.sh\n"
    )
