"""The road on real photographs: train, export and evaluate ImageSig on the fire set, beside the authors' own quantised model.

    python benchmarks/fire.py ../shared/data/fire ../shared/anchors/imagesig_cnn1d_64_2dir_quant.tflite --out /tmp/fire

Prints the tables of docs/results.md as Markdown. Every setting is the default recipe; test images are used for figures only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgekit.core.bundle import Bundle
from edgekit.core.files import sha256_of
from edgekit.core.manifest import ModelCard
from edgekit.frontends import Signature, create_frontend
from edgekit.packing import pack
from edgekit.pipeline import Pipeline, open_artifact
from edgekit.runtimes import installed_runtimes
from edgekit.training.config import TrainConfig
from edgekit.training.data import Example
from edgekit.training.features import plain_features
from edgekit.training.loop import train
from edgekit.training.progress import Silent
from edgekit.workflows.evaluate import run_pipeline, scores_of
from edgekit.workflows.export import export_run

MODELS = ("imagesig-cnn1d", "imagesig-cnn1d-2dir")
LABELS = ("fire", "no_fire")
SOURCES = ("cair", "kfire")


class Photographs:
    """All images of one side, with classes and sources."""

    def __init__(self, root: Path, sides: Sequence[str]) -> None:
        paths = [
            (path, i) for side in sides for i, name in enumerate(LABELS) for path in sorted((root / side / name).glob("*.jpg"))
        ]
        self.examples = tuple(Example(path, label, sha256_of(path.read_bytes())) for path, label in paths)
        self.targets = np.array([label for _, label in paths])
        # A file's name begins with its source, see SOURCE.md of the set.
        self.sources = np.array([path.name.partition("_")[0] for path, _ in paths])

    def features(self, card: ModelCard) -> np.ndarray:
        frontend = create_frontend(card.frontend.name, card.frontend.config)
        return plain_features(self.examples, frontend, Silent())[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("anchor", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=MODELS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    test, pooled = Photographs(arguments.data, ["test"]), Photographs(arguments.data, ["train", "test"])
    print(f"{len(test.targets)} test images, {len(pooled.targets)} pooled\n")
    print("| model | seed | artifact | runtime | bytes | test accuracy | of cair | of kfire | pooled agreement |")
    print("|---|---|---|---|---|---|---|---|---|")
    means: dict[tuple[str, str], list[float]] = {}
    for model in arguments.models:
        for seed in arguments.seeds:
            for name, accuracy in rows_of_run(arguments.data, arguments.out, model, seed, test, pooled):
                means.setdefault((model, name), []).append(accuracy)
    for row in anchor_rows(arguments.anchor, arguments.out, test):
        print(row)
    print("\n| model | artifact and runtime | mean test accuracy over seeds | least |\n|---|---|---|---|")
    for (model, name), values in means.items():
        print(f"| {model} | {name} | {100 * np.mean(values):.2f} % | {100 * min(values):.2f} % |")


def rows_of_run(
    data: Path, out: Path, model: str, seed: int, test: Photographs, pooled: Photographs
) -> Iterator[tuple[str, float]]:
    """Print a row for PyTorch and each artifact and runtime; yield (artifact and runtime, test accuracy)."""
    run, bundle_path = out / f"{model}-{seed}", out / f"{model}-{seed}.bundle"
    if not (run / "run.json").is_file():
        train(TrainConfig(data=data, model=model, out=run, seed=seed))
    if not bundle_path.exists():
        export_run(run, bundle_path, Silent())
    bundle = Bundle.open(bundle_path)
    card = bundle.manifest.card
    features, everything = test.features(card), pooled.features(card)
    with run_pipeline(run) as pipeline:
        reference = labels_of(pipeline, everything)
        accuracy = print_row([model, seed, "PyTorch", "torch", "-"], labels_of(pipeline, features), test, 1.0)
        yield "PyTorch", accuracy
    for artifact in bundle.manifest.artifacts:
        for runtime in installed_runtimes(artifact.format):
            with open_artifact(bundle, artifact, runtime) as pipeline:
                agreement = float((labels_of(pipeline, everything) == reference).mean())
                head = [model, seed, artifact.file, runtime, f"{artifact.bytes:,}"]
                yield f"{artifact.file}, {runtime}", print_row(head, labels_of(pipeline, features), test, agreement)


def anchor_rows(anchor: Path, out: Path, test: Photographs) -> Iterator[str]:
    """The authors' model, packed, on every TFLite runtime."""
    path = out / "authors.bundle"
    if not path.exists():
        pack(anchor, path, "authors", LABELS, Signature(directions="both-rotated"), "probabilities")
    bundle = Bundle.open(path)
    artifact = bundle.manifest.artifacts[0]
    for runtime in installed_runtimes("tflite"):
        with open_artifact(bundle, artifact, runtime) as pipeline:
            predicted = labels_of(pipeline, test.features(bundle.manifest.card))
            print_row(["authors' file", "-", artifact.file, runtime, f"{artifact.bytes:,}"], predicted, test, None)
    yield f"\nlabels equal to OpenCV + iisignature + the same file: {100 * authors_agreement(bundle, test):.2f} %"


def authors_agreement(bundle: Bundle, test: Photographs) -> float:
    """Share of test images with the label that the authors' own pipeline gives, rebuilt from OpenCV and iisignature."""
    import cv2
    import iisignature

    with open_artifact(bundle, bundle.manifest.artifacts[0], "litert") as pipeline:
        ours = labels_of(pipeline, test.features(bundle.manifest.card))
        theirs = []
        for example in test.examples:
            image = cv2.cvtColor(cv2.imread(str(example.path)), cv2.COLOR_BGR2RGB)
            image = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)
            turned = cv2.warpAffine(image, cv2.getRotationMatrix2D((32, 32), 90, 1), (64, 64))
            rows = np.concatenate([image, turned]) / 255.0
            features = np.stack([iisignature.sig(row, 4) for row in rows]).astype(np.float32)
            theirs.append(int(pipeline.infer(features[np.newaxis]).argmax()))
    return float((ours == np.array(theirs)).mean())


def labels_of(pipeline: Pipeline, features: np.ndarray) -> np.ndarray:
    return scores_of(pipeline, features, Silent(), "").argmax(axis=1)


def print_row(head: list[object], predicted: np.ndarray, test: Photographs, agreement: float | None) -> float:
    right = predicted == test.targets
    shares = [right.mean(), *(right[test.sources == source].mean() for source in SOURCES)]
    cells = [*map(str, head), *(f"{100 * share:.2f} %" for share in shares)]
    print(f"| {' | '.join(cells)} | {'-' if agreement is None else f'{100 * agreement:.2f} %'} |", flush=True)
    return float(right.mean())


if __name__ == "__main__":
    main()
