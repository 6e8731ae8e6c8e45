"""Networks of other people, written from their papers at widths that a test can train; none is part of edgekit.

Each takes pictures (n, 3, 24, 24), but M5 and the dilated network, which take waves (n, 1, 512), and gives (n, 3) logits. They
are written as their authors and PyTorch's users write them: nothing here is meant to please an exporter.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as functional
from torch import nn

__all__ = ["ARCHITECTURES", "CLASSES", "PICTURE", "WAVE"]

CLASSES = 3
PICTURE, WAVE = (3, 24, 24), (1, 512)


class MobileNetV1(nn.Module):
    """Howard et al. 2017, arXiv:1704.04861, table 1: depthwise separable convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        pairs = ((8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1))
        self.blocks = nn.Sequential(*(self._block(*pair) for pair in pairs))
        self.head = nn.Linear(64, CLASSES)

    @staticmethod
    def _block(width: int, out: int, stride: int) -> nn.Module:
        return nn.Sequential(
            *(nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)),
            *(nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.avg_pool2d(self.blocks(self.stem(x)), 3)
        return self.head(x.view(-1, 64))


class _SqueezeExcitation(nn.Module):
    """Hu et al. 2018, arXiv:1709.01507, with MobileNetV3's hard sigmoid."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(width, width // 4, 1), nn.Conv2d(width // 4, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = functional.adaptive_avg_pool2d(x, 1)
        return x * functional.hardsigmoid(self.expand(functional.relu(self.reduce(weights))))


class _Bottleneck(nn.Module):
    """MobileNetV3's block: expansion, depthwise, squeeze and excitation, projection."""

    def __init__(self, width: int, expanded: int, out: int, kernel: int, stride: int, se: bool, act: type[nn.Module]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(width, expanded, 1, bias=False), nn.BatchNorm2d(expanded), act()]
        depthwise = nn.Conv2d(expanded, expanded, kernel, stride, kernel // 2, groups=expanded, bias=False)
        layers += [depthwise, nn.BatchNorm2d(expanded), _SqueezeExcitation(expanded) if se else nn.Identity(), act()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(expanded, out, 1, bias=False), nn.BatchNorm2d(out))
        self.residual = stride == 1 and width == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layers(x)
        return x + y if self.residual else y


class MobileNetV3(nn.Module):
    """Howard et al. 2019, arXiv:1905.02244, figure 4 and table 2: squeeze and excitation, hard swish."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish()),
            _Bottleneck(8, 16, 8, 3, 1, True, nn.ReLU),
            _Bottleneck(8, 24, 16, 3, 2, False, nn.ReLU),
            _Bottleneck(16, 48, 16, 5, 1, True, nn.Hardswish),
            _Bottleneck(16, 64, 24, 5, 2, True, nn.Hardswish),
            *(nn.Conv2d(24, 64, 1, bias=False), nn.BatchNorm2d(64), nn.Hardswish(), nn.AdaptiveAvgPool2d(1)),
        )
        self.classifier = nn.Sequential(nn.Linear(64, 64), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(64, CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


class _EncoderBlock(nn.Module):
    """Pre-norm attention and GELU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width))

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(dim=-1)
        return self.project((weights @ v).transpose(1, 2).reshape(n, tokens, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Dosovitskiy et al. 2021, arXiv:2010.11929, equations 1 to 4: patches, class token, learnt positions."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 6, 6)
        self.token = nn.Parameter(torch.zeros(1, 1, 32))
        self.position = nn.Parameter(torch.randn(1, 17, 32) * 0.02)
        self.blocks = nn.ModuleList(_EncoderBlock(32, 4) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class _ConvNeXtBlock(nn.Module):
    """Depthwise 7 x 7, layer norm over channels last, inverted bottleneck, layer scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(width, width, 7, padding=3, groups=width), nn.LayerNorm(width, eps=1e-6)
        self.expand, self.act, self.project = nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.gamma * self.project(self.act(self.expand(y)))
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """Liu et al. 2022, arXiv:2201.03545, figure 4, with SiLU for GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, 4)
        self.stage1 = _ConvNeXtBlock(16)
        self.down = nn.Sequential(nn.GroupNorm(1, 16), nn.Conv2d(16, 32, 2, 2))
        self.stage2 = nn.Sequential(_ConvNeXtBlock(32), _ConvNeXtBlock(32))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage2(self.down(self.stage1(self.stem(x))))
        return self.head(self.norm(x.mean([-2, -1])))


class _ShuffleUnit(nn.Module):
    """Half of the channels pass, the other half is convolved, then the halves are shuffled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.branch = nn.Sequential(
            *(nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU()),
            *(nn.Conv2d(half, half, 3, 1, 1, groups=half, bias=False), nn.BatchNorm2d(half)),
            *(nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU()),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = x.chunk(2, dim=1)
        x = torch.cat((left, self.branch(right)), dim=1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class ShuffleNetV2(nn.Module):
    """Ma et al. 2018, arXiv:1807.11164, figure 3 (c): channel split and shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.stage1 = nn.Sequential(_ShuffleUnit(24), _ShuffleUnit(24))
        self.down = nn.Sequential(nn.Conv2d(24, 48, 3, 2, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU())
        self.stage2, self.head = nn.Sequential(_ShuffleUnit(48), _ShuffleUnit(48)), nn.Linear(48, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.stage2(self.down(self.stage1(self.stem(x)))).mean((2, 3)))


class _DenseLayer(nn.Module):
    """Norm, activation, convolution; the result is put behind what came."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(width), nn.Conv2d(width, growth, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)


class DenseNet(nn.Module):
    """Huang et al. 2017, arXiv:1608.06993, figure 1: every layer reads all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, 2, 1, bias=False)
        self.block1 = nn.Sequential(*(_DenseLayer(12 + 8 * i, 8) for i in range(3)))
        self.between = nn.Sequential(nn.BatchNorm2d(36), nn.ReLU(), nn.Conv2d(36, 18, 1, bias=False), nn.AvgPool2d(2))
        self.block2 = nn.Sequential(*(_DenseLayer(18 + 8 * i, 8) for i in range(3)))
        self.norm, self.head = nn.BatchNorm2d(42), nn.Linear(42, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm(self.block2(self.between(self.block1(self.stem(x))))))
        return self.head(functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


class UNet(nn.Module):
    """Ronneberger et al. 2015, arXiv:1505.04597, figure 1: down, up again with what was there before; a classifier on top."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = self._double(3, 8), self._double(8, 16), self._double(16, 24)
        self.up1, self.up2 = nn.ConvTranspose2d(24, 16, 2, 2), nn.Upsample(scale_factor=2, mode="nearest")
        self.join1, self.join2 = self._double(32, 16), self._double(24, 8)
        self.head = nn.Linear(8, CLASSES)

    @staticmethod
    def _double(width: int, out: int) -> nn.Module:
        first = (nn.Conv2d(width, out, 3, padding=1), nn.BatchNorm2d(out), nn.LeakyReLU(0.1))
        return nn.Sequential(*first, nn.Conv2d(out, out, 3, padding=1), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.down1(x)
        second = self.down2(functional.max_pool2d(first, 2))
        x = self.bottom(functional.max_pool2d(second, 2))
        x = self.join1(torch.cat([self.up1(x), second], dim=1))
        x = self.join2(torch.cat([self.up2(x), first], dim=1))
        return self.head(x.amax(dim=(2, 3)))


class _Fire(nn.Module):
    """Squeeze to few channels, expand by 1 x 1 and 3 x 3 side by side."""

    def __init__(self, width: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, squeeze, 1)
        self.expand1, self.expand3 = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.expand1(x)), torch.relu(self.expand3(x))], 1)


class SqueezeNet(nn.Module):
    """Iandola et al. 2016, arXiv:1602.07360, table 1: fire modules, ceiling pools, a convolution as classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(_Fire(16, 8, 16), _Fire(32, 8, 16), nn.MaxPool2d(3, 2, ceil_mode=True), _Fire(32, 12, 24)),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Conv2d(48, CLASSES, 1), nn.AdaptiveAvgPool2d((1, 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


class _MixerBlock(nn.Module):
    """One network over the tokens, one over the channels."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = nn.Sequential(nn.Linear(tokens, 32), nn.GELU(), nn.Linear(32, tokens))
        self.channels = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.tokens(self.norm1(x).mT).mT
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """Tolstikhin et al. 2021, arXiv:2105.01601, figure 1."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.blocks = nn.Sequential(_MixerBlock(36, 32), _MixerBlock(36, 32))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.blocks(self.patches(x).flatten(2).transpose(1, 2))).mean(dim=1))


class M5(nn.Module):
    """Dai et al. 2017, arXiv:1610.00087, table 1: 1-D convolutions on the raw wave, the first one wide."""

    def __init__(self) -> None:
        super().__init__()
        sizes = ((1, 16, 40, 4), (16, 16, 3, 1), (16, 32, 3, 1))
        self.blocks = nn.Sequential(*(self._block(*size) for size in sizes))
        self.head = nn.Linear(32, CLASSES)

    @staticmethod
    def _block(width: int, out: int, kernel: int, stride: int) -> nn.Module:
        return nn.Sequential(nn.Conv1d(width, out, kernel, stride), nn.BatchNorm1d(out), nn.ReLU(), nn.MaxPool1d(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(x)
        x = functional.avg_pool1d(x, x.shape[-1]).permute(0, 2, 1)
        return self.head(x).squeeze(1)


class _Causal(nn.Module):
    """Two causal dilated convolutions with weight norm, and a residual."""

    def __init__(self, width: int, out: int, dilation: int) -> None:
        super().__init__()
        self.pad = 2 * dilation
        self.first = nn.utils.parametrizations.weight_norm(nn.Conv1d(width, out, 3, dilation=dilation))
        self.second = nn.utils.parametrizations.weight_norm(nn.Conv1d(out, out, 3, dilation=dilation))
        self.skip = nn.Conv1d(width, out, 1) if width != out else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.first(functional.pad(x, (self.pad, 0))))
        y = torch.relu(self.second(functional.pad(y, (self.pad, 0))))
        return torch.relu(y + self.skip(x))


class DilatedTCN(nn.Module):
    """Bai et al. 2018, arXiv:1803.01271, figure 1: causal convolutions, dilation doubled a block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, 12, 8, 4)
        self.blocks = nn.Sequential(_Causal(12, 16, 1), _Causal(16, 16, 2), _Causal(16, 16, 4), _Causal(16, 16, 8))
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)).mean(-1))


class _Snake(nn.Module):
    """x + sin(a x)^2 / a, a learnt a channel: Ziyin et al. 2020, arXiv:2006.08195, equation 3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + (self.alpha + 1e-9).reciprocal() * torch.sin(self.alpha * x).pow(2)


class _HandWrittenMish(nn.Module):
    """x tanh(softplus(x)): Misra 2019, arXiv:1908.08681, equation 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.tanh(functional.softplus(x))


class CustomActivations(nn.Module):
    """A residual network of activations that no library knows by name: He et al. 2016, arXiv:1603.05027, with Snake and Mish."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.snake = nn.Conv2d(3, 16, 3, 2, 1), _Snake(16)
        self.block = nn.Sequential(nn.BatchNorm2d(16), _HandWrittenMish(), nn.Conv2d(16, 16, 3, padding=1))
        self.down, self.mish, self.head = nn.Conv2d(16, 24, 3, 2, 1), _HandWrittenMish(), nn.Linear(24, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.snake(self.stem(x))
        x = self.mish(self.down(x + self.block(x)))
        return self.head(x.mean((2, 3)))


#: Name -> (network, shape of one input).
ARCHITECTURES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MobileNetV1": (MobileNetV1, PICTURE),
    "MobileNetV3": (MobileNetV3, PICTURE),
    "ViT": (ViT, PICTURE),
    "ConvNeXt": (ConvNeXt, PICTURE),
    "ShuffleNetV2": (ShuffleNetV2, PICTURE),
    "DenseNet": (DenseNet, PICTURE),
    "U-Net": (UNet, PICTURE),
    "SqueezeNet": (SqueezeNet, PICTURE),
    "MLP-Mixer": (Mixer, PICTURE),
    "M5": (M5, WAVE),
    "dilated TCN": (DilatedTCN, WAVE),
    "Snake and Mish": (CustomActivations, PICTURE),
}
