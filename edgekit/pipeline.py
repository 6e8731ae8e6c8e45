"""From an image to a prediction: decode, resize, front end, quantize, inference, post-processing, each timed."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from edgekit.core.bundle import Bundle, is_bundle
from edgekit.core.manifest import Artifact, ModelCard, OutputEntry
from edgekit.core.recipe import PRECISIONS
from edgekit.core.spec import TensorSpec
from edgekit.errors import BundleError, InputError, ModelError, UnknownNameError
from edgekit.frontends.base import FrontEnd, create_frontend, window_shape
from edgekit.frontends.image import decode, resize_area
from edgekit.frontends.loading import least_size
from edgekit.runtimes.base import RUNTIME_FORMATS, Runtime
from edgekit.runtimes.open import check_runtime, installed_runtimes, open_runtime

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "STAGES",
    "UNKNOWN",
    "Pipeline",
    "Prediction",
    "check_scores",
    "choose_artifact",
    "open_artifact",
    "open_pipeline",
    "probabilities_of",
]

STAGES = ("decode", "resize", "frontend", "quantize", "inference", "post")

#: The label of a prediction that is withheld; its index is -1.
UNKNOWN = "unknown"

#: Which precision to run where neither the caller nor the manifest says.
_PREFERENCE = ("int8", "int8-dynamic", "fp16", "fp32")


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image.

    Attributes:
        label: name of the most probable class; "unknown" where its probability is below what the bundle asks of an answer.
        index: its index; -1 for "unknown", which a class of that name does not have.
        probabilities: label -> probability, summing to 1; None where the model gives raw scores.
        scores: (classes,) float32 outputs of the model as they came.
        timings_ms: stage -> milliseconds, the stages of `STAGES`.
    """

    label: str
    index: int
    probabilities: dict[str, float] | None
    scores: np.ndarray
    timings_ms: dict[str, float]


