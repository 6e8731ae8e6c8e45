"""Learning from a teacher's logits.

Hinton, Vinyals & Dean 2015 (arXiv:1503.02531), section 2, as TSAK uses it: alpha CE(y, s) + (1 - alpha) T^2 KL(t / T, s / T). The
factor T^2, which the TSAK paper does not print, keeps both gradients of one size whatever the temperature.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn import functional

from edgekit.errors import UserError
from edgekit.frontends.base import FrontEnd
from edgekit.models.checkpoint import Run, load_run

__all__ = ["distillation", "load_teacher"]


def distillation(logits: torch.Tensor, soft: torch.Tensor, temperature: float) -> torch.Tensor:
    """T^2 KL(soft, softmax(logits / T)), mean over the examples.

    Args:
        logits: (N, C) of the student.
        soft: (N, C) probabilities softmax(teacher / T).
        temperature: T.
    """
    return functional.kl_div(functional.log_softmax(logits / temperature, dim=1), soft, reduction="batchmean") * temperature**2


def load_teacher(path: Path, labels: Sequence[str], frontend: FrontEnd) -> Run:
    """A finished run as a teacher.

    Args:
        path: its folder.
        labels: of the student, which the teacher must have in the same order.
        frontend: of the student. Each sees the same images, or windows, through its own.

    Raises:
        ModelError: when the folder is no finished run.
        UserError: when its classes are others, or it takes images where the student takes windows, or windows for images.
    """
    run = load_run(path)
    if tuple(run.config.labels) != tuple(labels):
        theirs, ours = ", ".join(run.config.labels), ", ".join(labels)
        raise UserError(f"Expected a teacher with the classes {ours}, {path} has {theirs}. Train one on the same data.")
    theirs, ours = _inputs(run.frontend), _inputs(frontend)
    if theirs != ours:
        raise UserError(f"Expected a teacher of {ours}, {path} takes {theirs}. Train one on the same data.")
    return run


def _inputs(frontend: FrontEnd) -> str:
    """What a front end is given, in words."""
    return "windows" if frontend.size is None else "images"
