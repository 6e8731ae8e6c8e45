"""Trained module to verified model files: ONNX and TFLite, float and int8.

    made = edgekit.exporters.export(module, inputs)  # any nn.Module, real inputs (n, ...)
    made.write("mine.bundle")

`build.export` is what it stands on; `to_onnx` and `to_tflite` convert, `passes` make the files small and exact, `parity` decides
whether a file may be written, `embed` puts the model card inside it, `targets` lists what is made for whom.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.exporters.any_module import ModuleExport, export

__all__ = ["ModuleExport", "export"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Imported on first use: the targets' profiles are read where there is no torch."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(_import_module("edgekit.exporters.any_module"), name)
        return value
