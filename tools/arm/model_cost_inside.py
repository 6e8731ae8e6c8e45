"""Runs on the emulated core: executed instructions of one inference of each model file, on every installed runtime.

usage: model_cost_inside.py COUNTS MODEL...    COUNTS: the file that the plugin writes; MODEL: .tflite and .onnx files
Prints one JSON object, "MODEL/RUNTIME" -> instructions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from cost_inside import Counter

from edgekit.runtimes.litert import is_tflite
from edgekit.runtimes.open import installed_runtimes, open_runtime
from edgekit.runtimes.quantised import EngineRuntime


def inference(path: Path, count: Counter) -> dict[str, int]:
    """The engine alone, inputs and outputs as stored, with noise for an input: counts do not depend on values."""
    costs = {}
    for name in installed_runtimes("tflite" if is_tflite(path.read_bytes()) else "onnx"):
        with open_runtime(path, name) as runtime:
            if not isinstance(runtime, EngineRuntime):
                raise TypeError(f"Expected an EngineRuntime, got {type(runtime).__name__}.")
            generator = np.random.default_rng(0)
            values = {spec.name: generator.random([max(1, n) for n in spec.shape], np.float32) for spec in runtime.inputs}
            stored = runtime.to_stored(values)
            costs[f"{path.name}/{name}"] = count(lambda engine=runtime.engine, inputs=stored: engine.invoke(inputs))
    return costs


def main(counts: Path, models: list[Path]) -> None:
    count = Counter(counts)
    costs: dict[str, int] = {}
    for model in models:
        costs |= inference(model, count)
    json.dump(costs, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
