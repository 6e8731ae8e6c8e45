"""Which layers a mixed file has in float: the search alone, without files."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from edgekit.exporters.mixed import by_worth, minimal_set
from edgekit.exporters.sensitivity import Effect


def test_a_layer_is_worth_what_it_spoils_by_its_bytes() -> None:
    plain = Effect(None, 5.0, 0.9, 10_000, 5.0)

    def order(dear_db: float) -> list[str]:
        dear, cheap = Effect("dear", 5.1, 0.9, 15_000, dear_db), Effect("cheap", 5.1, 0.9, 9_990, 30.0)
        return by_worth([plain, *sorted((dear, cheap), key=lambda effect: effect.spoilt_db)])

    assert order(28.0) == order(14.0) == ["cheap", "dear"]  # half a file is 51 hundredths: 17 dB
    assert order(12.0) == ["dear", "cheap"]


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_a_minimal_set_is_minimal_whatever_is_needed(size: int) -> None:
    ranked = [f"layer{i}" for i in range(size)]
    for count in range(1, min(size, 3) + 1):
        for needed in itertools.combinations(ranked, count):

            def reaches(layers: Sequence[str], needed: tuple[str, ...] = needed) -> bool:
                return set(needed) <= set(layers)

            assert set(minimal_set(ranked, reaches)) == set(needed)


def test_a_minimal_set_is_minimal_where_more_is_not_always_better(rng: np.random.Generator) -> None:
    ranked = [f"layer{i}" for i in range(6)]
    subsets = [frozenset(s) for n in range(7) for s in itertools.combinations(ranked, n)]
    for _ in range(100):
        passing = {s for s in subsets if s and rng.uniform() < 0.4}
        found = frozenset(minimal_set(ranked, lambda layers, passing=passing: frozenset(layers) in passing))
        if found:
            assert found in passing
            assert all(found - {layer} not in passing for layer in found)
        else:
            assert not passing & {frozenset(ranked)}


def test_the_dearest_layers_are_taken_out_first() -> None:
    def reaches(layers: Sequence[str]) -> bool:
        return {"a", "c"} <= set(layers) or {"b", "c"} <= set(layers)

    assert set(minimal_set("abc", reaches, {"a": 1, "b": 900, "c": 5})) == {"a", "c"}
    assert set(minimal_set("abc", reaches, {"a": 900, "b": 1, "c": 5})) == {"b", "c"}


def test_nothing_is_found_where_all_layers_do_not_suffice() -> None:
    assert minimal_set(["a", "b", "c"], lambda layers: False) == ()
