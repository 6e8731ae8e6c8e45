"""Front ends as graphs: torch modules from a uint8 image to standardised features, to be exported with a network."""

from edgekit.exporters.fused.base import FUSED, FrontEndGraph, front_end_graph

__all__ = ["FUSED", "FrontEndGraph", "front_end_graph"]
