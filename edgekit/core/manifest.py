"""The manifest of a bundle: what is in the folder, and everything a board needs to rebuild the pipeline."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from edgekit.core.recipe import Format, Precision, Recipe
from edgekit.core.spec import TensorSpec
from edgekit.core.strict import from_json, to_json
from edgekit.errors import BundleError

__all__ = ["SCHEMA", "Artifact", "FileEntry", "FrontEndEntry", "Manifest", "ModelCard", "OutputEntry", "Parity"]

SCHEMA = 1


@dataclass(frozen=True)
class Parity:
    """How one artifact on one runtime compares with PyTorch in float32, on real images.

    Attributes:
        runtime: "onnxruntime", "litert" or "tflite-runtime".
        n: number of images.
        max_abs_error: largest absolute difference of an output value.
        sqnr_db: 10 log10(signal power / error power) in decibels; null when there was no error at all.
        agreement: share of images with the same label, 0 to 1.
        accuracy: share of images with the right label, null when no labels were at hand.
    """

    runtime: str
    n: int
    max_abs_error: float
    sqnr_db: float | None
    agreement: float
    accuracy: float | None = None


@dataclass(frozen=True)
class Artifact:
    """One model file. `recipe` is null for a packed file of somebody else."""

    file: str
    format: Format
    precision: Precision
    bytes: int
    sha256: str
    input: TensorSpec
    output: TensorSpec
    recipe: Recipe | None = None
    parity: tuple[Parity, ...] = ()


@dataclass(frozen=True)
class FileEntry:
    """Any other file of the bundle."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class FrontEndEntry:
    """A front end by name, with its JSON config."""

    name: str
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputEntry:
    """What the model gives.

    Attributes:
        kind: of the scores.
        temperature: divides logits before the softmax.
        answer_from: least probability of an answer: below it the prediction is "unknown". None: everything is answered.
    """

    kind: Literal["logits", "probabilities", "raw"]
    temperature: float = 1.0
    answer_from: float | None = None

    def __post_init__(self) -> None:
        if self.answer_from is not None and not (0 <= self.answer_from <= 1 and self.kind != "raw"):
            raise BundleError(
                f"Expected a least probability between 0 and 1 and no raw scores, got {self.answer_from} and {self.kind}. "
                "Export the bundle again."
            )
        if not 0 < self.temperature < math.inf:
            raise BundleError(f"Expected a temperature above 0, got {self.temperature}. Export or pack the bundle again.")


@dataclass(frozen=True)
class ModelCard:
    """The part that also travels inside each model file's own metadata: enough to predict with the single file."""

    name: str
    labels: tuple[str, ...]
    frontend: FrontEndEntry
    output: OutputEntry
    input: TensorSpec
    schema: int = SCHEMA

    def to_text(self) -> str:
        """Compact JSON, keys sorted."""
        return json.dumps(to_json(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> ModelCard:
        """Inverse of `to_text`.

        Raises:
            BundleError: when the text is not such a card, or of another schema.
        """
        value = _parse(text, "model metadata")
        _check_schema(value, "model metadata")
        return from_json(cls, value, "metadata")


@dataclass(frozen=True)
class Tuning:
    """A fine-tuning for int8 between the run and its files, which are all made of the tuned weights.

    Attributes:
        epochs: passes over the images.
        seed: of their order.
        images: how many.
        digest: sha256 over their features.
    """

    epochs: int
    seed: int
    images: int
    digest: str


@dataclass(frozen=True)
class Manifest:
    """manifest.json of a bundle.

    Attributes:
        name: the bundle's, and so the served model's, name.
        model: the network's registered name, null for a packed file.
        input: spec of the features (float32, batch first) that every artifact takes.
        golden: name of the golden-vector file, see `edgekit.core.golden`.
        calibration: sha256 over the calibration sample, null for a packed file.
        tools: package -> version of everything that had a hand in the files.
        ranges: of every tensor of the float graphs, see `edgekit.calibration.ranges`; null where no file needs them.
        default: precision that is opened where the caller does not choose; null: int8 where there is one.
        tuning: of the run's weights for int8; null: the files hold the run's own.
    """

    name: str
    model: str | None
    labels: tuple[str, ...]
    frontend: FrontEndEntry
    input: TensorSpec
    output: OutputEntry
    target: str | None
    artifacts: tuple[Artifact, ...]
    golden: FileEntry
    calibration: str | None
    tools: dict[str, str]
    default: Precision | None = None
    ranges: FileEntry | None = None
    tuning: Tuning | None = None
    schema: int = SCHEMA

    @property
    def card(self) -> ModelCard:
        """What each model file carries of this manifest."""
        return ModelCard(self.name, self.labels, self.frontend, self.output, self.input)

    @property
    def digests(self) -> dict[str, str]:
        """File name -> sha256 of every file beside the manifest."""
        others = (self.golden,) if self.ranges is None else (self.golden, self.ranges)
        return {entry.file: entry.sha256 for entry in (*self.artifacts, *others)}

    def to_text(self) -> str:
        """Indented JSON, keys sorted, one trailing newline."""
        return json.dumps(to_json(self), sort_keys=True, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Manifest:
        """Inverse of `to_text`.

        Raises:
            BundleError: on invalid JSON, another schema version, unknown or missing keys, wrong types.
        """
        value = _parse(text, "manifest.json")
        _check_schema(value, "manifest.json")
        return from_json(cls, value, "manifest.json")


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"Expected JSON in {where}: {error}. Export or pack the bundle again.") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _check_schema(value: Any, where: str) -> None:
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise BundleError(f"Expected schema {SCHEMA} in {where}, got {schema!r}. Use the edgekit version that wrote it.")
