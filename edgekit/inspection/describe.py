"""Describe a model file, or every artifact of a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.core.bundle import Bundle
from edgekit.core.optional import has_module
from edgekit.core.strict import to_json
from edgekit.errors import ModelError
from edgekit.inspection import onnx_file, tflite
from edgekit.inspection.products import total
from edgekit.inspection.report import ModelReport, spec_row
from edgekit.inspection.tflite_integer import tflite_integer_share
from edgekit.runtimes.litert import is_tflite
from edgekit.runtimes.open import open_runtime

__all__ = ["inspect_bundle", "inspect_file", "inspect_model"]


def inspect_file(path: Path) -> ModelReport:
    """Describe an .onnx or .tflite file.

    Raises:
        ModelError: when it is no such file.
        MissingExtraError: when no runtime for its format is installed.
    """
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ModelError(f"Expected a bundle, an .onnx or a .tflite file at {path}: {error.strerror}.") from error
    return inspect_model(model, str(path))


def inspect_model(model: bytes, name: str) -> ModelReport:
    """Describe a model from its bytes; `name` is shown as its file.

    Raises:
        ModelError: naming it, when no runtime opens it.
    """
    try:
        with open_runtime(model) as runtime:
            inputs, outputs, card, engine = runtime.inputs, runtime.outputs, runtime.metadata, runtime.name
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error
    metadata = json.loads(card) if card is not None else None
    if is_tflite(model):
        tensors, ops = tflite.walk(model, engine)
        return ModelReport(
            name,
            "tflite",
            inputs,
            outputs,
            tflite.operator_counts(ops),
            tuple(tensors),
            tflite.count_parameters(tensors, ops),
            total(op["macs"] for op in ops),
            len(model),
            metadata,
            tflite_integer_share(tensors, ops).to_json(),
        )
    if not has_module("onnx"):
        return ModelReport(name, "onnx", inputs, outputs, None, None, None, None, len(model), metadata)
    rows, operators, parameters, macs, share = onnx_file.walk(model)
    counted = (operators, tuple(rows), parameters, macs, len(model), metadata)
    return ModelReport(name, "onnx", inputs, outputs, *counted, share.to_json())


def inspect_bundle(bundle: Bundle) -> dict[str, Any]:
    """The same keys for a bundle: its own input and output, its manifest as metadata, and "artifacts" with a report each.

    What is int8 differs between artifacts: it stands in their reports.
    """
    reports = [inspect_model(bundle.read(artifact.file), artifact.file).to_json() for artifact in bundle.manifest.artifacts]
    first = reports[0]
    return {
        "file": str(bundle.path),
        "format": "bundle",
        "inputs": [spec_row(bundle.manifest.input)],
        "outputs": first["outputs"],
        "operators": first["operators"],
        "tensors": None,
        "parameters": first["parameters"],
        "macs": first["macs"],
        "bytes": sum(report["bytes"] for report in reports),
        "metadata": to_json(bundle.manifest),
        "int8": None,
        "artifacts": reports,
    }
