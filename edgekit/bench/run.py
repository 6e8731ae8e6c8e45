"""The whole measurement of a bundle: open every candidate, go round, probe each in a process of its own, judge, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench.host import Host, State, read_host, read_state
from edgekit.bench.images import bundle_inputs, sample_of
from edgekit.bench.measure import Series, Subject, features_of, measure
from edgekit.bench.plan import Candidate, Mode
from edgekit.bench.probe import Probe, probe
from edgekit.bench.report import Result, device_entry, run_entry
from edgekit.bench.samples import drift
from edgekit.bench.verdict import advice_on, reasons_against
from edgekit.core.bundle import Bundle
from edgekit.errors import DataError
from edgekit.frontends.base import FrontEnd, create_frontend, window_shape
from edgekit.frontends.windows import load_windows, seen_by
from edgekit.pipeline import open_artifact

__all__ = ["bench_bundle", "document"]

#: Windows shorter than this waver for reasons that say nothing about the board.
_DRIFT_FROM_S = 0.5


def bench_bundle(
    bundle: Bundle,
    candidates: Sequence[Candidate],
    mode: Mode,
    images: Sequence[Path] = (),
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Measure the candidates on this machine: the document of `edgekit bench --json`.

    Args:
        bundle: opened.
        candidates: see `plan.candidates_of`.
        mode: how long.
        images: image files (.npz files for a bundle that takes windows), of which a seeded sample is predicted; by default the
            bundle's own inputs.
        advance: called after each window of a candidate and after each probe.

    Raises:
        ImageError: when an image cannot be decoded.
        DataError: when a file's windows are not of the front end's shape.
        ModelError: when a model does not load.
    """
    entry = bundle.manifest.frontend
    frontend = create_frontend(entry.name, entry.config)
    inputs, paths = _inputs(bundle, frontend, images)
    host, states = read_host(), list[State]()
    features = features_of(frontend, paths or inputs)
    probes = []
    for candidate in candidates:
        probes.append(probe(bundle.path, candidate, paths[0] if paths else None))
        advance()
    with ExitStack() as stack:
        subjects = []
        for candidate in candidates:
            opened = open_artifact(bundle, candidate.artifact, candidate.runtime, candidate.threads)
            subjects.append(Subject(stack.enter_context(opened), inputs, features))
        measure(subjects, Series(mode, lambda: states.append(read_state()), advance))
        results = [Result(*parts) for parts in zip(candidates, subjects, probes, strict=True)]
        return document(host, states, results, mode, real_images=bool(images))


def _inputs(bundle: Bundle, frontend: FrontEnd, files: Sequence[Path]) -> tuple[Sequence[bytes | np.ndarray], Sequence[Path]]:
    """What to predict, and the image files that it came from; none where the bundle's own or windows are taken."""
    if not files:
        return bundle_inputs(bundle), ()
    if frontend.size is None:
        return sample_of(np.concatenate([_windows(file, frontend) for file in files])), ()
    paths = sample_of(files)
    return [path.read_bytes() for path in paths], paths


def _windows(file: Path, frontend: FrontEnd) -> np.ndarray:
    windows, shape = seen_by(frontend, load_windows(file), file), window_shape(frontend)
    if windows.shape[1:] != shape:
        raise DataError(f"Expected windows of shape {shape} in {file}, got {windows.shape[1:]}. Leave the file out.")
    return windows


def document(host: Host, states: Sequence[State], results: Sequence[Result], mode: Mode, real_images: bool) -> dict[str, Any]:
    """The JSON document of a finished measurement.

    Args:
        host: the machine.
        states: before the first round and after each one.
        results: the measured candidates.
        mode: how long it took.
        real_images: False where the bundle's own pictures were used.
    """
    drifts = _drifts(results) if mode.window_s >= _DRIFT_FROM_S else {}
    reasons = reasons_against(states, drifts)
    return {
        "device": device_entry(host, states),
        "mode": mode.name,
        "valid": not reasons,
        "comparable": mode.comparable and real_images and not reasons,
        "warnings": [*reasons, *_caveats(mode, real_images), *_unprobed(results), *advice_on(states[0])],
        "images": len(results[0].subject.images),
        "runs": [run_entry(result) for result in results],
    }


def _drifts(results: Sequence[Result]) -> dict[str, float]:
    drifts = {}
    for result in results:
        name = f"{result.candidate.artifact.file} on {result.candidate.runtime}, {result.candidate.threads} thread(s),"
        drifts[f"{name} model only"] = drift(result.subject.model_only)
        drifts[f"{name} end to end"] = drift(result.subject.end_to_end)
    return drifts


def _caveats(mode: Mode, real_images: bool) -> list[str]:
    caveats = []
    if not mode.comparable:
        caveats.append(
            f"Not comparable: mode {mode.name!r} measures {mode.windows} windows of {mode.window_s:g} s, too short for that."
        )
    if not real_images:
        caveats.append(
            "Not comparable: measured on the bundle's own pictures, which need no decoding and no resizing. Pass --images."
        )
    return caveats


def _unprobed(results: Sequence[Result]) -> list[str]:
    silent = [r.candidate for r in results if r.probe == Probe()]
    return [
        f"Load time and memory unknown: {c.artifact.file} on {c.runtime} ended early in a process of its own." for c in silent
    ]
