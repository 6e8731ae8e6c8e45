"""`edgekit predict`: labels and probabilities of images, or of windows of sensor samples."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgekit.cli.common import Json, Threads, boundary, print_json, print_table, progress_bar
from edgekit.errors import DataError, ImageError
from edgekit.frontends.base import FrontEnd
from edgekit.pipeline import Pipeline, Prediction, open_pipeline
from edgekit.training.progress import Progress, Silent

__all__ = ["predict"]

#: A bar is worth its import only when the work takes a while.
_BAR_FROM = 50
_MOST_NAMED = 5

#: Name as it is told, and what `Pipeline.predict` takes.
_Source = tuple[str, Path | np.ndarray]


@boundary
def predict(
    bundle: Annotated[Path, typer.Argument(help="A bundle (folder or .zip), or one exported .onnx / .tflite file.")],
    inputs: Annotated[list[str], typer.Argument(help="Images, folders of images, glob patterns; .npz files of windows.")],
    runtime: Annotated[str | None, typer.Option(help="litert, tflite-runtime or onnxruntime.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, fp16, int8-dynamic or int8.")] = None,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Labels and probabilities for images, folders and globs, or for the windows of .npz files.

    Example: edgekit predict fire.bundle photo.jpg more/*.jpg --json
    """
    rows: list[dict[str, Any]] = []
    with open_pipeline(bundle, runtime, precision, threads) as pipeline:
        frontend = pipeline.frontend
        sources = _images(expand(inputs)) if frontend.size is not None else _windows(expand(inputs, windows=True), frontend)
        if len(sources) < _BAR_FROM:
            rows = list(_rows(pipeline, sources, Silent()))
        else:
            with progress_bar() as progress:
                progress.start("predict", len(sources))
                rows = list(_rows(pipeline, sources, progress))
    if json:
        print_json(rows)
        return
    print_table(
        ["input", "label", "probability", "ms"],
        [[row["input"], row["label"], _best(row), f"{sum(row['timings_ms'].values()):.2f}"] for row in rows],
    )


def _images(paths: list[Path]) -> list[_Source]:
    return [(str(path), path) for path in paths]


def _windows(paths: list[Path], frontend: FrontEnd) -> list[_Source]:
    """Every window of every file, named FILE[INDEX]."""
    from edgekit.frontends.windows import load_windows, seen_by

    read = ((path, seen_by(frontend, load_windows(path), path)) for path in paths)
    return [(f"{path}[{index}]", window) for path, windows in read for index, window in enumerate(windows)]


def _rows(pipeline: Pipeline, sources: list[_Source], progress: Progress) -> Iterator[dict[str, Any]]:
    """A row for every input; images that cannot be decoded are named and counted at the end."""
    failures = []
    for name, source in sources:
        try:
            yield _row(name, pipeline.predict(source))
        except ImageError as error:
            failures.append(str(error))
        progress.advance()
    if len(sources) == 1 and failures:
        raise ImageError(failures[0])
    if failures:
        more = f" and {len(failures) - _MOST_NAMED} more" if len(failures) > _MOST_NAMED else ""
        told = " ".join(failures[:_MOST_NAMED])
        raise DataError(f"Expected images that can be decoded, found {len(failures)} of {len(sources)} that cannot: {told}{more}")


def expand(inputs: list[str], windows: bool = False) -> list[Path]:
    """Files named by paths, folders (their images or .npz files, recursively, sorted) and glob patterns.

    Raises:
        DataError: when one of them names nothing.
    """
    from edgekit.frontends.image import IMAGE_SUFFIXES

    suffixes, what = ({".npz"}, "windows (.npz)") if windows else (IMAGE_SUFFIXES, "images")
    paths: list[Path] = []
    for text in inputs:
        path = Path(text)
        # os.path's tests say False where Path's raise: a name that is too long is a name that is not there.
        if text and os.path.isdir(text):
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
        elif text and os.path.exists(text):
            found = [path]
        else:
            found = [Path(name) for name in sorted(glob.glob(text, recursive=True)) if os.path.isfile(name)]
        if not found:
            raise DataError(f"Expected {what} at {text or repr(text)}, found none. Pass files, folders or patterns.")
        paths.extend(found)
    return paths


def _row(name: str, prediction: Prediction) -> dict[str, Any]:
    return {
        "input": name,
        "label": prediction.label,
        "index": prediction.index,
        "probabilities": prediction.probabilities,
        "timings_ms": {stage: round(ms, 4) for stage, ms in prediction.timings_ms.items()},
    }


def _best(row: dict[str, Any]) -> str:
    probabilities = row["probabilities"]
    return "-" if probabilities is None else f"{max(probabilities.values()):.3f}"
