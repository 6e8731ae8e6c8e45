"""How much of an int8 file is its numbers? Bytes against int8 weights + 4 x (biases + scales) + 250 x operators + 4 KB.

usage: file_sizes.py FILE ...      (int8 .onnx and .tflite, such as benchmarks/int8_worth.py leaves in its folder)

ONNX's QuantizeLinear and DequantizeLinear, which stand for scales, do not count as operators; the third figure counts them.
"""

from __future__ import annotations

import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO)]

from edgekit.inspection.describe import inspect_file  # noqa: E402
from tests.exporters.sizes import SCALES, largest_size  # noqa: E402


def row(path: Path) -> str:
    """A line of the table."""
    report = inspect_file(path)
    bar = largest_size(report)
    pairs = sum(count for name, count in (report.operators or {}).items() if name in SCALES)
    verdict = "" if report.bytes <= bar else f", {report.bytes - bar:,} over"
    return f"| {path.parent.name} | {path.name} | {report.bytes:,} | {bar:,}{verdict} | {bar + 250 * pairs:,} |"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: file_sizes.py FILE ...")
    print("| network | file | bytes | at most | with scale nodes |\n|---|---|---|---|---|")
    print("\n".join(row(Path(name)) for name in sys.argv[1:]))
