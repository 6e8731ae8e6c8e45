from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgekit.calibration.observe import observe
from edgekit.calibration.ranges import Range
from edgekit.calibration.representative import sample_digest
from edgekit.calibration.samples import ArraySamples, StreamedSamples
from edgekit.core.spec import Affine
from edgekit.errors import InputError, UnknownNameError


class Doubler:
    """A graph of two tensors: the input, and twice the input with a hole where it is below -3."""

    graph = "d" * 64

    def __call__(self, sample: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        yield "x", sample
        yield "twice", np.where(sample < -3, np.nan, 2 * sample)


@pytest.fixture
def values(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 2, size=(40, 3, 5)).astype(np.float32)


def streamed(values: np.ndarray) -> StreamedSamples:
    return StreamedSamples(values.shape[1:], len(values), lambda: iter(np.array_split(values, 7)))


def test_every_tensor_gets_its_range_and_the_sample_its_digest(values: np.ndarray) -> None:
    found = observe({"onnx": Doubler(), "tflite": Doubler()}, ArraySamples(values), "min-max")
    low, high = float(values.min()), float(values.max())
    for format_ in ("onnx", "tflite"):
        assert found.of(format_, "d" * 64) == {"x": Range((low,), (high,)), "twice": Range((2 * low,), (2 * high,))}
    assert (found.observer, found.samples, found.calibration) == ("min-max", 40, sample_digest(values))


def test_a_stream_gives_what_the_array_gives(values: np.ndarray) -> None:
    for observer in ("mse", "moving-average"):
        assert observe({"onnx": Doubler()}, streamed(values), observer) == observe(
            {"onnx": Doubler()}, ArraySamples(values), observer
        )


def test_nan_in_a_tensor_names_it(values: np.ndarray) -> None:
    values[5, 0, 0] = -7
    with pytest.raises(InputError, match="Cannot calibrate tensor 'twice'. Expected numbers, got NaN"):
        observe({"onnx": Doubler()}, ArraySamples(values), "mse")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((0, 3, 5)), "at least 1 calibration sample"),
        (np.zeros((4, 3, 5)), "got 4 equal ones: all black"),
        (np.broadcast_to(np.arange(15.0).reshape(3, 5), (4, 3, 5)), "got 4 equal ones"),
        (np.full((1, 3, 5), 0.7), "got 1 equal ones"),
        (np.where(np.arange(60).reshape(4, 3, 5) == 31, np.nan, 1.0), "got NaN or infinity in sample 2"),
        (np.where(np.arange(60).reshape(4, 3, 5) == 31, np.inf, 1.0), "got NaN or infinity in sample 2"),
    ],
)
def test_samples_that_say_nothing_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        observe({"onnx": Doubler()}, ArraySamples(values), "min-max")


def test_a_stream_of_another_shape_is_refused(values: np.ndarray) -> None:
    wrong = StreamedSamples((5, 3), 40, lambda: iter([values]))
    with pytest.raises(InputError, match=r"Expected calibration samples of shape \(5, 3\), got \(3, 5\) at position 0"):
        observe({"onnx": Doubler()}, wrong, "min-max")


def test_an_unknown_observer_is_refused_before_anything_runs(values: np.ndarray) -> None:
    with pytest.raises(UnknownNameError, match="Unknown observer 'magic'"):
        observe({}, ArraySamples(values), "magic")


class Turner:
    """Shows its input, the same in another shape, and twice of it."""

    graph = "turner"

    def __call__(self, sample: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        yield from (("in", sample), ("turned", sample.transpose(0, 2, 1)), ("twice", 2 * sample))


def test_what_the_input_can_be_at_all_goes_for_it_in_every_shape(values: np.ndarray) -> None:
    (graph,) = observe({"onnx": Turner()}, ArraySamples(values), "percentile", input_range=(-2.0, 1.984375)).graphs
    assert graph.tensors["in"] == graph.tensors["turned"] == Range((-2.0,), (1.984375,))
    assert graph.tensors["in"].affine() == Affine(1 / 64, 0, "int8")
    (seen,) = observe({"onnx": Turner()}, ArraySamples(values), "percentile").graphs
    assert graph.tensors["twice"] == seen.tensors["twice"]
