"""Settings of a training beside the default recipe's, judged on the validation split; the test side is not looked at.

    python benchmarks/recipes.py ../shared/data/corn_leaf --model mobilenetv2 --size 64 --epochs 30 \
        --try learning_rate=5e-4 --try optimizer=sgd,learning_rate=0.05,weight_decay=1e-4

The first row is the recipe as it is. Figures are of the last epoch, means over seeds. Settings are those of
`edgekit.training.config.TrainConfig`.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from edgekit.cli.common import parse_numbers
from edgekit.training.config import TrainConfig
from edgekit.training.loop import train
from edgekit.training.recipes import training_recipe


def main() -> None:
    arguments = _arguments()
    print("| settings | validation loss | validation accuracy |\n|---|---|---|", flush=True)
    for text in ("", *arguments.tries):
        losses, accuracies = zip(*(_last_epoch(arguments, _settings(text), seed) for seed in arguments.seeds), strict=True)
        shown = f"{statistics.fmean(losses):.3f} | {100 * statistics.fmean(accuracies):.1f} %"
        print(f"| {text or 'the recipe'} | {shown} |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, help="pixels a side; leave out for windows")
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    parser.add_argument("--seeds", type=lambda text: parse_numbers("--seeds", text), default=[0])
    parser.add_argument("--try", dest="tries", action="append", default=[], metavar="KEY=VALUE,...")
    return parser.parse_args()


def _settings(text: str) -> dict[str, Any]:
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return {key: _value(value) for key, _, value in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _last_epoch(arguments: argparse.Namespace, settings: dict[str, Any], seed: int) -> tuple[float, float]:
    """Validation loss in nats and accuracy, 0 to 1."""
    common = {"epochs": arguments.epochs} if arguments.epochs else {}
    if arguments.size:
        common["size"] = (arguments.size, arguments.size)
    chosen = {**training_recipe("default", arguments.model).settings, **common, **settings, "seed": seed, "refit": False}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train(TrainConfig(arguments.data, arguments.model, run, **chosen))
        *_, last = csv.DictReader(io.StringIO((run / "curves.csv").read_text()))
    return float(last["validation_loss"]), float(last["validation_accuracy"])


if __name__ == "__main__":
    main()
