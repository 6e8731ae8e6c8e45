from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgekit.calibration.ranges import GraphRanges, Range, Ranges
from edgekit.errors import BundleError, InputError

RANGES = Ranges(
    "mse",
    False,
    12,
    "c" * 64,
    (
        GraphRanges("onnx", "a" * 64, {"features": Range((-4.0,), (3.9999,)), 'odd "name"': Range((0.0,), (1e-20,))}),
        GraphRanges("tflite", "b" * 64, {"x": Range((-1.0, -2.0), (1.0, 0.0), axis=3)}),
    ),
)


def test_ranges_survive_their_file(tmp_path: Path) -> None:
    file = tmp_path / "ranges.json"
    file.write_text(RANGES.to_text())
    assert Ranges.load(file) == RANGES


def test_the_file_is_json_with_one_tensor_a_line() -> None:
    value = json.loads(RANGES.to_text())
    assert value["graphs"][0]["tensors"]["features"] == {"axis": None, "high": [3.9999], "low": [-4.0]}
    assert sum('"low"' in line for line in RANGES.to_text().splitlines()) == 3


def test_ranges_are_those_of_one_graph() -> None:
    assert RANGES.of("onnx", "a" * 64)["features"].low == (-4.0,)
    with pytest.raises(InputError, match="they are of another"):
        RANGES.of("onnx", "b" * 64)
    with pytest.raises(InputError, match="Expected ranges of the tflite graph, found onnx"):
        Ranges("mse", False, 1, "c", RANGES.graphs[:1]).of("tflite", "b" * 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expected JSON"),
        ("[]", "Expected schema 1"),
        ('{"schema": 7}', "Expected schema 1"),
        (RANGES.to_text().replace('"samples"', '"sampels"'), "Unknown key 'sampels'"),
        (RANGES.to_text().replace("3.9999", '"4"'), "Expected a number"),
    ],
)
def test_a_damaged_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Ranges.from_text(text)


def test_a_bundle_without_ranges_says_so(golden_bundle: Path) -> None:
    with pytest.raises(BundleError, match="Expected a bundle with ranges.json"):
        Ranges.load(golden_bundle)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"Expected a ranges file at .*nothing\.json"):
        Ranges.load(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    ("low", "high"), [((1.0,), (0.0,)), ((np.nan,), (1.0,)), ((0.0,), (np.inf,)), ((), ()), ((0.0,), (1.0, 2.0))]
)
def test_impossible_ranges_are_refused(low: tuple[float, ...], high: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="Expected"):
        Range(low, high)


@pytest.mark.parametrize(("low", "high"), [(-3.0, 1.0), (0.0, 5.0), (-0.1, 0.0), (2.0, 3.0)])
def test_a_centred_range_has_the_zero_point_0(low: float, high: float) -> None:
    centred = Range((low,), (high,)).centred()
    scale = (centred.high[0] - centred.low[0]) / 255
    assert -128 - centred.low[0] / scale == pytest.approx(0, abs=1e-9)
    assert centred.low[0] <= low
    assert centred.high[0] >= high
