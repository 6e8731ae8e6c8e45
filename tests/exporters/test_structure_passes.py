"""Passes that change what a network is made of: constants, dead taps, parallel and successive layers, norms after sums."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional
from torch import fx, nn

from edgekit.exporters.base import simplify_for_onnx, simplify_for_tflite
from edgekit.exporters.passes.fold_batch_norm import fold_batch_norm
from edgekit.exporters.passes.fold_constants import fold_constants
from edgekit.exporters.passes.fold_norm_into_sum import fold_norm_into_sum
from edgekit.exporters.passes.merge_linear import merge_linear
from edgekit.exporters.passes.merge_parallel import merge_parallel
from edgekit.exporters.passes.trace import prepare
from edgekit.exporters.passes.trim_dead_taps import trim_dead_taps
from edgekit.models.layers import DilatedResidual, PHMLinear
from edgekit.models.registry import create_model
from tests.exporters.networks import Branching, warmed
from tests.exporters.test_torch_passes import assert_same


def layers(module: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [child for child in module.modules() if isinstance(child, kind)]


def functions(module: nn.Module) -> set[object]:
    assert isinstance(module, fx.GraphModule)
    return {node.target for node in module.graph.nodes if node.op in ("call_function", "call_method")}


def test_a_hypercomplex_layer_becomes_one_dense_layer() -> None:
    torch.manual_seed(0)
    module = prepare(nn.Sequential(PHMLinear(16, 8), nn.ReLU(), PHMLinear(8, 8)))
    folded = fold_constants(module)
    assert functions(folded) == set()
    assert [tuple(layer.weight.shape) for layer in layers(folded, nn.Linear)] == [(8, 16), (8, 8)]
    x = torch.randn(5, 16)
    assert torch.equal(module(x), folded(x))


class Constants(nn.Module):
    """Weights by other means: a scaled matrix, a random one, a bias-free function with keywords."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.matrix = nn.Parameter(torch.randn(4, 1)), nn.Parameter(torch.randn(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, weight=self.scale * functional.normalize(self.matrix, dim=1))


class Noise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, torch.rand_like(self.matrix))


def test_any_expression_of_weights_alone_is_evaluated() -> None:
    module = prepare(Constants())
    folded = fold_constants(module)
    assert functions(folded) == set()
    assert [layer.bias for layer in layers(folded, nn.Linear)] == [None]
    x = torch.randn(3, 6)
    assert torch.equal(module(x), folded(x))


def test_what_is_random_stays_random() -> None:
    folded = fold_constants(prepare(Noise()))
    x = torch.randn(3, 6)
    assert not torch.equal(folded(x), folded(x))


@pytest.mark.parametrize(
    ("layer", "shape", "kernel"),
    [
        (nn.Conv2d(3, 4, 3, padding=8, dilation=8), (3, 8, 8), (1, 1)),
        (nn.Conv2d(3, 4, 3, padding=8, dilation=8), (3, 9, 8), (3, 1)),
        (nn.Conv2d(3, 4, 3, padding="same", dilation=4), (3, 4, 20), (1, 3)),
        (nn.Conv2d(4, 4, (3, 1), padding=(1, 0), groups=4), (4, 1, 1), (1, 1)),
        (nn.Conv2d(3, 4, 3, stride=2, padding=1), (3, 1, 1), (1, 1)),
        (nn.Conv2d(3, 4, 3, stride=2, padding=1), (3, 2, 2), (2, 2)),
        (nn.Conv2d(3, 4, 7, stride=2, padding=3), (3, 2, 2), (2, 2)),
        (nn.Conv2d(3, 4, 5, padding=2), (3, 2, 2), (3, 3)),
        (nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), (3, 1, 1), (3, 3)),
        (nn.Conv2d(3, 4, 3), (3, 3, 3), (3, 3)),
        (nn.Conv1d(3, 4, 3, padding=2, dilation=2, bias=False), (3, 2), (1,)),
    ],
    ids=str,
)
def test_taps_that_only_read_padding_are_cut_off(layer: nn.Module, shape: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    module = prepare(nn.Sequential(layer))
    x = torch.randn(4, *shape)
    trimmed = trim_dead_taps(module, x[:1])
    assert [child.kernel_size for child in trimmed.modules() if isinstance(child, nn.Conv1d | nn.Conv2d)] == [kernel]
    assert_same(module, trimmed, x)


class Parallel(nn.Module):
    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = x
        for branch in self.branches:
            total = total + branch(x)
        return total


@pytest.mark.parametrize(
    ("branches", "left"),
    [
        ((nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, bias=False)), 1),
        ((nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1)), 1),
        ((nn.Conv2d(4, 4, 1, bias=False), nn.Conv2d(4, 4, 3, padding=2, dilation=2, bias=False)), 1),
        ((nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=2, dilation=2)), 2),
        ((nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Conv2d(4, 4, 1)), 2),
        ((nn.Conv2d(4, 4, 3, padding=1), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))), 2),
    ],
    ids=str,
)
def test_parallel_convolutions_on_one_grid_become_one(branches: tuple[nn.Module, ...], left: int) -> None:
    torch.manual_seed(0)
    module = prepare(Parallel(*branches))
    x = torch.randn(2, 4, 6, 6)
    merged = merge_parallel(module, x[:1])
    assert len(layers(merged, nn.Conv2d)) == left
    assert_same(module, merged, x)


