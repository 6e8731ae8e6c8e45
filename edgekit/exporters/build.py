"""From a trained module to every file of a target, each checked on every installed runtime."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from torch import nn

from edgekit.calibration.ranges import Ranges
from edgekit.calibration.samples import ArraySamples, Samples
from edgekit.core.manifest import Artifact, Parity
from edgekit.core.recipe import Format, Precision, Recipe
from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import InputError, MissingExtraError, ModelError
from edgekit.exporters import audit
from edgekit.exporters import parity as gates
from edgekit.exporters.base import INPUT_NAME, OUTPUT_NAME, Converted, check_calibration
from edgekit.exporters.check_module import check_module
from edgekit.exporters.embed import embed_onnx, embed_tflite
from edgekit.exporters.graphs import calibrate, convert, float_graphs, quantizable
from edgekit.exporters.mixed import Mixed, mend
from edgekit.exporters.runnable import check_runnable
from edgekit.exporters.sensitivity import Trial
from edgekit.exporters.targets import Target, get_target
from edgekit.runtimes.open import installed_runtimes, open_runtime

__all__ = ["Export", "artifact_file", "export", "reference_logits"]

_TOOLS = ("torch", "onnx", "onnxruntime", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "tflite-runtime", "numpy")

_LOOKED_AT = 32

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Export:
    """All files of one target, in memory.

    Attributes:
        files: (entry for the manifest, bytes) in the target's order.
        tools: package -> version of everything that had a hand in them.
        calibration: sha256 over the calibration sample, None where no file needs one.
        ranges: of every tensor of the float graphs, None where no file needs them.
        reference: (n, classes) float32 logits of the PyTorch module on the parity features.
        mixed: what was done for each int8 file where a limit was set.
    """

    files: tuple[tuple[Artifact, bytes], ...]
    tools: dict[str, str]
    calibration: str | None
    ranges: Ranges | None
    reference: np.ndarray
    mixed: tuple[Mixed, ...] = ()

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The manifest's entries alone."""
        return tuple(artifact for artifact, _ in self.files)


def artifact_file(format: Format, precision: Precision) -> str:  # noqa: A002
    """File name of an artifact, e.g. "model.int8.tflite"."""
    return f"model.{precision}.{format}"


