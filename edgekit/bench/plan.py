"""What is measured, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekit.core.bundle import Bundle
from edgekit.core.manifest import Artifact
from edgekit.errors import InputError, MissingExtraError
from edgekit.runtimes.base import RUNTIME_FORMATS
from edgekit.runtimes.open import check_runtime, installed_runtimes

__all__ = ["DEFAULT", "QUICK", "SMOKE", "STRICT", "Candidate", "Mode", "candidates_of"]


@dataclass(frozen=True)
class Mode:
    """How long to measure. Every candidate gets `windows` windows of its model alone and as many of the whole road.

    Attributes:
        name: "smoke", "quick", "default" or "strict".
        windows: how many; the figure is the median of the windows.
        window_s: seconds of each, at least.
        warm_up_s: seconds before each window that are not counted, at least.
        comparable: whether figures may be held against those of another day or board; windows under 10 s are too short for it.
    """

    name: str
    windows: int
    window_s: float
    warm_up_s: float
    comparable: bool

    @property
    def seconds_each(self) -> float:
        """Seconds that one candidate takes, at least."""
        return self.windows * 2 * (self.window_s + self.warm_up_s)


SMOKE = Mode("smoke", windows=2, window_s=0.05, warm_up_s=0.01, comparable=False)
QUICK = Mode("quick", windows=5, window_s=1.0, warm_up_s=0.1, comparable=False)
DEFAULT = Mode("default", windows=5, window_s=10.0, warm_up_s=0.5, comparable=True)
#: Long enough for a board to grow warm: 600 s of each, as MLPerf Inference asks of a valid run.
STRICT = Mode("strict", windows=10, window_s=60.0, warm_up_s=0.5, comparable=True)


@dataclass(frozen=True)
class Candidate:
    """One artifact on one runtime with so many threads."""

    artifact: Artifact
    runtime: str
    threads: int


def candidates_of(
    bundle: Bundle, runtime: str | None = None, precision: str | None = None, threads: Sequence[int] = (1,)
) -> tuple[Candidate, ...]:
    """Every artifact x installed runtime x number of threads that the caller did not exclude.

    Raises:
        UnknownNameError: on an unknown runtime or precision.
        BundleError: when the bundle holds no such artifact.
        InputError: on a number of threads under 1.
        MissingExtraError: when no runtime for one is installed.
    """
    if runtime is not None:
        check_runtime(runtime)
    artifacts = bundle.artifacts(precision, RUNTIME_FORMATS[runtime] if runtime else None)
    found = tuple(
        Candidate(artifact, name, count)
        for artifact in artifacts
        for name in installed_runtimes(artifact.format)
        if runtime in (None, name)
        for count in _unique(threads)
    )
    if not found:
        format_ = artifacts[0].format
        extra = "tflite-runtime" if runtime == "tflite-runtime" else {"onnx": "onnx", "tflite": "litert"}[format_]
        raise MissingExtraError(runtime or f"A runtime for {format_}", extra)
    return found


def _unique(threads: Iterable[int]) -> tuple[int, ...]:
    counts = tuple(dict.fromkeys(threads))
    if not counts or min(counts) < 1:
        raise InputError(f"Expected numbers of threads of at least 1, got {list(counts)}.")
    return counts
