"""The curves of a run: one row an epoch as CSV, and a picture of them as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import astuple, fields

from edgekit.core.optional import require
from edgekit.training.fit import Epoch

__all__ = ["curves_csv", "curves_svg"]


def curves_csv(history: Sequence[Epoch]) -> bytes:
    """A header and one row an epoch, numbers in full precision, UTF-8."""
    lines = [",".join(field.name for field in fields(Epoch))]
    lines += [",".join(repr(value) for value in astuple(row)) for row in history]
    return ("\n".join(lines) + "\n").encode()


def curves_svg(history: Sequence[Epoch], best: Epoch) -> bytes:
    """Losses on the left, validation accuracy on the right, the kept epoch marked.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure = require("matplotlib.figure", "train").Figure(figsize=(9, 3.5), layout="constrained")
    epochs = [row.epoch for row in history]
    losses, accuracy = figure.subplots(1, 2)
    losses.plot(epochs, [row.train_loss for row in history], marker=".", label="training")
    losses.plot(epochs, [row.validation_loss for row in history], marker=".", label="validation")
    losses.set(xlabel="epoch", ylabel="loss (nats)", ylim=(0, None))
    accuracy.plot(epochs, [row.validation_accuracy for row in history], marker=".", color="tab:green")
    accuracy.set(xlabel="epoch", ylabel="validation accuracy", ylim=(None, 1))
    for axes in (losses, accuracy):
        axes.axvline(best.epoch, color="gray", linestyle=":", label="kept epoch")
        axes.legend()
        axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    with require("matplotlib", "train").rc_context({"svg.hashsalt": "edgekit"}):  # the same ids every time
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
