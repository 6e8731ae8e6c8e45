"""What a conversion gives, and what the converters share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from edgekit.core.spec import Affine
from edgekit.errors import InputError
from edgekit.exporters.passes.batch_norm_to_depthwise import batch_norm_to_depthwise
from edgekit.exporters.passes.conv1d_to_conv2d import conv1d_to_conv2d
from edgekit.exporters.passes.drop_dropout import drop_dropout
from edgekit.exporters.passes.fold_batch_norm import fold_batch_norm
from edgekit.exporters.passes.fold_constants import fold_constants
from edgekit.exporters.passes.fold_norm_into_sum import fold_norm_into_sum
from edgekit.exporters.passes.merge_linear import merge_linear
from edgekit.exporters.passes.merge_parallel import merge_parallel
from edgekit.exporters.passes.rewrite_mish import rewrite_mish
from edgekit.exporters.passes.softmax_last import softmax_last
from edgekit.exporters.passes.spell_modules import spell_modules
from edgekit.exporters.passes.spell_transposes import spell_transposes
from edgekit.exporters.passes.trace import prepare, trusted
from edgekit.exporters.passes.trim_dead_taps import trim_dead_taps

__all__ = [
    "INPUT_NAME",
    "OUTPUT_NAME",
    "Converted",
    "check_calibration",
    "simplify",
    "simplify_for_onnx",
    "simplify_for_tensorrt",
    "simplify_for_tflite",
]

#: Names of the one input and the one output in every file that edgekit makes.
INPUT_NAME = "features"
OUTPUT_NAME = "logits"


@dataclass(frozen=True)
class Converted:
    """One model file in memory, and how its integer edges map to real numbers.

    Attributes:
        model: the file's bytes.
        input: affine of "features", None where it is float32.
        output: affine of "logits", None where it is float32.
    """

    model: bytes
    input: Affine | None = None
    output: Affine | None = None


def simplify(module: nn.Module, sample: np.ndarray) -> nn.Module:
    """What all formats share: constants evaluated, dropout gone, batch norms folded, layers merged. The module is untouched.

    Args:
        module: any network from one float32 tensor to one.
        sample: one input, (1, ...) float32.
    """
    example = torch.from_numpy(sample)
    plain = drop_dropout(fold_constants(spell_transposes(trusted(prepare(module), example))))
    folded = fold_norm_into_sum(fold_batch_norm(plain, example), example)
    return merge_linear(merge_parallel(trim_dead_taps(folded, example), example))


def simplify_for_onnx(module: nn.Module, sample: np.ndarray) -> nn.Module:
    """A copy in eval mode, simplified and with Mish spelled out. The module itself is untouched.

    Constant expressions are evaluated, dropout is gone, batch norms are folded, kernels lose the taps that only read padding,
    parallel and successive linear layers are one.

    Args:
        module: any network from one float32 tensor to one.
        sample: one input, (1, ...) float32.
    """
    return rewrite_mish(spell_modules(simplify(module, sample)), "tanh")


def simplify_for_tensorrt(module: nn.Module, sample: np.ndarray) -> nn.Module:
    """As `simplify_for_onnx`, and 1-D convolutions as 2-D ones: TensorRT has no others with quantized weights."""
    example = torch.from_numpy(sample)
    return rewrite_mish(spell_modules(conv1d_to_conv2d(simplify(module, sample), example)), "tanh")


def simplify_for_tflite(module: nn.Module, sample: np.ndarray) -> nn.Module:
    """As `simplify_for_onnx`, and 1-D convolutions written channels-last, softmax over the last axis, no batch norm left."""
    example = torch.from_numpy(sample)
    picture = conv1d_to_conv2d(simplify(module, sample), example)
    return rewrite_mish(batch_norm_to_depthwise(softmax_last(picture, example)), "division")


def check_calibration(calibration: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The calibration sample as contiguous float32.

    Args:
        calibration: (n, *shape[1:]) features, n at least 1.
        shape: (1, ...) of the network's input.

    Raises:
        InputError: on another shape, no sample at all, or values that are not finite.
    """
    array = np.ascontiguousarray(calibration, np.float32)
    if array.ndim != len(shape) or array.shape[1:] != tuple(shape[1:]) or len(array) == 0:
        expected = ", ".join(map(str, shape[1:]))
        raise InputError(
            f"Expected calibration features of shape (n, {expected}), n >= 1, got {array.shape}. Pass front-end output."
        )
    if not np.isfinite(array).all():
        raise InputError("Expected finite calibration features, got NaN or infinity. Look at the front end and the images.")
    return array
