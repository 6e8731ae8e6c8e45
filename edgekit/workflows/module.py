"""A network that edgekit did not train, as if it were a run: `edgekit export --module package:factory --data DATA`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.core.manifest import FrontEndEntry
from edgekit.errors import ModelError, UserError
from edgekit.exporters.build import reference_logits
from edgekit.exporters.check_module import in_training_mode
from edgekit.frontends.base import FrontEnd
from edgekit.models.checkpoint import DataEntry, Run, RunConfig
from edgekit.training.data import scan
from edgekit.training.windows import scan_windows

if TYPE_CHECKING:
    from torch import nn

__all__ = ["import_module", "module_run"]


def module_run(spec: str, data: Path, frontend: FrontEnd, name: str, note: Callable[[str], None] = lambda _text: None) -> Run:
    """Import a factory, call it, and describe what it gives.

    Args:
        spec: "package.module:factory"; the factory takes nothing and returns a trained nn.Module from one (n, ...) float32 tensor
            of the front end's features to (n, classes) logits.
        data: labelled images (or windows), whose classes, sorted by name, are the logits' labels.
        frontend: what the network was trained behind.
        name: of the bundle.
        note: told in one line of a module that comes in training mode.

    Raises:
        UserError: when the factory cannot be imported or fails.
        ModelError: when it gives no module, or one that does not fit the features or the classes, or cannot become a file.
        DataError: on data that are no data set.
    """
    found = scan_windows(data) if frontend.size is None else scan(data)
    module = import_module(spec)
    shape = tuple(frontend.output.shape)
    if slips := in_training_mode(module):
        note(f"{spec} gives a module in training mode ({', '.join(slips)}); exported as it is in eval mode.")
    probe = np.random.default_rng(0).uniform(0, 1, (2, *shape)).astype(np.float32)
    classes = int(reference_logits(module, probe).shape[1])
    if classes != len(found.labels):
        raise ModelError(f"Expected {len(found.labels)} logits for the classes of {data}, {spec} gives {classes}.")
    config = RunConfig(
        name=name,
        model=spec,
        labels=found.labels,
        classes=classes,
        input_shape=shape,
        frontend=FrontEndEntry(frontend.name, frontend.config_to_json()),
        data=DataEntry(str(data), found.digest),
        split_seed=0,
        training={},
        epochs=0,
        temperature=1.0,
        weights="",
        versions={},
    )
    return Run(Path(), module.eval(), config, frontend)


def import_module(spec: str) -> nn.Module:
    """What the factory gives.

    Raises:
        UserError: when it cannot be imported or fails.
        ModelError: when it gives no nn.Module.
    """
    place, colon, attribute = spec.partition(":")
    if not (place and colon and attribute):
        raise UserError(f"Expected --module as package.module:factory, got {spec!r}.")
    from torch import nn

    with _from_here():
        # Whatever the user's own code raises: it is told in one line, its traceback is theirs to look for.
        try:
            factory: Any = getattr(importlib.import_module(place), attribute)
        except (ImportError, AttributeError) as error:
            raise UserError(f"Expected {attribute} in the Python module {place}: {error}. Is it on the path?") from error
        except (Exception, SystemExit) as error:
            raise UserError(
                f"Expected a Python module {place} that can be imported, it failed: {_told(error)}. What only a script does "
                'belongs under: if __name__ == "__main__"'
            ) from error
        try:
            module = factory()
        except (Exception, SystemExit) as error:
            raise UserError(f"Expected {spec} to return a module, it failed: {_told(error)}") from error
    if not isinstance(module, nn.Module):
        raise ModelError(f"Expected {spec} to return a torch.nn.Module, got {type(module).__name__}.")
    return module


def _told(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


@contextmanager
def _from_here() -> Iterator[None]:
    """The working folder on the import path, as `python -m` has it."""
    before = list(sys.path)
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        sys.path[:] = before
