"""Batch norms that are there while a network is trained and gone when it is kept.

Very small networks underfit: their steps are too small where a layer's outputs are uneven. A batch norm after each convolution
evens them out, and once its statistics are fixed it is a factor and an offset, which belong to the convolution (Ioffe and Szegedy
2015, arXiv:1502.03167; folded as in Jacob et al. 2018, arXiv:1712.05877, section 3.2). The network that is kept is the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["folded", "with_batch_norms"]


class _Normed(nn.Module):
    """A convolution and its batch norm."""

    def __init__(self, convolution: nn.Conv1d | nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        norm = nn.BatchNorm1d if isinstance(convolution, nn.Conv1d) else nn.BatchNorm2d
        self.norm = norm(convolution.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution's outputs, evened out."""
        y: Tensor = self.norm(self.convolution(x))
        return y

    def folded(self) -> nn.Module:
        """One convolution that does what both do in eval mode."""
        return fuse_conv_bn_eval(self.convolution, self.norm)


def with_batch_norms(module: nn.Module) -> nn.Module:
    """A copy with a batch norm after every convolution that has a bias; one without is taken to have its norm already.

    Dropout in one sequence with such convolutions goes: it changes the variance that the norms learn (Li et al. 2018,
    arXiv:1801.05134).
    """
    module = deepcopy(module)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv1d | nn.Conv2d) and child.bias is not None:
                setattr(parent, name, _Normed(child))
        if isinstance(parent, nn.Sequential) and any(isinstance(child, _Normed) for child in parent):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.Dropout):
                    setattr(parent, name, nn.Identity())
    return module


def folded(module: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the network that `with_batch_norms` was given, from those of what it returned.

    Args:
        module: as `with_batch_norms` returned it; left as it is.
        weights: of its state dict.

    Returns:
        A state dict whose network computes in eval mode what `module` with `weights` does, to rounding.
    """
    module = deepcopy(module).eval()
    module.load_state_dict(weights)
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _Normed):
                setattr(parent, name, child.folded())
    return {name: value.detach() for name, value in module.state_dict().items()}