class Pipeline:
    """A front end, a runtime and the post-processing of one model. A context manager; not safe for several threads.

    Args:
        card: what the model is: labels, front end, output kind, input spec.
        runtime: a loaded model; closed with this pipeline.
        frontend: the card's front end where the caller has built it already.

    Raises:
        ModelError: when the model does not take what the front end gives.
    """

    def __init__(self, card: ModelCard, runtime: Runtime, frontend: FrontEnd | None = None) -> None:
        self.card = card
        self.runtime = runtime
        self.frontend = frontend or create_frontend(card.frontend.name, card.frontend.config)
        self._input = _single(runtime.inputs, "input")
        self._output = _single(runtime.outputs, "output")
        self._size = self.frontend.size
        self._axis = self.frontend.feature_axis
        self._least = least_size(self.frontend)
        check_fit(self.frontend, self._input, self._output, card)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, by index."""
        return self.card.labels

    def predict(self, source: str | Path | bytes | Image | np.ndarray) -> Prediction:
        """Classify one image, or one window of samples where the front end takes those.

        Args:
            source: a path, the bytes of an encoded image, a PIL image, or an (H, W, 3) uint8 RGB array; a window is an array of
                the front end's shape.

        Raises:
            ImageError: when it cannot be decoded.
            InputError: on an array of another shape or dtype.
        """
        if self._size is None:
            return self._predict_window(source)
        clock = time.perf_counter
        start = clock()
        # The front end checks an array that needs no decoding.
        image = source if isinstance(source, np.ndarray) and source.ndim == 3 else decode(source, self._least)
        decoded = clock()
        if image.shape[:2] != self._size:
            image = resize_area(image, self._size)
        resized = clock()
        features = self.frontend.raw(image)
        return self._finish(features, start, decoded, resized, clock())

    def _predict_window(self, window: object) -> Prediction:
        start, shape = time.perf_counter(), window_shape(self.frontend)
        if not isinstance(window, np.ndarray) or window.shape != shape:
            found = f"an array of {window.shape}" if isinstance(window, np.ndarray) else type(window).__name__
            raise InputError(
                f"Expected a window of samples as an array of shape {shape}, got {found}. Pass it as it was recorded."
            )
        return self._finish(self.frontend.raw(window), start, start, start, time.perf_counter())

    def predict_features(self, features: np.ndarray) -> Prediction:
        """Classify from features that `frontend.raw` gave, shape `frontend.output.shape`."""
        now = time.perf_counter()
        return self._finish(features, now, now, now, now)

    def prepare(self, features: np.ndarray) -> np.ndarray:
        """Raw features as the model's stored input, with the batch dimension: standardised, and quantized for int8 graphs."""
        affine, standardise = self._input.affine, self.frontend.standardise
        if standardise is not None:
            axis = self._axis
            values = standardise.apply(features, axis) if affine is None else standardise.quantize(features, affine, axis)
        else:
            values = features.astype(np.float32, copy=False) if affine is None else affine.quantize(features)
        return values[np.newaxis]

    def infer(self, prepared: np.ndarray) -> np.ndarray:
        """Run the model on what `prepare` gave: (classes,) float32 scores."""
        return self.runtime.run({self._input.name: prepared})[self._output.name].reshape(-1)

    def infer_raw(self, prepared: np.ndarray) -> np.ndarray:
        """As `infer`, with quantized scores left as integers."""
        return self.runtime.run_raw({self._input.name: prepared})[self._output.name].reshape(-1)

    def close(self) -> None:
        """Release the runtime."""
        self.runtime.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _finish(self, features: np.ndarray, start: float, decoded: float, resized: float, featured: float) -> Prediction:
        """The second half; the numbers are when the first began and when its stages ended, in seconds.

        Written out, without context managers and dicts of marks: beside a small network every microsecond shows.
        """
        clock, card = time.perf_counter, self.card
        prepared = self.prepare(features)
        quantized = clock()
        scores = self.infer(prepared)
        inferred = clock()
        index = int(scores.argmax())
        if not isfinite(scores[index]):  # NaN wins an argmax
            check_scores(scores)
        probabilities = probabilities_of(scores, card.output)
        named = None if probabilities is None else dict(zip(card.labels, probabilities.tolist(), strict=True))
        label = card.labels[index]
        if probabilities is not None and card.output.answer_from is not None and probabilities[index] < card.output.answer_from:
            label, index = UNKNOWN, -1
        done = clock()
        timings = {
            "decode": (decoded - start) * 1e3,
            "resize": (resized - decoded) * 1e3,
            "frontend": (featured - resized) * 1e3,
            "quantize": (quantized - featured) * 1e3,
            "inference": (inferred - quantized) * 1e3,
            "post": (done - inferred) * 1e3,
        }
        return Prediction(label, index, named, scores, timings)


def open_pipeline(source: str | Path, runtime: str | None = None, precision: str | None = None, threads: int = 1) -> Pipeline:
    """Open a bundle (folder or .zip), or a single model file that edgekit exported.

    Args:
        source: the path.
        runtime: "litert", "tflite-runtime" or "onnxruntime"; by default the first installed one that runs an artifact.
        precision: "fp32", "fp16", "int8-dynamic" or "int8"; by default the manifest's, else int8 where there is one.
        threads: threads of the runtime.

    Raises:
        BundleError: when the bundle is damaged, or holds no such artifact.
        ModelError: when the single file carries no metadata of edgekit.
        UnknownNameError: on an unknown runtime or precision.
        MissingExtraError: when no runtime for it is installed.
    """
    if runtime is not None:
        check_runtime(runtime)
    if precision is not None and precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    path = Path(source)
    _check_reachable(path)
    if path.is_file() and not is_bundle(path):
        if precision is not None:
            raise ModelError(f"Expected a bundle to choose a precision from, {path} is one model file. Leave the precision out.")
        return _open_file(path, runtime, threads)
    bundle = Bundle.open(path)
    artifact, name = choose_artifact(bundle, runtime, precision)
    return open_artifact(bundle, artifact, name, threads)


def open_artifact(bundle: Bundle, artifact: Artifact, runtime: str | None = None, threads: int = 1) -> Pipeline:
    """Open one artifact of a bundle.

    Raises:
        ModelError: when the model does not take what the manifest says.
    """
    opened = open_runtime(bundle.read(artifact.file), runtime, threads, artifact.format)
    return Pipeline(bundle.manifest.card, opened)


