from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

from edgekit.calibration.observers import PERCENTILE, create_observer
from edgekit.calibration.ranges import Range
from edgekit.core.recipe import OBSERVERS
from edgekit.errors import InputError, UnknownNameError

Draw = Callable[[np.random.Generator, int], np.ndarray]


def relu(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0)


#: What activations look like: symmetric, heavy-tailed, half zeros, one-sided, with an offset, mostly small with a few giants.
DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "laplace": lambda rng, n: rng.laplace(size=n) * 30,
    "relu": lambda rng, n: relu(rng.normal(size=n)),
    "gamma": lambda rng, n: rng.gamma(2.0, size=n) / 100,
    "offset": lambda rng, n: rng.normal(size=n) - 2,
    "outliers": lambda rng, n: np.concatenate([rng.normal(size=n - 5), [40, 45, -38, 50, 41]]),
}


def samples(name: str, count: int = 20, size: int = 4000) -> list[np.ndarray]:
    rng = np.random.default_rng(sorted(DISTRIBUTIONS).index(name))
    return [DISTRIBUTIONS[name](rng, size).astype(np.float32) for _ in range(count)]


def observed(name: str, parts: list[np.ndarray], axis: int | None = None, symmetric: bool = False) -> Range:
    observer = create_observer(name, axis, symmetric)
    for part in parts:
        observer.update(part)
    return observer.range()


def only(found: Range) -> tuple[float, float]:
    return found.low[0], found.high[0]


def square_error(values: np.ndarray, low: float, high: float) -> float:
    """Mean square error of torch's own int8 quantization to a range."""
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    scale = max(high - low, 1e-12) / 255
    zero_point = int(np.clip(np.rint(-128 - low / scale), -128, 127))
    x = torch.from_numpy(values)
    back = torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)
    return float(((back - x).double() ** 2).mean())


def torch_observed(name: str, parts: list[np.ndarray], **arguments: object) -> tuple[np.ndarray, np.ndarray]:
    """What one of torch's observers says of the same stream: scales and zero points of int8."""
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.ao.quantization import observer as theirs

        made = getattr(theirs, name)(dtype=torch.qint8, **arguments)
        for part in parts:
            made(torch.from_numpy(part))
        scale, zero_point = made.calculate_qparams()
    return scale.numpy().reshape(-1), zero_point.numpy().reshape(-1)


