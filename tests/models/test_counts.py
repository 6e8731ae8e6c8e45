"""Every network against its paper's counts: parameters, multiply-accumulates, and what `edgekit models` says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edgekit.frontends.base import create_frontend
from edgekit.models.baselines import MobileNetV2, ResNet18
from edgekit.models.layers import PHMLinear
from edgekit.models.medianet import MeDiANet
from edgekit.models.registry import MODELS, count_macs, count_parameters, create_model, describe, model_info
from edgekit.models.scatnet import ScatResNet10
from edgekit.models.shnet import SHNet


@pytest.fixture(scope="module")
def rows():
    return {row["name"]: row for row in describe()}


def parameters(network, *args, **options):
    with torch.device("meta"):
        return count_parameters(network(*args, **options))


EXACT = {
    "imagesig-fc": 384_152,
    "imagesig-cnn1d": 37_112,
    "imagesig-cnn1d-2dir": 59_512,
    "imagesig-transformer": 162_553,
    "tsak-student": 2_689,
    "scatresnet-10": 11_441_640,
    "scatresnet-50": 27_850_856,
    "wide-scatresnet-50-2": 107_015_400,
    "fc-pixels": 614_552,
    "mobilenetv2": 3_504_872,
    "resnet18": 11_689_512,
}


@pytest.mark.parametrize("name", EXACT)
def test_the_networks_that_a_paper_pins_down_have_exactly_its_parameters(rows, name):
    assert rows[name]["parameters"] == EXACT[name]


# (network, parameters and MACs or FLOPs of the paper's table in millions, tolerances)
MEDIANET = [
    ("medianet-base-69", 0.38, 0.05),
    ("medianet-base-117", 0.63, 0.05),
    ("medianet-wide-69", 0.91, 0.06),
    ("medianet-wide-117", 1.81, 0.05),
]
SHNET = [("shnet-23-1", 0.30, 4.1), ("shnet-23-2", 1.1, 11.9), ("shnet-44-1", 0.54, 5.9), ("shnet-44-2", 2.06, 17.8)]


@pytest.mark.parametrize(("name", "paper", "tolerance"), MEDIANET)
def test_medianet_has_the_parameters_of_the_papers_column(rows, name, paper, tolerance):
    assert rows[name]["parameters"] / 1e6 == pytest.approx(paper, rel=tolerance)
    assert rows[name]["input_shape"] == [3, 224, 224]
    assert rows[name]["classes"] == 35


@pytest.mark.parametrize(("name", "paper", "flops"), SHNET)
def test_shnet_has_parameters_and_flops_of_the_papers_table(rows, name, paper, flops):
    assert rows[name]["parameters"] / 1e6 == pytest.approx(paper, rel=0.05)
    assert rows[name]["macs"] / 1e6 == pytest.approx(flops, rel=0.05)
    assert rows[name]["input_shape"] == [3, 32, 32]
    assert rows[name]["classes"] == 38


# The literal reading of the paper's table (R0), in millions; MACs in thousand millions.
R0 = [
    (16, (1, 1, 1), 0.228, 0.062),
    (32, (1, 1, 1), 0.865, 0.190),
    (16, (1, 2, 3), 0.477, 0.088),
    (32, (1, 2, 3), 1.843, 0.293),
]


@pytest.mark.parametrize(("width", "repeats", "millions", "macs"), R0)
def test_medianet_without_a_fixed_last_stage_is_the_literal_reading(width, repeats, millions, macs):
    with torch.device("meta"):
        module = MeDiANet((3, 224, 224), 35, width=width, repeats=repeats)
    assert round(count_parameters(module) / 1e6, 3) == millions
    assert round(count_macs(module, (3, 224, 224)) / 1e9, 3) == macs


ATTENTIONS = {
    "sh": (0.302, 1.134, 0.559, 2.132),
    "se": (0.316, 1.192, 0.588, 2.247),
    "none": (0.287, 1.076, 0.529, 2.015),
}
PLAIN_MACS = (4.08, 11.33, 5.52, 16.97)
VARIANTS = [((6, 6, 8, 1), 1), ((6, 6, 8, 1), 2), ((12, 12, 16, 2), 1), ((12, 12, 16, 2), 2)]


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("number", range(4))
def test_shnets_attentions_cost_what_they_should(rows, attention, number):
    blocks, widening = VARIANTS[number]
    with torch.device("meta"):
        module = SHNet((3, 32, 32), 38, blocks=blocks, widening=widening, attention=attention)
    name = f"shnet-{(23, 44)[number // 2]}-{widening}{'' if attention == 'sh' else f'-{attention}'}"
    assert rows[name]["parameters"] == count_parameters(module)
    assert round(count_parameters(module) / 1e6, 3) == ATTENTIONS[attention][number]
    dense = sum(layer.in_features**2 for layer in module.modules() if isinstance(layer, PHMLinear))
    if attention != "se":
        assert round((count_macs(module, (3, 32, 32)) - dense) / 1e6, 2) == PLAIN_MACS[number]


def test_scattering_of_two_orders_costs_what_the_paper_says():
    assert parameters(ScatResNet10, (651, 28, 28), 1000) == 12_768_744


@pytest.mark.parametrize(("name", "giga"), [("scatresnet-10", 3.63), ("scatresnet-50", 3.88), ("wide-scatresnet-50-2", 15.40)])
def test_scattering_networks_have_the_macs_of_the_reference(rows, name, giga):
    assert round(rows[name]["macs"] / 1e9, 2) == giga


def test_the_edge_member_of_the_family_stays_under_a_tenth_of_a_million():
    for size, scales in ((32, 2), (64, 2), (64, 3), (96, 3)):
        shape = create_frontend("scattering", {"size": [size, size], "J": scales}).output.shape
        assert parameters(lambda shape=shape: create_model("scatnet-edge", classes=20, input_shape=shape)) < 100_000


def test_the_small_edge_member_is_half_as_large(rows):
    small, edge = rows["scatnet-edge-small"], rows["scatnet-edge"]
    assert (small["parameters"], small["input_shape"]) == (34_458, edge["input_shape"])
    assert small["macs"] < 0.55 * edge["macs"]


def test_the_student_has_the_macs_of_the_reference(rows):
    assert rows["tsak-student"]["macs"] == 160_365
    assert rows["tsak-student"]["input_shape"] == [3, 100]
    assert rows["tsak-teacher"]["parameters"] > 20 * rows["tsak-student"]["parameters"]


def test_the_baselines_have_the_published_macs():
    # MobileNetV2's paper: 300 M; its authors' table of the width 0.35: 59 M and 1.66 M parameters; ResNet's Table 1: 1.8e9.
    with torch.device("meta"):
        whole, narrow = MobileNetV2((3, 224, 224), 1000), MobileNetV2((3, 224, 224), 1000, multiplier=0.35)
        resnet = ResNet18((3, 224, 224), 1000)
        assert count_macs(whole, (3, 224, 224)) / 1e6 == pytest.approx(300, rel=0.01)
        assert count_macs(narrow, (3, 224, 224)) / 1e6 == pytest.approx(59, rel=0.01)
        assert count_parameters(narrow) / 1e6 == pytest.approx(1.66, rel=0.02)
        assert count_macs(resnet, (3, 224, 224)) / 1e9 == pytest.approx(1.8, rel=0.01)


def test_resnet8_is_mlperf_tinys_once_its_running_statistics_are_counted(rows):
    module = create_model("resnet8", classes=10, input_shape=(3, 32, 32))
    statistics = sum(2 * layer.num_features for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))
    assert rows["resnet8"]["parameters"] + statistics == 78_666


def test_resnet8_multiplies_as_often_as_mlperf_tinys_file(rows, shared):
    from edgekit.inspection import inspect_file

    told = inspect_file(shared / "data/mlperf_tiny/models/ic01_resnet8_float.tflite").to_json()
    assert rows["resnet8"]["macs"] == told["macs"]


@pytest.mark.parametrize("name", MODELS)
def test_a_networks_default_front_end_gives_what_it_takes(name):
    info = model_info(name)
    assert tuple(create_frontend(info.frontend, info.config).output.shape) == info.input_shape


def test_pixels_come_about_zero_and_one():
    frontend = create_frontend("pixels", {**model_info("shnet-23-1").config, "size": [1, 1]})
    for level, wanted in ((0, -2.0), (128, 0.0), (255, 127 / 64)):
        assert (frontend(np.full((1, 1, 3), level, np.uint8)) == wanted).all()


def test_describe_has_the_keys_of_the_command(rows):
    assert list(rows) == list(MODELS)
    assert all(set(row) == {"name", "parameters", "macs", "input_shape", "classes"} for row in rows.values())


def test_a_grouped_dilated_convolution_counts_its_own_products():
    layer = nn.Conv2d(8, 12, (3, 5), groups=4, dilation=2, padding=(2, 4), bias=False)
    assert count_macs(layer, (8, 7, 9)) == 7 * 9 * 12 * 2 * 15
    depthwise = nn.Conv1d(6, 6, 3, groups=6)
    assert count_macs(depthwise, (6, 10)) == 8 * 6 * 3


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.ConvTranspose1d(6, 8, 5, stride=3, padding=2, output_padding=1, groups=2), (6, 11), 11 * 6 * 4 * 5),
        (nn.ConvTranspose2d(8, 16, 2, stride=2), (8, 8, 8), 32_768),
        (nn.ConvTranspose2d(4, 4, (3, 5), stride=2, padding=1, dilation=2, groups=4, bias=False), (4, 6, 7), 42 * 4 * 15),
        (nn.ConvTranspose3d(2, 3, 2), (2, 3, 4, 5), 60 * 2 * 3 * 8),
    ],
)
def test_a_transposed_convolution_meets_its_kernel_once_for_each_value_of_its_input(layer, shape, macs):
    """Each count by hand, and half the operations that PyTorch's own counter finds."""
    with FlopCounterMode(display=False) as counter:
        layer(torch.zeros(1, *shape))
    assert count_macs(layer, shape) == macs == counter.get_total_flops() / 2


def test_a_layer_that_is_given_its_input_by_name_counts_the_same():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose2d(8, 16, 2, stride=2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.up(input=x)

    assert count_macs(Named(), (8, 8, 8)) == 32_768


def test_a_hypercomplex_layer_counts_as_the_dense_one_it_becomes():
    assert count_macs(PHMLinear(8, 12), (8,)) == 96
    assert count_parameters(PHMLinear(8, 12)) == 8 * 12 // 4 + 12


def test_counting_macs_leaves_the_module_in_its_mode():
    module = create_model("imagesig-cnn1d", classes=2, input_shape=(64, 120)).train()
    count_macs(module, (64, 120))
    assert module.training
    assert not any(layer._forward_hooks for layer in module.modules())
