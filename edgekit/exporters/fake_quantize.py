"""A network that computes in float32 what int8 files of it will: for fine-tuning, whose gradients pass the rounding.

Jacob et al. 2018 (arXiv:1712.05877), section 3: weights and activations are rounded to the grids that the files will have, in the
backward pass as if they were not (straight-through, Bengio et al. 2013, arXiv:1308.3432), but for values beyond a grid's ends,
whose gradient is zero. torch's own operators do both; its `torch.ao.quantization` is deprecated, and torchao's successor places
its quantizers for its own backends, not for these files.

What is rounded is what either of the two exporters rounds, so a network that survives this survives both:

- weights of convolutions and linear layers, symmetric, by the largest magnitude of each output channel (or of the tensor);
- the input and the result of every operator, by ranges that the exporters' own observers find on the same calibration sample;
  not what only moves values, and not what goes straight into a ReLU, with which the runtimes fuse it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as functional
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils import parametrize

from edgekit.calibration.observers import Observer, create_observer
from edgekit.calibration.samples import Samples
from edgekit.core.recipe import PerTensor, Recipe
from edgekit.errors import ModelError
from edgekit.exporters.base import simplify
from edgekit.exporters.passes.trace import finish, fresh_name, submodule

__all__ = ["FakeQuantized"]

_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

_MOVE_MODULES = (nn.Flatten, nn.Unflatten, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_MOVES = frozenset((
    torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze, operator.getitem,
    functional.max_pool1d, functional.max_pool2d, functional.max_pool3d,
    "flatten", "reshape", "view", "permute", "transpose", "squeeze", "unsqueeze", "contiguous", "expand",
))  # fmt: skip

_RECTIFIER_MODULES = (nn.ReLU, nn.ReLU6)
_RECTIFIERS = frozenset((torch.relu, functional.relu, functional.relu6, "relu"))

#: Below this a channel's weights are zeros: no scale is smaller.
_LEAST_SCALE = 1e-12


class FakeQuantized:
    """A simplified copy of a network, in eval mode, whose weights and activations can be rounded as in int8.

    Args:
        module: any network from one float32 tensor to one; it is not touched.
        sample: one input, (1, ...) float32.
        recipe: granularity of the weights, observer and symmetry of the activations.

    Attributes:
        graph: the copy; its convolutions, linear layers and norms can be trained, with the norms' statistics frozen. Batch norms
            that can be are folded, dropout is gone.

    Raises:
        ModelError: when the network's Python cannot be traced: nothing can be put between its operators then.
    """

    def __init__(self, module: nn.Module, sample: np.ndarray, recipe: Recipe) -> None:
        simple = simplify(module, sample)
        if not isinstance(simple, fx.GraphModule):
            raise ModelError(
                "Expected a network that torch.fx traces, to fine-tune it for int8: this one's path depends on values. "
                "Leave out --qat, or rewrite its forward."
            )
        self._recipe = recipe
        self._activations = _put_activations(simple, torch.from_numpy(sample))
        self._grids = _put_grids(simple, recipe)
        self.graph = simple
        for parameter in simple.parameters():
            parameter.requires_grad_(True)

    def calibrate(self, samples: Samples) -> None:
        """Find the activations' ranges anew, on the float network as it is, as the exporters find them.

        Args:
            samples: the calibration sample.

        Raises:
            InputError: on NaN in a tensor.
        """
        observers = [create_observer(self._recipe.observer, symmetric=self._recipe.symmetric) for _ in self._activations]
        with self._switched(observers, rounding=False), torch.no_grad():
            for sample in samples:
                self.graph(torch.from_numpy(np.ascontiguousarray(sample, np.float32))[None])
        for activation, observer in zip(self._activations, observers, strict=True):
            affine = observer.range().affine(self._recipe.symmetric)
            activation.scale.fill_(affine.scale)
            activation.zero_point.fill_(affine.zero_point)

    @contextmanager
    def in_float(self) -> Iterator[nn.Module]:
        """The network without any rounding, for a block."""
        with self._switched([None] * len(self._activations), rounding=False):
            yield self.graph

    def plain(self) -> nn.Module:
        """The network with the weights it has now and nothing that rounds; this object is of no use afterwards."""
        for layer in self._grids:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        for node in list(self.graph.graph.nodes):
            if isinstance(submodule(self.graph, node), _Activation):
                node.replace_all_uses_with(node.args[0])
                self.graph.graph.erase_node(node)
        for parameter in self.graph.parameters():
            parameter.requires_grad_(False)
        return finish(self.graph)

    @contextmanager
    def _switched(self, observers: list[Observer] | list[None], rounding: bool) -> Iterator[None]:
        for activation, observer in zip(self._activations, observers, strict=True):
            activation.observer, activation.rounds = observer, rounding
        for grid in self._grids.values():
            grid.rounds = rounding
        try:
            yield
        finally:
            for activation in self._activations:
                activation.observer, activation.rounds = None, True
            for grid in self._grids.values():
                grid.rounds = True


class _Activation(nn.Module):
    """Rounds a tensor to an int8 grid, or shows it to an observer."""

    scale: torch.Tensor
    zero_point: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()), persistent=False)
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.int32), persistent=False)
        self.observer: Observer | None = None
        self.rounds = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.observer is not None:
            self.observer.update(x.numpy())
        if not self.rounds:
            return x
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, -128, 127)


class _Grid(nn.Module):
    """Rounds weights to int8 -127 to 127, symmetric; one scale for each index along `axis`, or one in all."""

    def __init__(self, axis: int | None) -> None:
        super().__init__()
        self.axis = axis
        self.rounds = True

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        if not self.rounds:
            return weight
        magnitudes = weight.detach().abs()
        if self.axis is None:
            scale = (magnitudes.max() / 127).clamp(min=_LEAST_SCALE)
            return torch.fake_quantize_per_tensor_affine(weight, scale, torch.zeros((), dtype=torch.int32), -127, 127)
        others = [number for number in range(weight.ndim) if number != self.axis]
        scales = (magnitudes.amax(others) / 127).clamp(min=_LEAST_SCALE)
        zeros = torch.zeros(len(scales), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scales, zeros, self.axis, -127, 127)


def _put_grids(graph: fx.GraphModule, recipe: Recipe) -> dict[nn.Module, _Grid]:
    """Round the weights of every layer that has some; layer -> what does it."""
    found: dict[nn.Module, _Grid] = {}
    for layer in [layer for layer in graph.modules() if isinstance(layer, _WEIGHTED)]:
        found[layer] = _Grid(None if isinstance(recipe.granularity, PerTensor) else int(isinstance(layer, _TRANSPOSED)))
        parametrize.register_parametrization(layer, "weight", found[layer])
    return found


def _put_activations(graph: fx.GraphModule, sample: torch.Tensor) -> list[_Activation]:
    """Round the result of every operator that the files round; what does it."""
    with torch.no_grad():
        ShapeProp(graph).propagate(sample)
    found = []
    for node in [node for node in graph.graph.nodes if _is_rounded(graph, node)]:
        name = fresh_name(graph, "activation")
        found.append(_Activation())
        graph.add_module(name, found[-1])
        with graph.graph.inserting_after(node):
            after = graph.graph.call_module(name, (node,))
        node.replace_all_uses_with(after, delete_user_cb=lambda user, after=after: user is not after)
    graph.graph.lint()
    graph.recompile()
    return found


def _is_rounded(graph: fx.GraphModule, node: fx.Node) -> bool:
    meta = node.meta.get("tensor_meta")
    if node.op in ("output", "get_attr") or getattr(meta, "dtype", None) != torch.float32:
        return False
    if isinstance(submodule(graph, node), _MOVE_MODULES) or node.target in _MOVES:
        return False
    users = list(node.users)
    return not (len(users) == 1 and _is_rectifier(graph, users[0]) and node.op != "placeholder")


def _is_rectifier(graph: fx.GraphModule, node: fx.Node) -> bool:
    return isinstance(submodule(graph, node), _RECTIFIER_MODULES) or node.target in _RECTIFIERS
