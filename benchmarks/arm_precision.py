"""Does int8 save work on a board's core? Instructions of one inference of float files and their int8 counterparts.

usage: arm_precision.py WHEEL FLOAT INT8 [FLOAT INT8 ...]      (.tflite or .onnx files, in pairs)

Runs them on emulated Cortex-A53, A57, A72 and A76 (docs/arm.md) and prints int8 over float for each runtime. The default
precision of a target profile rests on such counts and on the core's features; they are no time.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tools/arm"), str(REPO)]

from root import CORES, HERE, ArmError, ensure_root  # noqa: E402
from suite import install  # noqa: E402

from benchmarks.arm_cost import build_plugin, count_inside  # noqa: E402


def rows(counts: dict[str, dict[str, int]], pairs: list[tuple[Path, Path]]) -> list[str]:
    """One line for each pair and runtime: thousands of instructions float / int8 = ratio, core by core."""
    lines = []
    for whole, integer in pairs:
        for key in (key for key in next(iter(counts.values())) if key.startswith(f"{whole.name}/")):
            runtime = key.rpartition("/")[2]
            cells = []
            for core, of in counts.items():
                before, after = of[key], of[f"{integer.name}/{runtime}"]
                cells.append(f"{core} {before / 1e3:.0f} / {after / 1e3:.0f} = {after / before:.2f}")
            lines.append(f"{whole.name} -> {integer.name} on {runtime}: " + ", ".join(cells))
    return lines


def main(wheel: Path, models: list[Path]) -> int:
    with tempfile.TemporaryDirectory(prefix="edgekit-cost-") as name:
        folder = Path(name)
        try:
            board = ensure_root()
            plugin, installed = build_plugin(folder), install(wheel, folder)
            script = [HERE / "model_cost_inside.py", "COUNTS", *(model.resolve() for model in models)]
            with ThreadPoolExecutor(2) as pool:
                results = pool.map(lambda core: count_inside(core, board, [installed], plugin, folder, script), CORES)
                counts = dict(zip(CORES, results, strict=True))
        except ArmError as error:
            print(f"arm_precision: {error}", file=sys.stderr)
            return 2
    print("\n".join(rows(counts, list(zip(models[::2], models[1::2], strict=True)))))
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 4 or len(sys.argv) % 2:
        sys.exit("usage: arm_precision.py WHEEL FLOAT INT8 [FLOAT INT8 ...]")
    sys.exit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
