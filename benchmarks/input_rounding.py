"""What the rounding of an int8 input alone costs a network: its float logits on rounded features against those on exact ones.

    python benchmarks/input_rounding.py RUN DATA

RUN is a finished run, DATA its images. No layer is quantized here: what is lost cannot be mended by layers in float.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from edgekit.calibration.ranges import Range
from edgekit.exporters.build import reference_logits
from edgekit.frontends import Pixels, create_frontend
from edgekit.models.checkpoint import load_run
from edgekit.training.progress import Silent
from edgekit.workflows.card import card_of_run
from edgekit.workflows.sources import open_source

_IMAGES, _SEED = 1024, 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    run = load_run(arguments.run)
    entry = card_of_run(run).frontend
    features = open_source(run, arguments.data).draw(_IMAGES, _SEED, Silent(), "images").features
    exact = reference_logits(run.module, features)
    frontend = create_frontend(entry.name, entry.config)
    full = frontend.full_range if isinstance(frontend, Pixels) else None
    ranges = {"as the images hold it": (float(features.min()), float(features.max()))} | ({"of all levels": full} if full else {})
    print(f"{arguments.run}: {run.config.model}, {len(features)} images")
    for name, (low, high) in ranges.items():
        affine = Range((low,), (high,)).affine()
        rounded = affine.dequantize(affine.quantize(features))
        logits = reference_logits(run.module, rounded)
        noise = float(np.square(logits - exact, dtype=np.float64).sum())
        sqnr = 10 * np.log10(float(np.square(exact, dtype=np.float64).sum()) / noise) if noise else np.inf
        agreement = (logits.argmax(axis=1) == exact.argmax(axis=1)).mean()
        print(f"int8 input, range {name} ({low:.3f} to {high:.3f}): SQNR {sqnr:.1f} dB, agreement {100 * agreement:.1f} %")


if __name__ == "__main__":
    main()
