"""Accuracy against bytes against cost: facts of many inputs, put together into one row a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from edgekit.core.strict import to_json
from edgekit.errors import UserError
from edgekit.workflows.compare_inputs import Facts, read_facts

__all__ = ["COSTS", "compare", "pareto"]

#: Key of a row -> what the table and the plot call it; less is better in each.
COSTS = {"bytes": "bytes", "macs": "MACs", "image_ms": "ms an image"}

_Variant = tuple["str | None", "str | None"]


def compare(paths: Sequence[Path], precision: str | None = None) -> dict[str, Any]:
    """The document of `edgekit compare --json`.

    Facts of the same file (by its sha256) come together; a file has a row for every runtime and device that something was
    measured on. Rows without an accuracy stay: their costs are known.

    Args:
        paths: run folders, bundles, documents of evaluate and bench.
        precision: only this one.

    Returns:
        {"rows": [{"name", "artifact", ..., "pareto": [cost]}], "warnings": [text]}; "pareto" names the costs in which no other
        row is at least as accurate for less.

    Raises:
        UserError: when an input cannot be read, two inputs contradict each other, or nothing (of the precision) is left.
    """
    facts = [fact for path in paths for fact in read_facts(path)]
    kept = [fact for fact in facts if precision in (None, fact.precision)]
    if not facts:
        raise UserError(f"Expected models to compare in {', '.join(map(str, paths))}, got none. Pass results that hold some.")
    if not kept:
        found = ", ".join(sorted({fact.precision or "none" for fact in facts}))
        raise UserError(f"Expected models in {precision}, found {found}. Choose one of these.")
    rows = sorted(_rows(kept), key=lambda row: (row.bytes is None, row.bytes or 0, row.name or "", row.runtime or ""))
    optimal = {cost: pareto([(getattr(row, cost), row.accuracy) for row in rows]) for cost in COSTS}
    documents = []
    for number, row in enumerate(rows):
        values = {key: value for key, value in to_json(row).items() if key != "source"}
        documents.append({**values, "pareto": [cost for cost in COSTS if number in optimal[cost]]})
    return {"rows": documents, "warnings": list(_warnings(rows))}


def pareto(points: Sequence[tuple[float | None, float | None]]) -> set[int]:
    """Indices of the points that no other beats: at least as accurate for at most the cost, and better in one of both.

    Args:
        points: (cost, accuracy); a point that lacks one takes no part.
    """
    known = [(i, cost, accuracy) for i, (cost, accuracy) in enumerate(points) if cost is not None and accuracy is not None]
    return {
        i
        for i, cost, accuracy in known
        if not any(c <= cost and a >= accuracy and (c, a) != (cost, accuracy) for _, c, a in known)
    }


def _rows(facts: Sequence[Facts]) -> Iterable[Facts]:
    files: dict[object, list[Facts]] = {}
    for number, fact in enumerate(facts):
        files.setdefault(fact.sha256 or number, []).append(fact)
    for group in files.values():
        for runtime, device in _variants(group):
            yield _merged([fact for fact in group if _agrees(fact, runtime, device)])


def _variants(facts: Sequence[Facts]) -> list[_Variant]:
    """(runtime, device) of everything that was measured; one that says less than another is no row of its own."""
    found = dict.fromkeys((fact.runtime, fact.device) for fact in facts)
    return [one for one in found if not any(other != one and _less(one, other) for other in found)]


def _less(one: _Variant, other: _Variant) -> bool:
    return all(mine is None or mine == theirs for mine, theirs in zip(one, other, strict=True))


def _agrees(fact: Facts, runtime: str | None, device: str | None) -> bool:
    return fact.runtime in (None, runtime) and fact.device in (None, device)


def _merged(facts: Sequence[Facts]) -> Facts:
    """One row: of latencies (several numbers of threads) the least, otherwise whoever says it first."""
    _check_accuracies(facts)
    known: dict[str, Any] = {}
    for field in fields(Facts):
        ranked = _by_authority(facts, field.name in ("accuracy", "n", "data"))
        values = [value for fact in ranked if (value := getattr(fact, field.name)) is not None]
        known[field.name] = (min(values) if field.name.endswith("_ms") else values[0]) if values else None
    return replace(facts[0], **known)


def _by_authority(facts: Sequence[Facts], measured: bool) -> list[Facts]:
    """Bundles and runs know their names; an evaluation knows better than a run what it measured."""
    return sorted(facts, key=lambda fact: (fact.model_ms is not None, fact.is_evaluation != measured))


def _check_accuracies(facts: Sequence[Facts]) -> None:
    measured = {(fact.accuracy, fact.n): fact for fact in facts if fact.is_evaluation}
    if len(measured) > 1:
        first, second, *_ = measured.values()
        raise UserError(
            f"Expected one accuracy of {first.artifact} on {first.runtime}, got {first.accuracy:.4f} of {first.n} in "
            f"{first.source} and {second.accuracy:.4f} of {second.n} in {second.source}. Pass results on one data set."
        )


def _warnings(rows: Sequence[Facts]) -> Iterable[str]:
    counts = sorted({row.n for row in rows if row.n is not None})
    if len(counts) > 1:
        told = ", ".join(map(str, counts))
        yield f"accuracies are of tests of different size ({told}): compare models on one data set"
    elif len({row.data for row in rows if row.data is not None}) > 1:
        yield "accuracies are of different test data: compare models on one data set"
    devices = sorted({row.device for row in rows if row.device is not None})
    if len(devices) > 1:
        yield f"latencies are of different machines: {', '.join(devices)}"
