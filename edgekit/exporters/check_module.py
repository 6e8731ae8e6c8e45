"""Can this module become a file of one input and one output at all? Asked before anything is converted.

Everything that is wrong is said at once where it can be known at once, with the module's path or the line of its code.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy

from edgekit.errors import InputError, ModelError
from edgekit.exporters.data_flow import data_reads, user_line
from edgekit.exporters.passes.trace import prepare

__all__ = ["check_module", "in_training_mode"]


def check_module(module: nn.Module, features: np.ndarray) -> nn.Module:
    """A copy of the module on the CPU, in eval mode, that maps (n, ...) float32 to (n, classes).

    Args:
        module: any network; not touched.
        features: (n, ...) float32 inputs, n at least 1, of which two are run.

    Raises:
        ModelError: naming what keeps it from becoming a file: modules compiled already, parameters that are not dense float32,
            several inputs, an output that is no (n, classes) tensor, control flow or shapes that depend on the data.
        InputError: when the output is a tensor of another shape.
    """
    if not isinstance(module, nn.Module):
        raise ModelError(f"Expected a torch.nn.Module, got {type(module).__name__}. Pass the network itself.")
    _check_written_in_python(module)
    _check_dense(module)
    _check_dtypes(module)
    _check_inputs(module)
    clone = _copy(module)
    sample = torch.from_numpy(np.ascontiguousarray(features[:2]))
    _check_output(_run(clone, sample), sample)
    _check_data_flow(clone, sample[:1])
    return clone


def in_training_mode(module: nn.Module) -> tuple[str, ...]:
    """Every layer that is in training mode and computes something else there, as "stem.1 (BatchNorm2d)"."""
    kinds = (_BatchNorm, _DropoutNd)
    return tuple(_named(name, child) for name, child in module.named_modules() if child.training and isinstance(child, kinds))


def _check_written_in_python(module: nn.Module) -> None:
    """Neither a copy nor a graph can be made of what torch has compiled."""
    found = [
        _named(name, child)
        for name, child in module.named_modules(remove_duplicate=False)
        if isinstance(child, torch.jit.ScriptModule) or "_orig_mod" in child._modules
    ]
    if found:
        raise ModelError(
            f"Expected modules written in Python, got compiled ones: {_listed(found)}. Pass the network as it was before "
            "torch.jit.script, torch.jit.trace or torch.compile (which keeps it as _orig_mod); of a TorchScript file build it "
            "from its class and load the weights."
        )


def _check_dense(module: nn.Module) -> None:
    """Every weight is a plain array of numbers that are there."""
    tensors = list(_tensors(module))
    empty = [f"{name} ({kind})" for name, tensor, kind in tensors if is_lazy(tensor) or tensor.is_meta]
    if empty:
        raise ModelError(
            f"Expected parameters and buffers with values, got none yet in {_listed(empty)}. Run a lazy module once on an input, "
            "load the weights of one on the meta device, and train."
        )
    sparse = [f"{name} ({kind})" for name, tensor, kind in tensors if tensor.layout != torch.strided]
    if sparse:
        raise ModelError(
            f"Expected dense parameters and buffers, got sparse ones: {_listed(sparse)}. Files hold no others: call .to_dense()."
        )


def _check_dtypes(module: nn.Module) -> None:
    found = [
        f"{name} ({str(tensor.dtype).removeprefix('torch.')} {kind})"
        for name, tensor, kind in _tensors(module)
        if (tensor.is_floating_point() or tensor.is_complex()) and tensor.dtype != torch.float32
    ]
    if not found:
        return
    if any("complex" in name for name in found):
        advice = "Neither ONNX nor TFLite computes complex numbers: keep real and imaginary parts as two tensors."
    else:
        advice = "Call module.float() on it, and look whether it still computes what it should."
    raise ModelError(f"Expected parameters and buffers of float32, got {_listed(found)}. {advice}")


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor, str]]:
    parameters = ((name, tensor, "parameter") for name, tensor in module.named_parameters())
    return chain(parameters, ((name, tensor, "buffer") for name, tensor in module.named_buffers()))


def _check_inputs(module: nn.Module) -> None:
    parameters = inspect.signature(module.forward).parameters.values()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    asked = [p.name for p in parameters if p.default is p.empty and p.kind in (*plain, inspect.Parameter.KEYWORD_ONLY)]
    takes_any = any(p.kind is p.VAR_POSITIONAL or p.kind in plain for p in parameters)
    if len(asked) > 1 or not takes_any:
        raise ModelError(
            f"Expected a network of one input, got forward({', '.join(asked)}). Wrap it in a module whose forward takes one "
            "tensor and makes or slices the others out of it."
        )


def _copy(module: nn.Module) -> nn.Module:
    try:
        return prepare(module)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ModelError(
            f"Expected a module that can be copied and put into eval mode: {_first_line(error)}. Run it once under "
            "torch.no_grad() (weight norm keeps its last result), or load its state_dict into a new one; pass none that "
            "torch.export made."
        ) from error


def _run(module: nn.Module, sample: torch.Tensor) -> torch.Tensor:
    """The module's result, whatever its type, with its errors told in a line."""
    with torch.no_grad():
        try:
            return module(sample)
        # The user's own code: any error may come out of it, and is told with its line.
        except Exception as error:
            frames = ((frame.filename, frame.lineno or 0) for frame in reversed(traceback.extract_tb(sys.exc_info()[2])))
            line = user_line(frames)
            shape = ", ".join(map(str, sample.shape[1:]))
            raise ModelError(
                f"Expected a network that takes (n, {shape}) float32, it refuses{f' in {line}' if line else ''}: "
                f"{type(error).__name__}: {_first_line(error)}. Pass inputs as it was trained on (on the command line: "
                """--frontend and --frontend-config; photographs, channels first: '{"layout": "CHW"}')."""
            ) from error