def test_a_term_that_is_used_twice_is_left_alone() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            a, b = self.a(x), self.b(x)
            total = a + b
            return torch.relu(a) + total + total

    module, x = prepare(Twice()), torch.randn(2, 2, 3, 3)
    merged = merge_parallel(module, x[:1])
    assert len(layers(merged, nn.Conv2d)) == 2
    assert_same(module, merged, x)


def test_a_batch_norm_behind_a_sum_of_convolutions_folds_into_each() -> None:
    torch.manual_seed(0)
    block = prepare(warmed(nn.Sequential(nn.Conv2d(3, 16, 1), DilatedResidual(16, (1, 2, 3))), 3, 12, 12))
    x = torch.randn(3, 3, 12, 12)
    once = fold_batch_norm(block, x[:1])
    norms = len(layers(once, nn.BatchNorm2d))
    folded = fold_norm_into_sum(once, x[:1])
    assert len(layers(folded, nn.BatchNorm2d)) == norms - 1
    assert_same(block, folded, x)


def test_a_batch_norm_behind_a_residual_sum_stays() -> None:
    module = prepare(warmed(nn.Sequential(Parallel(nn.Conv2d(4, 4, 1)), nn.BatchNorm2d(4)), 4, 5, 5))
    x = torch.randn(3, 4, 5, 5)
    folded = fold_norm_into_sum(module, x[:1])
    assert len(layers(folded, nn.BatchNorm2d)) == 1
    assert_same(module, folded, x)


@pytest.mark.parametrize(
    ("pair", "shape", "left"),
    [
        ((nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)), (8, 3, 3), 1),
        ((nn.Conv2d(8, 8, 1, bias=False), nn.Conv2d(8, 8, 1)), (8, 3, 3), 1),
        ((nn.Linear(32, 8), nn.Linear(8, 2)), (32,), 1),
        ((nn.Linear(32, 2), nn.Linear(2, 32)), (32,), 2),
        ((nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)), (8,), 2),
        ((nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)), (8, 3, 3), 2),
        ((nn.Conv2d(8, 8, 1, groups=8), nn.Conv2d(8, 8, 1)), (8, 3, 3), 2),
    ],
    ids=str,
)
def test_successive_linear_layers_become_one_where_that_is_smaller(
    pair: tuple[nn.Module, ...], shape: tuple[int, ...], left: int
) -> None:
    torch.manual_seed(0)
    module = prepare(nn.Sequential(*pair))
    x = torch.randn(4, *shape)
    merged = merge_linear(module)
    assert len(layers(merged, nn.Linear) + layers(merged, nn.Conv2d)) == left
    assert_same(module, merged, x)


def test_a_network_that_cannot_be_traced_comes_back_as_it_is() -> None:
    module, x = prepare(Branching()), torch.randn(1, 3, 30)
    for rewritten in (fold_constants(module), trim_dead_taps(module, x), merge_parallel(module, x), merge_linear(module)):
        assert_same(module, rewritten, x)


# (network, input shape, share of its parameters that the files keep, at most)
NETWORKS = [
    ("medianet-base-69", (3, 64, 64), 0.86),
    ("shnet-23-1", (3, 32, 32), 1.15),
    ("scatnet-edge", (51, 16, 16), 1.0),
    ("resnet18", (3, 32, 32), 0.45),
    ("resnet8", (3, 32, 32), 1.0),
    ("tsak-teacher", (3, 100), 1.0),
]


@pytest.mark.parametrize(("name", "shape", "share"), NETWORKS, ids=str)
def test_simplified_networks_compute_the_same(name: str, shape: tuple[int, ...], share: float) -> None:
    simplify = simplify_for_onnx if name.startswith(("shnet", "tsak")) else simplify_for_tflite
    torch.manual_seed(0)
    module = prepare(warmed(create_model(name, classes=5, input_shape=shape), *shape))
    x = torch.randn(4, *shape)
    simplified = simplify(module, x[:1].numpy())
    with torch.no_grad():
        torch.testing.assert_close(simplified(x), module(x), rtol=1e-4, atol=1e-4 * float(module(x).abs().max()))
    assert nn.Mish not in {type(child) for child in simplified.modules()}
    assert torch.einsum not in functions(simplified)
    kept = sum(parameter.numel() for parameter in simplified.parameters())
    assert kept <= share * sum(parameter.numel() for parameter in module.parameters())
