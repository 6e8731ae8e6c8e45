"""A run folder: what training leaves behind, and how it is opened again.

    run.json            RunConfig; written last, so its presence says that the run is whole
    model.safetensors   the weights
    metrics.json        validation and test figures
    curves.csv, .svg    one row an epoch
    validation.npz      logits and classes of the validation split, by the network that was not trained on it
    state.pt            only while training is under way: what `--resume` continues from

Every file is written beside its place, flushed to disk and renamed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from edgekit.core.files import write_file
from edgekit.core.manifest import FrontEndEntry
from edgekit.core.strict import from_json, to_json
from edgekit.errors import BundleError, ModelError
from edgekit.frontends.base import FrontEnd, create_frontend
from edgekit.models.registry import create_model

__all__ = [
    "CONFIG",
    "SCHEMA",
    "STATE",
    "VALIDATION",
    "WEIGHTS",
    "DataEntry",
    "Run",
    "RunConfig",
    "is_run",
    "load_run",
    "save_run",
    "weights_of",
]

SCHEMA = 1
CONFIG = "run.json"
WEIGHTS = "model.safetensors"
STATE = "state.pt"
VALIDATION = "validation.npz"


@dataclass(frozen=True)
class DataEntry:
    """What a run was trained on.

    Attributes:
        path: of the data set's folder, as it was when trained.
        digest: sha256 over its images, see `edgekit.training.data.DataSet.digest`.
    """

    path: str
    digest: str


@dataclass(frozen=True)
class RunConfig:
    """run.json: everything that rebuilds the network and its front end, and how they came to be.

    Attributes:
        name: of the run folder when it was trained; bundles made of it carry this name.
        model: registered name of the network.
        labels: class names in the order of the logits.
        classes: number of logits.
        input_shape: of one image's features, without the batch dimension.
        frontend: name and config, standardisation included.
        data: the training data.
        split_seed: of the validation split.
        training: every training setting, as JSON values.
        epochs: how many were run.
        temperature: divides logits before the softmax; fitted on the validation split.
        weights: sha256 of model.safetensors.
        versions: package -> version that trained it.
        options: of the network, in place of the registered ones.
    """

    name: str
    model: str
    labels: tuple[str, ...]
    classes: int
    input_shape: tuple[int, ...]
    frontend: FrontEndEntry
    data: DataEntry
    split_seed: int
    training: dict[str, Any]
    epochs: int
    temperature: float
    weights: str
    versions: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True)
class Run:
    """A trained network, opened.

    Attributes:
        path: the run folder.
        module: in eval mode; takes (N, *input_shape) float32 standardised features, gives (N, classes) logits.
        config: run.json.
        frontend: image to standardised features.
    """

    path: Path
    module: nn.Module
    config: RunConfig
    frontend: FrontEnd


def save_run(folder: Path, config: RunConfig, state: Mapping[str, Tensor]) -> None:
    """Write model.safetensors and run.json, in this order; `config.weights` is filled in.

    Args:
        folder: the run folder, which exists.
        config: of the run.
        state: the module's `state_dict()`.
    """
    from safetensors.torch import save

    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})
    write_file(folder / WEIGHTS, weights)
    whole = replace(config, weights=hashlib.sha256(weights).hexdigest())
    write_file(folder / CONFIG, (json.dumps(to_json(whole), indent=1, sort_keys=True) + "\n").encode())


def is_run(path: Path) -> bool:
    """True for a folder in which a run was finished or interrupted."""
    return path.is_dir() and any((path / name).is_file() for name in (CONFIG, STATE))


def weights_of(path: str | Path) -> str:
    """sha256 of the weights of a finished run; errors as of `load_run`, but for the weights themselves, which are not read."""
    return _read_config(Path(path)).weights


def load_run(path: str | Path) -> Run:
    """Open a run folder.

    Raises:
        ModelError: on a folder that is no run, a run that was interrupted, or a damaged file.
        UnknownNameError: on a network or a front end that this edgekit does not have.
    """
    folder = Path(path)
    config = _read_config(folder)
    try:
        module = create_model(config.model, classes=config.classes, input_shape=config.input_shape, options=config.options)
    except TypeError as error:
        raise ModelError(f"Expected options of {config.model} in {folder / CONFIG}: {error}. Train again.") from error
    _load_weights(module, folder / WEIGHTS, config.weights)
    try:
        frontend = create_frontend(config.frontend.name, config.frontend.config)
    except BundleError as error:
        raise ModelError(f"Expected a front end in {folder / CONFIG}: {error}") from error
    if tuple(frontend.output.shape) != config.input_shape:
        raise ModelError(
            f"Expected a front end that gives {config.input_shape} in {folder / CONFIG}, got {tuple(frontend.output.shape)}. "
            "The file was changed; train again."
        )
    return Run(folder, module.eval(), config, frontend)


def _read_config(folder: Path) -> RunConfig:
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(_why_no_run(folder))
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"Expected JSON in {path}: {error}. The file is damaged; train again.") from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise ModelError(f"Expected schema {SCHEMA} in {path}, got {schema!r}. Use the edgekit version that wrote it.")
    try:
        return from_json(RunConfig, value, CONFIG)
    except BundleError as error:
        raise ModelError(f"{error} {path} is damaged; train again.") from error


def _why_no_run(folder: Path) -> str:
    if not folder.exists():
        return f"Expected a run folder at {folder}, found nothing there. Check the path, or train one: edgekit train."
    if not folder.is_dir():
        return f"Expected a run folder at {folder}, found a file. Pass the folder that edgekit train --out wrote."
    if (folder / STATE).is_file():
        return f"Expected a finished run in {folder}, found an interrupted one. Finish it: edgekit train ... --resume."
    return f"Expected a run folder with {CONFIG} at {folder}, found none. Pass the folder that edgekit train --out wrote."


def _load_weights(module: nn.Module, path: Path, digest: str) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"Expected weights at {path}: {error.strerror}. The run is incomplete; train again.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ModelError(
            f"Expected weights of sha256 {digest[:12]} at {path}, got {found[:12]}. The file is damaged; train again."
        )
    try:
        module.load_state_dict(load(content))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"Expected weights of the network in {path}: {reason}. The run is damaged; train again.") from error
