"""Temperature scaling against a search of another kind."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from edgekit.errors import InputError
from edgekit.training.temperature import BOUNDS, fit_temperature, negative_log_likelihood


def sample(rng, sharpness):
    logits = rng.normal(size=(2000, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = np.array([rng.choice(3, p=row) for row in probabilities])
    return logits * sharpness, targets


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_logits_that_are_too_sharp_are_divided_by_as_much(rng, sharpness):
    logits, targets = sample(rng, sharpness)
    found = fit_temperature(logits, targets)
    assert found == pytest.approx(sharpness, rel=0.15)
    other = minimize_scalar(lambda t: negative_log_likelihood(logits, targets, t), bounds=BOUNDS, method="bounded")
    assert negative_log_likelihood(logits, targets, found) <= other.fun + 1e-9


def test_a_network_that_is_always_right_gets_the_lower_bound():
    assert fit_temperature(np.eye(2) * 5, np.array([0, 1])) == pytest.approx(BOUNDS[0])


def test_the_likelihood_does_not_overflow():
    assert negative_log_likelihood(np.array([[1e5, -1e5]]), np.array([1])) == pytest.approx(2e5)


@pytest.mark.parametrize("logits", [np.zeros((0, 2)), np.full((1, 2), np.nan)])
def test_no_examples_or_logits_that_are_not_finite_are_refused(logits):
    with pytest.raises(InputError, match="finite logits"):
        fit_temperature(logits, np.zeros(len(logits), int))
