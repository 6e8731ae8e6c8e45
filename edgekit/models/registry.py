"""The networks by name, each with the front end and the sizes of its paper."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from edgekit.core.registry import Registry
from edgekit.errors import UnknownNameError
from edgekit.models.counts import count_macs, count_parameters

__all__ = ["MODELS", "ModelInfo", "count_macs", "count_parameters", "create_model", "describe", "model_info", "takes_neurons"]


# (level - 128) / 64: about zero and one for photographs, and the same for each colour, so that an int8 input holds every level
# exactly, as level - 128. A mean and a deviation for each colour are rounded by one int8 scale; that alone left SHNet 27 dB.
_PIXEL_SCALE = 1 / 64
_PIXEL_OFFSET = -2.0


@dataclass(frozen=True)
class ModelInfo:
    """A network and what it is fed with.

    Attributes:
        factory: "package.module:class"; the class takes (input_shape, classes).
        input_shape: of one image's features, in the paper.
        frontend: registered name of the default front end.
        config: its JSON config, without standardisation.
        classes: of the paper's head.
        options: keyword arguments of the class.
    """

    factory: str
    input_shape: tuple[int, ...]
    frontend: str
    config: Mapping[str, Any] = field(default_factory=dict)
    classes: int = 2
    options: Mapping[str, Any] = field(default_factory=dict)


def _imagesig(network: str, directions: str = "rows") -> ModelInfo:
    config = {"size": [64, 64], "depth": 4, "directions": directions, "path": "rgb"}
    rows = 64 if directions == "rows" else 128
    return ModelInfo(f"edgekit.models.imagesig:{network}", (rows, 120), "signature", config)


def _pixels(factory: str, size: int, classes: int, **options: Any) -> ModelInfo:
    config = {"size": [size, size], "layout": "CHW", "scale": _PIXEL_SCALE, "offset": _PIXEL_OFFSET}
    return ModelInfo(f"edgekit.models.{factory}", (3, size, size), "pixels", config, classes, options)


def _medianet(width: int, repeats: tuple[int, int, int]) -> ModelInfo:
    return _pixels("medianet:MeDiANet", 224, 35, width=width, repeats=repeats, last_stage=256)


def _shnet(blocks: tuple[int, int, int, int], widening: int, attention: str = "sh") -> ModelInfo:
    return _pixels("shnet:SHNet", 32, 38, blocks=blocks, widening=widening, attention=attention)


def _scattering(network: str, size: int, scales: int, classes: int, **options: Any) -> ModelInfo:
    config = {"size": [size, size], "J": scales, "L": 8, "max_order": 1}
    side = size // 2**scales
    shape = (3 * (1 + 8 * scales), side, side)
    return ModelInfo(f"edgekit.models.scatnet:{network}", shape, "scattering", config, classes, options)


def _tsak(network: str) -> ModelInfo:
    return ModelInfo(f"edgekit.models.tsak:{network}", (3, 100), "samples", {"shape": [3, 100]}, 4)


MODELS: Mapping[str, ModelInfo] = {
    "imagesig-fc": _imagesig("ImageSigFC"),
    "imagesig-cnn1d": _imagesig("ImageSigCNN1D"),
    "imagesig-cnn1d-2dir": _imagesig("ImageSigCNN1D", "both"),
    "imagesig-transformer": _imagesig("ImageSigTransformer"),
    "medianet-base-69": _medianet(16, (1, 1, 1)),
    "medianet-base-117": _medianet(16, (1, 2, 3)),
    "medianet-wide-69": _medianet(32, (1, 1, 1)),
    "medianet-wide-117": _medianet(32, (1, 2, 3)),
    "shnet-23-1": _shnet((6, 6, 8, 1), 1),
    "shnet-23-1-se": _shnet((6, 6, 8, 1), 1, "se"),
    "shnet-23-1-none": _shnet((6, 6, 8, 1), 1, "none"),
    "shnet-23-2": _shnet((6, 6, 8, 1), 2),
    "shnet-23-2-se": _shnet((6, 6, 8, 1), 2, "se"),
    "shnet-23-2-none": _shnet((6, 6, 8, 1), 2, "none"),
    "shnet-44-1": _shnet((12, 12, 16, 2), 1),
    "shnet-44-1-se": _shnet((12, 12, 16, 2), 1, "se"),
    "shnet-44-1-none": _shnet((12, 12, 16, 2), 1, "none"),
    "shnet-44-2": _shnet((12, 12, 16, 2), 2),
    "shnet-44-2-se": _shnet((12, 12, 16, 2), 2, "se"),
    "shnet-44-2-none": _shnet((12, 12, 16, 2), 2, "none"),
    "scatnet-edge": _scattering("ScatNetEdge", 64, 2, 10),
    "scatnet-edge-small": _scattering("ScatNetEdge", 64, 2, 10, widths=(32, 48)),
    "scatresnet-10": _scattering("ScatResNet10", 224, 3, 1000),
    "scatresnet-50": _scattering("ScatResNet50", 224, 3, 1000),
    "wide-scatresnet-50-2": _scattering("ScatResNet50", 224, 3, 1000, width=256),
    "tsak-student": _tsak("TSAKStudent"),
    "tsak-teacher": _tsak("TSAKTeacher"),
    "fc-pixels": _pixels("baselines:FCPixels", 64, 2),
    "mobilenetv2": _pixels("baselines:MobileNetV2", 64, 1000),
    "mobilenetv2-0.35": _pixels("baselines:MobileNetV2", 64, 1000, multiplier=0.35),
    "resnet18": _pixels("baselines:ResNet18", 64, 1000),
    "resnet8": _pixels("baselines:ResNet8", 32, 10),
}
_FACTORIES = Registry("network", {name: info.factory for name, info in MODELS.items()})


def model_info(name: str) -> ModelInfo:
    """What is registered under `name`.

    Raises:
        UnknownNameError: listing the known names.
    """
    if name not in MODELS:
        raise UnknownNameError("network", name, MODELS)
    return MODELS[name]


def takes_neurons(name: str) -> bool:
    """Whether a network has a hidden layer whose width ("hidden") can be chosen."""
    return "hidden" in inspect.signature(_FACTORIES.load(name)).parameters


def create_model(name: str, *, classes: int, input_shape: tuple[int, ...], options: Mapping[str, Any] | None = None) -> nn.Module:
    """A freshly initialised network (seed torch first for a repeatable one).

    Args:
        name: a name of `MODELS`.
        classes: number of logits.
        input_shape: of one image's features, without the batch dimension: the front end's `output.shape`.
        options: keyword arguments of the class, in place of the registered ones.

    Raises:
        UnknownNameError: listing the known names.
        ModelError: when the features are too small for the network, or not of its kind.
    """
    module: nn.Module = _FACTORIES.load(name)(tuple(input_shape), classes, **{**model_info(name).options, **(options or {})})
    return module


def describe() -> list[dict[str, Any]]:
    """One row a network: name, parameters, macs, input_shape and classes, as in its paper."""
    with torch.device("meta"):  # shapes alone: the largest has 400 MB of weights
        return [_row(name, info) for name, info in MODELS.items()]


def _row(name: str, info: ModelInfo) -> dict[str, Any]:
    module = create_model(name, classes=info.classes, input_shape=info.input_shape)
    return {
        "name": name,
        "parameters": count_parameters(module),
        "macs": count_macs(module, info.input_shape),
        "input_shape": list(info.input_shape),
        "classes": info.classes,
    }
