"""What `--gate` does for small networks of the blocks that int8 hurts: loss before and after, layers in float, bytes, time.

    python benchmarks/mixed.py ../shared/data/cifar10_mini --gate 1.0

Trains each network on train/, calibrates on 256 of its images, searches on one half of test/ and judges on the other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from trial_blocks import BLOCKS, load_images, trained

from edgekit.core.recipe import OBSERVERS, Recipe
from edgekit.errors import GateError
from edgekit.exporters.build import export
from edgekit.exporters.mixed import Mixed
from edgekit.exporters.targets import get_target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--gate", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0, help="of the trained weights")
    parser.add_argument("--blocks", nargs="+", default=list(BLOCKS))
    parser.add_argument("--observer", default="min-max", choices=OBSERVERS)
    options = parser.parse_args()
    x, y = load_images(options.data, "train")
    test, labels = load_images(options.data, "test")
    rng = np.random.default_rng(0)
    sample, shown = x[rng.permutation(len(x))[:256]], rng.permutation(len(test))[:1024]
    print(
        "| network | file | PyTorch | int8 | agreement | PyTorch | mended | agreement | in float | bytes | ms int8, mixed, fp32 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name in options.blocks:
        module = trained(name, x, y, options.epochs, options.seed)
        for format_ in ("onnx", "tflite"):
            target = get_target("generic").only(["int8"])
            target = type(target)(target.name, target.description, ((format_, "int8"),))
            recipe = Recipe("int8", observer=options.observer)
            try:
                made = export(
                    module, calibration=sample, parity_features=test[shown], parity_labels=labels[shown],
                    target=target, recipe=recipe, limit=options.gate,
                )  # fmt: skip
            except GateError as error:
                print(f"| {name} | {format_} | {error} |", flush=True)
                continue
            accuracy = float((made.reference.argmax(1) == labels[shown]).mean())
            print(f"| {name} {row(made.mixed[0], accuracy)}", flush=True)


def row(done: Mixed, accuracy: float) -> str:
    before, after = (min(found, key=lambda parity: parity.agreement) for found in (done.before, done.after))
    times = "-" if done.times_ms is None else ", ".join(f"{done.times_ms[i]:.3f}" for i in (1, 0, 2))
    return (
        f"| {done.file} | {100 * accuracy:.2f} % | {100 * before.accuracy:.2f} % | {100 * before.agreement:.2f} % | "
        f"{100 * done.checked.accuracy:.2f} % | "
        f"{100 * after.accuracy:.2f} % | {100 * after.agreement:.2f} % | {', '.join(done.layers) or 'none'} | "
        f"{done.bytes[1]:,} to {done.bytes[0]:,} | {times} |"
    )


if __name__ == "__main__":
    main()
