"""Float graphs and a calibration sample to ranges: one pass, sample by sample, nothing kept but the observers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from edgekit.calibration.observers import Observer, create_observer
from edgekit.calibration.ranges import GraphRanges, Range, Ranges
from edgekit.calibration.samples import Samples, checked
from edgekit.core.recipe import Format
from edgekit.errors import InputError

__all__ = ["Tap", "observe"]


class Tap(Protocol):
    """A float graph that shows its tensors."""

    @property
    def graph(self) -> str:
        """sha256 of the graph."""
        ...

    def __call__(self, sample: np.ndarray) -> Iterable[tuple[str, np.ndarray]]:
        """Run one input and give every float tensor that is no constant, by name.

        Args:
            sample: (1, ...) float32.
        """
        ...


def observe(
    taps: Mapping[Format, Tap],
    samples: Samples,
    observer: str,
    symmetric: bool = False,
    input_range: tuple[float, float] | None = None,
) -> Ranges:
    """Run every sample through every graph and observe all tensors, one range each.

    Args:
        taps: format -> graph.
        samples: the calibration sample; gone through once.
        observer: a name of `edgekit.core.recipe.OBSERVERS`.
        symmetric: ranges (-a, a).
        input_range: lowest and highest value that the input can have at all, where that is known better than from a sample; it
            goes for every tensor that is the input in another shape, too.

    Raises:
        InputError: on samples that `samples.checked` refuses, or on NaN in a tensor, which is named.
        UnknownNameError: on an unknown observer.
    """
    create_observer(observer)
    digest = hashlib.sha256()
    found: dict[Format, dict[str, Observer]] = {format_: {} for format_ in taps}
    for sample in checked(samples, digest):
        for format_, tap in taps.items():
            known = found[format_]
            for name, values in tap(sample):
                if name not in known:
                    known[name] = create_observer(observer, symmetric=symmetric)
                _update(known[name], name, values)
    graphs = tuple(GraphRanges(format_, tap.graph, _ranges(found[format_], input_range)) for format_, tap in taps.items())
    return Ranges(observer, symmetric, len(samples), digest.hexdigest(), graphs)


def _update(observer: Observer, name: str, values: np.ndarray) -> None:
    try:
        observer.update(values)
    except InputError as error:
        raise InputError(f"Cannot calibrate tensor {name!r}. {error} Look at the layer that makes it, or export fp32.") from error


def _ranges(observers: Mapping[str, Observer], input_range: tuple[float, float] | None) -> dict[str, Range]:
    found = {name: observer.range() for name, observer in observers.items()}
    if input_range is None:
        return found
    low, high = input_range
    # A graph shows its input first.
    seen = next(iter(found.values()))
    return {name: Range((low,), (high,)) if range_ == seen else range_ for name, range_ in found.items()}
