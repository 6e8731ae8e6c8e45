"""A runtime without an engine, for tests of everything above the runtimes (ours and users')."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgekit.core.spec import TensorSpec

__all__ = ["FakeEngine"]


class FakeEngine:
    """Runs a Python function in place of a graph; wrap it in `EngineRuntime`.

    Args:
        inputs: specs of the inputs.
        outputs: specs of the outputs.
        function: takes the stored-dtype arrays in input order, returns the stored-dtype outputs in order.
        metadata: what the model file would carry.
    """

    name = "fake"
    version = "0"

    def __init__(
        self,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        function: Callable[[Sequence[np.ndarray]], list[np.ndarray]],
        metadata: str | None = None,
    ) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.metadata = metadata
        self.calls = 0
        self._function = function

    def invoke(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Call the function and count the call."""
        self.calls += 1
        return self._function(arrays)

    def close(self) -> None:
        """Nothing to release."""
