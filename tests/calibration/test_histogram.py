from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.calibration.histogram import BINS, StreamingHistogram


def counted(*parts: np.ndarray) -> StreamingHistogram:
    histogram = StreamingHistogram()
    for part in parts:
        histogram.update(part.astype(np.float32))
    return histogram


def growing(rng: np.random.Generator) -> list[np.ndarray]:
    """Portions whose range grows a hundred-thousandfold on the way."""
    return [(rng.normal(size=500) * scale).astype(np.float32) for scale in (1e-3, 1e-2, 5.0, 0.1, 90.0)]


def test_the_counts_are_those_of_all_values_at_once(rng: np.random.Generator) -> None:
    parts = growing(rng)
    found = counted(*parts).counts
    everything = np.concatenate(parts).astype(np.float64)
    np.testing.assert_array_equal(found.counts, np.histogram(everything, found.edges)[0])
    assert (found.low, found.high) == (everything.min(), everything.max())


def test_order_and_portions_do_not_matter(rng: np.random.Generator) -> None:
    parts = growing(rng)
    first, second = counted(*parts).counts, counted(np.concatenate(parts[::-1])).counts
    np.testing.assert_array_equal(first.counts, second.counts)
    assert (first.width, first.zeros, first.low, first.high) == (second.width, second.zeros, second.low, second.high)


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=40))
def test_no_value_is_lost_and_every_bin_holds_what_it_says(values: list[float]) -> None:
    found = counted(*(np.array([value]) for value in values)).counts
    assert found.counts.sum() == len(values)
    assert found.zeros == sum(value == 0 for value in values)
    np.testing.assert_array_equal(found.counts, np.histogram(values, found.edges)[0])


def test_the_longer_side_of_a_range_has_a_thousand_bins_at_least(rng: np.random.Generator) -> None:
    for _ in range(50):
        values = rng.normal(size=100) * 10.0 ** rng.uniform(-20, 20)
        found = counted(values).counts
        assert BINS / 4 <= np.abs(values).max() / found.width <= BINS / 2


def test_a_value_far_below_a_bin_s_width_stays_on_its_side_of_zero() -> None:
    found = counted(np.array([1e30]), np.array([-1e-30, 1e-45])).counts
    np.testing.assert_array_equal(found.counts, np.histogram([1e30, -1e-30, 1e-45], found.edges)[0])


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -1.0, 1e-38, 3.4e38])
def test_a_single_value_over_and_over_is_counted(value: float) -> None:
    found = counted(np.full(7, value), np.full(5, value)).counts
    assert found.counts.sum() == 12
    assert found.counts.max() == 12
    assert found.low == found.high == np.float32(value)
