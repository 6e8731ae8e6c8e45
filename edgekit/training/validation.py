"""What the validation split said, kept in the run.

The network that is kept was in the end trained on the validation examples too; what is chosen on them later, such as a threshold,
needs the logits of the one that had not seen them.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from edgekit.errors import ModelError
from edgekit.models.checkpoint import VALIDATION

__all__ = ["load_validation", "validation_file"]


def validation_file(logits: np.ndarray, targets: np.ndarray) -> bytes:
    """Content of validation.npz: logits (V, C) float32 before the temperature, targets (V,) int64."""
    stream = io.BytesIO()
    np.savez(stream, logits=logits.astype(np.float32), targets=targets.astype(np.int64))
    return stream.getvalue()


def load_validation(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Logits (V, C) float32 and classes (V,) int64 of a run's validation split.

    Raises:
        ModelError: when the run has no such file, or a damaged one.
    """
    path = folder / VALIDATION
    if not path.is_file():
        raise ModelError(f"Expected {VALIDATION} in the run {folder}, found none: an earlier edgekit trained it. Train it again.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            logits, targets = arrays["logits"], arrays["targets"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"Expected logits and targets in {path}: {error}. The file is damaged; train again.") from error
    if logits.ndim != 2 or targets.shape != logits.shape[:1] or not len(targets):
        raise ModelError(
            f"Expected logits (V, C) and targets (V,) in {path}, got {logits.shape} and {targets.shape}. Train again."
        )
    return logits, targets
