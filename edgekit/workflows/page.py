"""What the HTML pages share: the template engine, figures as inline SVG, the confusion matrix. No external assets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from edgekit.core.optional import require

__all__ = ["INK", "as_text", "confusion_figure", "inline", "new_figure", "render", "svg_of"]

INK = "#1a1f24"

#: Beyond so many classes the counts are set small; beyond so many there is no room for names and counts.
_ROOMY = 16
_CROWDED = 60

#: Letters of a name that a figure has room for.
_LETTERS = 28


def render(template: str, **values: Any) -> str:
    """A template of this room, filled in; everything but what `inline` gave is escaped.

    Raises:
        MissingExtraError: without Jinja2.
    """
    jinja2 = require("jinja2", "train", "Jinja2")
    loader = jinja2.PackageLoader("edgekit", "workflows")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    page: str = environment.get_template(template).render(**values)
    return page


def inline(figure: Any) -> Any:
    """A figure as markup for a template."""
    return require("jinja2", "train", "Jinja2").utils.markupsafe.Markup(svg_of(figure))


def new_figure(width: float, height: float) -> Any:
    """An empty figure of a size in inches. Without pyplot there is no global figure and no display to look for."""
    return require("matplotlib.figure", "train", "matplotlib").Figure(figsize=(width, height), layout="constrained")


def svg_of(figure: Any) -> str:
    """The <svg> element; the same figure gives the same text."""
    stream = io.StringIO()
    with require("matplotlib", "train").rc_context({"svg.hashsalt": "edgekit"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def as_text(name: str) -> str:
    """A name as Matplotlib shows it: no formula, no hidden legend entry, no longer than there is room for."""
    short = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    # A backslash keeps a dollar from beginning a formula; what begins with an underscore is left out of legends.
    return (f" {short}" if short.startswith("_") else short).replace("$", r"\$")


def confusion_figure(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> Any:
    """Counts over truth (rows) and prediction (columns); of very many classes colours alone, by number."""
    letters = min(_LETTERS, max(map(len, labels)))
    side = min(9.0, 2.4 + 0.5 * len(labels)) + 0.07 * letters
    figure = new_figure(side, side)
    axes = figure.subplots()
    axes.imshow(confusion, cmap="Blues", vmin=0)
    roomy = len(labels) <= _ROOMY
    size, turn = (9, 45) if roomy else (6, 90)
    if len(labels) > _CROWDED:
        axes.set(xlabel="predicted (number of the class)", ylabel="true (number of the class)")
        return figure
    ticks, names = range(len(labels)), [as_text(label) for label in labels]
    axes.set_xticks(ticks, names, rotation=turn if max(map(len, labels)) > 3 else 0, fontsize=size)
    axes.set_yticks(ticks, names, fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    strongest = max(map(max, confusion))
    for i, row in enumerate(confusion):
        for j, count in enumerate(row):
            if count:
                colour = "white" if count > strongest / 2 else INK
                axes.text(j, i, str(count), ha="center", va="center", color=colour, fontsize=size)
    return figure
