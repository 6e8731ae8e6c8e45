"""From a bundle on disk to a model that may answer: digests, schema, fit and golden vectors, all checked on this board first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.core.bundle import Bundle
from edgekit.core.manifest import Artifact, Manifest
from edgekit.core.signature import verify
from edgekit.core.spec import TensorSpec
from edgekit.errors import GateError
from edgekit.golden import GoldenCheck, check_pipeline
from edgekit.pipeline import Pipeline, Prediction, check_scores, choose_artifact, open_artifact

__all__ = ["LoadedModel", "load_model"]


@dataclass(frozen=True)
class LoadedModel:
    """A model that reproduced its golden vectors here. Not safe for several threads: its worker alone calls it.

    Attributes:
        manifest: of its bundle.
        version: of the store, or `Bundle.version`.
        artifact: the file that runs.
        pipeline: front end, runtime and post-processing.
        check: how the golden vectors came out.
        probe: a prepared input for the watchdog.
    """

    manifest: Manifest
    version: str
    artifact: Artifact
    pipeline: Pipeline
    check: GoldenCheck
    probe: np.ndarray

    @property
    def input(self) -> TensorSpec:
        """What `infer` takes: one item, float32, standardised features under the manifest's name."""
        spec = self.manifest.input
        return TensorSpec(spec.name, "float32", _single(spec.shape), spec.layout)

    @property
    def output(self) -> TensorSpec:
        """What `infer` gives: float32 scores, (1, classes)."""
        return TensorSpec(self.artifact.output.name, "float32", (1, len(self.manifest.labels)), "NC")

    @property
    def platform(self) -> str:
        """Format and runtime, as `tflite_litert`."""
        return f"{self.artifact.format}_{self.pipeline.runtime.name}"

    @property
    def takes_windows(self) -> bool:
        """True where the front end takes windows of samples, not pictures."""
        return self.pipeline.frontend.size is None

    def infer(self, features: np.ndarray) -> np.ndarray:
        """(1, classes) float32 scores of what `input` describes."""
        return check_scores(self.pipeline.infer(features)).reshape(1, -1)

    def classify(self, source: bytes | np.ndarray) -> Prediction:
        """See `Pipeline.predict`."""
        return self.pipeline.predict(source)

    def ping(self) -> None:
        """One inference of the network."""
        self.pipeline.infer(self.probe)

    def close(self) -> None:
        """Release the engine."""
        self.pipeline.close()


def load_model(
    path: Path,
    version: str | None = None,
    runtime: str | None = None,
    precision: str | None = None,
    threads: int = 1,
    signed_by: Path | None = None,
) -> LoadedModel:
    """Open a bundle, verify it, and let it reproduce its golden vectors.

    Args:
        path: the bundle.
        version: its name in the store; by default `Bundle.version`.
        runtime: see `open_pipeline`.
        precision: see `open_pipeline`.
        threads: of the engine.
        signed_by: a public key that must have signed it; None takes any.

    Raises:
        BundleError: when it is damaged, or of another schema.
        SignatureError: when it is not signed by that key.
        ModelError: when the model does not run here, or does not fit its front end.
        MissingExtraError: when no runtime for it is installed.
        GateError: when the golden vectors come out differently.
    """
    bundle = Bundle.open(path)
    if signed_by is not None:
        verify(bundle, signed_by)
    artifact, name = choose_artifact(bundle, runtime, precision)
    pipeline = open_artifact(bundle, artifact, name, threads)
    try:
        check = check_pipeline(bundle, artifact, pipeline)
        if not check.ok:
            raise GateError(
                f"Expected {artifact.file} of {path} to reproduce its golden vectors on {check.runtime} {check.version}, its "
                f"probabilities differ by up to {check.max_difference:.3f}. Export the bundle again, or try another --runtime."
            )
        features = np.zeros(pipeline.frontend.output.shape, np.float32)
        return LoadedModel(bundle.manifest, version or bundle.version, artifact, pipeline, check, pipeline.prepare(features))
    except BaseException:
        pipeline.close()
        raise


def _single(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with every dimension that may vary (the batch) at one."""
    return tuple(max(size, 1) for size in shape)
