"""What a model file holds: tensors, operators, parameters, MACs, metadata."""

from edgekit.inspection.describe import inspect_bundle, inspect_file

__all__ = ["inspect_bundle", "inspect_file"]
