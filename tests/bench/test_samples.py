"""Figures of windows, against NumPy's and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.bench.samples import NEEDED, drift, raw_samples, summary

pytestmark = pytest.mark.device


def window(rng: np.random.Generator, n: int, centre: float = 1e6) -> np.ndarray:
    return rng.gamma(9.0, centre / 9.0, n).astype(np.int64)


def test_a_figure_is_the_median_of_the_windows(rng):
    windows = [window(rng, 1000, centre) for centre in (1e6, 9e6, 2e6)]
    figures = summary(windows)
    assert figures["p50_ms"] == pytest.approx(np.percentile(windows[2], 50) * 1e-6)
    assert figures["p99_ms"] == pytest.approx(np.percentile(windows[2], 99) * 1e-6)
    assert figures["fps"] == pytest.approx(1e9 / windows[2].mean())
    assert (figures["n"], figures["windows"]) == (3000, 3)


@pytest.mark.parametrize(("percent", "needed"), NEEDED.items())
def test_a_percentile_needs_its_number_of_samples(rng, percent, needed):
    key = f"p{percent}_ms"
    assert summary([window(rng, needed - 1)])[key] is None
    assert summary([window(rng, needed)])[key] is not None


def test_short_windows_are_taken_together_for_a_percentile(rng):
    windows = [window(rng, 40), window(rng, 40)]
    assert summary(windows)["p90_ms"] == pytest.approx(np.percentile(np.concatenate(windows), 90) * 1e-6)
    assert summary(windows)["p95_ms"] is None


def test_an_outlier_is_never_clipped(rng):
    windows = [window(rng, 100), np.append(window(rng, 99), 10**10)]
    assert summary(windows)["max_ms"] == 1e4
    assert summary(windows)["mean_ms"] > 10


def test_drift_is_the_spread_of_the_medians():
    assert drift([np.full(5, 100), np.full(5, 110), np.full(5, 100)]) == pytest.approx(0.1)


def test_raw_samples_hold_every_value_as_often_as_it_came(rng):
    windows = [window(rng, 500, 50.0), window(rng, 300, 50.0)]
    kept = raw_samples(windows)
    for samples, entry in zip(windows, kept, strict=True):
        assert np.repeat(entry["ns"], entry["count"]).tolist() == sorted(samples.tolist())
