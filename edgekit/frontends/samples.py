"""The front end of sensor windows: the samples, or their means and the movement about them, standardised by channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgekit.core import strict
from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import InputError
from edgekit.frontends.area import whole_number
from edgekit.frontends.standardise import Standardisation

__all__ = ["Samples", "SamplesConfig"]

_LAYOUTS = {1: "F", 2: "CT", 3: "HWC"}


@dataclass(frozen=True)
class SamplesConfig:
    """Everything that decides the values.

    Attributes:
        shape: of one window: (features,), (channels, samples) or (rows, columns, channels).
        standardise: scale and offset of every feature or channel, None for the samples as they are.
        mirror: channels, from 0, that are negated together in a window where the first of them has a negative mean.
        separate_gravity: every channel becomes two, its mean over the window and the movement about it.
        channels: their names, by which they are found in files that name more, or in another order; empty where nobody asks.
    """

    shape: tuple[int, ...] = (3, 100)
    standardise: Standardisation | None = None
    mirror: tuple[int, ...] = ()
    separate_gravity: bool = False
    channels: tuple[str, ...] = ()


class Samples:
    """Windows of samples, e.g. of an accelerometer, or feature maps that another program computed. Safe for several threads.

    A sensor worn on the other arm sees the same movement in a mirror: the axis along the arm points the other way. `mirror` turns
    such windows round, so that a network need not learn both. What an accelerometer measures is gravity, which tells how it lies,
    and movement, often far smaller; `separate_gravity` hands a network both, each standardised by itself.

    Args:
        shape: of one window, 1 to 3 sizes.
        standardise: applied along channels (features) of `output` where given.
        mirror: of windows (channels, samples): which of their channels change sign where the first of them has a negative mean.
        separate_gravity: of windows (channels, samples): first the channels' means, each over its whole window, then the channels
            without them.
        channels: of windows (channels, samples): their names, one each. Arrays are taken as they come; whoever reads a file that
            names its channels takes these, see `edgekit.frontends.windows.seen_by`.

    Raises:
        InputError: on another shape, a standardisation of another number of channels, channels that are none, windows without
            channels to separate, or names that are not one a channel.

    >>> Samples((3, 100))(np.ones((3, 100))).dtype
    dtype('float32')
    """

    name = "samples"
    size = None
    takes_standardisation = True

    def __init__(
        self,
        shape: tuple[int, ...] = (3, 100),
        standardise: Standardisation | None = None,
        mirror: tuple[int, ...] = (),
        separate_gravity: bool = False,
        channels: tuple[str, ...] = (),
    ) -> None:
        sizes = tuple(shape) if isinstance(shape, tuple | list) else ()
        if len(sizes) not in _LAYOUTS or not all(whole_number(size) and size >= 1 for size in sizes):
            raise InputError(f"Expected a window's shape of 1 to 3 sizes, each at least 1, got {shape!r}.")
        _check_separable(separate_gravity, sizes)
        named = _names(channels, sizes)
        self._config = SamplesConfig(tuple(map(int, sizes)), standardise, _channels(mirror, sizes), separate_gravity, named)
        count = self.output.shape[self.feature_axis]
        if standardise is not None and len(standardise.scale) != count:
            given = len(standardise.scale)
            raise InputError(f"Expected a standardisation of {count} channels for features of {self.output.shape}, got {given}.")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Samples:
        """Inverse of `config_to_json`; missing keys take their defaults.

        Raises:
            BundleError: on an unknown key or a value of the wrong type.
            InputError: on a value out of range.
        """
        rest = dict(value)
        standardise = rest.pop("standardise", None)
        config = strict.from_json(SamplesConfig, rest, "the config of front end 'samples'")
        given = None if standardise is None else Standardisation.from_json(standardise)
        return cls(config.shape, given, config.mirror, config.separate_gravity, config.channels)

    @property
    def config(self) -> SamplesConfig:
        """Everything that decides the values."""
        return self._config

    @property
    def output(self) -> TensorSpec:
        """Spec "features" of one window: float32, layout "F", "CT" or "HWC"."""
        shape = self._config.shape
        features = (2 * shape[0], shape[1]) if self._config.separate_gravity else shape
        return TensorSpec("features", "float32", features, _LAYOUTS[len(shape)])

    @property
    def feature_axis(self) -> int:
        """The axis of channels (features), from the end."""
        return -2 if len(self._config.shape) == 2 else -1

    @property
    def standardise(self) -> Standardisation | None:
        """The standardisation that `__call__` and `quantize` apply, None before it is fitted."""
        return self._config.standardise

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one window: none before it is standardised."""
        return 0

    def __call__(self, window: np.ndarray) -> np.ndarray:
        """Samples as the network takes them.

        Args:
            window: `shape` or (N, *shape), any integer or float dtype, finite.

        Returns:
            `output.shape`, or (N, *output.shape), float32, standardised where `standardise` is set.

        Raises:
            InputError: on another shape or dtype, NaN or infinity.
        """
        samples, standardise = self.raw(window), self.standardise
        return samples if standardise is None else standardise.apply(samples, self.feature_axis)

    def raw(self, window: np.ndarray) -> np.ndarray:
        """Samples before standardisation, mirrored and separated as the config says, otherwise as `__call__`."""
        shape = self._config.shape
        expected = f"Expected a window of shape {shape} or (N, {', '.join(map(str, shape))})"
        if not isinstance(window, np.ndarray) or window.dtype.kind not in "fiu":
            found = window.dtype if isinstance(window, np.ndarray) else type(window).__name__
            raise InputError(f"{expected} of numbers, got {found}. Read .npz files with frontends.windows.load_windows.")
        if window.shape[-len(shape) :] != shape or window.ndim > len(shape) + 1:
            raise InputError(f"{expected}, got {window.shape}.")
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinity or NaN, and refused as such
            samples = self._mirrored(window.astype(np.float32))
            samples = _separated(samples) if self._config.separate_gravity else samples
        if not np.isfinite(samples).all():
            raise InputError("Expected a window of finite samples, got NaN or infinity in float32. Check the sensor's reading.")
        return samples

    def _mirrored(self, samples: np.ndarray) -> np.ndarray:
        channels = list(self._config.mirror)
        if channels:
            # In float64, so that every machine sees the same sign.
            turned = samples[..., channels[0], :].mean(axis=-1, dtype=np.float64) < 0
            samples[..., channels, :] *= np.where(turned, np.float32(-1), np.float32(1))[..., None, None]
        return samples

    def quantize(self, window: np.ndarray, affine: Affine) -> np.ndarray:
        """Samples standardised and quantized in one step, in the dtype of `affine`."""
        samples, standardise = self.raw(window), self.standardise
        return affine.quantize(samples) if standardise is None else standardise.quantize(samples, affine, self.feature_axis)

    def with_standardisation(self, standardise: Standardisation | None) -> Samples:
        """The same front end with another standardisation."""
        config = self._config
        return Samples(config.shape, standardise, config.mirror, config.separate_gravity, config.channels)

    def config_to_json(self) -> dict[str, Any]:
        """Every key of the config as JSON values; `from_json` gives the same front end back."""
        standardise = self.standardise
        plain = strict.to_json(replace(self._config, standardise=None))
        return {**plain, "standardise": None if standardise is None else standardise.to_json()}


