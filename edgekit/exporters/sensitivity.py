"""Which layers int8 hurts: the file's fidelity with one layer at a time in float, and with one at a time in int8.

The first tells what a layer alone mends: little, where its neighbours round what goes into it and comes out of it anyway.
The second tells what a layer spoils, nothing else being rounded; by it layers are ranked. 64 in float of the 201 layers of an
SHNet, which has 25.5 dB in int8 and 44.1 in float, reach 27.5 dB by the first ranking and 37.6 by the second (docs/results.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
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
        spoilt_db: SQNR where this layer alone computes in int8 and all others in float; of the plain file its own.
    """

    layer: str | None
    sqnr_db: float
    agreement: float
    bytes: int
    spoilt_db: float


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
    """The plain int8 file, then each layer that int8 concerns, the one that spoils most first.

    Left out are layers that are float in every int8 file.

    Args:
        trial: of one graph.
        tell: called with a short line before each layer.
    """
    layers = tuple(layers_of(trial.format, trial.model))
    nothing, everything = trial.make().model, trial.make(layers).model
    plain = _measured(trial, nothing)
    effects = []
    for layer in layers:
        tell(f"{layer} in float")
        with_it, without_it = (trial.make(chosen).model for chosen in ([layer], [other for other in layers if other != layer]))
        if with_it == nothing and without_it == everything:
            continue
        # A sum between two int8 layers makes no difference alone in float: then the plain file's figures are its own.
        alone = plain if with_it == nothing else _measured(trial, with_it)
        effects.append(Effect(layer, _sqnr_db(alone), alone.agreement, len(with_it), _sqnr_db(_measured(trial, without_it))))
    effects.sort(key=lambda effect: effect.spoilt_db)
    return (Effect(None, _sqnr_db(plain), plain.agreement, len(nothing), _sqnr_db(plain)), *effects)


def _measured(trial: Trial, model: bytes) -> Parity:
    (parity,) = trial.measure(model, RANKED_ON)
    return parity


def _sqnr_db(parity: Parity) -> float:
    """Least of all where the runtime refused the file or gave what is not finite."""
    if not np.isfinite(parity.max_abs_error):
        return -math.inf
    return math.inf if parity.sqnr_db is None else parity.sqnr_db
