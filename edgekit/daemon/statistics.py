"""Counts of one model as the protocol's statistics extension tells them, and what the status page shows. Event loop only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PARTS", "PART_OF_STAGE", "Count", "ModelStatistics"]

#: The protocol's parts of a successful request.
PARTS = ("queue", "compute_input", "compute_infer", "compute_output")

#: Stages of a picture's way and of a tensor's -> the part of the protocol that they belong to.
PART_OF_STAGE = {
    "parse": "compute_input",
    "decode": "compute_input",
    "resize": "compute_input",
    "frontend": "compute_input",
    "quantize": "compute_input",
    "inference": "compute_infer",
    "post": "compute_output",
    "encode": "compute_output",
}


@dataclass
class Count:
    """How often, and how long altogether."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        """One more."""
        self.count += 1
        self.ns += int(seconds * 1e9)

    def to_json(self) -> dict[str, int]:
        """As the protocol has it."""
        return {"count": self.count, "ns": self.ns}


@dataclass
class ModelStatistics:
    """Since the daemon's start; a reload does not reset them."""

    success: Count = field(default_factory=Count)
    fail: Count = field(default_factory=Count)
    parts: dict[str, Count] = field(default_factory=lambda: {part: Count() for part in PARTS})
    last_ms: int = 0
    last_prediction: dict[str, Any] | None = None

    def succeeded(self, total_s: float, queued_s: float, stages_s: Mapping[str, float]) -> None:
        """One request was answered."""
        self.success.add(total_s)
        self.last_ms = int(time.time() * 1000)
        sums = dict.fromkeys(PARTS, 0.0)
        sums["queue"] = queued_s
        for stage, seconds in stages_s.items():
            sums[PART_OF_STAGE[stage]] += seconds
        for part, seconds in sums.items():
            self.parts[part].add(seconds)

    def failed(self, total_s: float) -> None:
        """One request was not."""
        self.fail.add(total_s)

    def to_json(self, name: str, version: str) -> dict[str, Any]:
        """One entry of `model_stats`."""
        parts = {part: count.to_json() for part, count in self.parts.items()}
        return {
            "name": name,
            "version": version,
            "last_inference": self.last_ms,
            "inference_count": self.success.count,
            "execution_count": self.success.count,
            "inference_stats": {"success": self.success.to_json(), "fail": self.fail.to_json(), **parts},
            "batch_stats": [],
        }