def choose_artifact(bundle: Bundle, runtime: str | None = None, precision: str | None = None) -> tuple[Artifact, str]:
    """The artifact to open and its runtime's name: by precision first, then by the order of the runtimes.

    Raises:
        BundleError: when the bundle holds no such artifact.
        UnknownNameError: on an unknown precision.
        MissingExtraError: when no runtime for it is installed.
    """
    format_, wanted = RUNTIME_FORMATS[runtime] if runtime else None, bundle.manifest.default
    found = bundle.artifacts(precision, format_)
    pairs = [
        (artifact, name)
        for name, format_of in RUNTIME_FORMATS.items()
        for artifact in found
        if runtime in (None, name) and format_of == artifact.format
    ]
    ranked = sorted(pairs, key=lambda pair: (pair[0].precision != wanted, _PREFERENCE.index(pair[0].precision)))
    for artifact, name in ranked:
        if runtime or name in installed_runtimes(artifact.format):
            return artifact, name
    # Nothing fits: opening the first choice raises the error with its install line.
    first, _ = ranked[0]
    open_runtime(bundle.read(first.file), None, 1, first.format).close()
    raise BundleError(f"Expected an installed runtime for an artifact of {bundle.path}, found none.")


def check_scores(scores: np.ndarray) -> np.ndarray:
    """The scores, where they say anything.

    Args:
        scores: of any shape.

    Raises:
        ModelError: on NaN or infinity.
    """
    if not np.isfinite(scores).all():
        raise ModelError(
            "Expected finite scores, the network gave NaN or infinity for this input. It divides by zero or overflows: mend it "
            "where it was trained, and export again."
        )
    return scores


def probabilities_of(scores: np.ndarray, output: OutputEntry) -> np.ndarray | None:
    """Probabilities of a model's scores: softmax(scores / temperature) of logits, untouched probabilities, None for raw.

    Args:
        scores: (..., classes) float32.
        output: what the scores are.
    """
    if output.kind == "raw":
        return None
    if output.kind == "probabilities":
        return scores
    scaled = scores / output.temperature
    if scaled.ndim == 1:
        # One image: a look at the largest takes a fifth of a reduction.
        exponentials = np.exp(scaled - scaled[scaled.argmax()])
        exponentials /= np.add.reduce(exponentials)
        return exponentials
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def check_fit(frontend: FrontEnd, model_input: TensorSpec, model_output: TensorSpec, card: ModelCard) -> None:
    """Raise ModelError unless the model takes the front end's features and gives one score a label."""
    features = (1, *frontend.output.shape)
    if not model_input.fits(features):
        raise ModelError(
            f"Expected a model that takes the {frontend.name} features of shape {features}, "
            f"this one takes {model_input.shape}. Change the front end's config, or the model."
        )
    scores = abs(int(np.prod(model_output.shape)))
    if len(set(card.labels)) != len(card.labels):
        raise ModelError(f"Expected different labels, got {', '.join(card.labels)}. Give every class its own name.")
    if scores != len(card.labels):
        raise ModelError(f"Expected {len(card.labels)} scores for {len(card.labels)} labels, the model gives {scores}.")


def _check_reachable(path: Path) -> None:
    """Refuse a path that cannot be one: a name too long, a file among its folders, a folder that may not be entered."""
    try:
        with suppress(FileNotFoundError):  # told by whoever opens it
            path.stat()
    except OSError as error:
        raise BundleError(f"Expected a bundle or a model file at {path}: {error.strerror}. Check the path.") from error


def _open_file(path: Path, runtime: str | None, threads: int) -> Pipeline:
    opened = open_runtime(path, runtime, threads)
    if opened.metadata is None:
        raise ModelError(f"Expected a model file exported by edgekit, {path} carries no metadata of it. Wrap it: edgekit pack")
    return Pipeline(ModelCard.from_text(opened.metadata), opened)


def _single(specs: tuple[TensorSpec, ...], what: str) -> TensorSpec:
    if len(specs) != 1:
        raise ModelError(f"Expected a model with one {what}, this one has {len(specs)}. Split it first.")
    return specs[0]
