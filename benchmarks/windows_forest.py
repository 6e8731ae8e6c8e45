"""A random forest on simple features of sensor windows: what a network for the same windows has to beat.

    python benchmarks/windows_forest.py ../shared/data/wisdm_watch6
    python benchmarks/windows_forest.py ../shared/data/wisdm_watch6 --mirror 0

Features of each channel: mean, deviation, least, greatest, median, mean absolute difference, and the magnitudes of the first 25
frequencies. Accuracy on four folds of the training subjects, then on the test subjects, each over five seeds of the forest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, cross_val_score

from edgekit.cli.common import parse_numbers
from edgekit.errors import EdgekitError
from edgekit.frontends import Samples

SEEDS = range(5)


def features(x: np.ndarray) -> np.ndarray:
    """(n, features) of (n, channels, samples)."""
    spectrum = np.abs(np.fft.rfft(x - x.mean(-1, keepdims=True), axis=-1))[..., 1:26]
    figures = (x.mean(-1), x.std(-1), x.min(-1), x.max(-1), np.median(x, -1), np.abs(np.diff(x, axis=-1)).mean(-1))
    return np.concatenate([*figures, spectrum.reshape(len(x), -1)], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of train.npz and test.npz with x, y and subject")
    parser.add_argument("--mirror", help="channels, as `edgekit train --mirror` has them")
    arguments = parser.parse_args()
    train, test = (np.load(arguments.data / f"{side}.npz") for side in ("train", "test"))
    try:
        mirror = () if arguments.mirror is None else tuple(parse_numbers("--mirror", arguments.mirror))
        windows = Samples(train["x"].shape[1:], mirror=mirror)
    except EdgekitError as error:
        parser.error(str(error))
    x, x_test = features(windows(train["x"])), features(windows(test["x"]))
    folds, on_test = [], []
    for seed in SEEDS:
        forest = RandomForestClassifier(300, random_state=seed, n_jobs=-1)
        folds.append(cross_val_score(forest, x, train["y"], groups=train["subject"], cv=GroupKFold(4)).mean())
        on_test.append(forest.fit(x, train["y"]).score(x_test, test["y"]))
    for name, found in (("folds of training subjects", folds), ("test subjects", on_test)):
        print(f"{name}: {100 * np.mean(found):.1f} ± {100 * np.std(found, ddof=1):.1f} %")


if __name__ == "__main__":
    main()
