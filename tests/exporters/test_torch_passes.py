from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as functional
from torch import nn

from edgekit.exporters.passes.batch_norm_to_depthwise import batch_norm_to_depthwise
from edgekit.exporters.passes.conv1d_to_conv2d import conv1d_to_conv2d
from edgekit.exporters.passes.drop_dropout import drop_dropout
from edgekit.exporters.passes.fold_batch_norm import fold_batch_norm
from edgekit.exporters.passes.rewrite_mish import rewrite_mish
from edgekit.exporters.passes.softmax_last import softmax_last
from edgekit.exporters.passes.spell_modules import spell_modules
from edgekit.exporters.passes.spell_transposes import spell_transposes
from edgekit.exporters.passes.trace import prepare, trace, trusted
from edgekit.models.registry import MODELS, create_model
from tests.exporters.networks import Branching, PreActivation, SensorNet, Unfriendly, warmed


def kinds(module: nn.Module) -> set[type[nn.Module]]:
    return {type(child) for child in module.modules()}


def assert_same(module: nn.Module, rewritten: nn.Module, x: torch.Tensor) -> None:
    with torch.no_grad():
        want, got = module(x), rewritten(x)
    assert got.shape == want.shape
    assert float((want - got).abs().max()) <= 2e-6 * max(1.0, float(want.abs().max()))


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith(("imagesig", "tsak"))])
def test_conv1d_becomes_conv2d_in_every_network_and_computes_the_same(name: str) -> None:
    torch.manual_seed(0)
    shape = MODELS[name].input_shape
    module = prepare(create_model(name, classes=3, input_shape=shape))
    x = torch.randn(4, *shape)
    rewritten = conv1d_to_conv2d(drop_dropout(module), x[:1])
    assert nn.Conv1d not in kinds(rewritten)
    assert nn.Dropout not in kinds(rewritten)
    assert_same(module, rewritten, x)


def test_the_rewritten_cnn1d_meets_its_linear_layer_without_a_transpose() -> None:
    module = prepare(create_model("imagesig-cnn1d", classes=2, input_shape=(64, 120)))
    graph = conv1d_to_conv2d(drop_dropout(module), torch.zeros(1, 64, 120))
    assert isinstance(graph, torch.fx.GraphModule)
    permutes = [node.args[1:] for node in graph.graph.nodes if node.target == "permute"]
    # Both are what the converter's own layout change undoes: into the first convolution, out of the last pooling.
    assert permutes == [(0, 3, 1, 2), (0, 2, 3, 1)]


@pytest.mark.parametrize(("module", "shape"), [(SensorNet(), (3, 40)), (Unfriendly(), (3, 30)), (Branching(), (3, 30))])
def test_a_network_that_is_not_recognised_stays_correct(module: nn.Module, shape: tuple[int, ...]) -> None:
    network = prepare(warmed(module, *shape))
    x = torch.randn(4, *shape)
    assert_same(network, conv1d_to_conv2d(fold_batch_norm(drop_dropout(network), x[:1]), x[:1]), x)


def test_a_network_without_conv1d_comes_back_as_it_is() -> None:
    module = prepare(nn.Sequential(nn.Flatten(), nn.Linear(6, 2)))
    assert conv1d_to_conv2d(module, torch.zeros(1, 2, 3)) is module


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(3, 4, 3, padding="same"),
        nn.Conv1d(3, 4, 3, padding=2, padding_mode="circular"),
        nn.Sequential(nn.Conv1d(3, 4, 3), nn.MaxPool1d(3, stride=2, padding=1, ceil_mode=True)),
        nn.Sequential(nn.Conv1d(3, 4, 3), nn.AdaptiveAvgPool1d(1)),
        nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.BatchNorm1d(4)),
        nn.Sequential(nn.Conv1d(3, 4, 3), nn.Flatten(2)),
        nn.Sequential(nn.Conv1d(3, 4, 3), nn.Flatten(), nn.ReLU(), nn.Linear(112, 2)),
    ],
    ids=lambda layer: str(layer).replace("\n", " ")[:40],
)
def test_each_option_of_a_1d_layer_is_kept(layer: nn.Module) -> None:
    torch.manual_seed(0)
    module = prepare(warmed(nn.Sequential(layer), 3, 30))
    x = torch.randn(4, 3, 30)
    rewritten = conv1d_to_conv2d(module, x[:1])
    assert nn.Conv1d not in kinds(rewritten)
    assert_same(module, rewritten, x)


