"""The log-signature front end: the logarithms of the signatures of an image's rows, in the Lyndon basis.

A log-signature says what the signature says in far fewer numbers: 32 for 120 at three channels and depth 4. Its coordinates
belong to the brackets of Lyndon words (lyndon.py), as `iisignature.logsig` gives them.

Paper: Ibrahim & Lyons, "ImageSig: A signature transform for ultra-lightweight image recognition", CVPR workshops 2022.
Departs from it as signature.py does.
"""

from __future__ import annotations

from typing import ClassVar

from edgekit.frontends.row_paths import RowPathConfig, RowPathFeatures

__all__ = ["LogSignature", "LogSignatureConfig"]

LogSignatureConfig = RowPathConfig


class LogSignature(RowPathFeatures):
    """Log-signatures of an image's rows (and columns): (R, Q) features. Safe to call from several threads.

    R = height for "rows", height + width for "both", 2 * height for "both-rotated". Q is the number of Lyndon words of
    up to `depth` letters, in iisignature's order: by length, then lexicographic.

    Args:
        size: (height, width) in pixels.
        depth: number of levels, 1 to 6.
        directions: "rows", "both" or "both-rotated".
        path: "rgb" (3 channels), "rgb+time" (4), "grey+time" (2) or "lead-lag" (2, of the grey level: paths.py).
        dtype: "float32" or "float64".
        standardise: applied to each feature where given.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size, depth or standardisation out of range.
        UnknownNameError: on an unknown directions, path or dtype, listing the known ones.

    >>> import numpy as np
    >>> LogSignature(size=(8, 8))(np.zeros((8, 8, 3), np.uint8)).shape
    (8, 32)
    """

    name: ClassVar[str] = "logsignature"
    _log: ClassVar[bool] = True
