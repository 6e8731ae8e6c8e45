"""Which layers int8 hurts: the file's fidelity with one layer at a time in float."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgekit.calibration.ranges import Ranges
from edgekit.core.manifest import Parity
from edgekit.core.recipe import Format, Recipe
from edgekit.errors import ModelError
from edgekit.exporters import parity as gates
from edgekit.exporters.base import Converted
from edgekit.exporters.graphs import convert
from edgekit.exporters.layers import layers_of
from edgekit.exporters.targets import Target
from edgekit.runtimes.open import installed_runtimes, open_runtime

__all__ = ["Effect", "Trial", "sensitivity"]

#: Images on which layers are ranked: a ranking needs fewer than a verdict.
RANKED_ON = 128


@dataclass(frozen=True)
class Effect:
    """One file of the analysis beside the plain int8 one.

    Attributes:
        layer: the one that computes in float; None: the plain int8 file.
        sqnr_db: of the logits, in decibels; infinite without any error.
        agreement: share of images with PyTorch's label, 0 to 1.
        bytes: of the file.
    """

    layer: str | None
    sqnr_db: float
    agreement: float
    bytes: int


@dataclass(frozen=True)
class Trial:
    """Makes and measures int8 files of one float graph that differ in their float layers.

    Attributes:
        format: of the graph.
        model: as `graphs.quantizable` gave it.
        recipe: of precision int8.
        ranges: of the graph.
        target: opset, scheme.
        checked: what is compared on.
    """

    format: Format
    model: bytes
    recipe: Recipe
    ranges: Ranges
    target: Target
    checked: gates.Checked

    def make(self, float_layers: Iterable[str] = ()) -> Converted:
        """The int8 file with these layers in float.

        Raises:
            UnknownNameError: on a layer that the graph does not have.
            ModelError: when the quantizer refuses it.
        """
        recipe = replace(self.recipe, float_layers=tuple(float_layers))
        return convert(self.format, self.model, recipe, self.ranges, self.target)

    def measure(self, model: bytes, images: int | None = None) -> tuple[Parity, ...]:
        """Parity of a file on every installed runtime; one that refuses the file counts as one that gets everything wrong.

        Args:
            model: the file.
            images: only so many, and only on the first runtime; None: all, on all.
        """
        names = installed_runtimes(self.format)
        sample = self.checked if images is None else self.checked.first(images)
        found = []
        for name in names if images is None else names[:1]:
            try:
                with open_runtime(model, name, format=self.format) as runtime:
                    found.append(gates.measure(runtime, sample.features, sample.reference, sample.labels))
            except ModelError:
                accuracy = None if sample.labels is None else 0.0
                found.append(Parity(name, len(sample.features), math.inf, -math.inf, 0.0, accuracy))
        return tuple(found)


def sensitivity(trial: Trial, tell: Callable[[str], None]) -> tuple[Effect, ...]:
    """The plain int8 file, then each layer that int8 concerns alone in float, the one that gains most first.

    Args:
        trial: of one graph.
        tell: called with a short line before each layer.
    """
    made = trial.make().model
    plain = _effect(trial, None, made)
    effects, unchanged = [], []
    for layer in layers_of(trial.format, trial.model):
        tell(f"{layer} in float")
        alone = trial.make([layer]).model
        if alone == made:
            unchanged.append(layer)
        else:
            effects.append(_effect(trial, layer, alone))
    effects += [replace(plain, layer=layer) for layer in _int8_beside_float(trial, unchanged)]
    effects.sort(key=lambda effect: -effect.sqnr_db)
    return (plain, *effects)


def _int8_beside_float(trial: Trial, unchanged: Sequence[str]) -> list[str]:
    """Those that make a difference where all others are in float: a sum between two int8 layers makes none alone.

    The rest was float already.
    """
    layers = list(layers_of(trial.format, trial.model))
    everything = trial.make(layers).model if unchanged else b""
    return [layer for layer in unchanged if trial.make([other for other in layers if other != layer]).model != everything]


def _effect(trial: Trial, layer: str | None, model: bytes) -> Effect:
    (parity,) = trial.measure(model, RANKED_ON)
    finite = np.isfinite(parity.max_abs_error)
    sqnr_db = math.inf if parity.sqnr_db is None else parity.sqnr_db
    return Effect(layer, sqnr_db if finite else -math.inf, parity.agreement, len(model))
