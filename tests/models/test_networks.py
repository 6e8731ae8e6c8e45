"""The networks of all families: their shapes, what they refuse, and that tracers and small inputs pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgekit.errors import ModelError, UnknownNameError
from edgekit.models.layers import Mask, PHMLinear, SqueezeExcitation, SqueezeHypercomplex
from edgekit.models.layers.phm import HAMILTON
from edgekit.models.medianet import MeDiANet
from edgekit.models.registry import create_model
from edgekit.models.shnet import SHNet

# (network, input shape): small enough for a test, odd where the stride leaves rest.
SHAPES = [
    ("medianet-base-69", (3, 64, 64)),
    ("medianet-base-69", (3, 33, 47)),
    ("medianet-base-117", (1, 32, 32)),
    ("shnet-23-1", (3, 32, 32)),
    ("shnet-23-2", (3, 64, 48)),
    ("scatnet-edge", (51, 16, 16)),
    ("scatnet-edge", (75, 4, 4)),
    ("scatresnet-10", (75, 2, 2)),
    ("scatresnet-50", (75, 4, 5)),
    ("tsak-student", (3, 100)),
    ("tsak-student", (6, 128)),
    ("tsak-teacher", (3, 100)),
    ("fc-pixels", (3, 8, 8)),
    ("mobilenetv2", (3, 32, 32)),
    ("mobilenetv2-0.35", (3, 64, 64)),
    ("resnet18", (3, 32, 40)),
    ("resnet8", (3, 32, 32)),
]


@pytest.mark.parametrize(("name", "shape"), SHAPES, ids=str)
def test_a_network_maps_features_to_logits_and_traces(name, shape):
    torch.manual_seed(0)
    module = create_model(name, classes=5, input_shape=shape).eval()
    x = torch.randn(2, *shape)
    with torch.no_grad():
        logits = module(x)
        assert logits.shape == (2, 5)
        assert torch.isfinite(logits).all()
        torch.testing.assert_close(torch.fx.symbolic_trace(module)(x), logits)


# (network, stride, shape that is too small)
TOO_SMALL = [
    ("medianet-base-69", (3, 31, 64), "at least 32 x 32 for MeDiANet.* got 31 x 64"),
    ("shnet-23-1", (3, 32, 16), "at least 32 x 32 for SHNet.* got 32 x 16"),
    ("scatnet-edge", (51, 1, 8), "at least 2 x 2 for scatnet-edge.* got 1 x 8"),
    ("scatresnet-10", (75, 1, 1), "at least 2 x 2 for ScatResNet-10"),
    ("scatresnet-50", (75, 3, 3), "at least 4 x 4 for ScatResNet-50"),
    ("mobilenetv2", (3, 16, 16), "at least 32 x 32 for MobileNetV2"),
    ("resnet18", (3, 16, 16), "at least 32 x 32 for ResNet-18"),
    ("resnet8", (3, 3, 3), "at least 4 x 4 for ResNet8"),
    ("tsak-student", (3, 21), "at least 22 samples for tsak-student, got 21"),
    ("tsak-teacher", (3, 3), "at least 4 samples for tsak-teacher, got 3"),
]


@pytest.mark.parametrize(("name", "shape", "message"), TOO_SMALL, ids=str)
def test_an_image_smaller_than_the_networks_stride_is_refused_with_numbers(name, shape, message):
    with pytest.raises(ModelError, match=message):
        create_model(name, classes=2, input_shape=shape)


@pytest.mark.parametrize("name", ["medianet-base-69", "shnet-23-1", "scatnet-edge", "mobilenetv2", "fc-pixels"])
def test_features_that_are_no_maps_are_refused(name):
    with pytest.raises(ModelError, match=r"Expected features of shape \(channels, height, width\) .* got \(64, 120\)"):
        create_model(name, classes=2, input_shape=(64, 120))
    with pytest.raises(ModelError, match="at least 1 class, got 0"):
        create_model(name, classes=0, input_shape=(3, 64, 64))


def test_windows_of_another_kind_are_refused():
    with pytest.raises(ModelError, match=r"Expected windows of shape \(channels, samples\) for tsak-student, got \(3, 10, 10\)"):
        create_model("tsak-student", classes=2, input_shape=(3, 10, 10))
    with pytest.raises(ModelError, match="at least 1 class, got 0"):
        create_model("tsak-student", classes=0, input_shape=(3, 100))


def test_an_unknown_attention_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="Unknown attention 'cbam'"):
        SHNet((3, 32, 32), 2, attention="cbam")


def test_the_last_stage_of_medianet_is_an_option():
    widths = [MeDiANet((3, 32, 32), 2, last_stage=last).head[0].in_features for last in (None, 256)]
    assert widths == [128, 256]


def test_a_mask_lies_between_0_and_1_and_keeps_every_size():
    for size in ((56, 56), (28, 28), (14, 14), (7, 5), (1, 2)):
        mask = Mask(8, (1, 2, 3), size).eval()(torch.randn(1, 8, *size))
        assert mask.shape == (1, 8, *size)
        assert 0 < float(mask.detach().min()) < float(mask.detach().max()) < 1


def as_complex(quaternion: torch.Tensor) -> torch.Tensor:
    """r + i x + j y + k z as a complex 2x2 matrix: the usual faithful representation."""
    r, i, j, k = quaternion.double()
    return torch.stack(
        (torch.stack((torch.complex(r, i), torch.complex(j, k))), torch.stack((torch.complex(-j, k), torch.complex(r, -i))))
    )


def test_the_hamilton_matrices_multiply_quaternions():
    generator = torch.Generator().manual_seed(3)
    channel, weight = torch.randn(2, 4, generator=generator)
    matrix = sum(part * torch.tensor(rule).float() for part, rule in zip(weight, HAMILTON, strict=True))
    torch.testing.assert_close(as_complex(matrix @ channel), as_complex(channel) @ as_complex(weight))


def test_a_hypercomplex_layer_is_the_sum_of_kronecker_products():
    torch.manual_seed(0)
    layer = PHMLinear(8, 12)
    wanted = sum(torch.kron(torch.tensor(rule).float(), part) for rule, part in zip(HAMILTON, layer.weight, strict=True))
    torch.testing.assert_close(layer.dense(), wanted)
    x = torch.randn(5, 8)
    torch.testing.assert_close(layer(x), nn.functional.linear(x, wanted, layer.bias))
    assert set(layer.state_dict()) == {"weight", "bias"}


@pytest.mark.parametrize(("inputs", "outputs"), [(6, 8), (8, 6), (0, 4)])
def test_widths_that_do_not_split_into_quaternions_are_refused(inputs, outputs):
    with pytest.raises(ModelError, match=f"multiples of 4, got {inputs} to {outputs}"):
        PHMLinear(inputs, outputs)


@pytest.mark.parametrize("layer", [SqueezeHypercomplex(8), SqueezeExcitation(8)], ids=["sh", "se"])
def test_attention_scales_each_channel_by_one_number_between_0_and_1(layer):
    x = torch.rand(2, 8, 3, 5) + 0.5
    ratio = (layer(x) / x).detach()
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))
    assert 0 < float(ratio.min()) < float(ratio.max()) < 1
