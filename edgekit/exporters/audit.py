"""Does a file hold the numbers of its float graph, quantized as its recipe says?

Parity on images finds what changes labels. This finds what does not, or not on these images and this machine: a scale that
is off, a layer that stayed in float, a constant that was lost, one scale where there should be one a channel. Asked of the
finished bytes, so that every step before them is covered.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgekit.calibration.ranges import Ranges
from edgekit.core.manifest import Artifact
from edgekit.core.recipe import Format, PerTensor, Recipe
from edgekit.errors import GateError, ModelError
from edgekit.exporters.numbers import Constant, Numbers, numbers_of
from edgekit.inspection.describe import inspect_model
from edgekit.runtimes.base import Runtime

__all__ = ["check_described", "check_numbers", "check_repeats"]

#: Operators that tflite-runtime 2.14 lacks in int8.
_NOT_IN_INT8 = ("DIV", "SQRT")

#: Products that onnxruntime has no integer kernel for: they stay float in an int8 file.
_WITHOUT_KERNEL = {"ConvTranspose"}

#: Scales that formats and quantizers fix, whatever was observed: softmax, logistic, tanh; (0, 1) in onnxruntime.
_FIXED = ((1 / 256, -128), (1 / 128, 0), (1 / 255, -128))

#: Where the output channels of weights lie, if not first.
_CHANNELS = {"DEPTHWISE_CONV_2D": -1, "MatMul": -1, "ConvTranspose": 1}

_ADVICE = "Nothing was written. Export fp32, and report this with the network."


def check_described(runtime: Runtime, artifact: Artifact, card_text: str | None) -> None:
    """Pass silently when the opened file takes, gives and says what its manifest entry says.

    Args:
        runtime: the file, opened.
        artifact: its entry.
        card_text: what was embedded.

    Raises:
        GateError: naming what differs.
    """
    for wanted, found in ((artifact.input, runtime.inputs), (artifact.output, runtime.outputs)):
        said = [(spec.name, spec.dtype, spec.shape, spec.affine) for spec in found]
        if said != [(wanted.name, wanted.dtype, wanted.shape, wanted.affine)]:
            raise GateError(
                f"Expected {artifact.file} on {runtime.name} to have {wanted.name!r} alone, {wanted.dtype} {wanted.shape} with "
                f"{wanted.affine}, got {said}. {_ADVICE}"
            )
    if card_text is not None and runtime.metadata != card_text:
        raise GateError(f"Expected {runtime.name} to read the card of {artifact.file} back, it reads another. {_ADVICE}")


def check_repeats(runtime: Runtime, file: str, features: np.ndarray) -> None:
    """Pass silently when the opened file runs, and gives the same for the same input, whatever came between.

    Args:
        runtime: the file, opened.
        file: its name.
        features: (n, ...) float32, n at least 1.

    Raises:
        GateError: when it does not.
        ModelError: when the runtime gives up.
    """
    inputs = [{runtime.inputs[0].name: features[row : row + 1]} for row in (0, -1 % len(features), 0)]
    try:
        first, _, second = (runtime.run(given)[runtime.outputs[0].name] for given in inputs)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"Expected {file} to run on {runtime.name}: {reason}. {_ADVICE}") from error
    if not np.array_equal(first, second, equal_nan=True):
        raise GateError(f"Expected {file} on {runtime.name} to give the same for the same input, it does not. {_ADVICE}")


def check_numbers(
    model: bytes, format_: Format, recipe: Recipe, float_graph: bytes, ranges: Ranges | None = None, tensorrt: bool = False
) -> None:
    """Pass silently when a file's constants are its float graph's, rounded, and its scales the recipe's.

    Args:
        model: the finished file.
        format_: of both.
        recipe: by which it was made.
        float_graph: that it was made from.
        ranges: of that graph's tensors, for int8.
        tensorrt: by TensorRT's rules, where products keep float results.

    Raises:
        GateError: naming the first thing that is wrong.
    """
    made, given = numbers_of(format_, model), numbers_of(format_, float_graph)
    _check_constants(made.constants, given.constants, recipe)
    for constant in made.constants:
        _check_granularity(constant, recipe)
    if recipe.precision != "int8":
        return
    _check_results(made)
    if ranges is not None and not recipe.float_layers:
        known = next(graph.tensors for graph in ranges.graphs if graph.format == format_)
        bounds = [found.centred() if recipe.symmetric or tensorrt else found for found in known.values()]
        _check_activations(made, [(found.low[0], found.high[0]) for found in bounds])
    share = inspect_model(model, "the file").int8
    if share is not None and not recipe.float_layers and not tensorrt and share["float_products"].keys() - _WITHOUT_KERNEL:
        raise GateError(f"Expected every product of an int8 file to be int8, got {share['summary']}. {_ADVICE}")


def _check_constants(made: Iterable[Constant], given: Iterable[Constant], recipe: Recipe) -> None:
    """Each is the rounding of one in the float graph, and none of those is missing."""
    sources, results = _by_shape(given), _by_shape(made)
    for shape, constants in results.items():
        for constant in constants:
            if not any(_matches(constant, source) for source in sources.get(shape, ())):
                raise GateError(
                    f"Expected the constants of the {recipe.precision} file to be those of its float graph, rounded; one of "
                    f"shape {shape} ({constant.stored.dtype}) is none of them. {_ADVICE}"
                )
    for shape, constants in sources.items():
        for source in constants:
            if not any(_matches(constant, source) for constant in results.get(shape, ())):
                raise GateError(
                    f"Expected every constant of the float graph in the {recipe.precision} file, one of shape {shape} is not "
                    f"there. {_ADVICE}"
                )


def _by_shape(constants: Iterable[Constant]) -> dict[tuple[int, ...], list[Constant]]:
    found: dict[tuple[int, ...], list[Constant]] = {}
    for constant in constants:
        found.setdefault(constant.stored.shape, []).append(constant)
    return found


def _matches(constant: Constant, source: Constant) -> bool:
    return _is_rounding(constant.head, source.head) and _is_rounding(constant, source)


def _is_rounding(constant: Constant, source: Constant) -> bool:
    """Within half a step of the source, or beyond the end of the integers on the same side; floats within their precision."""
    wanted, values = source.values, constant.values
    if constant.scale is None:
        # Half precision: 11 bits, and steps of 2 ** -24 near zero.
        relative, absolute = (2.0**-11, 2.0**-24) if constant.stored.dtype == np.float16 else (0.0, 0.0)
        return bool((np.abs(values - wanted) <= relative * np.abs(wanted) + absolute).all())
    if constant.zero_point is None or (constant.zero_point.any() and _is_factor(constant)):
        return False
    # Scales and products of scales are float32.
    near = np.abs(values - wanted) <= 0.501 * constant.scale + 1e-6 * np.abs(wanted)
    ends = np.iinfo(constant.stored.dtype)
    over = (constant.stored >= ends.max) & (wanted >= values)
    under = (constant.stored <= ends.min + 1) & (wanted <= values)
    return bool((near | over | under).all())


def _is_factor(constant: Constant) -> bool:
    """Weights and biases, which kernels take as symmetric."""
    return constant.product is not None or constant.stored.dtype == np.int32


def _check_granularity(constant: Constant, recipe: Recipe) -> None:
    if constant.product is None or constant.scale is None or constant.stored.dtype != np.int8:
        return
    whole = isinstance(recipe.granularity, PerTensor)
    if recipe.precision == "int8-dynamic" and constant.product == "FULLY_CONNECTED":
        whole = True  # tflite-runtime 2.14 runs others and gives garbage
    scales, shape = constant.scale.size, constant.stored.shape
    channels = min(shape) if constant.product == "Gemm" else shape[_CHANNELS.get(constant.product, 0)]
    if scales > 1 if whole else scales == 1 < channels:
        wanted = "one scale a tensor" if whole else "one scale a channel"
        raise GateError(f"Expected {wanted} for the weights of {constant.product}, got {scales}. {_ADVICE}")


def _check_results(made: Numbers) -> None:
    if foreign := sorted({kind for kind, dtype in made.results if kind in _NOT_IN_INT8 and dtype == "int8"}):
        raise GateError(f"Expected no int8 {', '.join(foreign)}, which tflite-runtime 2.14 lacks. {_ADVICE}")


def _check_activations(made: Numbers, bounds: list[tuple[float, float]]) -> None:
    """Every scale is that of an observed range."""
    steps = np.array([_affine(low, high) for low, high in bounds] + list(_FIXED))
    for scale, zero_point, dtype in made.activations:
        if dtype == "uint8":
            raise GateError(f"Expected signed activations in an int8 file, got uint8. {_ADVICE}")
        if dtype != "int8":
            continue
        close = (np.abs(steps[:, 0] / scale - 1) < 1e-3) & (np.abs(steps[:, 1] - zero_point) <= 1)
        if not close.any():
            raise GateError(
                f"Expected scales of the observed ranges, got a tensor of scale {scale:.6g} and zero point {zero_point}, which "
                f"is none of them. {_ADVICE}"
            )


def _affine(low: float, high: float) -> tuple[float, float]:
    """Scale and zero point that cover a range and 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, 1e-9) / 255
    return scale, -128 - low / scale