class Shared(nn.Module):
    """One linear layer behind two flattens, of which the pass may fold one into a copy only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv1d(3, 4, 3), nn.Linear(40, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return self.linear(y.flatten(1)) + self.linear(torch.cat((y, y), 2)[:, :, :10].flatten(1))


def test_a_linear_layer_that_is_used_twice_is_not_permuted_in_place() -> None:
    module = prepare(Shared())
    x = torch.randn(4, 3, 12)
    assert_same(module, conv1d_to_conv2d(module, x[:1]), x)


def test_batch_norms_behind_convolution_and_linear_fold_and_others_stay() -> None:
    module = prepare(warmed(PreActivation(), 3, 16, 16))
    x = torch.randn(4, 3, 16, 16)
    folded = fold_batch_norm(module, x[:1])
    assert sum(isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d) for child in folded.modules()) == 1
    assert_same(module, folded, x)
    depthwise = batch_norm_to_depthwise(folded)
    assert nn.BatchNorm2d not in kinds(depthwise)
    assert_same(module, depthwise, x)


def test_a_batch_norm_over_the_middle_axis_of_a_sequence_is_not_folded_into_the_linear_layer() -> None:
    module = prepare(warmed(nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5)), 5, 5))
    x = torch.randn(4, 5, 5)
    assert_same(module, fold_batch_norm(module, x[:1]), x)


@pytest.mark.parametrize("form", ["division", "tanh"])
def test_mish_is_respelled_exactly_also_far_from_zero(form: str) -> None:
    module = prepare(nn.Sequential(nn.Identity(), nn.Sequential(nn.Mish())))
    rewritten = rewrite_mish(module, form)  # type: ignore[arg-type]
    assert nn.Mish not in kinds(rewritten)
    assert_same(module, rewritten, torch.cat((torch.linspace(-20, 20, 4001), torch.tensor([-200.0, -90.0, 90.0, 200.0]))))


@pytest.mark.parametrize("dim", [1, 2, -1, -2])
def test_softmax_moves_to_the_last_axis(dim: int) -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(x, dim=dim) + functional.softmax(x, dim) * x.softmax(dim)

    module, x = prepare(Net()), torch.randn(2, 3, 5)
    rewritten = softmax_last(module, x[:1])
    assert_same(module, rewritten, x)
    assert isinstance(rewritten, torch.fx.GraphModule)
    softmaxes = [node for node in rewritten.graph.nodes if "softmax" in str(node.target)]
    assert {node.kwargs.get("dim", node.args[-1]) for node in softmaxes} <= {-1, 2}


def test_a_dropout_that_its_author_left_on_is_not_dropped() -> None:
    class Noisy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.dropout(x, 0.5)

    class Quiet(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.dropout(x, 0.5, training=False)

    for module, left in ((Noisy(), 1), (Quiet(), 0)):
        graph = drop_dropout(prepare(module))
        assert isinstance(graph, torch.fx.GraphModule)
        assert sum(node.target is functional.dropout for node in graph.graph.nodes) == left


def test_an_untraceable_part_is_taken_whole() -> None:
    graph = trace(prepare(nn.Sequential(Branching(), nn.Dropout())))
    assert graph is not None
    assert [node.target for node in graph.graph.nodes if node.op == "call_module"] == ["0", "1"]


def test_the_module_that_is_exported_is_left_alone() -> None:
    module = warmed(PreActivation(), 3, 16, 16).train()
    before = copy.deepcopy(module.state_dict())
    clone = prepare(module)
    assert module.training
    assert not clone.training
    fold_batch_norm(drop_dropout(clone), torch.zeros(1, 3, 16, 16))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_transposing_attributes_become_calls() -> None:
    class Gram(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ x.mT + (x @ x.mH).mT

    spelled = spell_transposes(prepare(Gram()))
    assert isinstance(spelled, torch.fx.GraphModule)
    assert not any(node.target is getattr for node in spelled.graph.nodes)
    x = torch.randn(2, 3, 4)
    assert torch.equal(spelled(x), Gram()(x))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.RMSNorm(6), (2, 4, 5, 6)),
        (nn.RMSNorm((5, 6), eps=1e-3, elementwise_affine=False), (2, 4, 5, 6)),
        (nn.ChannelShuffle(2), (2, 4, 5, 6)),
        (nn.AdaptiveAvgPool2d(4), (2, 3, 7, 9)),
        (nn.AdaptiveAvgPool2d((7, 7)), (2, 3, 2, 3)),
        (nn.AdaptiveAvgPool2d((None, 2)), (2, 3, 5, 9)),
        (nn.AdaptiveAvgPool2d(3), (2, 3, 6, 9)),
        (nn.AdaptiveAvgPool1d(4), (2, 3, 9)),
    ],
)
def test_spelled_modules_compute_what_torch_computes(layer: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.randn(*shape)
    for network in (layer, nn.Sequential(nn.Identity(), layer)):
        spelled = spell_modules(prepare(network))
        assert not any(type(child) is type(layer) for child in spelled.modules())
        torch.testing.assert_close(spelled(x), layer(x))


def test_a_graph_that_took_another_branch_is_not_used() -> None:
    class Asks(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if type(x) is torch.Tensor else x * 3

    kept = trusted(prepare(Asks()), torch.ones(1, 3))
    assert trace(kept) is None
    assert torch.equal(kept(torch.ones(1, 3)), torch.full((1, 3), 2.0))
    plain = prepare(nn.Linear(3, 2))
    assert trusted(plain, torch.ones(1, 3)) is plain
