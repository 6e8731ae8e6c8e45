"""Does the file compute what PyTorch computed? Measured on real features, on every runtime, before anything is written."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgekit.calibration.representative import stratified_sample
from edgekit.core.manifest import Parity
from edgekit.core.recipe import Precision
from edgekit.errors import GateError, InputError
from edgekit.runtimes.base import Runtime

__all__ = ["GATES", "Checked", "Gate", "check", "check_told_apart", "checked", "int8_gate", "measure"]


@dataclass(frozen=True)
class Gate:
    """What an artifact must reach on every runtime; None where a figure is not asked for.

    Attributes:
        sqnr_db: least signal-to-error power ratio of the logits, in decibels.
        agreement: least share of images with the same label as PyTorch, 0 to 1.
        accuracy_loss: most accuracy that may be lost, 0 to 1; only where labels are at hand.
        accuracy_images: this many images may be lost in any case, since on a small set one image is more than a point.
    """

    sqnr_db: float | None = None
    agreement: float | None = None
    accuracy_loss: float | None = None
    accuracy_images: int = 2


_INT8_AGREEMENT = 0.97
_INT8 = Gate(agreement=_INT8_AGREEMENT, accuracy_loss=0.01)

#: precision -> its gate.
GATES: dict[Precision, Gate] = {
    "fp32": Gate(sqnr_db=100.0),
    "fp16": Gate(sqnr_db=60.0),
    "int8-dynamic": _INT8,
    "int8": _INT8,
}


@dataclass(frozen=True)
class Checked:
    """What parity is measured on.

    Attributes:
        features: (n, ...) float32.
        labels: (n,) classes, None where there are none.
        reference: (n, classes) float32 logits of the PyTorch module.
    """

    features: np.ndarray
    labels: np.ndarray | None
    reference: np.ndarray

    @property
    def accuracy(self) -> float | None:
        """Of the PyTorch module, None without labels."""
        return None if self.labels is None else float((self.reference.argmax(axis=1) == self.labels).mean())

    def first(self, images: int) -> Checked:
        """The first so many of them."""
        return self._at(slice(images))

    def halves(self, seed: int) -> tuple[Checked, Checked]:
        """Two halves without a common image, each with its share of every class, in an order that mixes them.

        Of one image alone, both are that image.

        Args:
            seed: of the draw.
        """
        count = len(self.features)
        labels = [0] * count if self.labels is None else self.labels.tolist()
        first = stratified_sample(labels, (count + 1) // 2, seed)
        second = sorted(set(range(count)) - set(first)) or first
        generator = np.random.Generator(np.random.PCG64(seed))
        return self._at(generator.permutation(first)), self._at(generator.permutation(second))

    def _at(self, rows: slice | np.ndarray) -> Checked:
        labels = None if self.labels is None else self.labels[rows]
        return Checked(self.features[rows], labels, self.reference[rows])


def checked(features: np.ndarray, labels: np.ndarray | None, reference: np.ndarray) -> Checked:
    """What files are compared on.

    Args:
        features: (n, ...) float32.
        labels: (n,) classes, or None.
        reference: (n, classes) float32 logits of the PyTorch module.

    Raises:
        InputError: on labels that are no places of the logits, or not one an image.
    """
    if labels is None:
        return Checked(features, None, reference)
    labels = np.asarray(labels)
    if labels.shape != (len(features),):
        raise InputError(f"Expected {len(features)} parity labels, got shape {labels.shape}. Pass one class index an image.")
    classes = reference.shape[1]
    if labels.dtype.kind not in "biu" or labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"Expected labels as integers from 0 to {classes - 1}, the places of {classes} logits, got {labels.dtype}: "
            f"{', '.join(map(str, np.unique(labels)[:6]))}. Pass class indices."
        )
    return Checked(features, labels, reference)


def check_told_apart(checked: Checked) -> None:
    """Refuse images that the network gives one label all: int8 is judged by labels, and a file that knows nothing would agree.

    Args:
        checked: of an export; passes without labels, since one class may be all there is.

    Raises:
        InputError: when they are of several classes.
    """
    if checked.labels is None:
        return
    given, found = np.unique(checked.labels), np.unique(checked.reference.argmax(axis=1))
    if len(given) > 1 and len(found) == 1:
        raise InputError(
            f"Expected images of {len(given)} classes that the network itself tells apart, it calls all {len(checked.features)} "
            f"class {found[0]}: int8 can be neither calibrated nor judged on them. Pass images of the field, or leave int8 out: "
            "--precision fp32."
        )


def int8_gate(points: float, labelled: bool) -> Gate:
    """The gate of int8 where the user says what it may lose.

    Args:
        points: of accuracy against PyTorch on the parity sample, above 0 to 100; without labels, of agreement.
        labelled: whether labels are at hand. Agreement is asked for then, too, as by default, or less where more may be lost.

    Raises:
        InputError: on another number of points.
    """
    if not 0 < points <= 100:
        raise InputError(f"Expected a gate above 0 and up to 100 points, got {points:g}.")
    share = points / 100
    if not labelled:
        return Gate(agreement=1 - share)
    return Gate(agreement=min(_INT8_AGREEMENT, 1 - share), accuracy_loss=share, accuracy_images=0)


def measure(runtime: Runtime, features: np.ndarray, reference: np.ndarray, labels: np.ndarray | None = None) -> Parity:
    """Run every image through the runtime and compare with the reference.

    Args:
        runtime: an opened model of one input and one output, batch 1.
        features: (n, ...) float32, n >= 1.
        reference: (n, classes) float32 logits of the PyTorch module.
        labels: (n,) integer class of each image, or None.

    Raises:
        InputError: when the arrays do not fit each other or the model.
    """
    _check_sizes(features, reference, labels)
    logits = _run(runtime, features, reference.shape[1])
    error = logits.astype(np.float64) - reference
    predicted = logits.argmax(axis=1)
    return Parity(
        runtime=runtime.name,
        n=len(features),
        max_abs_error=float(np.abs(error).max()) if np.isfinite(error).all() else math.inf,
        sqnr_db=_sqnr_db(reference, error),
        agreement=float((predicted == reference.argmax(axis=1)).mean()),
        accuracy=None if labels is None else float((predicted == labels).mean()),
    )


def check(parity: Parity, gate: Gate, artifact: str, reference_accuracy: float | None = None) -> None:
    """Pass silently, or refuse.

    Args:
        parity: as `measure` gave it.
        gate: what is asked.
        artifact: file name, for the message.
        reference_accuracy: accuracy of the PyTorch module on the same images, None without labels.

    Raises:
        GateError: naming artifact, runtime, measured and wanted value, and what to do.
    """
    where = f"{artifact} on {parity.runtime}"
    if not math.isfinite(parity.max_abs_error):
        raise GateError(f"Expected finite logits of {where}, got NaN or infinity. {_ADVICE}")
    if gate.sqnr_db is not None and parity.sqnr_db is not None and parity.sqnr_db < gate.sqnr_db:
        raise GateError(f"Expected SQNR of {where} to be at least {gate.sqnr_db:g} dB, got {parity.sqnr_db:.1f} dB. {_ADVICE}")
    if gate.agreement is not None and parity.agreement < gate.agreement:
        got = f"{100 * parity.agreement:.1f} % over {parity.n} images"
        raise GateError(f"Expected {where} to agree with PyTorch on at least {100 * gate.agreement:g} %, got {got}. {_MIXED}")
    if gate.accuracy_loss is None or parity.accuracy is None or reference_accuracy is None:
        return
    allowed = max(gate.accuracy_loss, gate.accuracy_images / parity.n)
    # The tolerance is for the rounding of the two quotients, far below one image.
    if reference_accuracy - parity.accuracy > allowed + 1e-9:
        lost = 100 * (reference_accuracy - parity.accuracy)
        raise GateError(f"Expected {where} to lose at most {100 * allowed:.1f} points of accuracy, it loses {lost:.1f}. {_MIXED}")


_ADVICE = "Nothing was written. Leave this artifact out and ship one that passes."

_MIXED = (
    "Nothing was written. Calibrate on more images of the field, let int8 keep the layers that it hurts in float "
    "(--precision mixed), or leave this artifact out and ship one that passes."
)


def _check_sizes(features: np.ndarray, reference: np.ndarray, labels: np.ndarray | None) -> None:
    if reference.ndim != 2 or len(features) != len(reference) or len(features) == 0:
        raise InputError(f"Expected n >= 1 features and (n, classes) logits, got {features.shape} and {reference.shape}.")
    if labels is not None and labels.shape != (len(features),):
        raise InputError(f"Expected {len(features)} labels, got shape {labels.shape}. Pass one class index an image.")


def _run(runtime: Runtime, features: np.ndarray, classes: int) -> np.ndarray:
    if len(runtime.inputs) != 1 or len(runtime.outputs) != 1:
        raise InputError(f"Expected a model of one input and one output, got {len(runtime.inputs)} and {len(runtime.outputs)}.")
    entry, leaving = runtime.inputs[0].name, runtime.outputs[0].name
    rows = [runtime.run({entry: features[i : i + 1]})[leaving].reshape(1, -1) for i in range(len(features))]
    logits = np.concatenate(rows)
    if logits.shape[1] != classes:
        raise InputError(f"Expected {classes} logits, the model gives {logits.shape[1]}. Measure it against its own network.")
    return logits


def _sqnr_db(reference: np.ndarray, error: np.ndarray) -> float | None:
    """10 log10 of signal power over error power; None without any error."""
    signal, noise = float(np.square(reference, dtype=np.float64).sum()), float(np.square(error).sum())
    if noise == 0.0:
        return None
    if not math.isfinite(noise):
        return -math.inf
    return 10.0 * math.log10(max(signal, 1e-300) / noise)
