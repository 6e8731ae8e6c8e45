"""What `--qat` does for small networks of the blocks that int8 hurts: int8 and float, before and after.

    python benchmarks/tuning.py ../shared/data/cifar10_mini --epochs 5

Trains each network on train/, calibrates on 256 of its images, fine-tunes on the others of train/, and measures on test/, each
file against the network that it was made of, and on its worst runtime.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from torch import nn
from trial_blocks import BLOCKS, load_images, trained

from edgekit.calibration.samples import ArraySamples
from edgekit.core.recipe import Recipe
from edgekit.errors import UserError
from edgekit.exporters.build import export, reference_logits
from edgekit.exporters.targets import get_target
from edgekit.training.tune import TuneConfig, tune

Data = tuple[np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--training-epochs", type=int, default=12)
    parser.add_argument("--blocks", nargs="+", default=list(BLOCKS))
    options = parser.parse_args()
    x, y = load_images(options.data, "train")
    test, labels = load_images(options.data, "test")
    order = np.random.default_rng(0).permutation(len(x))
    sample, rest = x[order[:256]], x[order[256:]]
    print("| network | file | float before | after | int8 before | agreement | after | agreement | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.blocks:
        module = trained(name, x, y, options.training_epochs)
        start = time.perf_counter()
        try:
            tuned = tune(module, rest.astype(np.float16), ArraySamples(sample), Recipe("int8"), TuneConfig(options.epochs))
        except UserError as error:
            print(f"| {name} | {error} |", flush=True)
            continue
        seconds = time.perf_counter() - start
        for row in rows(module, tuned, sample, (test, labels)):
            print(f"| {name} | {row} | {seconds:.0f} |", flush=True)


def rows(module: nn.Module, tuned: nn.Module, sample: np.ndarray, test: Data) -> list[str]:
    floats = [100 * float((reference_logits(network, test[0]).argmax(axis=1) == test[1]).mean()) for network in (module, tuned)]
    before, after = (measured(network, sample, test) for network in (module, tuned))
    told = []
    for file in before:
        figures = " | ".join(
            f"{100 * accuracy:.2f} % | {100 * agreement:.2f} %" for accuracy, agreement in (before[file], after[file])
        )
        told.append(f"{file} | {floats[0]:.2f} % | {floats[1]:.2f} % | {figures}")
    return told


def measured(module: nn.Module, sample: np.ndarray, test: Data) -> dict[str, tuple[float, float]]:
    """File -> accuracy and agreement on its worst runtime."""
    made = export(
        module, calibration=sample, parity_features=test[0], parity_labels=test[1], gate=False,
        target=get_target("generic").only(["int8"]),
    )  # fmt: skip
    worst = {artifact.file: min(artifact.parity, key=lambda parity: parity.agreement) for artifact in made.artifacts}
    return {file: (parity.accuracy or 0.0, parity.agreement) for file, parity in worst.items()}


if __name__ == "__main__":
    main()
