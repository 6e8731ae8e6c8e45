"""Golden vectors: a few inputs and outputs of every artifact, by which a board checks that it computes the same numbers.

golden.npz holds `images` (K, H, W, 3) uint8 (or `windows` (K, ...) float32 of sensor samples), `features` (K, ...) float16 as the
network takes them, and for every artifact and runtime of the workstation an array "FILE@RUNTIME@VERSION" (K, classes) of outputs
as stored (int8 for int8 graphs), computed from `features`. Runtimes change their kernels between versions: bit equality is asked
of the same version only.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.core.bundle import Bundle
from edgekit.core.manifest import Artifact, ModelCard
from edgekit.errors import BundleError
from edgekit.frontends.base import FrontEnd, create_frontend, window_shape
from edgekit.pipeline import Pipeline, probabilities_of
from edgekit.runtimes.open import installed_runtimes, open_runtime

__all__ = ["GOLDEN", "GoldenCheck", "check_golden", "check_pipeline", "golden_inputs", "make_golden", "synthetic_inputs"]

GOLDEN = "golden.npz"

#: Two runtimes, or one runtime on two cores, differ by a few int8 steps; more than this is a defect.
_PROBABILITY_TOLERANCE = 0.1


@dataclass(frozen=True)
class GoldenCheck:
    """One artifact on one installed runtime against the golden vectors.

    Attributes:
        artifact: file name.
        runtime: its name.
        version: its version here.
        bit_equal: whether the stored outputs came back bit for bit; None where another version made them.
        same_labels: whether every golden image gets its golden label through the whole pipeline.
        max_difference: largest difference of a probability (of a score for raw outputs), through the whole pipeline.
        ok: what decides: probabilities within 0.1 through the whole pipeline, and bit equality for an integer graph of the same
            version, the same labels otherwise.
    """

    artifact: str
    runtime: str
    version: str
    bit_equal: bool | None
    same_labels: bool
    max_difference: float
    ok: bool


def make_golden(card: ModelCard, inputs: np.ndarray, artifacts: Iterable[tuple[Artifact, bytes]]) -> bytes:
    """Content of golden.npz.

    Args:
        card: what the model is.
        inputs: (K, H, W, 3) uint8 images, or (K, ...) float32 windows of samples.
        artifacts: every artifact with its file's bytes; each is run on every installed runtime that fits.
    """
    frontend = create_frontend(card.frontend.name, card.frontend.config)
    features = np.stack([frontend(item) for item in inputs]).astype(np.float16)
    arrays: dict[str, np.ndarray] = {"windows" if frontend.size is None else "images": inputs, "features": features}
    for artifact, model in artifacts:
        for name in installed_runtimes(artifact.format):
            with Pipeline(card, open_runtime(model, name, 1, artifact.format), frontend) as pipeline:
                arrays[_key(artifact.file, name, pipeline.runtime.version)] = _outputs(pipeline, features)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def check_golden(bundle: Bundle, step: Callable[[int, int], None] = lambda _one, _all: None) -> tuple[GoldenCheck, ...]:
    """Run every artifact on every installed runtime and compare with the bundle's golden vectors.

    Args:
        bundle: opened.
        step: called with 1 and the number of all, after each.

    Raises:
        BundleError: when the golden file is unreadable or lacks an artifact.
    """
    golden = _load(bundle)
    card = bundle.manifest.card
    frontend = create_frontend(card.frontend.name, card.frontend.config)
    pairs = [(artifact, name) for artifact in bundle.manifest.artifacts for name in installed_runtimes(artifact.format)]
    checks = []
    for artifact, name in pairs:
        with Pipeline(card, open_runtime(bundle.read(artifact.file), name, 1, artifact.format), frontend) as pipeline:
            checks.append(_check(pipeline, artifact, golden))
        step(1, len(pairs))
    return tuple(checks)


def check_pipeline(bundle: Bundle, artifact: Artifact, pipeline: Pipeline) -> GoldenCheck:
    """As `check_golden`, of the one artifact that is opened already.

    Args:
        bundle: holds the golden vectors.
        artifact: what `pipeline` was opened from.
        pipeline: runs the golden inputs; left open.

    Raises:
        BundleError: when the golden file is unreadable or lacks the artifact.
    """
    return _check(pipeline, artifact, _load(bundle))


def golden_inputs(golden: Mapping[str, np.ndarray]) -> np.ndarray:
    """What `Pipeline.predict` takes: (K, H, W, 3) uint8 images or (K, ...) float32 windows."""
    return golden["windows"] if "windows" in golden else golden["images"]


def synthetic_inputs(frontend: FrontEnd, count: int = 4, seed: int = 0) -> np.ndarray:
    """For models that come without any: colourful smooth pictures with noise (count, H, W, 3) uint8, or windows of noise."""
    rng = np.random.default_rng(seed)
    if frontend.size is None:
        return rng.normal(0, 1, (count, *window_shape(frontend))).astype(np.float32)
    height, width = frontend.size
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    pictures = []
    for _ in range(count):
        frequency, phase = rng.uniform(1, 12, (3, 2)), rng.uniform(0, 6.3, 3)
        waves = np.sin(frequency[:, :1, None] * x + frequency[:, 1:, None] * y + phase[:, None, None])
        noise = rng.normal(0, 8, (height, width, 3))
        pictures.append(np.clip(127 + 100 * waves.transpose(1, 2, 0) + noise, 0, 255).astype(np.uint8))
    return np.stack(pictures)


def _check(pipeline: Pipeline, artifact: Artifact, golden: Mapping[str, np.ndarray]) -> GoldenCheck:
    runtime, version = pipeline.runtime.name, pipeline.runtime.version
    key = _key(artifact.file, runtime, version)
    recorded = golden.get(key)
    bit_equal = None if recorded is None else bool(np.array_equal(_outputs(pipeline, golden["features"]), recorded))
    # Without a record of this very version, any runtime's record of this artifact tells the label.
    others = [golden[name] for name in sorted(golden) if name.startswith(f"{artifact.file}@")]
    if not others:
        raise BundleError(f"Expected golden vectors of {artifact.file} in {GOLDEN}, found none. Export the bundle again.")
    expected = _scores(pipeline, others[0] if recorded is None else recorded)
    actual = np.stack([pipeline.predict(image).scores for image in golden_inputs(golden)])
    same_labels = bool((expected.argmax(-1) == actual.argmax(-1)).all())
    difference = float(np.abs(_comparable(pipeline, expected) - _comparable(pipeline, actual)).max())
    integer = pipeline.runtime.outputs[0].affine is not None
    # The stored features test the runtime alone; only the pictures, through the whole pipeline, test the front end too.
    close = difference <= _PROBABILITY_TOLERANCE or pipeline.card.output.kind == "raw"
    ok = close and (bit_equal if integer and bit_equal is not None else same_labels)
    return GoldenCheck(artifact.file, runtime, version, bit_equal, same_labels, difference, ok)


def _outputs(pipeline: Pipeline, features: np.ndarray) -> np.ndarray:
    """Stored outputs (K, classes) from features as the network takes them (float16, standardised)."""
    spec = pipeline.runtime.inputs[0]
    values = features.astype(np.float32)
    inputs = values if spec.affine is None else spec.affine.quantize(values)
    return np.stack([pipeline.infer_raw(item[np.newaxis]) for item in inputs])


def _scores(pipeline: Pipeline, stored: np.ndarray) -> np.ndarray:
    affine = pipeline.runtime.outputs[0].affine
    return stored.astype(np.float32) if affine is None else affine.dequantize(stored)


def _comparable(pipeline: Pipeline, scores: np.ndarray) -> np.ndarray:
    probabilities = probabilities_of(scores, pipeline.card.output)
    return scores if probabilities is None else probabilities


def _key(file: str, runtime: str, version: str) -> str:
    return f"{file}@{runtime}@{version}"


def _load(bundle: Bundle) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(bundle.read(bundle.manifest.golden.file)), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError) as error:
        raise BundleError(
            f"Expected golden vectors in {bundle.manifest.golden.file}: {error}. Export the bundle again."
        ) from error
