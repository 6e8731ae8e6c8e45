"""Which operators of a network a format does not have: all of them at once, where they stand, and what to take instead.

Asked only after a conversion failed, since it traces the network again. Both converters stop at the first operator they do not
know; their own tables are read here instead. torch's is private and said to be approximate, which is why nothing is refused by
these lists alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.core.recipe import Format
from edgekit.errors import ModelError
from edgekit.exporters.data_flow import user_line
from edgekit.exporters.passes.trace import plain_attention, prepare
from edgekit.exporters.quiet import quiet
from edgekit.exporters.targets import Target

__all__ = ["Missing", "missing_operators", "refusal"]

#: Operator by pattern -> what to write in its place.
_INSTEAD = (
    (r"fft|stft", "compute the spectrum before the network, or as products with fixed cosines and sines"),
    (r"complex|view_as_real", "keep real and imaginary parts as two tensors"),
    (r"sort|topk|median|kthvalue|mode|quantile", "take maxima and means (amax, max_pool); sort behind the network"),
    (r"grid|affine", "nn.Upsample or a strided convolution; warp the image before the network"),
    (r"adaptive", "nn.AvgPool2d or nn.MaxPool2d with a fixed kernel; adaptive sizes have to divide the input's"),
    (r"linalg|inverse|svd|cholesky|\bqr\b|eig", "decompose constant matrices beforehand; or an unrolled iteration of products"),
    (r"bucketize|searchsorted|histc", "a sum of comparisons with fixed edges"),
    (r"rand|bernoulli|normal_|multinomial", "take the randomness out, or make it an input's part"),
    (r"erf|gamma|bessel|\bi0|\bi1|digamma|zeta", "tanh, GELU, or a polynomial fitted to its range"),
    (r"unpool|scatter|put", "nn.Upsample, nn.ConvTranspose2d, or a product with a fixed matrix"),
)
_OTHERWISE = "write it with convolutions, products, sums, maxima and elementwise functions"

#: Operators that torch's table lacks and its exporter knows all the same.
_CONVERTED = frozenset(("aten::linalg_det",))

#: Operators that litert-torch writes into the file as StableHLO has them, which no runtime opens.
_LEFT_OVER = frozenset(("sort", "topk"))


@dataclass(frozen=True)
class Missing:
    """One operator that a format does not have.

    Attributes:
        format: of the file.
        operator: torch's name of it.
        module: path of the module that calls it; empty: the network's own forward.
        line: of the user's code, None where it is not known.
    """

    format: Format
    operator: str
    module: str
    line: str | None


def missing_operators(module: nn.Module, sample: np.ndarray, target: Target) -> tuple[Missing, ...]:
    """Operators of the network that the formats of a target do not have, in the order of the network.

    Args:
        module: any network.
        sample: one input, (1, ...) float32.
        target: its formats and opset.
    """
    network, example = prepare(module), torch.from_numpy(sample)
    found: list[Missing] = []
    for format_ in dict.fromkeys(format_ for format_, _ in target.artifacts):
        with quiet():
            try:
                listed = _onnx(network, example, target.opset) if format_ == "onnx" else _tflite(network, example)
                found += list(listed)
            # Both tools raise what they like where a network cannot even be traced; the conversion's own error says why.
            except Exception:  # noqa: BLE001
                continue
    return tuple(dict.fromkeys(found))


def refusal(module: nn.Module, sample: np.ndarray, target: Target, errors: Mapping[Format, ModelError]) -> ModelError:
    """What to tell of conversions that failed: every operator that is missing, and every other reason.

    Args:
        module: that was converted.
        sample: one input, (1, ...) float32.
        target: its formats.
        errors: of the formats that failed.
    """
    missing = [one for one in missing_operators(module, sample, target) if one.format in errors]
    listed = {one.format for one in missing}
    others = [str(error) for format_, error in errors.items() if format_ not in listed]
    if not missing:
        return ModelError("\n".join(others))
    names = " and ".join("ONNX" if format_ == "onnx" else "TFLite" for format_ in dict.fromkeys(one.format for one in missing))
    lines = [f"Expected a network whose operators {names} can hold, these it cannot:", *_lines(missing, target)]
    return ModelError("\n".join([*lines, *others]))


def _lines(missing: Sequence[Missing], target: Target) -> Iterator[str]:
    formats: dict[tuple[str, str, str | None], list[str]] = {}
    for one in missing:
        name = f"ONNX opset {target.opset}" if one.format == "onnx" else "TFLite"
        formats.setdefault((one.operator, one.module, one.line), []).append(name)
    for (operator, module, line), names in formats.items():
        where = f"in {module}" if module else "in the network's forward"
        place = f"{where}, {line}" if line else where
        yield f"  {operator} {place}: not in {' or '.join(names)}; instead: {_instead(operator)}."


def _instead(operator: str) -> str:
    return next((advice for pattern, advice in _INSTEAD if re.search(pattern, operator)), _OTHERWISE)


def _onnx(network: nn.Module, example: torch.Tensor, opset: int) -> Iterable[Missing]:
    from torch.onnx._internal.torchscript_exporter import registration

    with torch.no_grad(), plain_attention():
        traced: Any = torch.jit.trace(network, (example,), check_trace=False)  # type: ignore[no-untyped-call]
    for node in traced.inlined_graph.nodes():
        kind = node.kind()
        if not kind.startswith("aten::") or kind in _CONVERTED or registration.registry.is_registered_op(kind, opset):
            continue
        frames = [(file, int(line)) for file, line in re.findall(r"(\S+\.py)\((\d+)\)", node.sourceRange())]
        scope = node.scopeName().rpartition("/")[-1].removeprefix("__module").removeprefix(".")
        yield Missing("onnx", kind.partition("::")[-1].strip("_"), scope, user_line(iter(frames)))


def _tflite(network: nn.Module, example: torch.Tensor) -> Iterable[Missing]:
    from litert_torch import fx_infra
    from litert_torch.backend import lowerings

    program = torch.export.export(network, (example,), strict=False)
    for step in (fx_infra.decomp.pre_convert_decomp(), fx_infra.decomp.pre_lower_decomp()):
        program = fx_infra.safe_run_decompositions(program, step, can_skip=False)
    for node in program.graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        name = node.target.overloadpacket.__name__.strip("_")
        if lowerings.lookup(node.target) is not None and name not in _LEFT_OVER:
            continue
        stack = list(node.meta.get("nn_module_stack", {}).values())
        trace = re.findall(r'File "([^"]+)", line (\d+)', node.meta.get("stack_trace") or "")
        frames = ((file, int(line)) for file, line in reversed(trace))
        yield Missing("tflite", name, stack[-1][0] if stack else "", user_line(frames))
