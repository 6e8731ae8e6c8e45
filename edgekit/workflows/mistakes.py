"""The mistakes that a model was surest of, each as a small picture that lies in the page itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.frontends.image import decode
from edgekit.workflows.page import INK, new_figure, svg_of

__all__ = ["AT_MOST", "Mistake", "picture_uri", "window_uri", "worst_mistakes"]

AT_MOST = 24

#: Longest side of a thumbnail in pixels.
_SIDE = 144

#: Up to so many channels are drawn as curves, more as an image of their levels.
_CURVES = 8


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes:
        name: CLASS/FILE of an image, the index of a window.
        picture: data URI.
        true: the right label.
        predicted: the label that was given.
        probability: of that label, None where the model gives raw scores.
        true_probability: of the right label, likewise.
    """

    name: str
    picture: str
    true: str
    predicted: str
    probability: float | None
    true_probability: float | None


def worst_mistakes(
    inputs: Sequence[Path] | np.ndarray,
    targets: np.ndarray,
    scores: np.ndarray,
    labels: Sequence[str],
    honest: bool,
) -> list[Mistake]:
    """The wrong answers with the highest score first, `AT_MOST` of them.

    Args:
        inputs: N image files, or (N, ...) windows.
        targets: (N,) class indices.
        scores: (N, C) probabilities or raw scores.
        labels: C names.
        honest: whether the scores are probabilities.

    Raises:
        ImageError: when an image can no longer be decoded.
    """
    predicted, best = scores.argmax(axis=1), scores.max(axis=1)
    wrong = np.flatnonzero(predicted != targets)
    order = wrong[np.argsort(-best[wrong], kind="stable")][:AT_MOST]
    return [
        Mistake(
            *_shown(inputs, int(i)),
            true=labels[targets[i]],
            predicted=labels[predicted[i]],
            probability=float(best[i]) if honest else None,
            true_probability=float(scores[i, targets[i]]) if honest else None,
        )
        for i in order
    ]


def picture_uri(path: Path) -> str:
    """A thumbnail as JPEG, upright, at most 144 pixels a side."""
    from PIL import Image

    image = Image.fromarray(decode(path))
    image.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=80)
    return _uri("image/jpeg", stream.getvalue())


def window_uri(window: np.ndarray) -> str:
    """Curves of a window of samples, one a channel, as SVG; levels as an image where there are more than eight channels.

    Args:
        window: (channels, samples), (samples,) or any other shape of finite numbers.
    """
    levels = np.squeeze(window)
    levels = levels.reshape(1, -1) if levels.ndim < 2 else levels.reshape(len(levels), -1)
    figure = new_figure(1.8, 1.2)
    axes = figure.subplots()
    if len(levels) <= _CURVES:
        for channel, stroke in zip(levels, ("-", "--", ":", "-.") * 2, strict=False):
            axes.plot(channel, stroke, color=INK, linewidth=0.7)
    else:
        axes.imshow(levels, cmap="Greys", aspect="auto")
    axes.tick_params(labelsize=5, length=2, width=0.4)
    return _uri("image/svg+xml", svg_of(figure).encode())


def _shown(inputs: Sequence[Path] | np.ndarray, index: int) -> tuple[str, str]:
    if isinstance(inputs, np.ndarray):
        return f"window {index}", window_uri(inputs[index])
    path = inputs[index]
    return f"{path.parent.name}/{path.name}", picture_uri(path)


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
