"""Front ends: from an image to what a network takes, in NumPy alone.

>>> from edgekit.frontends import create_frontend
>>> create_frontend("signature", {"size": [64, 64], "depth": 4}).output.shape
(64, 120)
"""

from edgekit.frontends.base import FRONTENDS, FrontEnd, create_frontend, frontend_to_json
from edgekit.frontends.pixels import Pixels
from edgekit.frontends.signature import Signature
from edgekit.frontends.standardise import Standardisation

__all__ = [
    "FRONTENDS",
    "FrontEnd",
    "Pixels",
    "Signature",
    "Standardisation",
    "create_frontend",
    "frontend_to_json",
]
