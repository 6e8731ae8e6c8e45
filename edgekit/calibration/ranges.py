"""Ranges of every tensor of a network's float graphs: found once, saved in one JSON file, used again."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from edgekit.core.bundle import Bundle, is_bundle
from edgekit.core.recipe import OBSERVERS, Format
from edgekit.core.spec import Affine
from edgekit.core.strict import from_json, to_json
from edgekit.errors import BundleError, InputError, UnknownNameError

__all__ = ["RANGES_FILE", "GraphRanges", "Range", "Ranges"]

#: Name of the file in a bundle.
RANGES_FILE = "ranges.json"

_SCHEMA = 1


@dataclass(frozen=True)
class Range:
    """What 8 bits shall cover of one tensor.

    Attributes:
        low: least real value, one for the whole tensor or one a channel.
        high: greatest, as many.
        axis: along which the channels lie, None for the whole tensor.

    Raises:
        InputError: on a low above its high, values that are not finite, or several of them without an axis.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    axis: int | None = None

    def __post_init__(self) -> None:
        pairs = list(zip(self.low, self.high, strict=False))
        if len(self.low) != len(self.high) or not pairs or (self.axis is None and len(pairs) > 1):
            raise InputError(f"Expected one low and one high a channel, got {len(self.low)} and {len(self.high)}.")
        for low, high in pairs:
            if not (low <= high and math.isfinite(low) and math.isfinite(high)):
                raise InputError(f"Expected finite ranges with low <= high, got {low} to {high}.")

    def centred(self) -> Range:
        """The range widened so that its asymmetric quantization to int8 has the zero point 0: -128 a / 127 to a.

        Both quantizers derive scale and zero point from a range; this is how a symmetric one is said to them.
        """
        bounds = [max(-low, high, 0.0) for low, high in zip(self.low, self.high, strict=True)]
        return Range(tuple(-bound * 128 / 127 for bound in bounds), tuple(bounds), self.axis)

    def affine(self, symmetric: bool = False) -> Affine:
        """Scale and zero point of a whole tensor in int8, as both quantizers find them; zero is always representable.

        Args:
            symmetric: with the zero point 0.
        """
        said = self.centred() if symmetric else self
        low, high = min(said.low[0], 0.0), max(said.high[0], 0.0)
        scale = max(high - low, 1e-9) / 255
        return Affine(scale, round(-128 - low / scale), "int8")


@dataclass(frozen=True)
class GraphRanges:
    """Ranges of one float graph.

    Attributes:
        format: "onnx" or "tflite".
        graph: sha256 of the float graph that was observed: the ranges are those of no other.
        tensors: tensor name -> its range.
    """

    format: Format
    graph: str
    tensors: dict[str, Range]


@dataclass(frozen=True)
class Ranges:
    """Every graph of one network, as one observer saw them on one sample.

    Attributes:
        observer: its name.
        symmetric: whether the ranges are (-a, a).
        samples: how many inputs were seen.
        calibration: sha256 over those.
        graphs: one a format.
    """

    observer: str
    symmetric: bool
    samples: int
    calibration: str
    graphs: tuple[GraphRanges, ...]
    schema: int = _SCHEMA

    def __post_init__(self) -> None:
        if self.observer not in OBSERVERS:
            raise UnknownNameError("observer", self.observer, OBSERVERS)

    def of(self, format: Format, graph: str) -> dict[str, Range]:  # noqa: A002
        """Ranges of a graph by tensor name.

        Args:
            format: of the graph.
            graph: its sha256.

        Raises:
            InputError: when these ranges are of another graph.
        """
        found = next((known for known in self.graphs if known.format == format), None)
        if found is None:
            raise InputError(f"Expected ranges of the {format} graph, found {self._formats()}. Calibrate it: leave --ranges out.")
        if found.graph != graph:
            raise InputError(
                f"Expected ranges of this network's {format} graph ({graph:.12}...), they are of another ({found.graph:.12}...). "
                "Calibrate it: leave --ranges out."
            )
        return found.tensors

    def to_text(self) -> str:
        """JSON, keys sorted, one tensor a line."""
        head = {key: value for key, value in to_json(self).items() if key != "graphs"}
        graphs = ",\n".join(_graph_text(graph) for graph in self.graphs)
        return json.dumps(head, sort_keys=True)[:-1] + f', "graphs": [\n{graphs}\n]}}\n'

    @classmethod
    def from_text(cls, text: str, where: str = RANGES_FILE) -> Ranges:
        """Inverse of `to_text`.

        Raises:
            BundleError: on invalid JSON, unknown or missing keys, wrong types.
        """
        try:
            value = json.loads(text)
        except ValueError as error:
            raise BundleError(f"Expected JSON in {where}: {error}. Export again without --ranges.") from error
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema != _SCHEMA:
            raise BundleError(f"Expected schema {_SCHEMA} in {where}, got {schema!r}. Export again without --ranges.")
        return from_json(cls, value, where)

    @classmethod
    def load(cls, path: Path) -> Ranges:
        """Read a file that `to_text` filled: alone, or in a bundle (a folder or a .zip), whose digests are checked.

        Raises:
            BundleError: when nothing of the kind is there.
        """
        if is_bundle(path):
            bundle = Bundle.open(path)
            if bundle.manifest.ranges is None:
                raise BundleError(f"Expected a bundle with {RANGES_FILE} at {path}, it has none. Export once without --ranges.")
            return cls.from_text(bundle.read(bundle.manifest.ranges.file).decode("utf-8"), f"{RANGES_FILE} of {path}")
        try:
            return cls.from_text(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no text"
            raise BundleError(f"Expected a ranges file at {path}: {reason}. Export once without --ranges.") from error

    def _formats(self) -> str:
        return ", ".join(graph.format for graph in self.graphs) or "none"


def _graph_text(graph: GraphRanges) -> str:
    tensors = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(to_json(found), sort_keys=True)}" for name, found in sorted(graph.tensors.items())
    )
    return f' {{"format": "{graph.format}", "graph": "{graph.graph}", "tensors": {{\n{tensors}\n }}}}'
