"""Networks that are not ours through the one door: a table of what their files keep.

PYTHONPATH=. python benchmarks/public_architectures.py
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from edgekit.exporters import ModuleExport, export
from tests.exporters.public_architectures import ARCHITECTURES
from tests.exporters.public_data import fit, pictures, waves

_FILES = ("model.int8.onnx", "model.int8.tflite")


def main() -> None:
    """A row a network, as the tests train and export it."""
    torch.set_num_threads(1)
    print("| network | parameters | accuracy | fp32 dB | int8 ONNX: bytes, dB, agreement, accuracy | int8 TFLite | in float |")
    print("|---|---|---|---|---|---|---|")
    for name in sys.argv[1:] or ARCHITECTURES:
        make, shape = ARCHITECTURES[name]
        draw = pictures if len(shape) == 3 else waves
        x, y = draw(400, 0)
        tested, classes = draw(200, 1)
        torch.manual_seed(0)
        network = fit(make(), x, y)
        made = export(network, tested, classes, calibration=x[:128], precisions=["fp32", "int8"], limit=1.0)
        count = sum(parameter.numel() for parameter in network.parameters())
        print(f"| {name} | {count:,} | {_row(made, classes)} |", flush=True)


def _row(made: ModuleExport, classes: np.ndarray) -> str:
    accuracy = 100 * float((made.build.reference.argmax(1) == classes).mean())
    exact = [p.sqnr_db for a in made.artifacts if a.precision == "fp32" for p in a.parity if p.sqnr_db is not None]
    cells = [f"{accuracy:.1f}", f"{min(exact):.1f}"]
    for file in _FILES:
        artifact = next(artifact for artifact in made.artifacts if artifact.file == file)
        worst = min(artifact.parity, key=lambda parity: parity.agreement)
        noise = min(parity.sqnr_db or float("inf") for parity in artifact.parity)
        cells.append(f"{artifact.bytes:,}, {noise:.1f}, {100 * worst.agreement:.1f} %, {100 * (worst.accuracy or 0):.1f}")
    mended = [f"{done.file.rpartition('.')[2]}: {', '.join(done.layers)}" for done in made.build.mixed if done.layers]
    return " | ".join([*cells, "; ".join(mended) or "none"])


if __name__ == "__main__":
    main()
