"""A PyTorch module behind the runtime's face: what the exported files are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.core.optional import require
from edgekit.core.spec import TensorSpec

__all__ = ["TorchEngine"]


class TorchEngine:
    """A `torch.nn.Module` in evaluation mode, one float32 input, one output.

    Args:
        module: the module.
        input: spec of its input; a batch size of -1 lets any batch through.
        output: spec of its output.
        threads: intra-op threads of PyTorch; None leaves them alone.
    """

    name = "torch"
    metadata: str | None = None

    def __init__(self, module: Any, input: TensorSpec, output: TensorSpec, threads: int | None = None) -> None:  # noqa: A002
        self._torch = require("torch", "train")
        self.version: str = self._torch.__version__
        self.inputs: tuple[TensorSpec, ...] = (input,)
        self.outputs: tuple[TensorSpec, ...] = (output,)
        if threads is not None:
            self._torch.set_num_threads(threads)
        self._module = module.eval()

    def invoke(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See `Engine.invoke`."""
        with self._torch.inference_mode():
            return [self._module(self._torch.from_numpy(arrays[0])).numpy()]

    def close(self) -> None:
        """Drop the module."""
        self._module = None
