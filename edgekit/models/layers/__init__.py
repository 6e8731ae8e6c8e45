"""Layers that torch does not have, one a file."""

from edgekit.models.layers.attention import SelfAttention
from edgekit.models.layers.basic_block import BasicBlock
from edgekit.models.layers.bottleneck import Bottleneck
from edgekit.models.layers.channel_attention import SqueezeExcitation, SqueezeHypercomplex
from edgekit.models.layers.conv_norm import conv_norm
from edgekit.models.layers.dilated_attention import DilatedAttention, Mask
from edgekit.models.layers.dilated_residual import DilatedResidual
from edgekit.models.layers.inverted_residual import InvertedResidual
from edgekit.models.layers.mish_residual import MishResidual
from edgekit.models.layers.phm import PHMLinear
from edgekit.models.layers.pooling import SequencePooling
from edgekit.models.layers.rcn_block import RCNBlock
from edgekit.models.layers.residual_1d import ResidualBlock1d, conv_norm_1d

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "DilatedAttention",
    "DilatedResidual",
    "InvertedResidual",
    "Mask",
    "MishResidual",
    "PHMLinear",
    "RCNBlock",
    "ResidualBlock1d",
    "SelfAttention",
    "SequencePooling",
    "SqueezeExcitation",
    "SqueezeHypercomplex",
    "conv_norm",
    "conv_norm_1d",
]
