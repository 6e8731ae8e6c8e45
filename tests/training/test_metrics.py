"""Metrics: known small cases, and None where a metric is undefined."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.training.metrics import compute_metrics, result_row

PERFECT = np.eye(3)[[0, 1, 2, 0]]


def test_a_perfect_prediction_scores_1_everywhere():
    found = compute_metrics(np.array([0, 1, 2, 0]), PERFECT)
    assert (found.n, found.accuracy, found.macro_f1, found.average_precision, found.roc_auc) == (4, 1.0, 1.0, 1.0, 1.0)
    assert found.confusion == ((2, 0, 0), (0, 1, 0), (0, 0, 1))


def test_two_classes_by_hand():
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]])
    found = compute_metrics(np.array([0, 0, 1, 1]), scores)
    assert found.accuracy == 0.75
    assert found.confusion == ((1, 1), (0, 2))
    assert found.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert (found.average_precision, found.roc_auc) == (1.0, 1.0)


def test_ranking_metrics_are_none_where_a_class_is_absent_and_the_rest_stands():
    found = compute_metrics(np.array([0, 1, 0, 0]), PERFECT)
    assert found.average_precision is None
    assert found.roc_auc is None
    assert found.accuracy == 0.75
    assert np.array(found.confusion).shape == (3, 3)


def test_ranking_metrics_are_none_for_scores_that_are_not_finite():
    assert compute_metrics(np.array([0, 1]), np.array([[1.0, np.nan], [0.0, 1.0]])).roc_auc is None


def test_the_row_has_the_keys_of_the_command():
    row = result_row(compute_metrics(np.array([0, 1, 2, 0]), PERFECT), artifact="m", kind="onnx", precision="int8", runtime="ort")
    keys = "artifact format precision runtime accuracy macro_f1 average_precision roc_auc confusion"
    assert list(row) == keys.split()


@pytest.mark.parametrize(
    ("targets", "scores"),
    [([], np.zeros((0, 2))), ([0, 1], np.zeros((3, 2))), ([2], np.zeros((1, 2))), ([0.0], np.zeros((1, 2)))],
)
def test_shapes_and_indices_that_do_not_fit_are_refused(targets, scores):
    with pytest.raises(InputError, match="Expected"):
        compute_metrics(np.array(targets), scores)
