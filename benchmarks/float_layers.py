"""What n layers in float mend, chosen by what each mends alone in float, or by what each spoils alone in int8.

    python benchmarks/float_layers.py RUN DATA [--format tflite]

RUN is a finished run, DATA its images: ranges of 256 of them, ranking and judgement on up to 512 others. SQNR of the logits and
agreement with PyTorch on the first runtime.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from edgekit.calibration.samples import ArraySamples
from edgekit.core.recipe import Recipe
from edgekit.exporters.build import reference_logits
from edgekit.exporters.graphs import calibrate, float_graphs, quantizable
from edgekit.exporters.parity import Checked
from edgekit.exporters.sensitivity import Trial, sensitivity
from edgekit.exporters.targets import Target
from edgekit.frontends import Pixels, create_frontend
from edgekit.models.checkpoint import load_run
from edgekit.training.progress import Silent
from edgekit.workflows.card import card_of_run
from edgekit.workflows.sources import open_source

_CALIBRATED_ON, _JUDGED_ON, _SEED = 256, 512, 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--format", choices=("onnx", "tflite"), default="tflite")
    trial = _trial(parser.parse_args())
    _, *effects = sensitivity(trial, lambda _text: None)
    by_gain = [effect.layer for effect in sorted(effects, key=lambda effect: -effect.sqnr_db)]
    by_loss = [effect.layer for effect in effects]
    print("| layers in float | by what each mends alone: dB, agreement | by what each spoils alone |\n|---|---|---|")
    counts = [n for n in (0, 1, 2, 4, 8, 16, 32, 64, 128, 160, 192) if n < len(effects)] + [len(effects)]
    for n in counts:
        found = [trial.measure(trial.make([layer for layer in ranked[:n] if layer]).model)[0] for ranked in (by_gain, by_loss)]
        sqnrs = [math.inf if parity.sqnr_db is None else parity.sqnr_db for parity in found]
        cells = [f"{sqnr:.1f}, {100 * parity.agreement:.1f} %" for sqnr, parity in zip(sqnrs, found, strict=True)]
        print(f"| {n} | {' | '.join(cells)} |", flush=True)


def _trial(arguments: argparse.Namespace) -> Trial:
    run = load_run(arguments.run)
    entry = card_of_run(run).frontend
    frontend = create_frontend(entry.name, entry.config)
    features = open_source(run, arguments.data).draw(_CALIBRATED_ON + _JUDGED_ON, _SEED, Silent(), "images").features
    calibration, judged = ArraySamples(features[:_CALIBRATED_ON]), features[_CALIBRATED_ON:]
    target, recipe = Target("trial", "for this", ((arguments.format, "int8"),)), Recipe("int8")
    graphs = float_graphs(run.module, calibration, target)
    full = frontend.full_range if isinstance(frontend, Pixels) else None
    ranges = calibrate(graphs, calibration, recipe, target, input_range=full)
    if ranges is None:
        raise SystemExit("no ranges: the target has no int8 file")
    checked = Checked(judged, None, reference_logits(run.module, judged))
    return Trial(arguments.format, quantizable(arguments.format, graphs[arguments.format]), recipe, ranges, target, checked)


if __name__ == "__main__":
    main()
