"""The loops: one query after the other, batch 1, a monotonic clock around each, and round robin over the candidates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench.plan import Mode
from edgekit.frontends.base import FrontEnd
from edgekit.frontends.image import resize_area
from edgekit.frontends.loading import load_image
from edgekit.pipeline import STAGES, Pipeline
from edgekit.runtimes.quantised import EngineRuntime

__all__ = ["Series", "Subject", "features_of", "measure"]

#: Share of a window that the float face gets beside it: it is a stage of its own, and a short one.
_FACE_SHARE = 0.1

_LEAST_QUERIES = 3


@dataclass
class Subject:
    """An opened candidate, its pictures, and what was measured of it so far.

    Attributes:
        pipeline: the opened pipeline.
        images: what `Pipeline.predict` takes, in a fixed order; encoded bytes, so that decoding is measured and the disk is not.
        features: (1, *features) float32 of every image, see `features_of`: shared, because they would be the same.
        model_only: (n,) nanoseconds per window of the engine's `invoke` alone: inputs set, graph run, outputs got.
        face: (n,) nanoseconds per window of what the float face does around it: check and quantize, dequantize.
        end_to_end: (n,) nanoseconds per window of `Pipeline.predict`.
        stages: stage -> (n,) milliseconds per window.
    """

    pipeline: Pipeline
    images: Sequence[bytes | np.ndarray]
    features: Sequence[np.ndarray]
    model_only: list[np.ndarray] = field(default_factory=list)
    face: list[np.ndarray] = field(default_factory=list)
    end_to_end: list[np.ndarray] = field(default_factory=list)
    stages: dict[str, list[np.ndarray]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    def __post_init__(self) -> None:
        self._stored = [self._runtime.to_stored({self._name: values}) for values in self.features]

    @property
    def _runtime(self) -> EngineRuntime:
        runtime = self.pipeline.runtime
        if not isinstance(runtime, EngineRuntime):
            raise TypeError(f"Expected an EngineRuntime, got {type(runtime).__name__}.")
        return runtime

    @property
    def _name(self) -> str:
        return self._runtime.inputs[0].name

    def window(self, mode: Mode) -> None:
        """Measure one window of the model alone, one of the face, one of the whole road, each warmed up."""
        invoke = self._runtime.engine.invoke
        _warm_up(invoke, self._stored, mode.warm_up_s)
        self.model_only.append(_loop(invoke, self._stored, mode.window_s))
        self.face.append(self._face_loop(mode.window_s * _FACE_SHARE))
        _warm_up(self.pipeline.predict, self.images, mode.warm_up_s)
        self._road_loop(mode.window_s)

    def _face_loop(self, seconds: float) -> np.ndarray:
        runtime, name = self._runtime, self._name
        results = runtime.engine.invoke(self._stored[0])

        def face(values: np.ndarray) -> None:
            runtime.to_stored({name: values})
            runtime.to_float(results)

        return _loop(face, self.features, seconds)

    def _road_loop(self, seconds: float) -> None:
        timings: list[dict[str, float]] = []

        def predict(image: bytes | np.ndarray) -> None:
            timings.append(self.pipeline.predict(image).timings_ms)

        self.end_to_end.append(_loop(predict, self.images, seconds))
        for stage, windows in self.stages.items():
            windows.append(np.array([timing[stage] for timing in timings]))


def features_of(frontend: FrontEnd, images: Sequence[Path | bytes | np.ndarray]) -> tuple[np.ndarray, ...]:
    """Features of every image (or window of samples) as the models take them, with the batch dimension.

    Raises:
        ImageError: when an image cannot be decoded, with its name where it came as a path.
    """
    if frontend.size is None:
        return tuple(frontend(window)[np.newaxis] for window in images)  # type: ignore[arg-type]
    return tuple(frontend(resize_area(load_image(frontend, image), frontend.size))[np.newaxis] for image in images)


@dataclass(frozen=True)
class Series:
    """How to go round: who hears of it.

    Attributes:
        mode: how long.
        after_round: called before the first round and after each one, while the processor is still warm.
        advance: called after each window of a subject.
    """

    mode: Mode
    after_round: Callable[[], None] = lambda: None
    advance: Callable[[], None] = lambda: None


def measure(subjects: Sequence[Subject], series: Series) -> None:
    """Fill the subjects' windows: in every round each gets one, so that what changes with time changes for all."""
    series.after_round()
    for _ in range(series.mode.windows):
        for subject in subjects:
            subject.window(series.mode)
            series.advance()
        series.after_round()


def _warm_up(call: Callable[[Any], object], queries: Sequence[Any], seconds: float) -> None:
    end = time.perf_counter() + seconds
    for done, query in enumerate(cycle(queries), 1):
        call(query)
        if done >= _LEAST_QUERIES and time.perf_counter() >= end:
            return


def _loop(call: Callable[[Any], object], queries: Sequence[Any], seconds: float) -> np.ndarray:
    """Time query after query for at least so many seconds: (n,) int64 nanoseconds."""
    clock = time.perf_counter_ns
    samples: list[int] = []
    keep, end = samples.append, clock() + int(seconds * 1e9)
    for query in cycle(queries):
        start = clock()
        call(query)
        stop = clock()
        keep(stop - start)
        if stop >= end and len(samples) >= _LEAST_QUERIES:
            break
    return np.array(samples, np.int64)
