"""What one engine must offer; `quantised.EngineRuntime` turns it into a `Runtime` with a float face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from edgekit.core.spec import TensorSpec

__all__ = ["Engine"]


class Engine(Protocol):
    """A loaded graph that takes and gives arrays of its stored dtypes, in the order of its specs."""

    name: str
    version: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metadata: str | None

    def invoke(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run once. `arrays` are checked, contiguous and of the stored dtype; the results are the caller's to keep."""
        ...

    def close(self) -> None:
        """Release the engine."""
        ...
