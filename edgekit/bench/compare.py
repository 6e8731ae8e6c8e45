"""Is int8 worth it here? Float and int8 of one bundle, measured in turns, with accuracy beside: which to ship on this machine.

The rule is `RULE`. A tie goes to float: int8 has to earn what it loses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from edgekit.bench.plan import Candidate
from edgekit.core.manifest import Artifact
from edgekit.errors import BundleError

__all__ = ["RULE", "Quality", "compare", "pairs_of", "recorded_quality"]

#: As the gates of `edgekit export`.
_MOST_LOST = 0.01
_IMAGES = 2
_LEAST_AGREEMENT = 0.97
_ROUNDING = 1e-9

RULE = (
    "int8 where an image takes it less time than float, end to end, by more than the spread of the windows' medians, and it "
    "loses at most 1 point of accuracy (or 2 images; without labels: where 97 % of the images keep their label). Otherwise "
    "float. Of the runtimes, the fastest."
)

_X86 = (
    "on x86 onnxruntime computes int8 files with signed activations in float32, between conversions; on ARM in int8. "
    "This tells nothing of a board"
)

_Key = tuple[str, str]


@dataclass(frozen=True)
class Quality:
    """How an artifact answers on a runtime.

    Attributes:
        n: images.
        accuracy: share with the right label, None without labels.
        agreement: share with the label of the reference.
        source: "manifest": measured at export, the reference being PyTorch; "images": measured now, the reference being float.
    """

    n: int
    accuracy: float | None
    agreement: float
    source: Literal["manifest", "images"]


def pairs_of(candidates: Sequence[Candidate]) -> tuple[tuple[Candidate, Candidate], ...]:
    """(fp32, int8) of each format, runtime and number of threads that has both.

    Raises:
        BundleError: when no runtime has both.
    """
    found: dict[tuple[str, int, str], Candidate] = {(c.runtime, c.threads, c.artifact.precision): c for c in candidates}
    pairs = tuple(
        (candidate, found[runtime, threads, "int8"])
        for (runtime, threads, precision), candidate in found.items()
        if precision == "fp32" and (runtime, threads, "int8") in found
    )
    if not pairs:
        made = ", ".join(sorted({f"{c.artifact.file} on {c.runtime}" for c in candidates}))
        raise BundleError(f"Expected fp32 and int8 of one format to compare, got {made}. Export both, or leave --compare out.")
    return pairs


def recorded_quality(artifact: Artifact, runtime: str) -> Quality | None:
    """What the manifest says, of another runtime where it does not know this one; None where it says nothing."""
    known = sorted(artifact.parity, key=lambda parity: parity.runtime != runtime)
    return Quality(known[0].n, known[0].accuracy, known[0].agreement, "manifest") if known else None


def compare(
    runs: Iterable[Mapping[str, Any]], qualities: Mapping[_Key, Quality | None], firm: bool, machine: str | None = None
) -> dict[str, Any]:
    """The verdict, as it stands under "comparison" in the document of `edgekit bench --compare --json`.

    Args:
        runs: of the document, see `report.run_entry`; those without a counterpart are left out.
        qualities: (artifact's file, runtime) -> its quality.
        firm: whether the measurement is valid, and long enough for its spread to mean something.
        machine: as the kernel names it, for what is known of runtimes there.
    """
    groups: dict[tuple[str, int], dict[str, Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["runtime"], run["threads"]), {})[run["precision"]] = run
    pairs = [_judge(group["fp32"], group["int8"], qualities) for group in groups.values() if {"fp32", "int8"} <= set(group)]
    best = min(pairs, key=lambda pair: pair[pair["ship"]]["p50_ms"])
    ship = {"precision": best["ship"], "runtime": best["runtime"], "threads": best["threads"], **best[best["ship"]]}
    notes = [_X86] if machine == "x86_64" and any(pair["runtime"] == "onnxruntime" for pair in pairs) else []
    return {"rule": RULE, "firm": firm, "ship": ship, "pairs": pairs, "notes": notes}


def _judge(whole: Mapping[str, Any], integer: Mapping[str, Any], qualities: Mapping[_Key, Quality | None]) -> dict[str, Any]:
    before, after = (qualities.get((run["artifact"], run["runtime"])) for run in (whole, integer))
    gain, spread = _median(whole) - _median(integer), max(_spread(whole), _spread(integer))
    lost, allowed = _loss(before, after)
    # The tolerance is for the rounding of the quotients, far below one image.
    faster, accurate = gain > spread, lost is not None and lost <= allowed + _ROUNDING
    return {
        "runtime": whole["runtime"],
        "threads": whole["threads"],
        "fp32": _side(whole, before),
        "int8": _side(integer, after),
        "gain_ms": gain,
        "spread_ms": spread,
        "lost": lost,
        "allowed": allowed,
        "ship": "int8" if faster and accurate else "fp32",
        "why": f"{_time_text(gain, spread, _median(whole))}; {_loss_text(before, after, lost, allowed)}",
    }


def _side(run: Mapping[str, Any], quality: Quality | None) -> dict[str, Any]:
    return {
        "artifact": run["artifact"],
        "bytes": run["bytes"],
        "p50_ms": _median(run),
        "quality": None if quality is None else asdict(quality),
    }


def _median(run: Mapping[str, Any]) -> float:
    """Milliseconds an image, end to end: the median of the windows' medians."""
    return float(np.median(run["end_to_end"]["window_p50_ms"]))


def _spread(run: Mapping[str, Any]) -> float:
    """Milliseconds between the windows' largest and smallest median."""
    return float(np.ptp(run["end_to_end"]["window_p50_ms"]))


def _loss(before: Quality | None, after: Quality | None) -> tuple[float | None, float]:
    """Accuracy that int8 loses and may lose; without labels, the share of images whose label changes. None where unknown."""
    if before is None or after is None:
        return None, _MOST_LOST
    if before.accuracy is None or after.accuracy is None:
        return 1 - after.agreement, 1 - _LEAST_AGREEMENT
    return before.accuracy - after.accuracy, max(_MOST_LOST, _IMAGES / after.n)


def _time_text(gain: float, spread: float, whole: float) -> str:
    share = f"{abs(gain):.3f} ms an image ({100 * abs(gain) / whole:.0f} %), spread {spread:.3f} ms"
    if gain > spread:
        return f"int8 is faster by {share}"
    return f"int8 is slower by {share}" if gain < -spread else f"int8 is as fast within the spread: {share}"


def _loss_text(before: Quality | None, after: Quality | None, lost: float | None, allowed: float) -> str:
    if lost is None or before is None or after is None:
        return "its accuracy is unknown: pass --images as a labelled folder"
    limit = f"({'only ' if lost > allowed + _ROUNDING else ''}{100 * allowed:.1f} allowed)"
    if before.accuracy is None or after.accuracy is None:
        return f"{100 * lost:.1f} % of {after.n} images change their label {limit}"
    if lost <= 0:
        return f"it loses no accuracy on {after.n} images"
    return f"it loses {100 * lost:.1f} points of accuracy on {after.n} images {limit}"
