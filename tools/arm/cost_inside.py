"""Runs on the emulated core: what each stage of a prediction costs, in executed instructions, in the steady state.

usage: cost_inside.py COUNTS MODEL...    COUNTS: the file that the plugin writes; MODEL: files or bundles that edgekit opens
Prints one JSON object, "MODEL/STAGE" -> instructions; runtime stages are "MODEL/RUNTIME/PRECISION/STAGE".
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgekit.core.bundle import Bundle
from edgekit.frontends.image import resize_area
from edgekit.pipeline import Pipeline, open_artifact, probabilities_of
from edgekit.runtimes import installed_runtimes

__all__ = ["Counter", "frame"]

#: Until CPython has specialised its bytecode, and the runtimes have packed their weights.
WARM_UP = 24
SAMPLES = 9
PRECISIONS = ("fp32", "int8")


class Counter:
    """Counts the instructions of a call by the plugin's marks; the cost of a mark itself is taken off."""

    def __init__(self, counts: Path) -> None:
        self._counts = counts
        self._overhead = 0
        gc.disable()
        self._overhead = self(lambda: None)

    def __call__(self, call: Callable[[], object]) -> int:
        for _ in range(WARM_UP):
            _mark()
            call()
        for _ in range(SAMPLES):
            _mark()
            call()
            _mark()
        gc.collect()
        _mark()
        lines = self._counts.read_text().split()[-2 * SAMPLES - 1 : -1]
        # Before, after, before, after: each "after" holds the count of one call.
        return round(statistics.median(map(int, lines[1::2]))) - self._overhead


def frame(height: int = 480, width: int = 640) -> np.ndarray:
    """A smooth coloured picture with noise, (height, width, 3) uint8: what a camera gives, made the same everywhere."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 40 + y / 90), np.sin(x / 70 - y / 50), np.sin(x / 25 + y / 30)], axis=-1)
    return np.clip(128 + 90 * waves + np.random.default_rng(0).normal(0, 8, waves.shape), 0, 255).astype(np.uint8)


def stages(pipeline: Pipeline, image: np.ndarray, count: Counter) -> dict[str, int]:
    """Stages that depend on the artifact, and the whole from the raw frame to the label."""
    features = pipeline.frontend.raw(resize_area(image, pipeline.frontend.size))
    prepared = pipeline.prepare(features)
    scores = pipeline.infer(prepared)
    return {
        "quantize": count(lambda: pipeline.prepare(features)),
        "inference": count(lambda: pipeline.infer(prepared)),
        "post": count(lambda: (probabilities_of(scores, pipeline.card.output), int(scores.argmax()))),
        "frame to label": count(lambda: pipeline.predict(image)),
    }


def measure(path: Path, count: Counter) -> dict[str, int]:
    """Every stage of every fp32 and int8 artifact of a bundle on every installed runtime."""
    bundle, image = Bundle.open(path), frame()
    name, costs = bundle.manifest.name, {}
    for artifact in (artifact for artifact in bundle.manifest.artifacts if artifact.precision in PRECISIONS):
        for runtime in installed_runtimes(artifact.format):
            with open_artifact(bundle, artifact, runtime) as pipeline:
                if f"{name}/resize" not in costs:
                    small = resize_area(image, pipeline.frontend.size)
                    costs[f"{name}/resize"] = count(lambda p=pipeline: resize_area(image, p.frontend.size))
                    costs[f"{name}/frontend"] = count(lambda p=pipeline, s=small: p.frontend.raw(s))
                for stage, cost in stages(pipeline, image, count).items():
                    costs[f"{name}/{runtime}/{artifact.precision}/{stage}"] = cost
    return costs


def _mark() -> None:
    with contextlib.suppress(OSError):
        os.close(977)


def main(counts: Path, models: list[Path]) -> None:
    count = Counter(counts)
    costs: dict[str, int] = {}
    for model in models:
        costs |= measure(model, count)
    json.dump(costs, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
