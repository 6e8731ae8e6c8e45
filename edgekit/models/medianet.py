"""MeDiANet: dilated convolutions and residual attention masks in a pre-activation network with Mish.

Paper: Dewan, Manna, Srivastava, Borthakur and Sheet, "MeDiANet: A Lightweight Network for Large-scale Multi-disease
Classification of Multi-modal Medical Images Using Dilated Convolution and Attention Network", 2024.

Input is (N, 3, H, W) pixels, by the front end (level - 128) / 64; the paper's are 224 x 224. Output is logits. Counts at 35
classes:

| network      | stage 4 | parameters | paper  | difference | MACs at 224 | paper's FLOPs | difference |
|--------------|---------|------------|--------|------------|-------------|---------------|------------|
| base-69      | 256     | 392,155    | 0.38 M | +3.2 %     | 70.0 M      | 0.08 G        | -12 %      |
| base-117     | 256     | 641,531    | 0.63 M | +1.8 %     | 95.9 M      | 0.18 G        | -47 %      |
| wide-69      | 256     | 864,691    | 0.91 M | -5.0 %     | 189.6 M     | 0.25 G        | -24 %      |
| wide-117     | 256     | 1,842,675  | 1.81 M | +1.8 %     | 292.9 M     | 0.58 G        | -50 %      |
| base-69, R0  | 128     | 227,739    | 0.38 M | -40 %      | 62.1 M      | 0.08 G        | -22 %      |
| base-117, R0 | 128     | 477,115    | 0.63 M | -24 %      | 88.0 M      | 0.18 G        | -51 %      |

The paper does not say whether its FLOPs are MACs or twice them. Twice ours are within 7 % of its 117 and 52 to 75 % above its 69;
once ours are below all four: no one convention fits.

The paper contradicts itself: no one reading of its text and tables gives all eight of its figures. R0 is the literal reading,
with 8 C channels in stage 4, 128 for base; only with 256 there, as in the wide ones, do the paper's parameters of the base
networks come out. So the registered names have `last_stage=256`; `last_stage=None` gives R0, the same for the wide ones.

Departures, where the paper is silent or cannot be right:
- The three dilated convolutions have stride 1; the printed stride of 2 would not fit the identity beside them.
- Every convolution has a bias, the shortcut a biased 1x1 projection where the shape changes.
- Pooling in the mask rounds up, upsampling (nearest neighbour) ends at the size of the skip; so any picture from 32 x 32 passes.
- No activation between the two linear layers of the head, as printed; dropout of 0.2 before them.
- Mish after batch norm, and logits without the softmax.
"""

from __future__ import annotations

import torch
from torch import nn

from edgekit.models.layers import DilatedAttention, MishResidual
from edgekit.models.picture import check_picture

__all__ = ["MeDiANet"]

_DILATIONS = ((4, 8, 12), (2, 4, 6), (1, 2, 3))
_HIDDEN = 64
_STRIDE = 32


class MeDiANet(nn.Module):
    """Stem; three stages of one Res (halving, but for the first) and DiET blocks; a fourth of three Res; a hidden layer.

    Args:
        input_shape: (channels, H, W), each side at least 32.
        classes: number of logits.
        width: C, channels of stage 1, 16 (base) or 32 (wide); stages 2 and 3 have 2 C and 4 C.
        repeats: DiET blocks in stages 1 to 3: (1, 1, 1) for 69 layers, (1, 2, 3) for 117.
        last_stage: channels of stage 4; None for the table's 8 C (the reading R0).
        dropout: before the hidden layer; the paper does not say how much.

    Raises:
        ModelError: on a shape that is not (C, H, W), a side under 32, or fewer than one class.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        width: int = 16,
        repeats: tuple[int, int, int] = (1, 1, 1),
        last_stage: int | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels, height, side = check_picture(input_shape, classes, _STRIDE, "MeDiANet")
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 7, stride=2, padding=3), nn.MaxPool2d(2))
        size = ((height + 1) // 2 // 2, (side + 1) // 2 // 2)
        stages: list[nn.Module] = []
        before = width
        for stage, (count, dilations) in enumerate(zip(repeats, _DILATIONS, strict=True)):
            wide, stride = width * 2**stage, 1 if stage == 0 else 2
            size = (-(-size[0] // stride), -(-size[1] // stride))
            stages.append(MishResidual(before, wide, stride))
            stages.extend(DilatedAttention(wide, dilations, size) for _ in range(count))
            before = wide
        last = 8 * width if last_stage is None else last_stage
        stages.extend((MishResidual(before, last, 2), MishResidual(last, last), MishResidual(last, last)))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.head = nn.Sequential(nn.Linear(last, _HIDDEN), nn.Linear(_HIDDEN, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) float32 standardised pixels to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.stages(self.stem(x))))
        return logits
