"""int8 that misses its gate, mended: a minimal set of layers computes in float instead.

The set is searched on one half of the images and confirmed on the other, which the search has not seen: the least set that just
passes on some images was chosen by their chances, too, and would be flattered by them. Where it fails there, the search begins
again and asks on its own half for less noise, too: labels of some hundred images come and go by chance, noise does not.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from edgekit.core.manifest import Parity
from edgekit.errors import GateError
from edgekit.exporters import parity as gates
from edgekit.exporters.base import Converted
from edgekit.exporters.sensitivity import Effect, Trial, sensitivity
from edgekit.runtimes.open import installed_runtimes, open_runtime

__all__ = ["Mixed", "by_worth", "mend"]

_ROUNDS = 100

#: By how many decibels each try has to be better, on the half searched on, than the last, which failed on the other half.
_STEPS_DB = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)


@dataclass(frozen=True)
class Mixed:
    """An int8 file with some layers in float.

    Attributes:
        file: name of the artifact.
        layers: those in float, see `share`. Empty where plain int8 passes.
        converted: the file.
        effects: of the sensitivity analysis; empty where none was needed.
        before: parity of plain int8 on all images, one a runtime.
        after: of this file, on `checked`.
        checked: images that the search has not seen: one half, or all of them where there was no search.
        bytes: of this file and of plain int8.
        times_ms: median time of this file, of plain int8 and of float32 on this machine, one thread, in turns; None without
            layers.
        asked_db: least SQNR that the search asked for besides the gate, -inf for none: of several layers, without any one of
            them the gate or this is missed on the images searched on.
    """

    file: str
    layers: tuple[str, ...]
    converted: Converted
    effects: tuple[Effect, ...]
    before: tuple[Parity, ...]
    after: tuple[Parity, ...]
    checked: gates.Checked
    bytes: tuple[int, int]
    times_ms: tuple[float, float, float] | None
    asked_db: float = -math.inf


def mend(trial: Trial, gate: gates.Gate, file: str, float32: bytes, tell: Callable[[str], None]) -> Mixed:
    """Plain int8 where it passes; otherwise layers are brought to float until it does, and back to int8 as far as it still does.

    Args:
        trial: of one graph, on all images.
        gate: what the file must reach on every runtime.
        file: name of the artifact, for messages.
        float32: the float file, for the comparison of times.
        tell: called with a short line before each step.

    Raises:
        GateError: when not even all layers in float reach it, or nothing that does so on one half does on the other.
    """
    plain = trial.make()
    before = trial.measure(plain.model)
    if _passes(before, gate, trial.checked):
        return Mixed(file, (), plain, (), before, before, trial.checked, (len(plain.model),) * 2, None)
    searched, unseen = (replace(trial, checked=half) for half in trial.checked.halves(trial.recipe.seed))
    search = _Search(searched, sensitivity(searched, tell), tell)
    tried: tuple[str, ...] = ()
    reached_db = -math.inf
    for step_db in _STEPS_DB:
        asked_db = reached_db + step_db
        layers = search.minimal(replace(gate, sqnr_db=asked_db))
        if not layers and tried:
            # Not even all layers in float give so much; what they give the images not seen have yet to judge.
            asked_db = search.sqnr_db(search.ranked)
            layers = search.minimal(replace(gate, sqnr_db=asked_db))
        if not layers or layers == tried:
            break
        made, tried = trial.make(layers), layers
        after = unseen.measure(made.model)
        if _passes(after, gate, unseen.checked):
            times = _times_ms((made.model, plain.model, float32), trial)
            sizes = (len(made.model), len(plain.model))
            return Mixed(file, layers, made, search.effects, before, after, unseen.checked, sizes, times, asked_db)
        reached_db = search.sqnr_db(layers)
    raise GateError(_why(file, len(search.ranked), before, tried))


class _Search:
    """Looks for sets of layers; what was measured once is not measured again."""

    def __init__(self, trial: Trial, effects: tuple[Effect, ...], tell: Callable[[str], None]) -> None:
        self.effects = effects
        self.ranked = by_worth(effects)
        self._price = {effect.layer: effect.bytes for effect in effects if effect.layer is not None}
        self._trial, self._tell = trial, tell
        self._known: dict[tuple[str, ...], tuple[Parity, ...]] = {}

    def minimal(self, gate: gates.Gate) -> tuple[str, ...]:
        """A set that passes and that no single layer can be taken out of; empty where all together do not pass."""
        found = minimal_set(self.ranked, lambda layers: _passes(self._measured(layers), gate, self._trial.checked), self._price)
        return _in_order(self.ranked, found)

    def sqnr_db(self, layers: Sequence[str]) -> float:
        """Of the worst runtime, on the images searched on."""
        return min(math.inf if parity.sqnr_db is None else parity.sqnr_db for parity in self._measured(layers))

    def _measured(self, layers: Sequence[str]) -> tuple[Parity, ...]:
        ordered = _in_order(self.ranked, layers)
        if ordered not in self._known:
            self._tell(f"{len(ordered)} layers in float")
            self._known[ordered] = self._trial.measure(self._trial.make(ordered).model)
        return self._known[ordered]


def by_worth(effects: Sequence[Effect]) -> list[str]:
    """Layers, most noise by price first: a convolution in float may cost half a file, a sum nothing.

    Bytes do not tell of the time that a layer in float takes, so each costs a hundredth of the file besides.

    Args:
        effects: as `sensitivity` gave them, that of the plain file first.
    """
    plain, *alone = effects

    def priced_db(effect: Effect) -> float:
        return effect.spoilt_db + 10 * math.log10(1 + 100 * max(effect.bytes - plain.bytes, 0) / plain.bytes)

    return [effect.layer for effect in sorted(alone, key=priced_db) if effect.layer is not None]


def _why(file: str, layers: int, before: Sequence[Parity], tried: tuple[str, ...]) -> str:
    worst = min(before, key=lambda parity: parity.agreement)
    if tried:
        what = f"on images that the search has not seen, it does not: the last try had {len(tried)} of {layers} in float"
    else:
        what = f"it does not even with all {layers}"
    return (
        f"Expected {file} to reach its gate with some layers in float, {what}; plain int8 agrees on "
        f"{100 * worst.agreement:.1f} %. Nothing was written. Fine-tune it (--qat 5), calibrate on more images, or export fp32."
    )


def minimal_set(
    ranked: Sequence[str], reaches: Callable[[Sequence[str]], bool], price: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """A set that reaches the gate and that no single member can be taken out of; empty where all together do not reach it.

    Best first until it is reached, found by doubling and halving; then out again, the dearest first.

    Args:
        ranked: layers, the one most worth bringing to float first.
        reaches: whether a set passes; the more the likelier, though not for certain.
        price: of each layer in float; among equals, that which is ranked last is tried first.
    """
    count = _enough(ranked, reaches)
    if count is None:
        return ()
    costs = price or {}
    kept = sorted(ranked[:count], key=lambda layer: (-costs.get(layer, 0), -ranked.index(layer)))
    changed = True
    while changed:
        changed = False
        for layer in tuple(kept):
            rest = [other for other in kept if other != layer]
            if rest and reaches(rest):
                kept, changed = rest, True
    return tuple(kept)


def _enough(ranked: Sequence[str], reaches: Callable[[Sequence[str]], bool]) -> int | None:
    """How many of the best reach the gate."""
    low, high = 0, 1
    while not reaches(ranked[:high]):
        if high >= len(ranked):
            return None
        low, high = high, min(2 * high, len(ranked))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(ranked[:middle]) else (middle, high)
    return high


def _in_order(ranked: Sequence[str], layers: Sequence[str]) -> tuple[str, ...]:
    """By name, so that equal sets give equal recipes."""
    return tuple(sorted(set(ranked) & set(layers)))


def _passes(measured: Sequence[Parity], gate: gates.Gate, checked: gates.Checked) -> bool:
    try:
        for parity in measured:
            gates.check(parity, gate, "a try", checked.accuracy)
    except GateError:
        return False
    return True


def _times_ms(models: tuple[bytes, bytes, bytes], trial: Trial) -> tuple[float, float, float]:
    """Median time of each on the first installed runtime, in turns in one process."""
    name = installed_runtimes(trial.format)[0]
    opened = [open_runtime(model, name, format=trial.format) for model in models]
    inputs = list(islice(trial.checked.features, 8))
    spent: list[list[float]] = [[], [], []]
    for turn in range(_ROUNDS):
        for number, runtime in enumerate(opened):
            start = time.perf_counter()
            runtime.run({runtime.inputs[0].name: np.ascontiguousarray(inputs[turn % len(inputs)])[None]})
            spent[number].append(time.perf_counter() - start)
    for runtime in opened:
        runtime.close()
    first, second, third = (1e3 * statistics.median(times) for times in spent)
    return first, second, third
