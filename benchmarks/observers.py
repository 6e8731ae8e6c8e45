"""Observers by networks: accuracy and agreement of int8, and the time to calibrate, beside the quantizers' own calibration.

    python benchmarks/observers.py RUN DATA [RUN DATA ...] --samples 256

Every network is calibrated on the same seeded sample of the training side of DATA and evaluated on all of its test side.
Agreement is with PyTorch, paired over images. "ai-edge-quantizer" is its own `calibrate` (a moving average), "onnxruntime" its
MinMax, Percentile and Entropy calibrators with their defaults. Prints a Markdown table, and one with the mean over networks.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.calibration.observe import observe
from edgekit.calibration.ranges import GraphRanges, Range, Ranges
from edgekit.calibration.representative import stratified_sample
from edgekit.calibration.samples import ArraySamples
from edgekit.core.recipe import OBSERVERS, Format, Recipe
from edgekit.exporters.build import reference_logits
from edgekit.exporters.graphs import convert, float_graphs, quantizable
from edgekit.exporters.quiet import quiet
from edgekit.exporters.taps import OnnxTap, TfliteTap
from edgekit.exporters.targets import get_target
from edgekit.frontends.base import standardised
from edgekit.models.checkpoint import load_run
from edgekit.runtimes.open import open_runtime
from edgekit.training.data import Example, scan
from edgekit.training.features import plain_features
from edgekit.training.progress import Silent

TARGET = get_target("generic").only(["int8"])


@dataclass(frozen=True)
class Row:
    network: str
    format: str
    observer: str
    seconds: float
    sqnr_db: float
    agreement: float
    accuracy: float
    float_accuracy: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="+", type=Path, help="run folder and data set, in turns")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--formats", nargs="+", default=["onnx", "tflite"])
    parser.add_argument("--observers", nargs="+", help="only these")
    options = parser.parse_args()
    rows = []
    for run, data in zip(options.pairs[::2], options.pairs[1::2], strict=True):
        for row in measure(run, data, options.samples, options.formats, options.observers):
            print(line(row), flush=True)
            rows.append(row)
    print(
        "\n| format | observer | mean SQNR dB | mean agreement | mean loss of accuracy | mean seconds |"
        "\n|---|---|---|---|---|---|"
    )
    for format_ in options.formats:
        for name in dict.fromkeys(row.observer for row in rows if row.format == format_):
            print(summary([row for row in rows if row.format == format_ and row.observer == name]))


def line(row: Row) -> str:
    return (
        f"| {row.network} | {row.format} | {row.observer} | {row.sqnr_db:.1f} | {100 * row.agreement:.2f} % | "
        f"{100 * row.accuracy:.2f} % | {100 * row.float_accuracy:.2f} % | {row.seconds:.2f} |"
    )


def summary(rows: list[Row]) -> str:
    loss = np.mean([row.float_accuracy - row.accuracy for row in rows])
    return (
        f"| {rows[0].format} | {rows[0].observer} | {np.mean([row.sqnr_db for row in rows]):.2f} | "
        f"{100 * np.mean([row.agreement for row in rows]):.2f} % | {100 * loss:.2f} points | "
        f"{np.mean([row.seconds for row in rows]):.2f} |"
    )


def measure(run_path: Path, data_path: Path, samples: int, formats: list[str], only: list[str] | None) -> Iterator[Row]:
    run, data = load_run(run_path), scan(data_path)
    drawn = stratified_sample([example.label for example in data.train], samples, 0)
    calibration = features_of(run.frontend, [data.train[i] for i in drawn])
    test = features_of(run.frontend, list(data.test))
    labels = np.array([example.label for example in data.test])
    reference = reference_logits(run.module, test)
    graphs = float_graphs(run.module, ArraySamples(calibration), TARGET)
    for name in formats:
        format_: Format = "onnx" if name == "onnx" else "tflite"
        model = quantizable(format_, graphs[format_])
        chosen = {name: how for name, how in calibrations(format_).items() if only is None or name in only}
        for observer, calibrate in chosen.items():
            start = time.perf_counter()
            ranges = calibrate(model, calibration)
            seconds = time.perf_counter() - start
            made = convert(format_, model, Recipe("int8"), ranges, TARGET)
            yield score(f"{data_path.name} {run.config.model}", format_, observer, seconds, made.model, test, reference, labels)


def features_of(frontend: Any, examples: list[Example]) -> np.ndarray:
    return standardised(frontend, plain_features(examples, frontend, Silent())[0])


def score(
    network: str, format_: Format, observer: str, seconds: float, model: bytes, x: np.ndarray, want: np.ndarray, y: np.ndarray
) -> Row:
    with open_runtime(model, format=format_) as runtime:
        got = np.concatenate([runtime.run({"features": row[None]})["logits"].reshape(1, -1) for row in x])
    noise = np.square(got - want, dtype=np.float64).sum()
    guess, truth = got.argmax(1), want.argmax(1)
    return Row(
        *(network, format_, observer, seconds, 10 * np.log10(np.square(want, dtype=np.float64).sum() / noise)),
        *(float((guess == truth).mean()), float((guess == y).mean()), float((truth == y).mean())),
    )


Calibrate = Callable[[bytes, np.ndarray], Ranges]


def calibrations(format_: Format) -> dict[str, Calibrate]:
    """Ours, and those that come with the quantizer."""
    tap = OnnxTap if format_ == "onnx" else TfliteTap

    def ours(name: str) -> Calibrate:
        return lambda model, x: observe({format_: tap(model)}, ArraySamples(x), name)

    found = {name: ours(name) for name in OBSERVERS}
    if format_ == "tflite":
        return {**found, "ai-edge-quantizer": ai_edge_quantizer}
    return {**found, **{f"onnxruntime {method}": onnxruntime_method(method) for method in ("MinMax", "Percentile", "Entropy")}}


def ai_edge_quantizer(model: bytes, x: np.ndarray) -> Ranges:
    from ai_edge_quantizer import qtyping, quantizer

    with quiet():
        job = quantizer.Quantizer(bytearray(model))
        job.add_static_config(".*", qtyping.TFLOperationName.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8)
        found = job.calibrate({"serving_default": [{"features": row[None]} for row in x]}, num_threads=1)
    pairs = {name: (float(np.min(value["min"])), float(np.max(value["max"]))) for name, value in found.items() if "min" in value}
    # Tensors that it does not calibrate, because nothing quantizes them, are there for none to miss.
    return as_ranges("tflite", TfliteTap(model).graph, pairs)


def onnxruntime_method(method: str) -> Calibrate:
    def calibrate(model: bytes, x: np.ndarray) -> Ranges:
        from onnxruntime.quantization import calibrate as theirs

        class Reader:
            def __init__(self) -> None:
                self._rest = iter(x)

            def get_next(self) -> dict[str, Any] | None:
                row = next(self._rest, None)
                return None if row is None else {"features": row[None]}

        with tempfile.TemporaryDirectory() as folder, quiet(), contextlib.redirect_stdout(None):
            source = Path(folder) / "model.onnx"
            source.write_bytes(model)
            kind = theirs.CalibrationMethod[method]
            job = theirs.create_calibrator(source, None, str(Path(folder) / "augmented.onnx"), calibrate_method=kind)
            job.collect_data(Reader())
            found = job.compute_data()
        ends = {name: [float(np.squeeze(end)) for end in data.range_value] for name, data in found.items()}
        return as_ranges("onnx", OnnxTap(model).graph, {name: (low, high) for name, (low, high) in ends.items()})

    return calibrate


def as_ranges(format_: Format, graph: str, pairs: dict[str, tuple[float, float]]) -> Ranges:
    tensors = {name: Range((low,), (high,)) for name, (low, high) in pairs.items()}
    return Ranges("min-max", False, 1, "", (GraphRanges(format_, graph, tensors),))


if __name__ == "__main__":
    main()
