"""Affine and TensorSpec: the only quantize and dequantize."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.core.spec import Affine, TensorSpec, check_array
from edgekit.errors import InputError

pytestmark = pytest.mark.device

affines = st.builds(
    Affine,
    scale=st.floats(1e-6, 1e3, allow_nan=False),
    zero_point=st.integers(-128, 127),
    dtype=st.just("int8"),
)


@given(affines, st.lists(st.integers(-128, 127), min_size=1, max_size=50))
def test_every_integer_survives_dequantize_and_quantize(affine, integers):
    stored = np.array(integers, np.int8)
    assert np.array_equal(affine.quantize(affine.dequantize(stored)), stored)


@given(affines, st.floats(-1e4, 1e4))
def test_the_round_trip_error_is_half_a_step_inside_the_range_and_clipped_outside(affine, value):
    low, high = affine.dequantize(np.array(affine.limits))
    back = float(affine.dequantize(affine.quantize(np.float32(value))))
    inside = min(max(value, low), high)
    assert abs(back - inside) <= 0.5 * affine.scale * (1 + 1e-3) + 1e-3 * abs(inside)


def test_quantize_rounds_half_to_even_adds_the_zero_point_and_clips():
    affine = Affine(0.5, 10, "int8")
    values = np.array([0.25, 0.75, -0.25, 1e9, -1e9])
    assert affine.quantize(values).tolist() == [10, 12, 10, 127, -128]


def test_unsigned_integers_keep_their_range():
    affine = Affine(1.0, 128, "uint8")
    assert affine.quantize(np.array([-500.0, 0.0, 500.0])).tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("scale", "zero_point", "dtype", "message"),
    [
        (0.0, 0, "int8", "positive, finite scale"),
        (float("nan"), 0, "int8", "positive, finite scale"),
        (1.0, 200, "int8", r"zero point in \[-128, 127\]"),
        (1.0, 0, "int32", "affine dtype of int8"),
    ],
)
def test_an_impossible_affine_is_refused(scale, zero_point, dtype, message):
    with pytest.raises(InputError, match=message):
        Affine(scale, zero_point, dtype)


def test_a_wrong_shape_names_both_shapes_and_the_layout():
    spec = TensorSpec("image", "float32", (1, 3, 96, 96), "NCHW")
    with pytest.raises(InputError, match=r"Expected input 'image' of shape \(1, 3, 96, 96\), got \(1, 96, 96, 3\). Pass NCHW."):
        check_array(spec, np.zeros((1, 96, 96, 3), np.float32))


def test_a_wrong_dtype_is_refused_and_a_float_for_an_integer_tensor_is_not():
    spec = TensorSpec("x", "int8", (1, 2), affine=Affine(0.1, 0, "int8"))
    assert check_array(spec, np.zeros((1, 2), np.float32)).dtype == np.float32
    assert check_array(spec, np.zeros((1, 2), np.int8)).dtype == np.int8
    with pytest.raises(InputError, match="of dtype int8 or float32, got uint8"):
        check_array(spec, np.zeros((1, 2), np.uint8))


def test_a_varying_dimension_takes_any_size():
    assert TensorSpec("x", "float32", (-1, 4)).fits((7, 4))
    assert not TensorSpec("x", "float32", (-1, 4)).fits((7, 5))


def test_a_layout_needs_a_letter_for_every_dimension():
    with pytest.raises(InputError, match="layout of 2 letters"):
        TensorSpec("x", "float32", (1, 2), "NCHW")
