"""Calibration error and withheld answers: known small cases, scikit-learn's curve, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.training.reliability import answers_at, answers_of_precision, reliability


def two_classes(best: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and probabilities whose best one is of class 0."""
    probabilities = np.array([[p, 1 - p] for p in best])
    return np.where(right, 0, 1), probabilities


def test_promises_that_are_kept_have_no_calibration_error():
    # Ten answers of 0.8, eight of them right; four of 0.5, two of them right.
    found = reliability(*two_classes([0.8] * 10 + [0.5] * 4, [True] * 8 + [False] * 2 + [True] * 2 + [False] * 2))
    assert found.ece == pytest.approx(0, abs=1e-12)
    assert found.accuracy == (0.5, 0.8)
    assert found.count == (4, 10)


def test_the_calibration_error_is_weighted_by_the_examples():
    # 3 of 4 right at 0.95: off by 0.2; 1 of 1 right at 0.6: off by 0.4.
    found = reliability(*two_classes([0.95] * 4 + [0.6], [True, True, True, False, True]))
    assert found.ece == pytest.approx((4 * 0.2 + 1 * 0.4) / 5)


def test_a_calibrated_model_of_random_numbers_is_found_calibrated(rng):
    best = rng.uniform(0.5, 1, 20_000)
    found = reliability(*two_classes(best.tolist(), (rng.uniform(size=20_000) < best).tolist()))
    assert found.ece < 0.02
    assert sum(found.count) == 20_000


def test_certainties_and_roundings_above_one_are_taken():
    assert reliability(*two_classes([1.0, 1.0 + 1e-7], [True, True])).ece == pytest.approx(0, abs=1e-6)


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(InputError, match="between 0 and 1"):
        reliability(np.array([0]), np.array([[3.0, -1.0]]))


def test_withheld_answers_raise_precision_and_lower_coverage():
    targets, probabilities = two_classes([0.9, 0.9, 0.7, 0.6], [True, True, False, True])
    everything, some, none = (answers_at(targets, probabilities, at) for at in (0.0, 0.9, 0.95))
    assert (everything.coverage, everything.precision) == (1.0, 0.75)
    assert (some.coverage, some.precision) == (0.5, 1.0)
    assert (none.coverage, none.precision) == (0.0, None)


def test_the_threshold_is_the_lowest_that_gives_the_precision(rng):
    best = rng.uniform(0.5, 1, 300)
    targets, probabilities = two_classes(best.tolist(), (rng.uniform(size=300) < best).tolist())
    found = answers_of_precision(targets, probabilities, 0.9)
    assert found == answers_at(targets, probabilities, found.threshold)
    assert found.precision >= 0.9
    for lower in best[best < found.threshold]:
        assert answers_at(targets, probabilities, float(lower)).precision < 0.9


def test_a_precision_that_all_answers_have_withholds_none():
    targets, probabilities = two_classes([0.9, 0.8, 0.6], [True, True, False])
    found = answers_of_precision(targets, probabilities, 0.6)
    assert (found.coverage, found.threshold) == (1.0, 0.0)


@pytest.mark.parametrize("precision", [0.0, 1.01, float("nan")])
def test_a_precision_out_of_range_is_refused(precision):
    with pytest.raises(InputError, match="above 0 to 1"):
        answers_of_precision(*two_classes([0.9], [True]), precision)


def test_a_precision_that_nothing_gives_is_refused_with_the_best_there_is():
    with pytest.raises(InputError, match=r"0\.99 of the answers .* the best is 0\.7500 at 100\.0 %"):
        answers_of_precision(*two_classes([0.9, 0.7, 0.7, 0.6], [False, True, True, True]), 0.99)
    with pytest.raises(InputError, match="never is"):
        answers_of_precision(*two_classes([0.9], [False]), 0.5)
