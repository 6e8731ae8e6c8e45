"""int8 that misses its gate, mended: a minimal set of layers computes in float instead."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from edgekit.core.manifest import Parity
from edgekit.errors import GateError
from edgekit.exporters import parity as gates
from edgekit.exporters.base import Converted
from edgekit.exporters.sensitivity import Effect, Trial, sensitivity
from edgekit.runtimes.open import installed_runtimes, open_runtime

__all__ = ["Mixed", "mend"]

_ROUNDS = 100


@dataclass(frozen=True)
class Mixed:
    """An int8 file with some layers in float.

    Attributes:
        file: name of the artifact.
        layers: those in float; taking any one of them out misses the gate. Empty where plain int8 passes.
        converted: the file.
        effects: of the sensitivity analysis; empty where none was needed.
        before: parity of plain int8, one a runtime.
        after: of this file.
        bytes: of this file and of plain int8.
        times_ms: median time of this file, of plain int8 and of float32 on this machine, one thread, in turns; None without
            layers.
    """

    file: str
    layers: tuple[str, ...]
    converted: Converted
    effects: tuple[Effect, ...]
    before: tuple[Parity, ...]
    after: tuple[Parity, ...]
    bytes: tuple[int, int]
    times_ms: tuple[float, float, float] | None


def mend(trial: Trial, gate: gates.Gate, file: str, float32: bytes, tell: Callable[[str], None]) -> Mixed:
    """Plain int8 where it passes; otherwise layers are brought to float until it does, and back to int8 as far as it still does.

    Args:
        trial: of one graph.
        gate: what the file must reach on every runtime.
        file: name of the artifact, for messages.
        float32: the float file, for the comparison of times.
        tell: called with a short line before each step.

    Raises:
        GateError: when not even all layers in float reach it.
    """
    plain = trial.make()
    before = trial.measure(plain.model)
    if _passes(before, gate, trial, file):
        return Mixed(file, (), plain, (), before, before, (len(plain.model),) * 2, None)
    effects = sensitivity(trial, tell)
    ranked = [effect.layer for effect in effects if effect.layer is not None]

    def reaches(layers: Sequence[str]) -> bool:
        tell(f"{len(layers)} layers in float")
        return _passes(trial.measure(trial.make(_in_order(ranked, layers)).model), gate, trial, file)

    price = {effect.layer: effect.bytes for effect in effects if effect.layer is not None}
    layers = _in_order(ranked, minimal_set(ranked, reaches, price))
    if not layers:
        worst = min(before, key=lambda parity: parity.agreement)
        raise GateError(
            f"Expected {file} to reach its gate with some layers in float, it does not even with all {len(ranked)}; plain int8 "
            f"agrees on {100 * worst.agreement:.1f} %. Nothing was written. Calibrate on more images, or export fp32."
        )
    made = trial.make(layers)
    times = _times_ms((made.model, plain.model, float32), trial)
    sizes = (len(made.model), len(plain.model))
    return Mixed(file, layers, made, effects, before, trial.measure(made.model), sizes, times)


def minimal_set(
    ranked: Sequence[str], reaches: Callable[[Sequence[str]], bool], price: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """A set that reaches the gate and that no single member can be taken out of; empty where all together do not reach it.

    Best first until it is reached, found by doubling and halving; then out again, the dearest first.

    Args:
        ranked: layers, the one that gains most alone first.
        reaches: whether a set passes; the more the likelier, though not for certain.
        price: of each layer in float; among equals, that which gains least is tried first.
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


def _passes(measured: Sequence[Parity], gate: gates.Gate, trial: Trial, file: str) -> bool:
    try:
        for parity in measured:
            gates.check(parity, gate, file, trial.checked.accuracy)
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
