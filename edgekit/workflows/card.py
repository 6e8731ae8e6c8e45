"""The card of a trained run: what a board has to know of it."""

from __future__ import annotations

from edgekit.core.manifest import FrontEndEntry, ModelCard, OutputEntry
from edgekit.core.spec import TensorSpec
from edgekit.models.checkpoint import Run

__all__ = ["card_of_run"]


def card_of_run(run: Run) -> ModelCard:
    """Labels, front end with its standardisation, output with the run's temperature, input spec."""
    spec = run.frontend.output
    features = TensorSpec("features", "float32", (1, *spec.shape), f"N{spec.layout}" if spec.layout else "")
    entry = FrontEndEntry(run.frontend.name, run.frontend.config_to_json())
    return ModelCard(run.config.name, tuple(run.config.labels), entry, OutputEntry("logits", run.config.temperature), features)