def _check_output(output: object, sample: torch.Tensor) -> None:
    if not isinstance(output, torch.Tensor):
        raise ModelError(
            f"Expected a network that gives one tensor, got {_described(output)}. "
            "Wrap it in a module whose forward returns the (n, classes) logits alone."
        )
    if output.ndim != 2 or len(output) != len(sample):
        raise InputError(
            f"Expected a module that maps {tuple(sample.shape)} to (n, classes) logits, got {tuple(output.shape)}. "
            "Wrap it so that it does."
        )
    if output.shape[1] < 2:
        raise InputError(
            f"Expected logits of at least 2 classes, got {output.shape[1]}: its label is always the same, so nothing would tell "
            "a good file from a bad one. Of a yes-or-no network return torch.cat([torch.zeros_like(x), x], 1)."
        )
    if output.dtype != torch.float32:
        raise ModelError(
            f"Expected float32 logits, got {str(output.dtype).removeprefix('torch.')}. Is there a tensor of that dtype in its "
            "forward, outside of the parameters and buffers? Make it float32, or a buffer."
        )


def _described(output: object) -> str:
    if isinstance(output, dict):
        return f"a {type(output).__name__} of {', '.join(map(str, output))}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {len(output)}"
    return type(output).__name__


def _check_data_flow(module: nn.Module, sample: torch.Tensor) -> None:
    try:
        reads = data_reads(module, sample)
    except NotImplementedError as error:
        raise ModelError(
            f"Expected a network that computes with plain tensors: {_first_line(error)}. Write it without sparse ones and "
            "without operators that take functions."
        ) from error
    if not reads:
        return
    values = _listed([read.line for read in reads if not read.shape])
    shapes = _listed([read.line for read in reads if read.shape])
    told = [f"Python reads values in {values}"] if values else []
    told += [f"shapes are made of values in {shapes}"] if shapes else []
    raise ModelError(
        f"Expected control flow and shapes that do not depend on the data, since a file holds one path of fixed shapes: "
        f"{'; '.join(told)}. Compute all paths and choose by torch.where or a product with a mask; keep every shape fixed."
    )


def _named(name: str, child: nn.Module) -> str:
    return f"{name or 'the module itself'} ({type(child).__name__})"


def _listed(names: Iterable[str], most: int = 10) -> str:
    every = list(names)
    more = f", and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")[:200]
