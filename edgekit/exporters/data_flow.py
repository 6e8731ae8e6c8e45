"""Where a network's own Python looks at the numbers of its input.

A model file holds one path of operators of fixed shapes. Tracing by example records the path that the example took, and says
nothing about the others: a branch that depends on the data is silently cut off. So one forward pass is watched: everything
computed from the input is marked by its storage, and reading a marked value into Python, or making a shape of it, is noted with
the line that did it.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["Read", "data_reads", "user_line"]

#: Operators whose result is a Python value.
_VALUES = frozenset(("_local_scalar_dense", "equal", "allclose"))

#: Operators whose result has a shape that depends on values.
_SHAPES = frozenset(
    ("bincount", "masked_select", "nonzero", "repeat_interleave", "_unique", "_unique2", "unique_consecutive", "unique_dim")
)

#: Calls that hand a tensor's numbers out without an operator of their own.
_HANDED_OUT = frozenset(("tolist", "numpy", "__array__"))

_TORCH = Path(torch.__file__).parent
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Read:
    """One place where Python sees the data.

    Attributes:
        line: file, number and text of the line, as far as it is known.
        shape: whether it makes a shape; otherwise it reads a value.
    """

    line: str
    shape: bool


def data_reads(module: nn.Module, sample: torch.Tensor) -> tuple[Read, ...]:
    """Run the network once and name every line that depends on the values of its input, in the order of their first run.

    Args:
        module: in eval mode.
        sample: its input.
    """
    watch = _Watch(sample)
    with torch.no_grad(), watch, _HandedOut(watch):
        module(sample)
    return tuple(dict.fromkeys(watch.reads))


def user_line(frames: Iterator[tuple[str, int]]) -> str | None:
    """The first frame that is neither torch's nor ours, as "net.py:12 (if x.sum() > 0:)"; None where there is none.

    Args:
        frames: file name and line number, the innermost first.
    """
    for file, number in frames:
        path = Path(file)
        if _TORCH in path.parents or _HERE in path.parents or not path.is_file():
            continue
        text = linecache.getline(file, number).strip()
        return f"{path.name}:{number}" + (f" ({text:.80})" if text else "")
    return None


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Marks what is computed from the input, and notes what reads it."""

    #: torch.cond, while_loop and the like take functions: their branches are control flow, whatever torch makes of them.
    supports_higher_order_operators = True

    def __init__(self, sample: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reads: list[Read] = []
        # The tensors themselves are kept, so that no storage's address is used twice.
        self._marked: dict[int, torch.Tensor] = {}
        self.mark(sample)

    def mark(self, tensor: torch.Tensor) -> None:
        self._marked.setdefault(tensor.untyped_storage()._cdata, tensor)

    def knows(self, tensor: torch.Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._marked

    def note(self, shape: bool) -> None:
        self.reads.append(Read(user_line(_frames(sys._getframe(1))) or "a line of its compiled code", shape))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        branches = isinstance(func, HigherOrderOperator)
        name = func.name() if branches else func.overloadpacket.__name__
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if not any(self.knows(tensor) for tensor in given) or name.endswith("_like") or name.startswith("new_"):
            return result
        if name in _VALUES or branches:
            self.note(shape=False)
        elif name in _SHAPES or (name == "index" and any(t.dtype == torch.bool and self.knows(t) for t in given[1:])):
            self.note(shape=True)
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.mark(leaf)
        return result


class _HandedOut(TorchFunctionMode):
    """Notes numbers that leave for Python lists and NumPy."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = getattr(func, "__name__", ""), kwargs or {}
        if name in _HANDED_OUT and self._watch.knows(args[0]):
            self._watch.note(shape=False)
        if name != "one_hot" or (args[1] if len(args) > 1 else given.get("num_classes", -1)) < 0:
            return func(*args, **given)
        # With a number of classes it looks at values only to check them.
        before = len(self._watch.reads)
        result = func(*args, **given)
        del self._watch.reads[before:]
        return result


def _frames(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
