"""The ImageSig networks: the counts of the paper, their shapes, and that the exporters' tracers take them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgekit.errors import ModelError, UnknownNameError
from edgekit.models.layers import SelfAttention, SequencePooling
from edgekit.models.registry import MODELS, count_macs, count_parameters, create_model, model_info

# (network, input shape, classes, parameters): Tables 1, 5 and 6 of the paper.
PAPER = [
    ("imagesig-fc", (64, 120), 2, 384_152),
    ("imagesig-cnn1d", (64, 120), 2, 37_112),
    ("imagesig-cnn1d-2dir", (128, 120), 2, 59_512),
    ("imagesig-cnn1d", (224, 120), 10, 95_120),
    ("imagesig-cnn1d", (224, 120), 2, 94_712),
    ("imagesig-transformer", (64, 120), 2, 162_553),
    ("imagesig-fc", (64, 64 * 3), 2, 614_552),
    ("imagesig-fc", (32, 80), 2, 128_152),
    ("imagesig-fc", (64, 32), 2, 102_552),
]
DEPTHS = {1: 3, 2: 12, 3: 39, 4: 120, 5: 363, 6: 1092}
TABLE_5 = {
    32: (4_952, 19_352, 62_552, 192_152, 580_952, 1_747_352),
    64: (9_752, 38_552, 124_952, 384_152, 1_161_752),
    128: (19_352, 76_952, 249_752, 768_152, 2_323_352),
}


@pytest.mark.parametrize(("name", "shape", "classes", "parameters"), PAPER)
def test_a_network_has_the_parameters_of_the_paper(name, shape, classes, parameters):
    assert count_parameters(create_model(name, classes=classes, input_shape=shape)) == parameters


@pytest.mark.parametrize("size", TABLE_5)
def test_the_fully_connected_grid_of_table_5_is_met(size):
    counts = [count_parameters(create_model("imagesig-fc", classes=2, input_shape=(size, q))) for q in DEPTHS.values()]
    assert tuple(counts[: len(TABLE_5[size])]) == TABLE_5[size]


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("imagesig-transformer", 1_664_100),
        ("imagesig-fc", 64 * 120 * 50 + 50 * 2),
        ("imagesig-cnn1d", 62 * 32 * 360 + 18 * 64 * 96 + 384 * 50 + 50 * 2),
    ],
)
def test_the_macs_are_those_of_convolutions_and_linear_layers(name, macs):
    assert count_macs(create_model(name, classes=2, input_shape=(64, 120)), (64, 120)) == macs


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("imagesig")])
def test_a_network_maps_features_to_logits_and_traces(name):
    info = model_info(name)
    module = create_model(name, classes=5, input_shape=info.input_shape).eval()
    x = torch.randn(3, *info.input_shape)
    with torch.no_grad():
        logits = module(x)
        assert logits.shape == (3, 5)
        torch.testing.assert_close(torch.fx.symbolic_trace(module)(x), logits)
        torch.testing.assert_close(torch.export.export(module, (x,)).module()(x), logits)


@pytest.mark.parametrize("name", ["imagesig-cnn1d", "imagesig-cnn1d-2dir", "imagesig-transformer"])
def test_the_smallest_input_works_and_a_smaller_one_is_refused(name):
    assert create_model(name, classes=2, input_shape=(17, 4))(torch.zeros(1, 17, 4)).shape == (1, 2)
    with pytest.raises(ModelError, match=r"at least 17 paths .* got 16\. Use a larger size"):
        create_model(name, classes=2, input_shape=(16, 4))


@pytest.mark.parametrize("shape", [(64,), (64, 0), (3, 64, 64)])
def test_features_of_another_kind_are_refused(shape):
    with pytest.raises(ModelError, match=r"Expected features of shape \(R, F\)"):
        create_model("imagesig-fc", classes=2, input_shape=shape)


def test_no_classes_are_refused():
    with pytest.raises(ModelError, match="at least 1 class, got 0"):
        create_model("imagesig-fc", classes=0, input_shape=(4, 4))


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"Unknown network 'resnet'\. Known: .*imagesig-cnn1d, imagesig-cnn1d-2dir"):
        create_model("resnet", classes=2, input_shape=(64, 120))
    with pytest.raises(UnknownNameError):
        model_info("resnet")


def test_attention_equals_torchs_multi_head_attention():
    torch.manual_seed(0)
    ours, theirs = SelfAttention(16, heads=4, head_width=4).eval(), nn.MultiheadAttention(16, 4, batch_first=True).eval()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.load_state_dict(ours.output.state_dict())
        x = torch.randn(2, 7, 16)
        torch.testing.assert_close(ours(x), theirs(x, x, x)[0])


def test_attention_without_heads_is_refused():
    with pytest.raises(ModelError, match="positive widths"):
        SelfAttention(16, heads=0, head_width=4)


def test_sequence_pooling_of_equal_elements_gives_that_element():
    x = torch.randn(2, 1, 8).expand(2, 5, 8)
    torch.testing.assert_close(SequencePooling(8)(x), x[:, 0])
