"""`edgekit pack`: somebody else's model file as a bundle."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.common import Json, boundary, print_json
from edgekit.core.files import check_new
from edgekit.core.strict import to_json
from edgekit.errors import UserError
from edgekit.frontends.base import create_frontend
from edgekit.packing import pack as pack_file

__all__ = ["json_config", "pack"]


@boundary
def pack(
    file: Annotated[Path, typer.Argument(help="An .onnx or .tflite file.")],
    out: Annotated[Path, typer.Option(help="The bundle to write: a new folder, or a new .zip.")],
    name: Annotated[str, typer.Option(help="The bundle's name.")],
    frontend: Annotated[str, typer.Option(help="Front end by name; see: edgekit frontends")],
    labels: Annotated[str, typer.Option(help="Class names by index, separated by commas.")] = "",
    frontend_config: Annotated[str, typer.Option(help="The front end's config as JSON.")] = "{}",
    output: Annotated[str, typer.Option(help="What the model gives: logits, probabilities or raw.")] = "logits",
    json: Json = False,
) -> None:
    """Wrap an .onnx or .tflite file that edgekit did not make.

    Example: edgekit pack model.tflite --out fire.bundle --name fire --labels fire,no_fire --frontend signature
    --frontend-config '{"directions": "both-rotated"}' --output probabilities
    """
    check_new(out)
    names = tuple(label.strip() for label in labels.split(",") if label.strip())
    manifest = pack_file(
        file, out, name, names, create_frontend(frontend, json_config("--frontend-config", frontend_config)), output
    )
    artifact = manifest.artifacts[0]
    if json:
        print_json({"bundle": str(out), "artifacts": [to_json(artifact)]})
    else:
        typer.echo(f"{out}: {artifact.file} ({artifact.bytes:,} bytes), {len(manifest.labels)} labels, {manifest.output.kind}")


def json_config(option: str, text: str) -> dict[str, Any]:
    """The JSON object that an option holds.

    Raises:
        UserError: on anything else.
    """
    try:
        config = json_module.loads(text)
    except ValueError as error:
        raise UserError(f"Expected JSON in {option}: {error}.") from error
    if not isinstance(config, dict):
        raise UserError(f"Expected a JSON object in {option}, got {text!r:.60}.")
    return config
