"""The comparison as a picture: accuracy over each cost, the Pareto front drawn, every point named; readable in grey."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgekit.core.optional import require
from edgekit.errors import UserError
from edgekit.workflows.compare import COSTS, pareto
from edgekit.workflows.page import INK, as_text, new_figure

__all__ = ["PLOT_SUFFIXES", "comparison_figure", "comparison_picture"]

PLOT_SUFFIXES = (".png", ".svg")

_MARKERS = {"fp32": "o", "fp16": "^", "int8-dynamic": "D", "int8": "s"}
_MUTED = "#77828d"
_DPI = 144
_WIDE = 200

#: Distances of a label from its point, in points, nearest first; and how many directions are tried at each.
_DISTANCES = (9, 18, 30, 45, 63, 84)
_DIRECTIONS = 16


def comparison_picture(rows: Sequence[dict[str, Any]], suffix: str) -> bytes:
    """The picture as ".png" or ".svg".

    Args:
        rows: of the document of `edgekit.workflows.compare.compare`.
        suffix: one of `PLOT_SUFFIXES`.

    Raises:
        UserError: when no row has both an accuracy and a cost.
    """
    stream = io.BytesIO()
    with require("matplotlib", "train").rc_context({"svg.hashsalt": "edgekit"}):
        metadata = {"Date": None} if suffix == ".svg" else None
        comparison_figure(rows).savefig(stream, format=suffix[1:], dpi=_DPI, metadata=metadata)
    return stream.getvalue()


def comparison_figure(rows: Sequence[dict[str, Any]]) -> Any:
    """One panel for every cost that is known; arguments and errors as of `comparison_picture`."""
    panels = {cost: _points(rows, cost) for cost in COSTS}
    panels = {cost: points for cost, points in panels.items() if points}
    if not panels:
        raise UserError("Expected a model with an accuracy and a cost to plot, got none. Pass results of edgekit evaluate.")
    figure = new_figure(5.6 * len(panels), 5.0)
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (cost, points) in zip(drawn, panels.items(), strict=True):
        _draw(axes, points, COSTS[cost])
    drawn[0].set_ylabel("accuracy, %")
    _legend(drawn[-1], panels)
    backend = require("matplotlib.backends.backend_agg", "train")
    figure.set_dpi(_DPI)
    canvas = backend.FigureCanvasAgg(figure)
    canvas.draw()
    # The places of the labels hang on the final layout.
    figure.set_layout_engine("none")
    for axes, points in zip(drawn, panels.values(), strict=True):
        _name(axes, points, canvas.get_renderer())
    return figure


_Point = tuple[float, float, str, str]

#: Left, bottom, right, top in pixels.
_Box = tuple[float, float, float, float]


def _points(rows: Sequence[dict[str, Any]], cost: str) -> list[_Point]:
    """(cost, accuracy in %, name, precision): of a file that was measured on several runtimes the best one."""
    found: dict[str, _Point] = {}
    several = len({Path(str(row["artifact"])).suffix for row in rows}) > 1
    for number, row in enumerate(rows):
        if row["accuracy"] is None or not row[cost]:
            continue
        key, name = row["sha256"] or str(number), _name_of(row, several)
        point = (float(row[cost]), 100 * row["accuracy"], name, row["precision"])
        if key not in found or (-point[1], point[0]) < (-found[key][1], found[key][0]):
            found[key] = point
    return list(found.values())


def _name_of(row: dict[str, Any], several: bool) -> str:
    """The model's name, with its format where several are shown."""
    name = str(row["name"] or row["artifact"]).removesuffix(".bundle").removesuffix(".zip")
    suffix = Path(str(row["artifact"])).suffix.lstrip(".")
    return f"{name} {suffix}" if several and suffix in ("onnx", "tflite") else name


def _draw(axes: Any, points: Sequence[_Point], title: str) -> None:
    best = pareto([(x, y) for x, y, *_ in points])
    front = sorted((points[i][0], points[i][1]) for i in best)
    axes.set_xscale("log")
    axes.step(*zip(*front, strict=True), where="post", color=_MUTED, linewidth=1.0, linestyle="--", zorder=1)
    for i, (x, y, _, precision) in enumerate(points):
        fill = INK if i in best else "white"
        marker = _MARKERS.get(precision, "o")
        axes.plot(x, y, marker=marker, markersize=6, markerfacecolor=fill, markeredgecolor=INK, linestyle="none", zorder=3)
    axes.margins(0.18, 0.14)
    axes.set_xlabel(title)
    ticker = require("matplotlib.ticker", "train")
    costs = [x for x, *_ in points]
    # Over many decades the labels between their powers would run into each other.
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if max(costs) < _WIDE * min(costs) else (1,)))
    plain = ticker.FuncFormatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_major_formatter(plain if title.startswith("ms") else ticker.EngFormatter())
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5)


