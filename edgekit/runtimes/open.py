"""Open any .onnx or .tflite with the runtime that fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.core.optional import has_module
from edgekit.errors import InputError, MissingExtraError, ModelError, UnknownNameError
from edgekit.runtimes.base import RUNTIME_FORMATS, Runtime
from edgekit.runtimes.engine import Engine
from edgekit.runtimes.litert import TfliteEngine, is_tflite
from edgekit.runtimes.ort import OnnxRuntimeEngine
from edgekit.runtimes.quantised import EngineRuntime

__all__ = ["check_runtime", "installed_runtimes", "open_runtime"]

_MODULES = {"litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime", "onnxruntime": "onnxruntime"}

#: The runtimes start as many as they are told to: a hundred thousand took all memory of a workstation.
_MOST_THREADS = 256


def open_runtime(
    source: str | Path | bytes,
    runtime: str | None = None,
    threads: int = 1,
    format: str | None = None,  # noqa: A002
) -> Runtime:
    """Load a model.

    Args:
        source: path of an .onnx or .tflite file, or its bytes.
        runtime: "litert", "tflite-runtime" or "onnxruntime"; by default the first installed one that runs the format.
        threads: threads that the engine may use, 1 to 256.
        format: "onnx" or "tflite"; by default told from the content.

    Raises:
        InputError: on another number of threads.
        UnknownNameError: on an unknown runtime.
        MissingExtraError: when no fitting runtime is installed.
        ModelError: when the file is absent, unreadable, or of a format that the runtime does not run.
    """
    if not isinstance(threads, int) or not 1 <= threads <= _MOST_THREADS:
        raise InputError(f"Expected 1 to {_MOST_THREADS} threads, got {threads!r}. More than the machine has cores is no gain.")
    model = source if isinstance(source, bytes) else _read(Path(source))
    if not model:
        where = "" if isinstance(source, bytes) else f" in {source}"
        raise ModelError(f"Expected an .onnx or .tflite model{where}, got no bytes. Copy or export it again.")
    format = format or ("tflite" if is_tflite(model) else "onnx")  # noqa: A001
    name = runtime or _first_installed(format)
    check_runtime(name)
    if RUNTIME_FORMATS[name] != format:
        fitting = ", ".join(known for known, takes in RUNTIME_FORMATS.items() if takes == format)
        raise ModelError(f"Expected a file in {RUNTIME_FORMATS[name]} format for {name}, got {format}. Use {fitting}.")
    try:
        engine: Engine = OnnxRuntimeEngine(model, threads) if format == "onnx" else TfliteEngine(model, threads, name)
    except ModelError as error:
        if isinstance(source, bytes):
            raise
        raise ModelError(f"{source}: {error}") from error
    return EngineRuntime(engine)


def check_runtime(name: str) -> None:
    """Raise UnknownNameError unless `name` is a runtime that runs model files."""
    if name not in RUNTIME_FORMATS:
        raise UnknownNameError("runtime", name, RUNTIME_FORMATS)


def installed_runtimes(format: str) -> tuple[str, ...]:  # noqa: A002
    """Installed runtimes that run the format, the preferred one first. tflite-runtime counts only beside numpy 1."""
    numpy_1 = np.__version__.startswith("1.")
    return tuple(
        name
        for name, takes in RUNTIME_FORMATS.items()
        if takes == format and has_module(_MODULES[name]) and (name != "tflite-runtime" or numpy_1)
    )


def _first_installed(format: str) -> str:  # noqa: A002
    installed = installed_runtimes(format)
    if not installed:
        what, extra = ("onnxruntime", "onnx") if format == "onnx" else ("A TFLite runtime", "litert")
        raise MissingExtraError(what, extra)
    return installed[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"Expected an .onnx or .tflite file at {path}: {error.strerror}.") from error
