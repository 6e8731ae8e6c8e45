"""What the front ends that make features of a picture share: resizing, standardising, quantizing, the way to JSON and back.

A front end of this kind is a config (frozen dataclass with `size`, `standardise`, `decode`), an output spec, and one function
from images of the right size to raw features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from edgekit.core import strict
from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import InputError
from edgekit.frontends.area import check_images, resize_area
from edgekit.frontends.loading import check_decode
from edgekit.frontends.standardise import Standardisation

__all__ = ["FeatureConfig", "ImageFeatures"]


class FeatureConfig(Protocol):
    """Frozen dataclass of keyword arguments; these three are always among them."""

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def standardise(self) -> Standardisation | None: ...

    @property
    def decode(self) -> str: ...


_Config = TypeVar("_Config", bound=FeatureConfig)
_Self = TypeVar("_Self", bound="ImageFeatures[Any]")


class ImageFeatures(Generic[_Config]):
    """Base of the front ends with fitted standardisation. Safe to call from several threads where `_features` is.

    A subclass sets `name` and `config_type`, takes the config's fields as keyword arguments, checks them, and gives `output` and
    `_features`.

    Raises:
        InputError: on a standardisation of another number of features.
        UnknownNameError: on an unknown decode.
    """

    name: ClassVar[str]
    config_type: ClassVar[type[Any]]
    takes_standardisation: ClassVar[bool] = True

    def __init__(self, config: _Config) -> None:
        check_decode(config.decode)
        self._config = config
        self._size = config.size
        self._standardise = config.standardise
        self._axis = self.feature_axis
        count = self.output.shape[self._axis]
        if config.standardise is not None and len(config.standardise.scale) != count:
            expected = f"Expected a standardisation of {count} features for front end {self.name!r} as configured"
            raise InputError(f"{expected}, got {len(config.standardise.scale)}. Fit it on features of this front end.")

    @classmethod
    def from_json(cls: type[_Self], value: Mapping[str, Any]) -> _Self:
        """Inverse of `config_to_json`; missing keys take their defaults.

        Raises:
            BundleError: on an unknown key or a value of the wrong type.
            InputError: on a value out of range.
        """
        rest = dict(value)
        standardise = rest.pop("standardise", None)
        config = strict.from_json(cls.config_type, rest, f"the config of front end {cls.name!r}")
        fitted = None if standardise is None else Standardisation.from_json(standardise)
        return cls._of(replace(config, standardise=fitted))

    @classmethod
    def _of(cls: type[_Self], config: Any) -> _Self:
        return cls(**{field.name: getattr(config, field.name) for field in fields(config)})

    @property
    def config(self) -> _Config:
        """Everything that decides the features."""
        return self._config

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels to which an image is resized first."""
        return self._size

    @property
    def standardise(self) -> Standardisation | None:
        """The standardisation that `__call__` and `quantize` apply, None before it is fitted."""
        return self._standardise

    @property
    def output(self) -> TensorSpec:
        """Spec of the features of one image, without the batch dimension."""
        raise NotImplementedError

    @property
    def feature_axis(self) -> int:
        """Which axis of `output` counts the features: that of channels ("C") or features ("F"), from the end."""
        layout = self.output.layout
        return next(layout.index(letter) for letter in "FC" if letter in layout) - len(layout)

    def _features(self, images: np.ndarray) -> np.ndarray:
        """(N, *size, 3) uint8 -> (N, *output.shape) raw features in the output's dtype."""
        raise NotImplementedError

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Features as the network takes them.

        Args:
            image: (H, W, 3) or (N, H, W, 3) uint8, RGB, any memory layout. Another size than `size` is resized first.

        Returns:
            `output.shape` or (N, *output.shape) in the output's dtype, standardised where `standardise` is set.

        Raises:
            InputError: on another shape or dtype.
        """
        features = self.raw(image)
        return features if self._standardise is None else self._standardise.apply(features, self._axis)

    def raw(self, image: np.ndarray) -> np.ndarray:
        """Features before standardisation, otherwise as `__call__`."""
        images = resize_area(check_images(image), self._size)
        return self._features(images) if images.ndim == 4 else self._features(images[None])[0]

    def quantize(self, image: np.ndarray, affine: Affine) -> np.ndarray:
        """Features standardised and quantized in one step, in the dtype of `affine`."""
        features = self.raw(image)
        if self._standardise is None:
            return affine.quantize(features)
        return self._standardise.quantize(features, affine, self._axis)

    def with_standardisation(self: _Self, standardise: Standardisation | None) -> _Self:
        """The same front end with another standardisation."""
        return self._of(replace(self._config, standardise=standardise))

    def config_to_json(self) -> dict[str, Any]:
        """Every key of the config as JSON values; `from_json` gives the same front end back."""
        standardise = self._standardise
        plain = strict.to_json(replace(self._config, standardise=None))  # type: ignore[type-var]
        return {**plain, "standardise": None if standardise is None else standardise.to_json()}
