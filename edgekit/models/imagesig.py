"""ImageSig: networks over the path signatures of an image's rows and columns.

Paper: Ibrahim and Lyons, "ImageSig: A signature transform for ultra-lightweight image recognition", CVPR Workshops 2022.
The authors' code is under the MIT licence; nothing of it is copied here.

Input is (N, R, F): one path a row of the image (R = H, or 2 H with the columns stacked below), F signature features each
(3 channels at depth 4: 120). Output is logits.

| network                | input      | classes | parameters | paper, Table 1 | MACs      | x 2    | paper's FLOPs | difference |
|------------------------|------------|---------|------------|----------------|-----------|--------|---------------|------------|
| ImageSigFC             | (64, 120)  | 2       | 384,152    | 384,152        | 384,100   | 0.77 M | 0.77 M        | -0.2 %     |
| ImageSigCNN1D          | (64, 120)  | 2       | 37,112     | 37,112         | 844,132   | 1.69 M | 1.69 M        | -0.1 %     |
| ImageSigCNN1D, two-way | (128, 120) | 2       | 59,512     | 59,512         | 1,738,980 | 3.48 M | 3.49 M        | -0.3 %     |
| ImageSigCNN1D          | (224, 120) | 10      | 95,120     | 95,120         | 3,077,108 | 6.15 M | 6.17 M        | -0.3 %     |
| ImageSigTransformer    | (64, 120)  | 2       | 162,553    | 162,553        | 1,664,100 | 3.33 M | 1.79 M        | +86 %      |

The paper's FLOPs are two a MAC, with biases and pooling: the 0.1 to 0.3 %. Of the transformer it leaves out the attention's four
projections (786,432 MACs), which Keras writes as einsums; without them ours are 1.76 M.

Departures:
- The networks give logits; the softmax belongs to the loss and to the pipeline.
- Features come standardised (one scale and one offset each, clipped), the paper's raw.
- "50 transformer layers" in the supplement is one here: the published loop restarts from the pooled convolution output each
  time, so only its last pass is connected, and the parameter count agrees with one.
- The paper's 224 x 224 count needs a head of 10 classes; with 2 classes it is 94,712.
"""

from __future__ import annotations

import torch
from torch import nn

from edgekit.errors import ModelError
from edgekit.models.layers import SelfAttention, SequencePooling

__all__ = ["HIDDEN", "ImageSigCNN1D", "ImageSigFC", "ImageSigTransformer"]

HIDDEN = 50
_DROPOUT = 0.4
_CHANNELS = (32, 64)
_KERNEL = 3


class ImageSigFC(nn.Module):
    """Flatten, Linear(R F, 50), ReLU, dropout, Linear(50, classes).

    Args:
        input_shape: (R, F) of one image's features.
        classes: number of logits.
        hidden: width of the hidden layer.

    Raises:
        ModelError: on a shape that is not two positive sizes, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int], classes: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        rows, features = _check(input_shape, classes)
        self.flatten = nn.Flatten()
        self.head = _head(rows * features, classes, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, R, F) float32 standardised features to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.flatten(x))
        return logits


class ImageSigCNN1D(nn.Module):
    """Two blocks of Conv1d(k=3, valid), ReLU, MaxPool1d(3) along the paths, then the hidden layer of `ImageSigFC`.

    Args:
        input_shape: (R, F); R is at least 17, so that something is left after the second pooling.
        classes: number of logits.
        hidden: width of the hidden layer.

    Raises:
        ModelError: on a shape that is too small or not two positive sizes, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int], classes: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        rows, features = _check(input_shape, classes)
        self.blocks = _blocks(features)
        self.flatten = nn.Flatten()
        self.head = _head(_CHANNELS[-1] * _rows_left(rows), classes, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, R, F) float32 standardised features to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.flatten(self.blocks(x.transpose(1, 2))))
        return logits


class ImageSigTransformer(nn.Module):
    """The blocks of `ImageSigCNN1D`, one pre-norm transformer layer, sequence pooling, the hidden layer.

    Args:
        input_shape: (R, F); R is at least 17.
        classes: number of logits.
        hidden: width of the hidden layer.
        heads: attention heads, each as wide as the sequence's 64 features.

    Raises:
        ModelError: on a shape that is too small or not two positive sizes, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int], classes: int, hidden: int = HIDDEN, heads: int = 8) -> None:
        super().__init__()
        rows, features = _check(input_shape, classes)
        _rows_left(rows)
        width = _CHANNELS[-1]
        self.blocks = _blocks(features)
        self.attention_norm = nn.LayerNorm(width, eps=1e-5)
        self.attention = SelfAttention(width, heads, width, dropout=0.1)
        self.mlp_norm = nn.LayerNorm(width, eps=1e-5)
        self.mlp = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Dropout(0.1), nn.Linear(width, width), nn.GELU(), nn.Dropout(0.1)
        )
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.dropout = nn.Dropout(_DROPOUT)
        self.pool = SequencePooling(width)
        self.head = _head(width, classes, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, R, F) float32 standardised features to (N, classes) logits."""
        x = self.blocks(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.attention(self.attention_norm(x))
        x = x + self.mlp(self.mlp_norm(x))
        logits: torch.Tensor = self.head(self.pool(self.dropout(self.norm(x))))
        return logits


def _blocks(features: int) -> nn.Sequential:
    first, second = _CHANNELS
    return nn.Sequential(
        nn.Conv1d(features, first, _KERNEL),
        nn.ReLU(),
        nn.MaxPool1d(_KERNEL),
        nn.Conv1d(first, second, _KERNEL),
        nn.ReLU(),
        nn.MaxPool1d(_KERNEL),
    )


def _head(width: int, classes: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(hidden, classes))


def _rows_left(rows: int) -> int:
    """Length of the sequence after both blocks."""
    left = ((rows - _KERNEL + 1) // _KERNEL - _KERNEL + 1) // _KERNEL
    if left < 1:
        raise ModelError(
            f"Expected at least 17 paths (rows of the image, rows and columns together with directions both), got {rows}. "
            "Use a larger size, directions both, or imagesig-fc."
        )
    return left


def _check(input_shape: tuple[int, ...], classes: int) -> tuple[int, int]:
    if len(input_shape) != 2 or min(input_shape) < 1:
        raise ModelError(f"Expected features of shape (R, F), got {tuple(input_shape)}. Use a signature front end.")
    if classes < 1:
        raise ModelError(f"Expected at least 1 class, got {classes}.")
    return input_shape[0], input_shape[1]
