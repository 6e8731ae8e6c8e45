"""The smallest network that exercises a runtime's kernels: relu(W x + b). Its numbers are exact in float32."""

from __future__ import annotations

__all__ = ["BIAS", "EXPECTED", "INPUTS", "INPUT", "OUTPUTS", "WEIGHTS"]

INPUTS, OUTPUTS = 16, 8

WEIGHTS = [[((7 * i + 3 * j) % 11 - 5) / 8 for j in range(INPUTS)] for i in range(OUTPUTS)]
BIAS = [i / 8 - 0.25 for i in range(OUTPUTS)]
INPUT = [(j % 5 - 2) / 4 for j in range(INPUTS)]

#: What the network gives for INPUT.
EXPECTED = [max(0.0, sum(w * x for w, x in zip(row, INPUT, strict=True)) + b) for row, b in zip(WEIGHTS, BIAS, strict=True)]
