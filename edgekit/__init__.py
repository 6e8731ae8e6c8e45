"""edgekit: from a folder of labelled photographs to a verified int8 model on a ten-watt board.

>>> import edgekit
>>> sorted(edgekit.__all__)
['Bundle', 'EdgekitError', 'Pipeline', 'Prediction', 'Runtime', 'UserError', 'open', 'open_runtime']
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from edgekit.errors import EdgekitError, UserError

if TYPE_CHECKING:
    from edgekit.core.bundle import Bundle
    from edgekit.pipeline import Pipeline, Prediction
    from edgekit.pipeline import open_pipeline as open  # noqa: A004
    from edgekit.runtimes import Runtime, open_runtime

__all__ = ["Bundle", "EdgekitError", "Pipeline", "Prediction", "Runtime", "UserError", "open", "open_runtime"]

#: Imported on first use: `import edgekit` alone must not need NumPy, so that `edgekit doctor` can say what ails it.
_LAZY = {
    "Bundle": "edgekit.core.bundle:Bundle",
    "Pipeline": "edgekit.pipeline:Pipeline",
    "Prediction": "edgekit.pipeline:Prediction",
    "Runtime": "edgekit.runtimes.base:Runtime",
    "open": "edgekit.pipeline:open_pipeline",
    "open_runtime": "edgekit.runtimes.open:open_runtime",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, attribute = _LAZY[name].partition(":")
        value = globals()[name] = getattr(_import_module(module), attribute)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