def ends(scale: np.ndarray, zero_point: np.ndarray) -> tuple[float, float]:
    return float(scale[0] * (-128 - zero_point[0])), float(scale[0] * (127 - zero_point[0]))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_min_max_is_torch_s(distribution: str) -> None:
    parts = samples(distribution)
    low, high = only(observed("min-max", parts))
    scale, _ = torch_observed("MinMaxObserver", parts)
    assert (max(high, 0) - min(low, 0)) / 255 == pytest.approx(scale[0], rel=1e-6)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_moving_average_is_torch_s(distribution: str) -> None:
    parts = samples(distribution)
    low, high = only(observed("moving-average", parts))
    scale, _ = torch_observed("MovingAverageMinMaxObserver", parts, averaging_constant=0.01)
    assert (max(high, 0) - min(low, 0)) / 255 == pytest.approx(scale[0], rel=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_per_channel_min_max_is_torch_s(axis: int, rng: np.random.Generator) -> None:
    parts = [(rng.normal(size=(6, 5, 30)) * np.arange(1, 7)[:, None, None]).astype(np.float32) for _ in range(4)]
    found = observed("min-max", parts, axis)
    scales, _ = torch_observed("PerChannelMinMaxObserver", parts, ch_axis=axis)
    assert found.axis == axis
    np.testing.assert_allclose((np.array(found.high) - np.array(found.low)) / 255, scales, rtol=1e-6)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_percentiles_are_numpy_s_to_a_bin(distribution: str) -> None:
    parts = samples(distribution)
    values = np.concatenate(parts)
    low, high = only(observed("percentile", parts))
    bound = only(observed("percentile", parts, symmetric=True))[1]
    tail = (100 - PERCENTILE) / 2
    for found, of, share in ((low, values, tail), (high, values, 100 - tail), (bound, np.abs(values), PERCENTILE)):
        # A bin, and the gap between two neighbouring values, across which NumPy interpolates.
        below, above = np.percentile(of, share, method="lower"), np.percentile(of, share, method="higher")
        bin_width = np.abs(values).max() / 1024
        assert below - bin_width <= found <= above + bin_width


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_percentiles_are_onnxruntime_s_to_a_bin(distribution: str) -> None:
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate", reason="onnxruntime's calibrator is the oracle")
    parts = samples(distribution)
    collector = calibrate.HistogramCollector("percentile", False, 4096, 128, PERCENTILE, "same")
    collector.collect({"x": [np.concatenate(parts)]})
    theirs = collector.compute_collection_result()["x"]
    low, high = only(observed("percentile", parts))
    widths = np.ptp(np.concatenate(parts)) / 4096 + np.abs(np.concatenate(parts)).max() / 1024
    gap = 0.12 * (high - low)  # where values lie thin, the two interpolate across a gap in different ways
    assert low == pytest.approx(float(theirs[0]), abs=widths + gap)
    assert high == pytest.approx(float(theirs[1]), abs=widths + gap)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_no_range_on_a_grid_has_a_smaller_square_error_than_mse_s(distribution: str, symmetric: bool) -> None:
    parts = samples(distribution)
    values = np.concatenate(parts)
    found = observed("mse", parts, symmetric=symmetric)
    low, high = only(found.centred() if symmetric else found)
    shares = np.linspace(0.05, 1, 25)
    bottom, top = min(values.min(), 0), max(values.max(), 0)
    if symmetric:
        bound = max(-bottom, top)
        grid = [(-a * 128 / 127, a) for a in bound * shares]
    else:
        grid = [(bottom * a, top * b) for a in (shares if bottom < 0 else [1]) for b in (shares if top > 0 else [1])]
    least = min(square_error(values, *pair) for pair in grid)
    assert square_error(values, low, high) <= 1.03 * least


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_mse_is_no_worse_than_torch_s_histogram_observer(distribution: str) -> None:
    parts = samples(distribution)
    values = np.concatenate(parts)
    theirs = ends(*torch_observed("HistogramObserver", parts))
    assert square_error(values, *only(observed("mse", parts))) <= 1.01 * square_error(values, *theirs)


@pytest.mark.parametrize("distribution", ["normal", "laplace", "relu", "gamma"])
def test_entropy_cuts_where_onnxruntime_s_calibrator_cuts(distribution: str) -> None:
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate", reason="onnxruntime's calibrator is the oracle")
    parts = samples(distribution)
    values = np.concatenate(parts)
    collector = calibrate.HistogramCollector("entropy", True, 4097, 255, 99.99, "same")
    collector.collect({"x": [values]})
    theirs = float(collector.compute_collection_result()["x"][1])
    ours = only(observed("entropy", parts, symmetric=True))[1]
    assert ours == pytest.approx(theirs, rel=0.12)


def test_entropy_cuts_giants_off_and_keeps_a_plain_range() -> None:
    low, high = only(observed("entropy", samples("outliers")))
    assert -10 < low < -2
    assert 2 < high < 10
    even = [np.linspace(-1, 3, 4000, dtype=np.float32)]
    assert only(observed("entropy", even)) == pytest.approx((-1, 3), abs=0.02)


@pytest.mark.parametrize("name", OBSERVERS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_every_observer_gives_a_range_within_the_values_and_around_zero_where_asked(name: str, symmetric: bool) -> None:
    for distribution in DISTRIBUTIONS:
        values = np.concatenate(samples(distribution))
        low, high = only(observed(name, samples(distribution), symmetric=symmetric))
        bound = np.abs(values).max()
        assert low <= high
        assert max(-low, high) <= bound
        if symmetric:
            assert low == -high


@pytest.mark.parametrize("name", OBSERVERS)
def test_channels_are_observed_as_if_each_were_alone(name: str, rng: np.random.Generator) -> None:
    parts = [(rng.normal(size=(2, 3, 500)) * [[[0.1], [10], [1000]]]).astype(np.float32) for _ in range(3)]
    found = observed(name, parts, axis=1)
    for channel in range(3):
        alone = observed(name, [part[:, channel] for part in parts])
        assert (found.low[channel], found.high[channel]) == only(alone)


@pytest.mark.parametrize("name", OBSERVERS)
@pytest.mark.parametrize("value", [0.0, 2.5, -3.0])
def test_a_constant_tensor_has_a_range_that_holds_it(name: str, value: float) -> None:
    low, high = only(observed(name, [np.full(10, value, np.float32)] * 3))
    assert min(low, 0) <= value <= max(high, 0)


@pytest.mark.parametrize("name", OBSERVERS)
def test_what_cannot_be_observed_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="at least one sample"):
        create_observer(name).range()
    with pytest.raises(InputError, match="got NaN"):
        create_observer(name).update(np.array([1, np.nan], np.float32))
    with pytest.raises(InputError, match="infinity alone"):
        create_observer(name).update(np.array([np.inf, -np.inf], np.float32))
    with pytest.raises(InputError, match=r"shape \(0, 3\)"):
        create_observer(name).update(np.zeros((0, 3), np.float32))
    observer = create_observer(name, axis=0)
    observer.update(np.ones((2, 3), np.float32))
    with pytest.raises(InputError, match="Expected 2 channels"):
        observer.update(np.ones((3, 3), np.float32))


@pytest.mark.parametrize("name", OBSERVERS)
def test_padding_with_infinity_leaves_the_range_alone(name: str, rng: np.random.Generator) -> None:
    plain = rng.normal(size=1000).astype(np.float32)
    padded = np.concatenate([plain, [-np.inf, np.finfo(np.float32).min]]).astype(np.float32)
    assert observed(name, [padded]) == observed(name, [plain])


def test_an_unknown_observer_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="entropy, min-max, moving-average, mse, percentile"):
        create_observer("magic")
