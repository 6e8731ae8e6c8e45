from __future__ import annotations

import sys
from functools import partial

import numpy as np
import pytest

from edgekit.frontends import (
    FRONTENDS,
    Hog,
    LogSignature,
    Pixels,
    Scattering,
    Signature,
    Sobel,
    SobelBinary,
    create_frontend,
)
from edgekit.frontends.cost import Cost, cost_of, workspace
from edgekit.frontends.counts import macs_of_calls

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


def test_calls_count_what_they_compute():
    a, b = np.ones((4, 2, 5)), np.ones((5, 3))
    product, total = np.empty((4, 2, 3)), np.empty((2, 3))
    assert macs_of_calls([(np.matmul, (a, b, product))]) == 4 * 2 * 3 * 5
    assert macs_of_calls([(np.add, (total, 1, total)), (np.cumsum, (total, -1, None, total))]) == 6 + 6
    assert macs_of_calls([(np.copyto, (total, 0)), (np.take, (b, [0], 0, total, "clip"))]) == 0


@pytest.mark.parametrize("kind", [Signature, LogSignature])
def test_the_arithmetic_of_signatures_grows_with_rows_directions_and_depth(kind):
    one = kind((64, 64)).macs
    assert kind((128, 64)).macs == pytest.approx(2 * one, rel=0.01)
    for directions in ("both", "both-rotated"):
        assert kind((64, 64), directions=directions).macs == pytest.approx(2 * one, rel=0.01)
    depths = [kind((64, 64), depth).macs for depth in range(1, 7)]
    assert depths == sorted(depths)
    # an image cut into several plans: a few rows are computed twice
    assert kind((448, 64)).macs == pytest.approx(7 * one, rel=0.02)


def test_a_signature_of_depth_2_costs_at_least_its_definition():
    # at each of 64 x 64 steps, three areas of two products and a difference
    macs = Signature((64, 64), 2).macs
    assert 9 * 4096 < macs < 40 * 4096


def test_the_arithmetic_of_a_scattering_is_mostly_that_of_its_wavelets():
    config = {"size": (64, 64), "J": 3, "L": 8}
    one = Scattering(**config).macs
    # per colour 8 wavelets on maps of 80 x 80, 40 x 40 and 20 x 20: inverse transforms alone
    inverse = 3 * 8 * sum(2.5 * side**2 * np.log2(side**2) for side in (80, 40, 20))
    assert inverse < one < 3 * inverse
    assert Scattering(**config, colour="grey").macs * 3 == one
    assert Scattering(**config, max_order=2).macs > 3 * one


def test_a_filter_bank_is_kept():
    kept = cost_of(lambda: Scattering((48, 40), J=2, L=4)).kept_bytes
    # the transfer functions of the first scale alone: 4 wavelets of two factors a frequency of the padded image
    assert kept > 4 * 4 * 2 * 48 * 40


def test_a_blur_of_the_scale_space_takes_most_of_sifts_arithmetic():
    # 128 x 128 pixels, kernels of 11, 13, 17, 21 and 27 taps run twice, and the other octaves a third of it again
    blurs = 2 * (11 + 13 + 17 + 21 + 27)
    assert create_frontend("sift").macs == pytest.approx(128 * 128 * blurs * 4 / 3, rel=0.2)


def test_what_is_missing_is_named_and_not_measured(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    cost = cost_of(lambda: create_frontend("sift"))
    assert cost == Cost(cost.macs, None, None, cost.missing)
    assert "edgekit[sift]" in cost.missing
