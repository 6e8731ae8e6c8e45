"""What torch itself has made of a network, or not made yet, is refused before anything is converted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.errors import ModelError
from edgekit.exporters.check_module import check_module

FEATURES = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)


class Layer(nn.Module):
    """A linear network around a function of the test."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function, self.head = function, nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.function(x))
        return result


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)).eval()


def halved(x: torch.Tensor) -> torch.Tensor:
    from torch._higher_order_ops.while_loop import while_loop

    (result,) = while_loop(lambda x: x.abs().max() > 1, lambda x: (x / 2,), (x,))  # type: ignore[no-untyped-call]
    return torch.as_tensor(result)


def with_a_sparse_buffer() -> nn.Module:
    network = plain()
    network.register_buffer("table", torch.eye(3).to_sparse())
    return network


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "scripted": (lambda: torch.jit.script(plain()), r"compiled ones: the module itself .*build it from its class"),
    "a scripted part": (lambda: nn.Sequential(torch.jit.script(nn.Linear(6, 2))), r"compiled ones: 0 \(RecursiveScriptModule\)"),
    "compiled": (lambda: torch.compile(plain(), backend="eager"), r"OptimizedModule.*_orig_mod"),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(2)), r"with values, got none yet in 0.weight \(parameter\)"),
    "on the meta device": (lambda: plain().to("meta"), "none yet in 0.weight"),
    "sparse": (with_a_sparse_buffer, r"dense parameters and buffers, got sparse ones: table \(buffer\)"),
    "sparse inside": (lambda: Layer(lambda x: x.to_sparse().to_dense()), "plain tensors"),
    "a loop that torch knows of": (lambda: Layer(halved), r"Python reads values in test_check_module.py:\d+ .*while_loop"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Lazy modules")
@pytest.mark.parametrize("case", REFUSED)
def test_modules_that_no_graph_can_be_made_of_are_refused_with_the_reason(case: str) -> None:
    make, words = REFUSED[case]
    with pytest.raises(ModelError, match=words):
        check_module(make(), FEATURES)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_traced_module_is_refused_as_such() -> None:
    traced = torch.jit.trace(plain(), torch.zeros(1, 6))  # type: ignore[no-untyped-call]
    with pytest.raises(ModelError, match=r"the module itself \(TopLevelTracedModule\)"):
        check_module(traced, FEATURES)


def test_functions_that_torch_maps_over_the_batch_are_no_control_flow() -> None:
    network = Layer(lambda x: torch.vmap(lambda row: torch.where(row.mean() > 0, row, -row))(x)).eval()
    with torch.no_grad():
        assert torch.equal(check_module(network, FEATURES)(torch.from_numpy(FEATURES)), network(torch.from_numpy(FEATURES)))