def export(
    module: nn.Module,
    *,
    calibration: np.ndarray | Samples,
    parity_features: np.ndarray,
    parity_labels: np.ndarray | None = None,
    card_text: str | None = None,
    target: str | Target = "generic",
    recipe: Recipe | None = None,
    ranges: Ranges | None = None,
    input_range: tuple[float, float] | None = None,
    layout: str = "",
    limit: float | None = None,
    mixed: bool = False,
    gate: bool = True,
    progress: Progress | None = None,
) -> Export:
    """Convert, quantize, embed the card, and check every file on every installed runtime that runs it.

    The module itself is not touched. Equal module, samples and card give byte-identical files.

    Args:
        module: any network from one (n, ...) float32 tensor to (n, classes) logits.
        calibration: (k, ...) float32 features as the front end gives them (standardised), for the ranges of int8; or a stream
            of them, gone through once, of which nothing is kept.
        parity_features: (n, ...) float32 features on which the files are compared with the module.
        parity_labels: (n,) integer classes of those, for the accuracy gate; None: agreement alone.
        card_text: model card to embed in every file, see `core.manifest.ModelCard`.
        target: profile or its name.
        recipe: granularity, observer, sample count and seed for the manifest; its precision is set an artifact.
        ranges: of an earlier export of this module, in place of those that the calibration sample would give.
        input_range: lowest and highest value of the input, where the front end knows them: int8 then takes those, and not what
            the calibration sample happened to hold.
        layout: letters of the input's dimensions, batch first, e.g. "NRF".
        limit: points of accuracy that int8 may lose (of agreement, without labels); a file that loses more is mended by keeping
            layers in float, found on one half of the parity features and judged on the other. None: the usual gate, and no
            mending unless `mixed`.
        mixed: mend what misses the usual gate, where no limit is given.
        gate: False measures and records, but refuses nothing.
        progress: called with a short line before each step.

    Raises:
        InputError: on samples that do not fit each other, a module that does not give (n, classes), or labelled images that it
            gives one label all, for int8.
        ModelError: when the network does not convert, or the target cannot run it.
        GateError: when a file misses its gate, or does not hold what its recipe says. Nothing is returned then.
        MissingExtraError: without the converters, or without any runtime for a format.
    """
    profile = get_target(target) if isinstance(target, str) else target
    tell = progress or _silent
    features = check_calibration(parity_features, np.shape(parity_features))
    samples = _samples(calibration, features.shape[1:])
    tell("PyTorch reference")
    reference = reference_logits(module, features)
    checked = gates.checked(features, parity_labels, reference)
    tell("float graphs and their ranges")
    graphs = float_graphs(module, samples, profile)
    if gate:
        _check_graphs(graphs, profile, checked)
    plan = recipe or Recipe("int8", samples=len(samples))
    found = calibrate(graphs, samples, plan, profile, ranges, input_range)
    if gate and any(precision.startswith("int8") for _, precision in profile.artifacts):
        gates.check_told_apart(checked)
    if found is not None:
        plan = replace(plan, observer=found.observer, symmetric=found.symmetric, samples=found.samples)
    usual = gates.GATES["int8"] if mixed else None
    bound = usual if limit is None else gates.int8_gate(limit, parity_labels is not None)
    files, mended = [], []
    for format_, precision in profile.artifacts:
        file, wanted = artifact_file(format_, precision), replace(plan, precision=precision)
        judged_on = checked
        tell(f"making {file}")
        if bound is not None and precision == "int8" and found is not None:
            trial = Trial(format_, quantizable(format_, graphs[format_]), wanted, found, profile, checked)
            float32 = convert(format_, graphs[format_], replace(plan, precision="fp32"), None, profile).model
            mended.append(mend(trial, bound, file, float32, tell))
            converted, wanted = mended[-1].converted, replace(wanted, float_layers=mended[-1].layers)
            judged_on = mended[-1].checked
        else:
            converted = convert(format_, graphs[format_], wanted, found, profile)
        model = _embed(converted.model, format_, card_text)
        check_runnable(model, format_, profile)
        artifact = _describe(format_, wanted, converted, model, features.shape[1:], layout, reference.shape[1])
        tell(f"checking {artifact.file}")
        measured = _measure(model, artifact, judged_on, card_text, gate)
        if gate:
            asked = bound if bound is not None and precision == "int8" else gates.GATES[precision]
            for parity in measured:
                gates.check(parity, asked, artifact.file, judged_on.accuracy)
            source = quantizable(format_, graphs[format_]) if precision == "int8" else graphs[format_]
            audit.check_numbers(model, format_, wanted, source, found, profile.scheme == "tensorrt")
        files.append((replace(artifact, parity=measured), model))
    digest = None if found is None else found.calibration
    return Export(tuple(files), _tool_versions(), digest, found, reference, tuple(mended))


def reference_logits(module: nn.Module, features: np.ndarray, batch: int = 64) -> np.ndarray:
    """What the module itself gives, in eval mode on the CPU; its training mode and device are put back.

    Args:
        module: from (n, ...) float32 to (n, classes).
        features: (n, ...) float32.
        batch: images a pass.

    Returns:
        (n, classes) float32 logits.

    Raises:
        InputError: when the module gives another shape, probabilities, or logits that depend on more than their input.
        ModelError: when it cannot become a file, see `check_module`.
    """
    network = check_module(module, features)
    with torch.no_grad():
        parts = [network(torch.from_numpy(features[i : i + batch])) for i in range(0, len(features), batch)]
    logits = torch.cat(parts).numpy()
    if not np.isfinite(logits).all():
        raise ModelError("Expected finite logits of the network itself, got NaN or infinity. Look at its weights and the inputs.")
    with torch.no_grad():
        again, alone = (network(torch.from_numpy(features[:count])).numpy() for count in (batch, 1))
    _check_logits(logits, again, alone)
    return logits


