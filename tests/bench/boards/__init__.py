"""Trees of /proc and /sys, and output of vcgencmd, as boards give them: one text file a board, unpacked into a folder.

"== path" opens a file of the tree, "$ command" the output of a command; "\\0" stands for the NUL that ends a device-tree string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

BOARDS = ("pi3", "pi4", "pi5", "zero2", "jetson-nano-jetpack4", "jetson-jetpack5")


def unpack(name: str, root: Path) -> Callable[[Sequence[str]], str | None]:
    """Write the board's files below `root`; return its command runner."""
    text = (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8")
    commands = {}
    for kind, head, body in re.findall(r"^(==|\$) (.*)\n((?:(?!== |\$ ).*\n)*)", text, re.MULTILINE):
        if kind == "$":
            commands[head] = body
            continue
        path = root / head
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body.replace("\\0\n", "\0"), encoding="utf-8")
    return lambda command: commands.get(" ".join(command))
