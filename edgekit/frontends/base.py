"""What every front end is: a frozen config, an output spec, and a pure map from image to features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from edgekit.core.registry import Registry
from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import InputError
from edgekit.frontends.standardise import Standardisation

__all__ = ["FRONTENDS", "FrontEnd", "create_frontend", "frontend_to_json", "image_size", "standardised", "window_shape"]

FRONTENDS = Registry(
    "front end",
    {
        "logsignature": "edgekit.frontends.logsignature:LogSignature",
        "pixels": "edgekit.frontends.pixels:Pixels",
        "samples": "edgekit.frontends.samples:Samples",
        "signature": "edgekit.frontends.signature:Signature",
        "scattering": "edgekit.frontends.scattering:Scattering",
        "sobel": "edgekit.frontends.sobel:Sobel",
        "sobel-binary": "edgekit.frontends.sobel:SobelBinary",
        "sobel-masked": "edgekit.frontends.sobel:SobelMasked",
        "colour-edges": "edgekit.frontends.sobel:ColourEdges",
        "hog": "edgekit.frontends.hog:Hog",
        "sift": "edgekit.frontends.sift:Sift",
    },
)


class FrontEnd(Protocol):
    """Image to features, NumPy alone; safe to call from several threads.

    A front end is built from keyword arguments (its config) and rebuilt on the board from `config_to_json()`.
    """

    name: str

    @property
    def config(self) -> Any:
        """Frozen dataclass of everything that decides the features."""
        ...

    @property
    def output(self) -> TensorSpec:
        """Spec of the features of one image, without the batch dimension."""
        ...

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) in pixels to which an image is resized first; None where windows of samples are taken instead."""
        ...

    @property
    def feature_axis(self) -> int:
        """Which axis of `output` the standardisation runs along, from the end: -1 for rows of features, -3 for CHW maps."""
        ...

    @property
    def takes_standardisation(self) -> bool:
        """False where the config itself says how values are scaled: training then fits none."""
        ...

    @property
    def standardise(self) -> Standardisation | None:
        """The standardisation that `__call__` and `quantize` apply, None before it is fitted."""
        ...

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Features as the network takes them.

        Args:
            image: (H, W, 3) or (N, H, W, 3) uint8, RGB. Another size than `size` is resized first.

        Returns:
            `output.shape`, or (N, *output.shape), in the config's float dtype; standardised where `standardise` is set.
        """
        ...

    def raw(self, image: np.ndarray) -> np.ndarray:
        """Features before standardisation, otherwise as `__call__`."""
        ...

    def quantize(self, image: np.ndarray, affine: Affine) -> np.ndarray:
        """Features standardised and quantized in one step, in the dtype of `affine`."""
        ...

    def with_standardisation(self, standardise: Standardisation | None) -> FrontEnd:
        """The same front end with another standardisation."""
        ...

    def config_to_json(self) -> dict[str, Any]:
        """The config as JSON values; `create_frontend(name, config)` gives the same front end back."""
        ...


def create_frontend(name: str, config: Mapping[str, Any] | None = None) -> FrontEnd:
    """Build a front end from its name and its JSON config.

    Args:
        name: a name of `FRONTENDS`.
        config: as `config_to_json` gave it, or hand-written; missing keys take their defaults.

    Raises:
        UnknownNameError: listing the known names.
        BundleError: on an unknown key or a value of the wrong type.
        InputError: on a value out of range.
    """
    frontend: FrontEnd = FRONTENDS.load(name).from_json(dict(config or {}))
    return frontend


def frontend_to_json(frontend: FrontEnd) -> dict[str, Any]:
    """{"name", "config"}: how manifests, run folders and model metadata write a front end."""
    return {"name": frontend.name, "config": frontend.config_to_json()}


def standardised(frontend: FrontEnd, raw: np.ndarray) -> np.ndarray:
    """What `frontend(image)` gives, from what `frontend.raw(image)` gave; (N, ...) or one image's features."""
    return raw if frontend.standardise is None else frontend.standardise.apply(raw, frontend.feature_axis)


def image_size(frontend: FrontEnd) -> tuple[int, int]:
    """(height, width) in pixels of the images that a front end takes.

    Raises:
        InputError: when it takes windows of samples.
    """
    if frontend.size is None:
        raise InputError(f"Expected a front end of images, {frontend.name!r} takes sensor windows. Pass windows (.npz).")
    return frontend.size


def window_shape(frontend: FrontEnd) -> tuple[int, ...]:
    """Shape of the windows of samples that a front end takes.

    Raises:
        InputError: when it takes images.
    """
    if frontend.size is not None:
        raise InputError(f"Expected a front end of sensor windows, {frontend.name!r} takes images. Pass images.")
    return tuple(frontend.config.shape)
