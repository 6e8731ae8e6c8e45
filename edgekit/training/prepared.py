"""What fitting takes, whatever the data were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from edgekit.frontends.base import FrontEnd, standardised
from edgekit.training.inputs import FitData, InMemory, Inputs
from edgekit.training.standardisation import fit_standardisation

__all__ = ["Prepared", "Side", "fit_frontend", "prepared"]


@dataclass(frozen=True)
class Side:
    """One side of the split, copies included: what to train on.

    Attributes:
        x: (N, ...) float16 standardised features.
        y: (N,) int64 classes.
        teacher: (N, classes) float32 logits of the teacher, None without one.
    """

    x: np.ndarray
    y: np.ndarray
    teacher: np.ndarray | None = None


@dataclass(frozen=True)
class Prepared:
    """Standardised features of all sides; `whole` trains on the validation side too."""

    frontend: FrontEnd
    fit: FitData
    whole: FitData
    x_test: Inputs
    y_test: np.ndarray


def fit_frontend(frontend: FrontEnd, raw: np.ndarray, clip: float) -> FrontEnd:
    """The front end with a standardisation fitted on raw training features (N, ...), where it takes one."""
    if not frontend.takes_standardisation:
        return frontend
    return frontend.with_standardisation(fit_standardisation(raw, clip, frontend.feature_axis))


def prepared(
    frontend: FrontEnd,
    classes: int,
    sides: tuple[Callable[[], Side], ...],
    validation: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> Prepared:
    """Put the sides together.

    Args:
        frontend: fitted.
        classes: number of classes.
        sides: make the training side and, where the run is refitted on everything, the validation side.
        validation: raw features (V, ...) float32 and classes (V,), without copies.
        test: the same of the test side; may be empty.
    """
    parts = [side() for side in sides]
    x, y = (np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y"))
    logits = _joined([part.teacher for part in parts])
    whole = FitData(
        x=InMemory(torch.from_numpy(x)),
        y=torch.from_numpy(y),
        x_validation=InMemory(torch.from_numpy(standardised(frontend, validation[0]))),
        y_validation=torch.from_numpy(validation[1]),
        classes=classes,
        teacher=logits,
    )
    count = len(parts[0].x)
    teacher = None if logits is None else logits[:count]
    split = replace(whole, x=InMemory(torch.from_numpy(x[:count])), y=whole.y[:count], teacher=teacher)
    return Prepared(frontend, split, whole, InMemory(torch.from_numpy(standardised(frontend, test[0]))), test[1])


def _joined(logits: list[np.ndarray | None]) -> torch.Tensor | None:
    known = [part for part in logits if part is not None]
    return torch.from_numpy(np.concatenate(known)) if known else None
