"""The signature front end: one path per row of pixels, its iterated integrals as features.

Paper: Ibrahim & Lyons, "ImageSig: A signature transform for ultra-lightweight image recognition", CVPR workshops 2022.
Departs from it: colours are exact integers until the end, paths with time or lead and lag are offered for grey images (whose rgb
signature is that of each row's two end points), and the second direction of "both" is the transpose; "both-rotated" is the
authors' own.
"""

from __future__ import annotations

from typing import ClassVar

from edgekit.frontends.row_paths import RowPathConfig, RowPathFeatures

__all__ = ["Signature", "SignatureConfig"]

SignatureConfig = RowPathConfig


class Signature(RowPathFeatures):
    """Signatures of an image's rows (and columns): (R, Q) features. Safe to call from several threads.

    R = height for "rows", height + width for "both", 2 * height for "both-rotated". Q = C + C^2 + ... + C^depth, with C channels
    of the path, without the leading 1, in iisignature's order.

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
    >>> Signature(size=(8, 8))(np.zeros((8, 8, 3), np.uint8)).shape
    (8, 120)
    """

    name: ClassVar[str] = "signature"
    _log: ClassVar[bool] = False
