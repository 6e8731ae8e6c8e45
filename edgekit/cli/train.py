"""`edgekit train`: a folder of labelled images to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.common import Json, boundary, parse_numbers, parse_size, print_json, progress_bar

if TYPE_CHECKING:
    from edgekit.training.loop import TrainResult

__all__ = ["train"]


@boundary
def train(
    data: Annotated[
        Path, typer.Argument(help="train/CLASS/* + test/CLASS/*, or CLASS/*, which is split by hash; train.npz + test.npz.")
    ],
    model: Annotated[str, typer.Option(help="Network by name; see: edgekit models")],
    out: Annotated[Path, typer.Option(help="The run folder to write: new, or an interrupted one with --resume.")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images and their augmented copies.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of split, weights, augmentation and order.")] = 0,
    recipe: Annotated[str, typer.Option(help="Settings to start from: default, or paper, the network's own.")] = "default",
    frontend: Annotated[str | None, typer.Option(help="In place of the network's own; see: edgekit frontends")] = None,
    path: Annotated[str | None, typer.Option(help="Signature path: rgb, rgb+time, grey+time or lead-lag.")] = None,
    size: Annotated[str | None, typer.Option(help="Image size as HEIGHTxWIDTH.")] = None,
    depth: Annotated[int | None, typer.Option(min=1, max=6, help="Signature depth.")] = None,
    directions: Annotated[str | None, typer.Option(help="rows, both or both-rotated.")] = None,
    neurons: Annotated[int | None, typer.Option(min=1, help="Width of the hidden layer, where it can be chosen.")] = None,
    decode: Annotated[str | None, typer.Option(help="JPEG decoding, here and on the board: exact, or scaled (faster).")] = None,
    mirror: Annotated[
        str | None,
        typer.Option(help="Of windows: channels, such as 0 or 0,4,5, that change sign where the first has a negative mean."),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(help="Of windows: those that the network sees, by train.npz's names, such as acc_x,acc_y. Default: all."),
    ] = None,
    separate_gravity: Annotated[
        bool, typer.Option("--separate-gravity", help="Of windows: each channel as its mean and the movement about it.")
    ] = False,
    augment: Annotated[
        str | None, typer.Option(help="none, light (small shifts and turns), photo, crop-flip, paper; of pixels randaugment.")
    ] = None,
    copies: Annotated[
        int | None,
        typer.Option(min=0, max=100, help="Augmented copies of each image, made beforehand. [pixels: anew every epoch]"),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="cross-entropy or focal, class-balanced both.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="0 to below 1; cross-entropy only.")] = None,
    mixup: Annotated[float | None, typer.Option(help="a of the Beta(a, a) by which examples are mixed in pairs; 0: not.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak of the warm-up and cosine schedule.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples a step.")] = None,
    patience: Annotated[int | None, typer.Option(min=0, help="Stop after so many epochs without progress; 0: never.")] = None,
    amp: Annotated[str | None, typer.Option(help="Mixed precision: bf16, or fp16 on CUDA.")] = None,
    teacher: Annotated[Path | None, typer.Option(help="A finished run of the same classes to learn from as well.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Share of the true labels beside a teacher. [0.5]")] = None,
    temperature: Annotated[float | None, typer.Option(help="Divides both logits beside a teacher. [4]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the interrupted run in --out.")] = False,
    json: Json = False,
) -> None:
    """Train a network on a folder of labelled images: checkpoint, metrics and curves in a run folder.

    Options beside --recipe take the place of its settings. On a GPU where there is one; on several, or several processes, by
    torchrun --nproc-per-node N -m edgekit train ...

    Example: edgekit train data/fire --model imagesig-cnn1d --out runs/fire --epochs 20 --seed 0
    """
    from edgekit.errors import UserError
    from edgekit.models.checkpoint import STATE
    from edgekit.models.registry import model_info
    from edgekit.training.config import TrainConfig
    from edgekit.training.loop import train as train_run
    from edgekit.training.parallel import processes
    from edgekit.training.recipes import training_recipe

    chosen: dict[str, Any] = {
        "epochs": epochs,
        "frontend": frontend,
        "path": path,
        "size": parse_size(size) if size else None,
        "depth": depth,
        "directions": directions,
        "neurons": neurons,
        "decode": decode,
        "mirror": None if mirror is None else tuple(parse_numbers("--mirror", mirror)),
        "separate_gravity": separate_gravity or None,
        "channels": None if channels is None else tuple(name.strip() for name in channels.split(",")),
        "augment": augment,
        "copies": copies,
        "loss": loss,
        "label_smoothing": label_smoothing,
        "mixup": mixup,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "patience": patience,
        "amp": amp,
        "teacher": teacher,
        "alpha": alpha,
        "temperature": temperature,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    if idle := [name for name in ("alpha", "temperature") if name in given and teacher is None]:
        raise UserError(f"Expected a teacher beside --{idle[0]}, got none. Pass --teacher RUN, or leave --{idle[0]} out.")
    if given.get("loss") == "focal":
        given.setdefault("label_smoothing", 0.0)
    settings = {**training_recipe(recipe, model, frontend).settings, **given}
    try:
        with processes() as group, progress_bar() as progress:
            config = TrainConfig(data=data, model=model, out=out, seed=seed, resume=resume, **settings)
            result = train_run(config, progress if group.is_first else None, group)
    except KeyboardInterrupt as interrupt:
        if not (out / STATE).is_file():
            raise
        raise UserError(f"Interrupted. The epochs so far are in {out}: go on with the same command and --resume.") from interrupt
    if not group.is_first:
        return
    if json:
        print_json(result.to_json())
    else:
        _show(result, out, "windows" if model_info(model).frontend == "samples" else "images")


def _show(result: TrainResult, out: Path, examples: str) -> None:
    typer.echo(f"{out}: {result.model}, {result.epochs} epochs")
    typer.echo(f"validation accuracy {100 * result.validation.accuracy:.2f} % of {result.validation.n} {examples}")
    if result.test is not None:
        typer.echo(f"test accuracy       {100 * result.test.accuracy:.2f} % of {result.test.n} {examples}")
    typer.echo(f"next: edgekit export {out} --out {out.name}.bundle")