def _check_separable(separate_gravity: bool, shape: tuple[int, ...]) -> None:
    if not isinstance(separate_gravity, bool):
        raise InputError(f"Expected separate_gravity to be true or false, got {separate_gravity!r}.")
    if separate_gravity and len(shape) != 2:
        raise InputError(
            f"Expected windows of shape (channels, samples) to separate gravity from, got {shape}. Leave out separate_gravity."
        )


def _separated(samples: np.ndarray) -> np.ndarray:
    """(..., 2 C, T): means of the channels, in float64 first, then what is left."""
    means = samples.mean(axis=-1, keepdims=True, dtype=np.float64).astype(np.float32)
    return np.concatenate([np.broadcast_to(means, samples.shape), samples - means], axis=-2)


def _channels(mirror: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """As given, those after the first in order: only its place has a meaning."""
    if not isinstance(mirror, tuple | list):
        raise InputError(f"Expected channels to mirror, such as (0,), got {mirror!r}.")
    if not mirror:
        return ()
    given = tuple(mirror)
    if len(shape) != 2:
        raise InputError(f"Expected windows of shape (channels, samples) to mirror, got {shape}. Leave out mirror.")
    if not all(whole_number(channel) and 0 <= channel < shape[0] for channel in given) or len(set(given)) < len(given):
        raise InputError(f"Expected channels 0 to {shape[0] - 1} to mirror, each once, got {', '.join(map(str, given))}.")
    return (int(given[0]), *sorted(map(int, given[1:])))


def _names(channels: tuple[str, ...], shape: tuple[int, ...]) -> tuple[str, ...]:
    if not isinstance(channels, tuple | list) or not all(isinstance(name, str) and name for name in channels):
        raise InputError(f"Expected names of channels, such as ('acc_x', 'acc_y', 'acc_z'), got {channels!r}.")
    if channels and (len(shape) != 2 or len(channels) != shape[0] or len(set(channels)) < len(channels)):
        raise InputError(f"Expected one name each for the channels of windows of shape {shape}, got {', '.join(channels)}.")
    return tuple(channels)