def _check_logits(logits: np.ndarray, again: np.ndarray, alone: np.ndarray) -> None:
    """What no comparison of files would find, because they would do the same, or cannot do otherwise."""
    largest = 1e-3 * float(np.abs(logits).max(initial=1e-30))
    if np.abs(again - logits[: len(again)]).max() > largest:
        raise InputError(
            "Expected a module that gives the same logits for the same input, it gives others each time. Leave its noise and its "
            "dropout out in eval mode."
        )
    if np.abs(alone - logits[: len(alone)]).max() > largest:
        raise InputError(
            "Expected logits that depend on their own input alone, they change with the rest of the batch. Use batch norms in "
            "eval mode (their running statistics): files take one input at a time."
        )
    if logits.shape[1] > 1 and logits.min() >= 0 and np.abs(logits.sum(axis=1) - 1).max() < 1e-3:
        raise InputError(
            "Expected logits, got probabilities: numbers from 0 that sum to 1. Return what goes into the softmax; a bundle "
            "applies one itself."
        )


def _samples(calibration: np.ndarray | Samples, shape: tuple[int, ...]) -> Samples:
    if isinstance(calibration, np.ndarray):
        return ArraySamples(check_calibration(calibration, (1, *shape)))
    if tuple(calibration.shape) != tuple(shape) or len(calibration) == 0:
        raise InputError(f"Expected calibration samples of shape {shape}, got {len(calibration)} of {tuple(calibration.shape)}.")
    return calibration


def _embed(model: bytes, format_: Format, card_text: str | None) -> bytes:
    if card_text is None:
        return model
    return embed_onnx(model, card_text) if format_ == "onnx" else embed_tflite(model, card_text)


def _describe(
    format_: Format, recipe: Recipe, converted: Converted, model: bytes, shape: tuple[int, ...], layout: str, classes: int
) -> Artifact:
    return Artifact(
        file=artifact_file(format_, recipe.precision),
        format=format_,
        precision=recipe.precision,
        bytes=len(model),
        sha256=hashlib.sha256(model).hexdigest(),
        input=_spec(INPUT_NAME, (1, *shape), layout, converted.input),
        output=_spec(OUTPUT_NAME, (1, classes), "NC", converted.output),
        recipe=recipe,
    )


def _spec(name: str, shape: tuple[int, ...], layout: str, affine: Affine | None) -> TensorSpec:
    return TensorSpec(name, "float32" if affine is None else affine.dtype, shape, layout, affine)


def _check_graphs(graphs: Mapping[Format, bytes], profile: Target, checked: gates.Checked) -> None:
    """The float graphs from which files are made compute what the module does, whether or not they are shipped themselves."""
    for format_ in graphs.keys() - {format_ for format_, precision in profile.artifacts if precision == "fp32"}:
        few, name = checked.first(_LOOKED_AT), f"the float {format_} graph"
        with open_runtime(graphs[format_], _runtimes(format_)[0], format=format_) as runtime:
            gates.check(gates.measure(runtime, few.features, few.reference), gates.GATES["fp32"], name)


def _measure(model: bytes, artifact: Artifact, checked: gates.Checked, card_text: str | None, gate: bool) -> tuple[Parity, ...]:
    measured = []
    for name in _runtimes(artifact.format):
        with open_runtime(model, name, format=artifact.format) as runtime:
            if gate:
                audit.check_described(runtime, artifact, card_text)
                audit.check_repeats(runtime, artifact.file, checked.features)
            measured.append(gates.measure(runtime, checked.features, checked.reference, checked.labels))
    return tuple(measured)


def _runtimes(format_: Format) -> tuple[str, ...]:
    names = installed_runtimes(format_)
    if not names:
        raise MissingExtraError(f"A runtime for {format_}", "onnx" if format_ == "onnx" else "litert")
    return tuple(names)


def _tool_versions() -> dict[str, str]:
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("edgekit", *_TOOLS):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _silent(_: str) -> None:
    """No progress asked for."""
