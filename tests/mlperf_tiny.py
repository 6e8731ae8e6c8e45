"""MLPerf Tiny's models packed as a user would, run over its samples, held against the reference outputs beside them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.core.bundle import Bundle
from edgekit.frontends import create_frontend
from edgekit.packing import pack
from edgekit.pipeline import Pipeline, open_artifact

__all__ = ["CASES", "WORDS", "Outcome", "kws01_inputs", "reconstruction_error", "reference_rows", "run_case"]

KWS_SCALE, KWS_ZERO_POINT = 0.5847029089927673, 83
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")


@dataclass(frozen=True)
class Outcome:
    """Over the samples that were run: how many, and the shares of right labels here and there, and of differing labels."""

    n: int
    accuracy: float
    reference_accuracy: float
    flips: float


def ic01_inputs(folder: Path, files: Sequence[str]) -> list[Path]:
    pictures = {path.stem: path for path in (folder / "ic01/png").glob("*/*.png")}
    return [pictures[Path(file).stem] for file in files]


def kws01_inputs(folder: Path, files: Sequence[str]) -> list[np.ndarray]:
    """The stored int8 maps as the real numbers they stand for: (49, 10, 1) float32 each."""
    stored = np.fromfile(folder / "kws01/samples_int8_1000x49x10.bin", np.int8).reshape(-1, 49, 10, 1)
    order = [row["file"] for row in reference_rows(folder, "kws01")]
    real = (stored.astype(np.float32) - KWS_ZERO_POINT) * np.float32(KWS_SCALE)
    return [real[order.index(file)] for file in files]


@dataclass(frozen=True)
class Case:
    model: str
    labels: tuple[str, ...]
    frontend: str
    config: dict[str, object]
    inputs: Callable[[Path, Sequence[str]], Sequence[Path | np.ndarray]]


CASES = {
    "ic01": Case("ic01_resnet8_int8", CIFAR, "pixels", {"size": [32, 32], "scale": 1.0}, ic01_inputs),
    "kws01": Case("kws01_dscnn_int8", WORDS, "samples", {"shape": [49, 10, 1]}, kws01_inputs),
}


def run_case(name: str, folder: Path, runtime: str, work: Path, every: int = 1) -> Outcome:
    """Pack one classifier and predict every n-th sample.

    Args:
        name: of `CASES`.
        folder: mlperf_tiny/.
        runtime: "litert" or "tflite-runtime".
        work: where the bundle goes.
        every: n.
    """
    case, rows = CASES[name], reference_rows(folder, name)[::every]
    with _packed(folder, case.model, work, name, case.labels, case.frontend, case.config, "probabilities", runtime) as pipeline:
        inputs = case.inputs(folder, [row["file"] for row in rows])
        got = np.array([pipeline.predict(item).index for item in inputs])
    truth, reference = (np.array([int(row[key]) for row in rows]) for key in ("label", "pred"))
    return Outcome(len(rows), float((got == truth).mean()), float((reference == truth).mean()), float((got != reference).mean()))


def reconstruction_error(folder: Path, runtime: str, work: Path) -> float:
    """ad01: mean squared error of the autoencoder over the sample's 196 windows of five frames of 128 log-mel values."""
    frames = np.fromfile(folder / "ad01/normal_id_01_00000000_hist_librosa.bin", "<f4").reshape(200, 128)
    windows = [frames[start : start + 5].ravel() for start in range(196)]
    with _packed(folder, "ad01_int8", work, "ad01", (), "samples", {"shape": [640]}, "raw", runtime) as pipeline:
        return float(np.mean([np.square(pipeline.predict(window).scores - window).mean() for window in windows]))


def _packed(
    folder: Path,
    model: str,
    work: Path,
    name: str,
    labels: tuple[str, ...],
    frontend: str,
    config: dict[str, object],
    kind: str,
    runtime: str,
) -> Pipeline:
    out = work / f"{name}-{runtime}.bundle"
    pack(folder / "models" / f"{model}.tflite", out, name, labels, create_frontend(frontend, config), kind)
    bundle = Bundle.open(out)
    return open_artifact(bundle, bundle.manifest.artifacts[0], runtime)


def reference_rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name / "litert_int8_outputs.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))
