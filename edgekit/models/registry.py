"""The networks by name, each with the front end and the sizes of its paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from edgekit.core.registry import Registry
from edgekit.errors import UnknownNameError
from edgekit.models.counts import count_macs, count_parameters

__all__ = ["MODELS", "ModelInfo", "count_macs", "count_parameters", "create_model", "describe", "model_info"]


@dataclass(frozen=True)
class ModelInfo:
    """A network and what it is fed with.

    Attributes:
        factory: "package.module:class"; the class takes (input_shape, classes).
        input_shape: of one image's features, in the paper.
        frontend: registered name of the default front end.
        config: its JSON config, without standardisation.
        classes: of the paper's head.
    """

    factory: str
    input_shape: tuple[int, ...]
    frontend: str
    config: Mapping[str, Any] = field(default_factory=dict)
    classes: int = 2


def _imagesig(network: str, directions: str = "rows") -> ModelInfo:
    config = {"size": [64, 64], "depth": 4, "directions": directions, "path": "rgb"}
    rows = 64 if directions == "rows" else 128
    return ModelInfo(f"edgekit.models.imagesig:{network}", (rows, 120), "signature", config)


MODELS: Mapping[str, ModelInfo] = {
    "imagesig-fc": _imagesig("ImageSigFC"),
    "imagesig-cnn1d": _imagesig("ImageSigCNN1D"),
    "imagesig-cnn1d-2dir": _imagesig("ImageSigCNN1D", "both"),
    "imagesig-transformer": _imagesig("ImageSigTransformer"),
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


def create_model(name: str, *, classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """A freshly initialised network (seed torch first for a repeatable one).

    Args:
        name: a name of `MODELS`.
        classes: number of logits.
        input_shape: of one image's features, without the batch dimension: the front end's `output.shape`.

    Raises:
        UnknownNameError: listing the known names.
        ModelError: when the features are too small for the network, or not of its kind.
    """
    module: nn.Module = _FACTORIES.load(name)(tuple(input_shape), classes)
    return module


def describe() -> list[dict[str, Any]]:
    """One row a network: name, parameters, macs, input_shape and classes, as in its paper."""
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
