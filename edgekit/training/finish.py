"""What a training leaves behind: the run folder with its weights, figures and curves."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.core.files import write_file
from edgekit.core.manifest import FrontEndEntry
from edgekit.models.checkpoint import STATE, VALIDATION, DataEntry, RunConfig, save_run
from edgekit.training.config import TrainConfig
from edgekit.training.curves import curves_csv, curves_svg
from edgekit.training.data import DataSet
from edgekit.training.fit import FitResult, predict_logits
from edgekit.training.metrics import Metrics, compute_metrics
from edgekit.training.parallel import Processes
from edgekit.training.prepared import Prepared
from edgekit.training.temperature import fit_temperature
from edgekit.training.validation import validation_file
from edgekit.training.windows import WindowSet

__all__ = ["TrainResult", "finish"]

_PACKAGES = ("edgekit", "torch", "numpy", "Pillow")


@dataclass(frozen=True)
class TrainResult:
    """What a finished run says of itself.

    Attributes:
        run: the run folder.
        model: registered name of the network.
        epochs: that were run.
        validation: metrics of the validation split, on which the temperature was fitted, by the network that was not trained on
            it, after as many epochs as the kept one.
        test: metrics of the test side, evaluated once with the kept weights; None where the data set has none.
    """

    run: str
    model: str
    epochs: int
    validation: Metrics
    test: Metrics | None

    def to_json(self) -> dict[str, Any]:
        """The document of `edgekit train --json`."""
        test = None if self.test is None else {"n": self.test.n, "accuracy": self.test.accuracy}
        return {
            "run": self.run,
            "model": self.model,
            "epochs": self.epochs,
            "validation": {"accuracy": self.validation.accuracy},
            "test": test,
        }


def finish(
    config: TrainConfig,
    data: DataSet | WindowSet,
    prepared: Prepared,
    module: nn.Module,
    chosen: FitResult,
    weights: dict[str, torch.Tensor],
    group: Processes,
) -> TrainResult:
    """Fit the temperature, evaluate, and in the first process write the run; run.json last, then the state goes.

    Validation figures and temperature come from the network of the split, the test figures from the kept weights.
    """
    module.load_state_dict(chosen.weights)
    logits = predict_logits(module, prepared.fit.x_validation)
    targets = prepared.fit.y_validation.numpy()
    temperature = fit_temperature(logits, targets)
    validation = compute_metrics(targets, _softmax(logits / temperature))
    module.load_state_dict(weights)
    test = None
    if len(prepared.y_test):
        test = compute_metrics(prepared.y_test, _softmax(predict_logits(module, prepared.x_test) / temperature))
    result = TrainResult(str(config.folder), config.model, len(chosen.history), validation, test)
    if not group.is_first:
        return result
    folder = config.folder
    tested = {**asdict(test), "data": data.test_digest} if test else None
    metrics = {"validation": asdict(validation), "test": tested, "kept_epoch": asdict(chosen.best)}
    write_file(folder / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())
    write_file(folder / VALIDATION, validation_file(logits, targets))
    write_file(folder / "curves.csv", curves_csv(chosen.history))
    write_file(folder / "curves.svg", curves_svg(chosen.history, chosen.best))
    save_run(folder, _run_config(config, data, prepared, len(chosen.history), temperature), weights)
    (folder / STATE).unlink(missing_ok=True)
    return result


def _run_config(config: TrainConfig, data: DataSet | WindowSet, prepared: Prepared, epochs: int, temperature: float) -> RunConfig:
    return RunConfig(
        name=config.folder.resolve().name,
        model=config.model,
        labels=data.labels,
        classes=len(data.labels),
        input_shape=tuple(prepared.frontend.output.shape),
        frontend=FrontEndEntry(prepared.frontend.name, prepared.frontend.config_to_json()),
        data=DataEntry(str(data.root.resolve()), data.digest),
        split_seed=config.seed,
        training=config.settings(),
        epochs=epochs,
        temperature=temperature,
        weights="",
        versions=_versions(),
        options=config.network_options(),
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package.lower()] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
