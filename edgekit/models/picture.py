"""What every network over pictures asks of its input."""

from __future__ import annotations

from edgekit.errors import ModelError

__all__ = ["check_picture"]


def check_picture(input_shape: tuple[int, ...], classes: int, stride: int, network: str) -> tuple[int, int, int]:
    """(channels, height, width), checked.

    Args:
        input_shape: of one picture, channels first.
        classes: number of logits.
        stride: of the whole network: how many pixels of the input one pixel of the last map stands for.
        network: its name, for the message.

    Raises:
        ModelError: on a shape that is not (C, H, W), a picture smaller than the stride, or fewer than one class.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ModelError(
            f"Expected features of shape (channels, height, width) for {network}, got {tuple(input_shape)}. "
            "Use a front end that gives maps, channels first (pixels with layout CHW, scattering)."
        )
    channels, height, width = input_shape
    if min(height, width) < stride:
        raise ModelError(
            f"Expected maps of at least {stride} x {stride} for {network}, which reduces them {stride}-fold, "
            f"got {height} x {width}. Use a larger size or another network."
        )
    if classes < 1:
        raise ModelError(f"Expected at least 1 class, got {classes}.")
    return channels, height, width
