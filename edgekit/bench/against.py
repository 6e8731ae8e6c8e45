"""Against an earlier measurement: what became slower or faster on this board by more than the windows waver."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import UserError

__all__ = ["RULE", "compare_with", "read_measurement"]

RULE = (
    "slower or faster where the median of the windows' medians, end to end, moved by more than the larger spread of the windows "
    "of both measurements; judged only where both are comparable and of one board"
)

_BOARD = ("board", "cpu", "machine", "cores")

_Key = tuple[str, str, int]


def read_measurement(path: Path) -> dict[str, Any]:
    """What `edgekit bench --out` (or `--json`) wrote.

    Raises:
        UserError: when the file is absent or something else.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        _by_key(document)
        _ = document["device"]["machine"], document["comparable"], document["mode"]
    except OSError as error:
        raise UserError(f"Expected a measurement of edgekit bench at {path}: {error.strerror}.") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"Expected a measurement as edgekit bench --out writes it, {path} is none. Measure again.") from error
    return document


def compare_with(document: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """What stands under "against" in the document of `edgekit bench --against --json`.

    Args:
        document: of this measurement.
        earlier: another document, see `read_measurement`.

    Returns:
        "rule"; "firm": whether verdicts may be believed, with "notes" where not; "runs": of each artifact, runtime and number of
        threads that both have, milliseconds an image before and now, their ratio, the spread and "slower", "faster" or "same";
        "slower": whether a firm comparison found any.
    """
    now, before = _by_key(document), _by_key(earlier)
    notes = _notes(document, earlier)
    runs = [_judge(key, before[key], run) for key, run in now.items() if key in before]
    if not runs:
        notes.append("no artifact, runtime and number of threads are in both")
    firm = not notes
    slower = firm and any(run["verdict"] == "slower" for run in runs)
    return {"rule": RULE, "firm": firm, "notes": notes, "runs": runs, "slower": slower}


def _by_key(document: Mapping[str, Any]) -> dict[_Key, dict[str, Any]]:
    runs = {(run["artifact"], run["runtime"], run["threads"]): run for run in document["runs"]}
    for run in runs.values():
        windows = run["end_to_end"]["window_p50_ms"]
        if not windows or not all(isinstance(ms, int | float) and ms > 0 for ms in windows):
            raise ValueError("a run without milliseconds")
    return runs


def _notes(document: Mapping[str, Any], earlier: Mapping[str, Any]) -> list[str]:
    """Why the two are not to be held against each other."""
    notes = []
    for name in _BOARD:
        if (was := earlier["device"].get(name)) != (found := document["device"].get(name)):
            notes.append(f"another machine: {name} was {was}, is {found}")
    notes.extend(
        f"the {which} measurement is not comparable: {'; '.join(one.get('warnings', [])) or 'it says so itself'}"
        for which, one in (("earlier", earlier), ("new", document))
        if not one["comparable"]
    )
    if earlier["mode"] != document["mode"]:
        notes.append(f"another mode: it was {earlier['mode']}, is {document['mode']}")
    return notes


def _judge(key: _Key, before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    first, second = (np.asarray(run["end_to_end"]["window_p50_ms"], float) for run in (before, now))
    was, is_ = float(np.median(first)), float(np.median(second))
    spread = float(max(np.ptp(first), np.ptp(second)))
    moved = is_ - was
    return {
        **dict(zip(("artifact", "runtime", "threads"), key, strict=True)),
        "before_ms": was,
        "now_ms": is_,
        "ratio": is_ / was,
        "spread_ms": spread,
        "verdict": "same" if abs(moved) <= spread else "slower" if moved > 0 else "faster",
        "same_file": before.get("sha256") == now.get("sha256"),
        "same_runtime": before.get("runtime_version") == now.get("runtime_version"),
    }
