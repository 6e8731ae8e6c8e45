"""What edgekit adds to the bare interpreter and the bare front end: figures and ratios measured in turns, in one run.

    python benchmarks/overhead.py tests/golden/textures.bundle [--rounds 60]

Prints, for the int8 TFLite artifact on LiteRT, one thread, medians over the rounds of each round's median (the pipeline's over
pairs of calls on one picture):

- model only, as `edgekit bench` measures it, over a plain loop of set_tensor + invoke + get_tensor;
- the float face: `Runtime.run` from float features to float scores, over the same plain loop;
- the pipeline from a decoded picture of the front end's size to a prediction, over bare front end + bare interpreter.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from time import perf_counter_ns
from typing import Any, cast

import numpy as np

from edgekit.bench.images import bundle_inputs
from edgekit.core.bundle import Bundle
from edgekit.pipeline import open_artifact
from edgekit.runtimes.litert import interpreter_module
from edgekit.runtimes.quantised import EngineRuntime


class Plain:
    """The bare interpreter with a loop written out, as its documentation shows it."""

    def __init__(self, model: bytes) -> None:
        self.interpreter = interpreter_module("litert").Interpreter(model_content=model, num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]

    def __call__(self, array: np.ndarray) -> np.ndarray:
        self.interpreter.set_tensor(self.input, array)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output)


def plain_window(plain: Plain, queries: Sequence[np.ndarray], seconds: float) -> float:
    """Median microseconds; no function call between the clock and the interpreter."""
    interpreter, given, taken = plain.interpreter, plain.input, plain.output
    samples, end = [], perf_counter_ns() + int(seconds * 1e9)
    for query in cycle(queries):
        start = perf_counter_ns()
        interpreter.set_tensor(given, query)
        interpreter.invoke()
        interpreter.get_tensor(taken)
        stop = perf_counter_ns()
        samples.append(stop - start)
        if stop >= end:
            return float(np.median(samples)) / 1e3


def window(call: Callable[[Any], object], queries: Sequence[Any], seconds: float) -> float:
    """Median microseconds of a call."""
    samples, end = [], perf_counter_ns() + int(seconds * 1e9)
    for query in cycle(queries):
        start = perf_counter_ns()
        call(query)
        stop = perf_counter_ns()
        samples.append(stop - start)
        if stop >= end:
            return float(np.median(samples)) / 1e3


def in_pairs(one: Callable[[Any], object], two: Callable[[Any], object], queries: Sequence[Any], pairs: int) -> np.ndarray:
    """(pairs, 2) microseconds of both calls on the same query, each first in half of the pairs: for calls of a millisecond."""
    taken = np.empty((pairs, 2))
    for number, query in zip(range(pairs), cycle(queries), strict=False):
        for which in (0, 1) if number // len(queries) % 2 else (1, 0):
            start = perf_counter_ns()
            (one, two)[which](query)
            taken[number, which] = perf_counter_ns() - start
    return taken / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--window", type=float, default=0.05, help="seconds")
    parser.add_argument("--pairs", type=int, default=4000, help="of the pipeline beside the bare road")
    arguments = parser.parse_args()
    bundle = Bundle.open(arguments.bundle)
    artifact = bundle.artifacts("int8", "tflite")[0]
    pictures = bundle_inputs(bundle)
    plain = Plain(bundle.read(artifact.file))
    with open_artifact(bundle, artifact, "litert") as pipeline:
        runtime = cast(EngineRuntime, pipeline.runtime)
        frontend, spec = pipeline.frontend, runtime.inputs[0]
        features = [frontend(picture)[np.newaxis] for picture in pictures]
        stored = [runtime.to_stored({spec.name: values}) for values in features]
        bare_inputs = [arrays[0] for arrays in stored]

        def road(picture: np.ndarray) -> np.ndarray:
            return plain(frontend.quantize(picture, spec.affine)[np.newaxis])

        turns: dict[str, Callable[[], float]] = {
            "plain": lambda: plain_window(plain, bare_inputs, arguments.window),
            "model_only": lambda: window(runtime.engine.invoke, stored, arguments.window),
            "face": lambda: window(lambda values: runtime.run({spec.name: values}), features, arguments.window),
        }
        rounds = [{name: turn() for name, turn in turns.items()} for _ in range(arguments.rounds + 1)][1:]
        roads = in_pairs(road, pipeline.predict, pictures, arguments.pairs)
    median = {name: float(np.median([each[name] for each in rounds])) for name in turns}
    report = {
        **{f"{name}_us": round(value, 2) for name, value in median.items()},
        "model_only_over_plain": round(float(np.median([each["model_only"] / each["plain"] for each in rounds])), 4),
        "face_over_plain_us": round(float(np.median([each["face"] - each["plain"] for each in rounds])), 2),
        "bare_road_us": round(float(np.median(roads[:, 0])), 2),
        "pipeline_us": round(float(np.median(roads[:, 1])), 2),
        "pipeline_over_bare_road_us": round(float(np.median(roads[:, 1] - roads[:, 0])), 2),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
