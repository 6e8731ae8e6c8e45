"""Front ends: from an image to what a network takes, in NumPy alone.

>>> from edgekit.frontends import create_frontend
>>> create_frontend("signature", {"size": [64, 64], "depth": 4}).output.shape
(64, 120)
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from edgekit.frontends.base import FRONTENDS, FrontEnd, create_frontend, frontend_to_json
from edgekit.frontends.standardise import Standardisation

if TYPE_CHECKING:
    from edgekit.frontends.pixels import Pixels
    from edgekit.frontends.signature import Signature

__all__ = [
    "FRONTENDS",
    "FrontEnd",
    "Pixels",
    "Signature",
    "Standardisation",
    "create_frontend",
    "frontend_to_json",
]

#: Imported on first use: a bundle needs one front end, not all.
_LAZY = {"Pixels": "edgekit.frontends.pixels", "Signature": "edgekit.frontends.signature"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(_import_module(_LAZY[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
