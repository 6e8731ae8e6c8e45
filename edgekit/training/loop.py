"""Training from a folder of images, or of sensor windows, to a run folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgekit.core.optional import has_module
from edgekit.errors import DataError, EdgekitError, MissingExtraError, UserError
from edgekit.frontends.base import FrontEnd, create_frontend
from edgekit.models.checkpoint import Run
from edgekit.models.registry import ModelInfo, create_model, model_info, takes_neurons
from edgekit.training.config import TrainConfig, default_epochs
from edgekit.training.data import DataSet, scan
from edgekit.training.distill import load_teacher
from edgekit.training.finish import TrainResult, finish
from edgekit.training.fit import FitResult, epoch_seed, fit, seeded
from edgekit.training.images import prepare_images
from edgekit.training.optimise import check_amp
from edgekit.training.parallel import ALONE, Processes
from edgekit.training.pixels import prepare_pixels, takes_pixels
from edgekit.training.prepared import Prepared
from edgekit.training.progress import Progress, Silent
from edgekit.training.state import check_out, load_state, save_state
from edgekit.training.windows import WindowSet, prepare_windows, scan_windows

__all__ = ["TrainResult", "train"]

#: Settings of front ends that only windows have.
_OF_WINDOWS = frozenset({"channels", "mirror", "separate_gravity"})


def train(config: TrainConfig, progress: Progress | None = None, group: Processes = ALONE) -> TrainResult:
    """Train a network on a folder of images, or of sensor windows, and write a run folder.

    Nothing is written (but to the feature cache) before the data, the settings and the network have been found to fit.

    Args:
        config: the settings.
        progress: is told of each stage; None for silence.
        group: of `edgekit.training.parallel.processes`: the device, and the processes that share every batch. All call this
            function; the first alone writes.

    Raises:
        DataError: when the data set cannot be trained on.
        ModelError: when the features do not fit the network.
        UnknownNameError: on an unknown network.
        MissingExtraError: when what writes the run is not installed: said before the training, not after.
        UserError: when `out` is taken, or cannot be resumed; when the loss stops being finite.
    """
    progress = progress or Silent()
    for package in ("safetensors", "matplotlib"):
        if not has_module(package):
            raise MissingExtraError(package, "train")
    info = model_info(config.model)
    if config.neurons is not None and not takes_neurons(config.model):
        raise UserError(f"Expected a network with neurons to choose, {config.model} has none. Leave out --neurons.")
    check_out(config)
    check_amp(config.amp, group.device)
    data, frontend = _data(config, info)
    teacher = None if config.teacher is None else load_teacher(Path(config.teacher), data.labels, frontend)
    module = _new_module(config, frontend, len(data.labels))
    state = load_state(config, data.digest) if config.resume else None
    prepared = _prepare(config, data, frontend, teacher, progress, group)
    if group.is_first:
        _make_folder(config)

    def save(state: dict[str, Any]) -> None:
        save_state(config, data.digest, state)

    try:
        chosen, weights = _fit(config, prepared, module, progress, save, state or {}, group)
    except BaseException:
        with suppress(OSError):
            config.folder.rmdir()  # only where no epoch has been saved in it
        raise
    return finish(config, data, prepared, module, chosen, weights, group)


def _prepare(
    config: TrainConfig,
    data: DataSet | WindowSet,
    frontend: FrontEnd,
    teacher: Run | None,
    progress: Progress,
    group: Processes,
) -> Prepared:
    """What is fitted; the first process fills the cache, the others find it there, or hear what was wrong."""

    def prepare() -> Prepared:
        if isinstance(data, WindowSet):
            return prepare_windows(config, data, frontend, teacher)
        by_images = prepare_pixels if takes_pixels(frontend) and config.copies is None else prepare_images
        return by_images(config, data, frontend, teacher, progress)

    if not group.is_first:
        if wrong := group.firsts(""):
            raise UserError(wrong)
        return prepare()
    try:
        prepared = prepare()
    except EdgekitError as error:
        group.firsts(str(error))
        raise
    group.firsts("")
    return prepared


def _fit(
    config: TrainConfig,
    prepared: Prepared,
    module: nn.Module,
    progress: Progress,
    save: Callable[[dict[str, Any]], None],
    state: dict[str, Any],
    group: Processes,
) -> tuple[FitResult, dict[str, torch.Tensor]]:
    """Fit on the training split; with `refit`, then on everything for as long.

    What is refitted is what was validated: the last epoch of the schedule, or with patience the best one. So validation figures,
    temperature and thresholds are those of a network trained alike.

    Returns:
        The result on the split, and the weights to keep.
    """
    initial = {name: value.clone() for name, value in module.state_dict().items()}
    if "chosen" in state:
        chosen = FitResult.from_state(state["chosen"])
    else:
        chosen = fit(
            module,
            prepared.fit,
            config,
            progress,
            save=lambda fitted: save({"fit": fitted}),
            state=state.get("fit"),
            keep_last=config.refit and not config.patience,
            group=group,
        )
    if not config.refit:
        return chosen, chosen.weights
    module.load_state_dict(initial)
    final = fit(
        module,
        prepared.whole,
        replace(config, epochs=config.epochs or default_epochs(len(prepared.fit.x), config.batch_size), patience=0),
        progress,
        save=lambda fitted: save({"chosen": chosen.to_state(), "fit": fitted}),
        state=state.get("fit") if "chosen" in state else None,
        stage="training on all images",
        keep_last=True,
        stop_after=chosen.best.epoch,
        group=group,
    )
    return chosen, final.weights


def _data(config: TrainConfig, info: ModelInfo) -> tuple[DataSet | WindowSet, FrontEnd]:
    """The data set, and the network's front end for it."""
    root, overrides = Path(config.data), config.frontend_overrides()
    if info.frontend == "samples":
        asked = sorted([*(overrides.keys() - _OF_WINDOWS), *(["frontend"] if config.frontend else [])])
        if asked:
            raise UserError(
                f"Expected no {', '.join(asked)} for {config.model}: it takes sensor windows, no images. Leave it out."
            )
        windows = scan_windows(root)
        shape = list(windows.train.x.shape[1:])
        if config.channels:
            if windows.train.channels is None:
                raise DataError(
                    f"Expected {root / 'train.npz'} to name its channels, from which {', '.join(config.channels)} are taken; it "
                    "does not. Save channels=np.array([...]) in it, one name each."
                )
            shape[0] = len(config.channels)
        named = {} if windows.train.channels is None else {"channels": list(windows.train.channels)}
        return windows, create_frontend("samples", {"shape": shape, **named, **overrides})
    if asked := sorted(overrides.keys() & _OF_WINDOWS):
        raise UserError(f"Expected no {', '.join(asked)} for {config.model}: it takes images, no sensor windows. Leave it out.")
    if config.frontend in (None, info.frontend):
        return scan(root), create_frontend(info.frontend, {**info.config, **overrides})
    return scan(root), create_frontend(config.frontend, {"size": info.config["size"], **overrides})


def _new_module(config: TrainConfig, frontend: FrontEnd, classes: int) -> nn.Module:
    with seeded(epoch_seed(config.seed, -1)):
        return create_model(
            config.model, classes=classes, input_shape=tuple(frontend.output.shape), options=config.network_options()
        )


def _make_folder(config: TrainConfig) -> None:
    try:
        config.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Expected to make the run folder {config.folder}: {error.strerror}. Choose another --out.") from error
