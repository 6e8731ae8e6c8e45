from __future__ import annotations

import sys
from functools import partial

import numpy as np
import pytest

from edgekit.frontends import FRONTENDS, Hog, Pixels, Sobel, SobelBinary, create_frontend
from edgekit.frontends.cost import Cost, cost_of, workspace

pytestmark = pytest.mark.device


class Doubling:
    """A front end of known memory: `tables` floats kept, two temporaries and the features a call."""

    name, size = "doubling", (100, 100)

    def __init__(self, tables: int = 0) -> None:
        self._table = np.ones(tables)
        self.output = create_frontend("sobel", {"size": [100, 100]}).output

    def __call__(self, image: np.ndarray) -> np.ndarray:
        first = np.full(50_000, 2.0)
        second = first * 2
        return np.concatenate([second[:30_000]])


def test_work_space_is_the_peak_of_temporaries_and_features_and_what_is_kept():
    peak, kept = workspace(Doubling)
    assert kept < 2_000
    assert peak == pytest.approx(8 * (50_000 + 50_000 + 30_000), rel=0.01)
    peak_with_table, kept = workspace(lambda: Doubling(200_000))
    assert kept == pytest.approx(1_600_000, rel=0.01)
    assert peak_with_table - peak == pytest.approx(1_600_000, rel=0.01)


def test_a_front_end_that_states_no_arithmetic_has_none():
    assert cost_of(Doubling).macs is None


def test_a_larger_image_costs_in_proportion():
    small, large = cost_of(lambda: Sobel((32, 32))), cost_of(lambda: Sobel((64, 64)))
    assert large.macs == 4 * small.macs
    assert 3 < large.workspace_bytes / small.workspace_bytes < 5


def test_features_alone_are_a_lower_bound_of_the_work_space():
    for name in FRONTENDS:
        cost = cost_of(partial(create_frontend, name))
        if cost.missing is None:
            spec = create_frontend(name).output
            assert cost.workspace_bytes >= np.prod(spec.shape) * np.dtype(spec.dtype).itemsize, name
            assert 0 <= cost.kept_bytes <= cost.workspace_bytes, name


def test_macs_are_what_the_formulas_say():
    # 4 sums and differences, 3 for the sum of two squares, 1 comparison for each of the 3 x 10 x 20 values
    assert SobelBinary((10, 20)).macs == 8 * 600
    # and scale, offset and root in place of the comparison
    assert Sobel((10, 20)).macs == 10 * 600
    # 27 a pixel; histogram and nine strokes for each of the 8 x 16 pixels in whole cells
    assert Hog((10, 20)).macs == 27 * 200 + 14 * 128
    assert Pixels((10, 20)).macs == 1200
    assert Pixels((10, 20), channels="grey").macs == 1000


def test_a_blur_of_the_scale_space_takes_most_of_sifts_arithmetic():
    # 128 x 128 pixels, kernels of 11, 13, 17, 21 and 27 taps run twice, and the other octaves a third of it again
    blurs = 2 * (11 + 13 + 17 + 21 + 27)
    assert create_frontend("sift").macs == pytest.approx(128 * 128 * blurs * 4 / 3, rel=0.2)


def test_what_is_missing_is_named_and_not_measured(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    cost = cost_of(lambda: create_frontend("sift"))
    assert cost == Cost(cost.macs, None, None, cost.missing)
    assert "edgekit[sift]" in cost.missing
