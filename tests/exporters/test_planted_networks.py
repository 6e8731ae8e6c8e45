"""Defects that the network brings along, or a runtime: none is written.

docs/pitfalls.md says which guard catches which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import nn

from edgekit.errors import GateError, InputError
from edgekit.exporters import build
from edgekit.exporters.build import Export
from edgekit.runtimes.open import installed_runtimes
from tests.exporters.planting import export_of, network, only


def test_a_network_that_ends_with_a_softmax_is_refused() -> None:
    with pytest.raises(InputError, match="Expected logits, got probabilities"):
        export_of(network(nn.ReLU, nn.Softmax(dim=-1)), only("onnx", "fp32"))


def test_a_network_with_noise_is_refused(plain: nn.Module) -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = plain

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.dropout(self.inner(x), 0.5, training=True)

    with pytest.raises(InputError, match="the same logits for the same input"):
        export_of(Noisy().eval(), only("onnx"))


def test_a_network_whose_batch_norms_look_at_the_batch_is_refused(plain: nn.Module) -> None:
    class Batched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = plain

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(functional.batch_norm(x, None, None, training=True))

    with pytest.raises(InputError, match="depend on their own input alone"):
        export_of(Batched().eval(), only("onnx"))


class Runtime:
    """A runtime that gives something else now and then."""

    def __init__(self, honest: Any, change: Callable[[np.ndarray, int], np.ndarray]) -> None:
        self._honest, self._change, self._calls = honest, change, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *error: object) -> None:
        self._honest.close()

    def run(self, inputs: Any) -> dict[str, np.ndarray]:
        self._calls += 1
        return {name: self._change(value, self._calls) for name, value in self._honest.run(inputs).items()}


@pytest.mark.parametrize("runtime", installed_runtimes("tflite"))
def test_a_runtime_that_alone_computes_wrongly_is_found(
    runtime: str, quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = build.open_runtime

    def opened(model: bytes, name: str, **more: Any) -> Any:
        return Runtime(honest(model, name, **more), lambda value, call: value if name != runtime else -value)

    monkeypatch.setattr(build, "open_runtime", opened)
    monkeypatch.setattr(build, "_check_graphs", lambda *given: None)
    with pytest.raises(GateError, match=f"model.int8.tflite on {runtime} to agree"):
        quick("tflite")


def test_a_file_that_gives_another_answer_each_time_is_found(
    quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = build.open_runtime
    monkeypatch.setattr(
        build,
        "open_runtime",
        lambda model, name, **more: Runtime(honest(model, name, **more), lambda v, call: v * (1 + 1e-7 * call)),
    )
    monkeypatch.setattr(build, "_check_graphs", lambda *given: None)
    with pytest.raises(GateError, match="to give the same for the same input"):
        quick("onnx")
