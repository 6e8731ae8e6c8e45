"""What one candidate costs in a process of its own: time to load, first inference, peak memory.

Run as `python -m edgekit.bench.probe BUNDLE ARTIFACT RUNTIME THREADS [IMAGE]`, it prints one JSON document. Only so is the
peak that candidate's own, and the load the first one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from edgekit.bench.images import bundle_inputs
from edgekit.bench.plan import Candidate
from edgekit.core.bundle import Bundle
from edgekit.frontends.loading import load_image
from edgekit.pipeline import open_artifact

__all__ = ["Probe", "main", "probe"]

_TIMEOUT_S = 300


@dataclass(frozen=True)
class Probe:
    """Figures of a fresh process, None where it told none.

    Attributes:
        load_ms: to import the engine and load the model.
        first_inference_ms: the first query of the model alone.
        peak_rss_mb: the process's largest resident memory in MiB, after a few predictions.
    """

    load_ms: float | None = None
    first_inference_ms: float | None = None
    peak_rss_mb: float | None = None


def probe(bundle: Path, candidate: Candidate, image: Path | None = None) -> Probe:
    """Start the process and read its answer; all None when it died, which the measurement itself will tell better.

    Args:
        bundle: its path.
        candidate: what to load.
        image: a file to predict; by default a picture of the bundle's own.
    """
    words = [str(bundle), candidate.artifact.file, candidate.runtime, str(candidate.threads)]
    words += [] if image is None else [str(image)]
    command = [sys.executable, "-m", "edgekit.bench.probe", *words]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
        return Probe(**json.loads(result.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return Probe()


def main(arguments: list[str]) -> None:
    """Body of the fresh process."""
    path, file, runtime, threads, *images = arguments
    bundle = Bundle.open(path)
    artifact = next(a for a in bundle.manifest.artifacts if a.file == file)
    start = time.perf_counter()
    with open_artifact(bundle, artifact, runtime, int(threads)) as pipeline:
        loaded = time.perf_counter()
        source = images[0] if images else bundle_inputs(bundle)[0]
        pixels = load_image(pipeline.frontend, source) if pipeline.frontend.size is not None else bundle_inputs(bundle)[0]
        prepared = pipeline.prepare(pipeline.frontend.raw(pixels))
        before = time.perf_counter()
        pipeline.infer(prepared)
        after = time.perf_counter()
        for _ in range(10):
            pipeline.predict(source)
    print(json.dumps({"load_ms": (loaded - start) * 1e3, "first_inference_ms": (after - before) * 1e3, "peak_rss_mb": _peak()}))


def _peak() -> float | None:
    """VmHWM: unlike getrusage's figure it does not count what the parent was before it became this program."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return round(int(found[1]) / 1024, 1) if found else None


if __name__ == "__main__":
    main(sys.argv[1:])
