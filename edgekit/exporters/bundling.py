"""Exported files as a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgekit.calibration.ranges import RANGES_FILE
from edgekit.core.bundle import write_bundle
from edgekit.core.files import sha256_of
from edgekit.core.manifest import FileEntry, Manifest, ModelCard
from edgekit.exporters.build import Export
from edgekit.exporters.targets import Target
from edgekit.golden import GOLDEN, make_golden

__all__ = ["manifest_of", "write_export"]


def write_export(out: Path, model: str, card: ModelCard, target: Target, exported: Export, inputs: np.ndarray) -> Manifest:
    """Golden vectors, ranges, manifest, and all of it to a new path: whole or not at all.

    Args:
        out: a folder, or an archive where the name ends in .zip.
        model: the network's name.
        card: what the files carry.
        target: that they were made for.
        exported: the files.
        inputs: (k, ...) that the front end of the card takes, for the golden vectors.

    Raises:
        UserError: when `out` exists.
    """
    others = {GOLDEN: make_golden(card, inputs, exported.files)}
    if exported.ranges is not None:
        others[RANGES_FILE] = exported.ranges.to_text().encode("utf-8")
    manifest = manifest_of(model, card, target, exported, others)
    write_bundle(out, manifest, {**{artifact.file: content for artifact, content in exported.files}, **others})
    return manifest


def manifest_of(model: str, card: ModelCard, target: Target, exported: Export, others: Mapping[str, bytes]) -> Manifest:
    """The manifest of exported files and what lies beside them.

    Args:
        model: the network's name.
        card: what the files carry.
        target: that they were made for.
        exported: the files.
        others: name -> content of golden vectors and ranges.
    """
    entries = {name: FileEntry(name, len(content), sha256_of(content)) for name, content in others.items()}
    return Manifest(
        name=card.name,
        model=model,
        labels=card.labels,
        frontend=card.frontend,
        input=card.input,
        output=card.output,
        target=target.name,
        artifacts=exported.artifacts,
        golden=entries[GOLDEN],
        ranges=entries.get(RANGES_FILE),
        calibration=exported.calibration,
        tools=exported.tools,
        # What could not be made is nobody's default.
        default=target.default if any(made.precision == target.default for made in exported.artifacts) else None,
    )
