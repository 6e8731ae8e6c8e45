"""From exported networks to files that hold the front end too: uint8 image in, logits out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from edgekit.core.manifest import Artifact, FrontEndEntry, ModelCard, Parity
from edgekit.core.spec import TensorSpec
from edgekit.errors import ModelError
from edgekit.exporters import parity as gates
from edgekit.exporters.base import INPUT_NAME, OUTPUT_NAME, Converted
from edgekit.exporters.build import Export
from edgekit.exporters.embed import embed_onnx, embed_tflite
from edgekit.exporters.fuse import fuse_onnx, fuse_tflite
from edgekit.exporters.fused import front_end_graph
from edgekit.exporters.targets import Target
from edgekit.frontends.base import FrontEnd, image_size
from edgekit.frontends.pixels import Pixels
from edgekit.models.checkpoint import Run
from edgekit.runtimes.open import installed_runtimes, open_runtime

__all__ = ["FUSED_GATE", "fuse_export", "fused_card"]

#: Of fp32: the graph sums in another order than NumPy does.
FUSED_GATE = gates.Gate(sqnr_db=80.0)

Note = Callable[[str], None]


def fused_card(card: ModelCard, frontend: FrontEnd) -> ModelCard:
    """The same model seen from outside: its front end is the image's own levels.

    Args:
        card: of the run.
        frontend: the run's, which goes into the files.
    """
    size = image_size(frontend)
    levels = Pixels(size, scale=1.0, offset=0.0, decode=frontend.config.decode)
    spec = TensorSpec(INPUT_NAME, "float32", (1, *size, 3), "NHWC")
    return replace(card, frontend=FrontEndEntry(levels.name, levels.config_to_json()), input=spec)


def fuse_export(
    run: Run, card: ModelCard, exported: Export, images: np.ndarray, labels: np.ndarray, target: Target, note: Note
) -> tuple[ModelCard, Export]:
    """Set the run's front end before each network that allows it, and compare with PyTorch behind the NumPy front end.

    ONNX in every precision; TFLite in fp32 alone: its quantizer would bring the front end's sums to 8 bits as well.

    Args:
        run: the trained run.
        card: its card.
        exported: its files, with the reference logits of the images.
        images: (n, H, W, 3) uint8 of the front end's size.
        labels: (n,) classes.
        target: the profile that the files were made for.
        note: told in one line of what could not be made.

    Returns:
        The fused card, and the fused files.

    Raises:
        ModelError: when there is no graph of this front end, or no file that can hold it.
        GateError: when a file misses its gate.
    """
    outside = fused_card(card, run.frontend)
    reference = exported.reference
    accuracy = float((reference.argmax(axis=1) == labels).mean())
    levels = images.astype(np.float32)
    files = []
    for artifact, converted in _fused(run, exported, target, note):
        embed = embed_onnx if artifact.format == "onnx" else embed_tflite
        model = embed(converted.model, outside.to_text())
        gate = FUSED_GATE if artifact.precision == "fp32" else gates.GATES[artifact.precision]
        measured = []
        for name in installed_runtimes(artifact.format):
            with open_runtime(model, name, format=artifact.format) as runtime:
                measured.append(gates.measure(runtime, levels, reference, labels))
                gates.check(measured[-1], gate, artifact.file, accuracy)
        files.append((_describe(artifact, model, converted, outside, tuple(measured)), model))
    if not files:
        raise ModelError(
            f"Expected a file that can hold the front end, target {target.name!r} asks for {_names(exported)}: ONNX in every "
            "precision, or TFLite in fp32. Leave --fuse-frontend out, or choose such a precision or target."
        )
    return outside, replace(exported, files=tuple(files))


def _fused(run: Run, exported: Export, target: Target, note: Note) -> Iterator[tuple[Artifact, Converted]]:
    size, graph = image_size(run.frontend), front_end_graph(run.frontend)
    for artifact, model in exported.files:
        if artifact.format == "onnx":
            network = Converted(model, artifact.input.affine, artifact.output.affine)
            yield artifact, fuse_onnx(graph, network, size, target)
        elif artifact.precision == "fp32":
            sample = np.zeros((1, *run.frontend.output.shape), np.float32)
            try:
                yield artifact, fuse_tflite(graph, run.module, sample, size)
            except ModelError as error:
                note(f"{artifact.file} was left out: this front end does not convert to TFLite ({error})")
        else:
            note(f"{artifact.file} was left out: with the front end inside, TFLite is made in fp32 alone (docs/frontends.md)")


def _names(exported: Export) -> str:
    return ", ".join(artifact.file for artifact in exported.artifacts)


def _describe(artifact: Artifact, model: bytes, converted: Converted, card: ModelCard, parity: tuple[Parity, ...]) -> Artifact:
    affine = converted.input
    stored = TensorSpec(INPUT_NAME, "uint8", card.input.shape, card.input.layout, affine)
    return replace(
        artifact,
        bytes=len(model),
        sha256=hashlib.sha256(model).hexdigest(),
        input=stored,
        output=TensorSpec(OUTPUT_NAME, "float32", artifact.output.shape, artifact.output.layout),
        parity=parity,
    )
