"""The state of an interrupted run: written after every epoch, checked before it is continued."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from edgekit.core.files import ARCHIVE_ERRORS, write_file
from edgekit.core.names import NAMES, is_name
from edgekit.errors import UserError
from edgekit.models.checkpoint import CONFIG, STATE, weights_of
from edgekit.training.config import TrainConfig

__all__ = ["check_out", "load_state", "save_state"]


def check_out(config: TrainConfig) -> None:
    """Refuse a place that is taken or among the data, or with `resume` one where nothing waits to be continued.

    Raises:
        UserError: saying what lies there and what to do.
    """
    out = config.folder
    if not is_name(out.resolve().name):
        raise UserError(
            f"Expected a run folder named by {NAMES}, got {out.resolve().name!r}: its bundle is named so, on boards too."
        )
    data = Path(config.data).resolve()
    if data in (out.resolve(), *out.resolve().parents):
        raise UserError(f"Expected a place outside the data set for the run, got {out} in {data}. Choose another --out.")
    interrupted = (out / STATE).is_file() and not (out / CONFIG).exists()
    if config.resume:
        if (out / CONFIG).exists():
            raise UserError(
                f"Expected an interrupted run in {out}, found a finished one. Leave out --resume and choose another --out."
            )
        if not interrupted:
            raise UserError(f"Expected an interrupted run in {out}, found none. Leave out --resume to start one.")
        return
    if interrupted:
        raise UserError(f"Expected a free place for the run, found an interrupted one in {out}. Pass --resume, or another --out.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"Expected a free place for the run, found {out}. Choose another --out, or remove it.")
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise UserError(f"Expected a folder to make the run in, found the file {parent}. Choose another --out.")


def save_state(config: TrainConfig, digest: str, state: dict[str, Any]) -> None:
    """Write the state into the run folder, whole or not at all.

    Args:
        config: the run's settings.
        digest: of the data set.
        state: as `edgekit.training.fit.fit` gives it.
    """
    buffer = io.BytesIO()
    torch.save({"identity": _identity(config, digest), "fit": state}, buffer)
    write_file(config.folder / STATE, buffer.getvalue())


def load_state(config: TrainConfig, digest: str) -> dict[str, Any]:
    """Read what `save_state` wrote.

    Raises:
        UserError: on a damaged file, other settings, or other data than the interrupted run had.
    """
    path = config.folder / STATE
    try:
        content = io.BytesIO(path.read_bytes())
        with zipfile.ZipFile(content) as archive:
            if (damaged := archive.testzip()) is not None:  # torch does not look at the CRC-32 of its tensors
                raise zipfile.BadZipFile(f"{damaged} is damaged")
        content.seek(0)
        saved = torch.load(content, map_location="cpu", weights_only=True)
        identity, state = json.loads(saved["identity"]), saved["fit"]
    except (*ARCHIVE_ERRORS, TypeError, AttributeError, IndexError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"Expected the state of an interrupted run in {path}: {reason[:80]}. Remove {config.folder}, start anew."
        ) from error
    _check_identity(identity, json.loads(_identity(config, digest)), Path(config.folder))
    return dict(state)


def _identity(config: TrainConfig, digest: str) -> str:
    """Everything that decides what comes out; a path says nothing of the teacher that lies there."""
    taught = None if config.teacher is None else weights_of(Path(config.teacher))
    return json.dumps({**config.settings(), "images": digest, "teacher's weights": taught}, sort_keys=True)


def _check_identity(saved: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    changed = [name for name in sorted({*saved, *now}) if saved.get(name) != now.get(name)]
    if "images" in changed:
        raise UserError(
            f"Expected the images that the interrupted run in {folder} had, got others. Restore them, or choose another --out."
        )
    if changed:
        told = ", ".join(f"{name} {now.get(name)} (was {saved.get(name)})" for name in changed)
        raise UserError(
            f"Expected the settings of the interrupted run in {folder}, got {told}. Pass the same ones, or another --out."
        )
