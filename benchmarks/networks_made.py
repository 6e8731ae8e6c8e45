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


@dataclass(frozen=True)
class Training:
    """What a run is trained with.

    Attributes:
        options: of `edgekit train`, but for the teacher.
        teacher: name of its run; a name, since the folder of all runs may be moved.
        teacher_weights: sha256; None without a teacher, or where its run is not finished.
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
    if not isinstance(value, dict):
        return None
    return Training(tuple(value["options"]), value["teacher"], value["teacher_weights"])


def weights_of(run: Path) -> str | None:
    """sha256 of the weights of a finished run; None where it is not finished."""
    file = run / "run.json"
    return str(json.loads(file.read_bytes())["weights"]) if file.is_file() else None


def data_of(run: Path) -> str:
    """sha256 of the data that a finished run was trained on."""
    return str(json.loads((run / "run.json").read_bytes())["data"]["digest"])


def bundle_of(run: Path) -> Path:
    return run.with_name(f"{run.name}.bundle")


def export_file(run: Path) -> Path:
    return run.with_name(f"{run.name}.bundle.json")


def export_text(run: Path, options: Sequence[str]) -> str:
    """What a bundle is made from: the weights of its run and options of `edgekit export`."""
    return json.dumps({"weights": weights_of(run), "options": list(options)})


def is_exported(run: Path, options: Sequence[str]) -> bool:
    """Whether the bundle beside a finished run was made from it, with these options."""
    told = export_file(run)
    return bundle_of(run).exists() and told.is_file() and told.read_text() == export_text(run, options)


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