def _legend(axes: Any, panels: dict[str, list[_Point]]) -> None:
    lines = require("matplotlib.lines", "train")
    present = {precision for points in panels.values() for *_, precision in points}
    style = {"linestyle": "none", "markersize": 6, "markeredgecolor": INK}
    kinds = [
        lines.Line2D([], [], marker=marker, markerfacecolor="white", label=precision, **style)
        for precision, marker in _MARKERS.items()
        if precision in present
    ]
    filled = lines.Line2D([], [], marker="o", markerfacecolor=INK, label="no other is as good for less", **style)
    axes.figure.legend(handles=[*kinds, filled], loc="outside lower center", ncols=len(kinds) + 1, frameon=False, fontsize=8)


def _name(axes: Any, points: Sequence[_Point], renderer: Any) -> None:
    """Set the names where they cover neither a point nor each other; one that finds no place is left to the table.

    Points of the front come first: they are the ones to choose from.
    """
    scale = renderer.dpi / 72
    inside = axes.get_window_extent(renderer)
    pixels = axes.transData.transform([(x, y) for x, y, *_ in points])
    half = 5 * scale
    taken = [(x - half, y - half, x + half, y + half) for x, y in pixels]
    best = pareto([(x, y) for x, y, *_ in points])
    taken += _steps(sorted((*pixels[i],) for i in best), scale)
    for i in sorted(range(len(points)), key=lambda i: (i not in best, points[i][0])):
        x, y, name, _ = points[i]
        text = axes.annotate(
            as_text(name), (x, y), (0, 0), textcoords="offset points", fontsize=7.5, color=INK, va="center", ha="center"
        )
        box = text.get_window_extent(renderer)
        for dx, dy in _offsets(box.width / scale, box.height / scale):
            centre = pixels[i][0] + dx * scale, pixels[i][1] + dy * scale
            place = _around(centre, box.width, box.height)
            if _within(place, inside) and not any(_overlap(place, other) for other in taken):
                text.set_position((dx, dy))
                _lead(axes, (x, y), (dx, dy), box.height / scale)
                taken.append(place)
                break
        else:
            text.remove()


def _steps(front: Sequence[tuple[float, float]], half: float) -> Iterator[_Box]:
    """The line of the front as boxes: to the right, then up."""
    for (x, y), (right, above) in pairwise(front):
        yield x, y - half, right, y + half
        yield right - half, y, right + half, above


def _offsets(width: float, height: float) -> Iterator[tuple[float, float]]:
    """Where the centre of a label may lie, in points from its point, nearest first; to the right before all others."""
    for distance in _DISTANCES:
        for step in range(_DIRECTIONS):
            # 0, 1, -1, 2, -2, ...: away from the right in both senses.
            turn = (step + 1) // 2 * (1 if step % 2 else -1) * 2 * math.pi / _DIRECTIONS
            yield math.cos(turn) * (distance + width / 2), math.sin(turn) * (distance + height / 2)


def _lead(axes: Any, point: tuple[float, float], offset: tuple[float, float], height: float) -> None:
    """A thin line from the point to a label that lies far from it."""
    dx, dy = offset
    if abs(dy) > 1.6 * height:
        end = (dx, dy - math.copysign(height / 2 + 1, dy))
        arrow = {"arrowstyle": "-", "color": _MUTED, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
        axes.annotate("", point, end, textcoords="offset points", arrowprops=arrow, zorder=2)


def _around(centre: tuple[float, float], width: float, height: float) -> _Box:
    return centre[0] - width / 2, centre[1] - height / 2, centre[0] + width / 2, centre[1] + height / 2


def _within(box: _Box, axes: Any) -> bool:
    return bool(box[0] >= axes.x0 and box[1] >= axes.y0 and box[2] <= axes.x1 and box[3] <= axes.y1)


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
