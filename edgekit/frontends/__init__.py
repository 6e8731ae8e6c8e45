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
    from edgekit.frontends.hog import Hog
    from edgekit.frontends.logsignature import LogSignature
    from edgekit.frontends.pixels import Pixels
    from edgekit.frontends.samples import Samples
    from edgekit.frontends.scattering import Scattering
    from edgekit.frontends.sift import Sift
    from edgekit.frontends.signature import Signature
    from edgekit.frontends.sobel import ColourEdges, Sobel, SobelBinary, SobelMasked

__all__ = [
    "ColourEdges",
    "FRONTENDS",
    "FrontEnd",
    "Hog",
    "LogSignature",
    "Pixels",
    "Samples",
    "Scattering",
    "Sift",
    "Signature",
    "Sobel",
    "SobelBinary",
    "SobelMasked",
    "Standardisation",
    "create_frontend",
    "frontend_to_json",
]

#: Imported on first use: a bundle needs one front end, not all.
_LAZY = {
    "ColourEdges": "edgekit.frontends.sobel",
    "Hog": "edgekit.frontends.hog",
    "LogSignature": "edgekit.frontends.logsignature",
    "Pixels": "edgekit.frontends.pixels",
    "Samples": "edgekit.frontends.samples",
    "Scattering": "edgekit.frontends.scattering",
    "Sift": "edgekit.frontends.sift",
    "Signature": "edgekit.frontends.signature",
    "Sobel": "edgekit.frontends.sobel",
    "SobelBinary": "edgekit.frontends.sobel",
    "SobelMasked": "edgekit.frontends.sobel",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(_import_module(_LAZY[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
