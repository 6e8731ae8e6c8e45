"""`edgekit.exporters.export`: any nn.Module to verified ONNX and TFLite files, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.calibration.ranges import Ranges
from edgekit.calibration.samples import ArraySamples, Samples
from edgekit.core.files import check_new
from edgekit.core.manifest import Artifact, FrontEndEntry, Manifest, ModelCard, OutputEntry
from edgekit.core.recipe import Recipe
from edgekit.core.spec import TensorSpec
from edgekit.errors import InputError
from edgekit.exporters import build
from edgekit.exporters.base import INPUT_NAME, check_calibration
from edgekit.exporters.bundling import write_export
from edgekit.exporters.check_module import in_training_mode
from edgekit.exporters.targets import Target, get_target
from edgekit.frontends.samples import Samples as Windows

__all__ = ["LEAST_SAMPLES", "ModuleExport", "export"]

#: Inputs without which int8 is not calibrated: whatever lies outside of the ranges of a few is clipped, and nobody sees it.
LEAST_SAMPLES = 16

_GOLDEN_INPUTS = 4


@dataclass(frozen=True)
class ModuleExport:
    """Files that passed, in memory until they are written.

    Attributes:
        build: files, ranges, tool versions, parity, and the module's own logits.
        card: what each file carries of labels and input.
        target: that they were made for.
        model: name of the module's class.
        inputs: (k, ...) float32, of which golden vectors are made.
        notes: what was done otherwise than it was given, in one line each.
    """

    build: build.Export
    card: ModelCard
    target: Target
    model: str
    inputs: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, bytes]:
        """Name -> content, e.g. of "model.int8.tflite"."""
        return {artifact.file: content for artifact, content in self.build.files}

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """What is known of each file, its parity on every runtime among it."""
        return self.build.artifacts

    def write(self, out: str | Path) -> Manifest:
        """Write a bundle, for `edgekit.open`, `edgekit predict`, `bench`, `serve` and `deploy`: whole or not at all.

        Args:
            out: a new folder, or a new archive where the name ends in .zip.

        Raises:
            UserError: when it exists.
        """
        check_new(Path(out))
        return write_export(Path(out), self.model, self.card, self.target, self.build, self.inputs)

    def __str__(self) -> str:
        """A line for each file on each runtime."""
        return "\n".join(
            f"{artifact.file}, {artifact.bytes:,} bytes, {parity.runtime}: "
            f"{'exact' if parity.sqnr_db is None else f'{parity.sqnr_db:.1f} dB'}, "
            f"{100 * parity.agreement:.2f} % of {parity.n} labels as PyTorch"
            for artifact in self.artifacts
            for parity in artifact.parity
        )


def export(
    module: nn.Module,
    sample_input: np.ndarray | torch.Tensor,
    labels: Sequence[int] | np.ndarray | torch.Tensor | None = None,
    *,
    calibration: np.ndarray | torch.Tensor | Samples | None = None,
    target: str | Target = "generic",
    precisions: Sequence[str] = (),
    formats: Sequence[str] = (),
    limit: float | None = None,
    gate: bool = True,
    recipe: Recipe | None = None,
    ranges: Ranges | None = None,
    class_names: Sequence[str] = (),
    name: str = "network",
    layout: str = "",
    progress: build.Progress | None = None,
) -> ModuleExport:
    """Convert a trained module, quantize it, and compare every file with it on every installed runtime.

    `sample_input` has to be real: some tens to hundreds of inputs as the network meets them in use. int8 takes its ranges from
    them, and the files are compared on them. A single random tensor, as torch.onnx.export is given, would calibrate int8 for
    noise, and is refused for int8. Without `calibration` the same inputs serve for both, which flatters int8 a little: pass
    others for an honest figure.

    The module is not touched, and exported as it is in eval mode. The files take one input at a time.

    Args:
        module: any network from one (n, ...) float32 tensor to (n, classes) logits.
        sample_input: (n, ...) of any float dtype, preprocessed as in training; n at least 16 for int8 without `calibration`.
        labels: (n,) classes of those, for the accuracy gate; None: agreement with the module alone.
        calibration: (k, ...) other inputs to take the ranges of int8 from, k at least 16, or a stream of them.
        target: board to export for, see `edgekit targets`.
        precisions: only these of the target's; empty: all.
        formats: only "onnx" or "tflite"; empty: all of the target's.
        limit: points of accuracy (of agreement, without labels) that int8 may lose; where it loses more, layers stay in float.
            None: the usual gate, 97 % agreement and 1 point, and no mending.
        gate: False measures and records, but refuses nothing.
        recipe: observer and granularity.
        ranges: of an earlier export of this module, in place of a calibration.
        class_names: of the logits, in their order; empty: "0", "1", ...
        name: of the bundle.
        layout: letters of the input's dimensions, batch first, e.g. "NCHW", for the record.
        progress: called with a short line before each step.

    Returns:
        The files; `write` makes a bundle of them.

    Raises:
        ModelError: when the module cannot become a file: operators that a format lacks (all of them, with module, line, and what
            to take instead), control flow that depends on the data, several inputs or outputs, dtypes other than float32.
        InputError: on inputs that are too few, all the same, not finite or of another shape.
        GateError: when a file misses its gate.
        MissingExtraError: without the converters or any runtime for a format.

    >>> generator = torch.Generator().manual_seed(0)
    >>> network = nn.Sequential(nn.Conv1d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)).eval()
    >>> made = export(network, torch.randn(64, 2, 8, generator=generator), formats=["onnx"], precisions=["fp32"])
    >>> [(artifact.file, artifact.parity[0].agreement) for artifact in made.artifacts]
    [('model.fp32.onnx', 1.0)]
    """
    profile = (get_target(target) if isinstance(target, str) else target).only(precisions, formats)
    features = _inputs(sample_input, "sample_input")
    samples = ArraySamples(features) if calibration is None else _samples(calibration, features.shape)
    if ranges is None and any(precision == "int8" for _, precision in profile.artifacts):
        _check_enough(samples)
    classes = build.reference_logits(module, features[:2]).shape[1]
    card = _card(features, classes, class_names, name, layout)
    slips = in_training_mode(module)
    made = build.export(
        module,
        calibration=samples,
        parity_features=features,
        parity_labels=None if labels is None else np.asarray(labels),
        card_text=card.to_text(),
        target=profile,
        recipe=recipe,
        ranges=ranges,
        layout=layout,
        limit=limit,
        gate=gate,
        progress=progress,
    )
    notes = _notes(slips, made.reference)
    return ModuleExport(made, card, profile, type(module).__name__, features[:_GOLDEN_INPUTS], notes)


def _notes(slips: tuple[str, ...], reference: np.ndarray) -> tuple[str, ...]:
    notes = []
    if slips:
        notes.append(f"The module is in training mode ({', '.join(slips)}); exported as it is in eval mode.")
    found = np.unique(reference.argmax(axis=1))
    if len(found) == 1:
        told = f"The module gives all {len(reference)} inputs label {found[0]}: that int8 agrees with it there says little."
        notes.append(f"{told} Pass inputs of every class.")
    return tuple(notes)


def _samples(calibration: Any, shape: tuple[int, ...]) -> Samples:
    """Arrays and tensors as a stream; what is a stream stays."""
    if isinstance(calibration, np.ndarray | torch.Tensor | list | tuple | Mapping):
        return ArraySamples(check_calibration(_inputs(calibration, "calibration"), shape))
    stream: Samples = calibration
    return stream


def _inputs(given: Any, what: str) -> np.ndarray:
    """(n, ...) float32."""
    if isinstance(given, torch.Tensor):
        given = given.detach().cpu().numpy()
    if not isinstance(given, np.ndarray):
        count = f" of {len(given)}" if isinstance(given, Sequence | Mapping) else ""
        raise InputError(
            f"Expected {what} as one array or tensor (n, ...), got {type(given).__name__}{count}. Wrap a network of several "
            "inputs in a module that takes one tensor and slices it; bring inputs of several sizes to one size."
        )
    if given.dtype.kind != "f" or given.ndim < 2 or len(given) == 0:
        raise InputError(
            f"Expected {what} of shape (n, ...) and a float dtype, got {given.dtype} {given.shape}. Pass inputs as the network "
            "takes them, preprocessed as in training, with a batch dimension."
        )
    array = np.ascontiguousarray(given, np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"Expected finite numbers in {what}, got NaN or infinity. Look at what makes the inputs.")
    return array


def _check_enough(samples: Samples) -> None:
    """int8 is as good as what it was calibrated on."""
    if len(samples) < LEAST_SAMPLES:
        raise InputError(
            f"Expected at least {LEAST_SAMPLES} real inputs to calibrate int8 on, got {len(samples)}: what lies outside of their "
            "ranges is clipped. Pass more in sample_input or calibration, or leave int8 out: precisions=['fp32']."
        )
    if isinstance(samples, ArraySamples) and (samples.array == samples.array[:1]).all():
        raise InputError(
            f"Expected inputs that differ to calibrate int8 on, got {len(samples)} equal ones. Pass real inputs, or leave int8 "
            "out: precisions=['fp32']."
        )


def _card(features: np.ndarray, classes: int, class_names: Sequence[str], name: str, layout: str) -> ModelCard:
    names = tuple(map(str, class_names)) or tuple(map(str, range(classes)))
    if len(names) != classes or len(set(names)) != classes:
        raise InputError(
            f"Expected {classes} different class_names for {classes} logits, got {len(names)}: {', '.join(names):.80}."
        )
    frontend = Windows(features.shape[1:])
    spec = TensorSpec(INPUT_NAME, "float32", (1, *features.shape[1:]), layout)
    return ModelCard(name, names, FrontEndEntry(frontend.name, frontend.config_to_json()), OutputEntry("logits"), spec)
