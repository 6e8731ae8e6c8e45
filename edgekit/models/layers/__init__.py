"""Layers that torch does not have, one a file."""

from edgekit.models.layers.attention import SelfAttention
from edgekit.models.layers.pooling import SequencePooling

__all__ = ["SelfAttention", "SequencePooling"]
