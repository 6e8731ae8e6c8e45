"""Wrap somebody else's model file into a bundle: labels, front end and output kind come from the user, the rest from the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgekit.core.bundle import write_bundle
from edgekit.core.files import sha256_of
from edgekit.core.manifest import Artifact, FileEntry, FrontEndEntry, Manifest, ModelCard, OutputEntry
from edgekit.core.names import NAMES, is_name
from edgekit.core.recipe import Format, Precision
from edgekit.core.spec import TensorSpec
from edgekit.errors import InputError, ModelError, UnknownNameError
from edgekit.frontends.base import FrontEnd
from edgekit.golden import GOLDEN, make_golden, synthetic_inputs
from edgekit.inspection.describe import inspect_model
from edgekit.inspection.report import ModelReport
from edgekit.pipeline import check_fit
from edgekit.runtimes.litert import is_tflite
from edgekit.runtimes.open import open_runtime

__all__ = ["OUTPUT_KINDS", "pack", "precision_of"]

OUTPUT_KINDS = ("logits", "probabilities", "raw")


def pack(file: Path, out: Path, name: str, labels: tuple[str, ...], frontend: FrontEnd, output_kind: str) -> Manifest:
    """Write a bundle around one .onnx or .tflite file. The file itself goes in unchanged.

    Args:
        file: the model.
        out: the bundle to write, new.
        name: the bundle's name.
        labels: one a score; may be empty for raw outputs, which are then numbered.
        frontend: what turns an image into the model's input.
        output_kind: "logits", "probabilities" or "raw".

    Returns:
        The manifest that was written.

    Raises:
        ModelError: when the file is no model, or takes or gives something else.
        InputError: on a name that cannot be served.
        UserError: when `out` exists.
    """
    if not is_name(name):
        raise InputError(f"Expected a name of {NAMES}, as it is served and stored, got {name!r}.")
    if not labels and output_kind != "raw":
        raise ModelError("Expected a label for each score, got none. Pass --labels a,b,c in the order of the scores.")
    if output_kind not in OUTPUT_KINDS:
        raise UnknownNameError("output kind", output_kind, OUTPUT_KINDS)
    try:
        model = file.read_bytes()
    except OSError as error:
        raise ModelError(f"Expected an .onnx or .tflite file at {file}: {error.strerror}.") from error
    card, artifact, tools = _describe(file, model, name, labels, frontend, output_kind)
    golden = make_golden(card, synthetic_inputs(frontend), [(artifact, model)])
    manifest = Manifest(
        name=name,
        model=None,
        labels=card.labels,
        frontend=card.frontend,
        input=card.input,
        output=card.output,
        target=None,
        artifacts=(artifact,),
        golden=FileEntry(GOLDEN, len(golden), sha256_of(golden)),
        calibration=None,
        tools=tools,
    )
    write_bundle(out, manifest, {artifact.file: model, GOLDEN: golden})
    return manifest


def _describe(
    file: Path, model: bytes, name: str, labels: tuple[str, ...], frontend: FrontEnd, output_kind: str
) -> tuple[ModelCard, Artifact, dict[str, str]]:
    with open_runtime(file) as runtime:
        if len(runtime.inputs) != 1 or len(runtime.outputs) != 1:
            found = f"{len(runtime.inputs)} and {len(runtime.outputs)}"
            raise ModelError(f"Expected a model with one input and one output, got {found}. Split it first.")
        model_input, model_output = runtime.inputs[0], runtime.outputs[0]
        tools = {runtime.name: runtime.version}
    features = frontend.output
    entry = FrontEndEntry(frontend.name, frontend.config_to_json())
    spec = TensorSpec(model_input.name, "float32", (1, *features.shape), f"N{features.layout}" if features.layout else "")
    if not labels and output_kind == "raw":
        labels = tuple(str(index) for index in range(abs(_product(model_output.shape))))
    card = ModelCard(name, labels, entry, OutputEntry(output_kind), spec)  # type: ignore[arg-type]
    check_fit(frontend, model_input, model_output, card)
    kind: Format = "tflite" if is_tflite(model) else "onnx"
    precision = precision_of(inspect_model(model, name), model_input)
    stored_input = replace(model_input, layout=spec.layout)
    name_inside, digest = f"model.{precision}.{kind}", sha256_of(model)
    return card, Artifact(name_inside, kind, precision, len(model), digest, stored_input, model_output), tools


def precision_of(report: ModelReport, model_input: TensorSpec) -> Precision:
    """int8 where the input is an integer; else by the weights' dtype."""
    if model_input.affine is not None:
        return "int8"
    weights = {row.dtype for row in report.tensors or () if row.constant and row.elements > 1}
    if weights & {"int8", "uint8"}:
        return "int8-dynamic"
    return "fp16" if "float16" in weights else "fp32"


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result
