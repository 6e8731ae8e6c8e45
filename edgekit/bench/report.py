"""The JSON document of a measurement, and its table."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgekit.bench.host import Host, State
from edgekit.bench.measure import Subject
from edgekit.bench.plan import Candidate
from edgekit.bench.probe import Probe
from edgekit.bench.samples import raw_samples, summary

__all__ = ["HEADER", "Result", "device_entry", "run_entry", "table"]

HEADER = ["artifact", "runtime", "threads", "model p50 ms", "p90 ms", "image p50 ms", "p90 ms", "p99 ms", "fps", "load ms", "MB"]


@dataclass(frozen=True)
class Result:
    """One measured candidate."""

    candidate: Candidate
    subject: Subject
    probe: Probe


def device_entry(host: Host, states: Sequence[State]) -> dict[str, Any]:
    """What the figures belong to: board, system, Python; its state before, after and in between.

    Args:
        host: the machine.
        states: before the first round and after each one.
    """
    celsius = [state.temperature_c for state in states if state.temperature_c is not None]
    return {
        **_plain(asdict(host)),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "temperature_c": {"start": celsius[0], "max": max(celsius), "end": celsius[-1]} if celsius else None,
        "before": _plain(asdict(states[0])),
        "after": _plain(asdict(states[-1])),
        "command": [os.path.basename(sys.argv[0]), *sys.argv[1:]],
    }


def run_entry(result: Result) -> dict[str, Any]:
    """One element of "runs"."""
    subject, candidate = result.subject, result.candidate
    stages = {stage: float(np.median([np.median(window) for window in windows])) for stage, windows in subject.stages.items()}
    return {
        "artifact": candidate.artifact.file,
        "format": candidate.artifact.format,
        "precision": candidate.artifact.precision,
        "runtime": candidate.runtime,
        "runtime_version": subject.pipeline.runtime.version,
        "threads": candidate.threads,
        "bytes": candidate.artifact.bytes,
        "sha256": candidate.artifact.sha256,
        **asdict(result.probe),
        "model_only": summary(subject.model_only),
        "float_face": summary(subject.face),
        "end_to_end": {**summary(subject.end_to_end), "stages_ms": stages},
        "samples": {"model_only": raw_samples(subject.model_only), "end_to_end": raw_samples(subject.end_to_end)},
    }


def table(runs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Rows under `HEADER`."""
    return [
        [
            run["artifact"],
            run["runtime"],
            str(run["threads"]),
            *(_figure(run["model_only"][key]) for key in ("p50_ms", "p90_ms")),
            *(_figure(run["end_to_end"][key]) for key in ("p50_ms", "p90_ms", "p99_ms")),
            f"{run['end_to_end']['fps']:.0f}",
            _figure(run["load_ms"], 0),
            _figure(run["peak_rss_mb"], 0),
        ]
        for run in runs
    ]


def _figure(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return sorted(value) if isinstance(value, frozenset) else value
