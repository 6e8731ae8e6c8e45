"""The winsorised standardisation: that of the plain one for normal features, not led by a few far values."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.training.standardisation import fit_standardisation


def test_normal_features_get_about_mean_and_deviation(rng):
    features = rng.normal(5.0, 2.0, (50, 40, 3)).astype(np.float32)
    found = fit_standardisation(features, 4.0)
    np.testing.assert_allclose(found.scale, 0.5, rtol=0.05)
    np.testing.assert_allclose(found.offset, -2.5, rtol=0.05)
    assert found.clip == 4.0


def test_a_few_far_values_do_not_set_the_scale(rng):
    features = rng.normal(0.0, 1.0, (50, 40, 1)).astype(np.float32)
    features[0, :10] = 1000.0
    assert fit_standardisation(features, 4.0).scale[0] == pytest.approx(1.0, rel=0.25)


def test_a_feature_that_never_varies_becomes_0():
    found = fit_standardisation(np.full((4, 5, 2), 3.0, np.float32), 4.0)
    np.testing.assert_array_equal(found.apply(np.full((1, 2), 3.0, np.float32)), 0.0)
