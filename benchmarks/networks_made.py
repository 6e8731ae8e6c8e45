"""What a result of `networks.py` was made from, told beside it: figures of different runs never stand in one row of the table.

NAME/              the run; its run.json has the sha256 of its weights
NAME.train.json    what it was trained with
NAME.bundle/       its export
NAME.bundle.json   what that was made from
NAME.*.json        evaluations; each result has the sha256 of the file it is of
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekit.core.bundle import Bundle
from edgekit.core.manifest import Manifest
from edgekit.core.recipe import Recipe
from edgekit.errors import EdgekitError
from edgekit.models.checkpoint import load_run
from edgekit.training.temperature import BOUNDS
from edgekit.workflows.card import card_of_run


@dataclass(frozen=True)
class Training:
    """What a run is trained with.

    Attributes:
        options: of `edgekit train`, but for the teacher.
        teacher: name of its run; a name, since the folder of all runs may be moved.
        teacher_weights: sha256; None without a teacher, or where nothing tells.
    """

    options: tuple[str, ...]
    teacher: str | None = None
    teacher_weights: str | None = None

    def fits(self, other: Training) -> bool:
        """Whether nothing that is known of both differs."""
        known = None not in (self.teacher_weights, other.teacher_weights)
        same_teacher = self.teacher_weights == other.teacher_weights or not known
        return (self.options, self.teacher) == (other.options, other.teacher) and same_teacher

    def to_text(self) -> str:
        return json.dumps(asdict(self))


def training_file(run: Path) -> Path:
    return run.with_name(f"{run.name}.train.json")


def read_training(run: Path) -> Training | None:
    """What a run was trained with; None where nothing tells."""
    file = training_file(run)
    if not file.is_file():
        return None
    value = json.loads(file.read_bytes())
    if isinstance(value, dict):
        return Training(tuple(value["options"]), value["teacher"], value["teacher_weights"])
    # Of an earlier version: a list of options that ends with the path of the teacher.
    if value[-2:-1] == ["--teacher"]:
        return Training(tuple(value[:-2]), Path(value[-1]).name)
    return Training(tuple(value))


def weights_of(run: Path) -> str | None:
    """sha256 of the weights of a finished run; None where it is not finished."""
    file = run / "run.json"
    return str(json.loads(file.read_bytes())["weights"]) if file.is_file() else None


def bundle_of(run: Path) -> Path:
    return run.with_name(f"{run.name}.bundle")


def export_file(run: Path) -> Path:
    return run.with_name(f"{run.name}.bundle.json")


def export_text(run: Path, options: Sequence[str]) -> str:
    """What a bundle is made from: the weights of its run and options of `edgekit export`."""
    return json.dumps({"weights": weights_of(run), "options": list(options)})


def is_exported(run: Path, options: Sequence[str]) -> bool:
    """Whether the bundle beside a finished run was made from it, with these options."""
    if not bundle_of(run).exists():
        return False
    if export_file(run).is_file():
        return export_file(run).read_text() == export_text(run, options)
    return not options and _is_export_of_before(run)


def _is_export_of_before(run: Path) -> bool:
    """An earlier version told nothing; the card shows it: it holds the temperature and the standardisation fitted to the run."""
    try:
        manifest = Bundle.open(bundle_of(run)).manifest
    except EdgekitError:
        return False
    low, high = BOUNDS
    # At its bounds a temperature is that of many runs.
    fitted = 1.01 * low < manifest.output.temperature < 0.99 * high
    return fitted and _has_usual_recipe(manifest) and manifest.card == card_of_run(load_run(run))


def _has_usual_recipe(manifest: Manifest) -> bool:
    usual = Recipe("int8")
    recipes = [artifact.recipe or usual for artifact in manifest.artifacts]
    same = all(
        (one.observer, one.weights_observer, one.seed) == (usual.observer, usual.weights_observer, usual.seed) for one in recipes
    )
    return same and manifest.target == "generic" and manifest.tuning is None


def files_of(bundle: Path) -> frozenset[str]:
    """sha256 of every model file."""
    return frozenset(artifact.sha256 for artifact in Bundle.open(bundle).manifest.artifacts)


def is_evaluation_of(file: Path, subject: Collection[str | None]) -> bool:
    """Whether every result in a document of `edgekit evaluate` is of one of these files, given by sha256."""
    if not file.is_file():
        return False
    results = json.loads(file.read_bytes())["results"]
    return bool(results) and all(row.get("sha256", "") in subject for row in results)


def forget_export(run: Path) -> None:
    """Remove the bundle beside a run and what was measured on it; what tells of it last."""
    shutil.rmtree(bundle_of(run), ignore_errors=True)
    _remove(run, "int8*.json")
    export_file(run).unlink(missing_ok=True)


def forget_results(run: Path) -> None:
    """Remove everything that was made from a run."""
    forget_export(run)
    _remove(run, "float.*.json")


def _remove(run: Path, pattern: str) -> None:
    for file in run.parent.glob(f"{run.name}.{pattern}"):
        file.unlink()
