"""What makes a run invalid."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.bench.host import State
from edgekit.bench.verdict import advice_on, reasons_against

pytestmark = pytest.mark.device

COOL = State(48.0, frozenset(), frozenset(), {"arm": 1800.0}, True, "performance", 7000.0, 0.1, {})
UNKNOWN = State(None, None, None, {}, None, None, None, None, {})


def test_a_steady_board_is_valid_and_needs_no_advice():
    assert reasons_against([COOL] * 6, {"x": 0.02}) == ()
    assert advice_on(COOL) == ()


def test_a_machine_that_tells_nothing_is_not_held_invalid():
    assert reasons_against([UNKNOWN] * 3, {}) == ()
    assert advice_on(UNKNOWN) == ()


def test_throttling_between_windows_makes_it_invalid():
    hot = replace(COOL, throttled=frozenset({"throttled"}), throttled_since_boot=frozenset({"throttled"}))
    (reason,) = reasons_against([COOL, hot, COOL], {})
    assert "reported throttled during the measurement" in reason


def test_throttling_that_no_reading_caught_shows_in_the_history():
    after = replace(COOL, throttled_since_boot=frozenset({"under-voltage"}))
    (reason,) = reasons_against([COOL, after], {})
    assert "came to know under-voltage" in reason


def test_throttling_before_the_run_is_advice_only():
    before = replace(COOL, throttled_since_boot=frozenset({"under-voltage"}))
    assert reasons_against([before, before], {}) == ()
    assert "known under-voltage. Check its power supply" in advice_on(before)[0]


def test_a_clock_dip_makes_it_invalid_but_an_idle_clock_before_does_not():
    slow = replace(COOL, clocks_mhz={"arm": 600.0})
    assert reasons_against([slow, COOL, COOL], {}) == ()
    (reason,) = reasons_against([COOL, COOL, slow], {})
    assert "clock fell from 1800 to 600 MHz" in reason


def test_drift_between_windows_makes_it_invalid_and_says_whose():
    (reason,) = reasons_against([COOL, COOL], {"a.tflite end to end": 0.2, "b.tflite end to end": 0.05})
    assert "a.tflite end to end drifted" in reason
    assert "20 % apart" in reason


def test_a_changing_governor_and_a_busy_machine_are_advised_against():
    advice = advice_on(replace(COOL, governor="ondemand", load=2.0))
    assert "governed by 'ondemand'" in advice[0]
    assert "load 2.0" in advice[1]
