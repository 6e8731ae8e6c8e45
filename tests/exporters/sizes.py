"""How large an int8 file may be: its numbers, a table for each operator, and a card."""

from __future__ import annotations

from edgekit.inspection.integer import stored_bytes
from edgekit.inspection.report import ModelReport

#: How ONNX writes scales: no operators of the network.
SCALES = ("QuantizeLinear", "DequantizeLinear")


def largest_size(report: ModelReport) -> int:
    """int8 weights + 4 bytes x (biases + scales) + 250 bytes x operators + 4 KB, read off the file itself."""
    quantized = [(row, row.scale) for row in report.tensors or () if row.scale]
    weights = sum(stored_bytes(row) for row, _ in quantized if row.constant and row.dtype == "int8")
    biases = sum(row.elements for row, _ in quantized if row.constant and row.dtype == "int32")
    scales = sum(len(scale) for _, scale in quantized)
    operators = sum(count for name, count in (report.operators or {}).items() if name not in SCALES)
    return weights + 4 * (biases + scales) + 250 * operators + 4096
