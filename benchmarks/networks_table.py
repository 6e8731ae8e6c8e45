"""networks.toml read, and the table of what `networks.py` has finished."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomllib  # Python 3.11
from networks_made import Training, bundle_of, files_of, is_evaluation_of, is_exported, read_training, weights_of

from edgekit.core.bundle import Bundle
from edgekit.models.checkpoint import load_run
from edgekit.models.counts import count_macs, count_parameters


@dataclass(frozen=True)
class TableRow:
    """One network and how it is trained, on some data sets.

    Attributes:
        name: of the row.
        model: registered name.
        data: names of the data sets.
        sizes: data set -> pixels a side, None for windows.
        sources: data set -> what the names of its files begin with.
        options: of `edgekit train`.
        export: of `edgekit export`.
        teacher: name of another row.
    """

    name: str
    model: str
    data: tuple[str, ...]
    sizes: Mapping[str, int | None]
    sources: Mapping[str, Sequence[str]]
    options: tuple[str, ...]
    export: tuple[str, ...]
    teacher: str | None

    def size_on(self, data: str) -> int | None:
        return self.sizes[data]

    def sources_of(self, data: str) -> Sequence[str]:
        return self.sources[data]

    def teacher_of(self, seed: int) -> str | None:
        return None if self.teacher is None else f"{self.teacher}-seed{seed}"

    def training(self, folder: Path, data: str, seed: int) -> Training:
        """What its run is trained with; `folder` holds the runs of the data set, the teacher's among them."""
        size = () if self.size_on(data) is None else ("--size", str(self.size_on(data)))
        teacher = self.teacher_of(seed)
        options = ("--model", self.model, "--seed", str(seed), *size, *self.options)
        return Training(options, teacher, None if teacher is None else weights_of(folder / teacher))


@dataclass(frozen=True)
class Table:
    """What there is to do."""

    seeds: tuple[int, ...]
    data: tuple[str, ...]
    rows: tuple[TableRow, ...]


def read_table(file: Path) -> Table:
    """networks.toml; unknown keys are refused."""
    content = tomllib.loads(file.read_text())
    sets: dict[str, dict[str, Any]] = content["data"]
    images = tuple(name for name, entry in sets.items() if "size" in entry)
    rows = []
    for name, entry in content["row"].items():
        unknown = entry.keys() - {"model", "data", "size", "options", "export", "teacher", "frontends"}
        if unknown:
            raise SystemExit(f"{file}: row {name}: unknown {', '.join(unknown)}")
        data = tuple(entry.get("data", images))
        sizes = {one: entry.get("size", sets[one]["size"]) if one in images else None for one in data}
        sources = {one: tuple(sets[one].get("sources", ())) for one in data}
        options, export = (tuple(entry.get(key, ())) for key in ("options", "export"))
        row = TableRow(name, entry.get("model", name), data, sizes, sources, options, export, entry.get("teacher"))
        rows += [row, *(_behind(row, frontend) for frontend in entry.get("frontends", ()))]
    return Table(tuple(content["seeds"]), tuple(sets), tuple(rows))


def _behind(row: TableRow, frontend: str) -> TableRow:
    """The same row with another front end."""
    return replace(row, name=f"{row.name}-{frontend}", options=("--frontend", frontend, *row.options))


def write_table(out: Path, table: Table) -> str:
    """The Markdown of everything in `out` that is finished as the table says; table.json and table.md beside it."""
    documents = [
        document
        for data in table.data
        for row in table.rows
        if data in row.data and (document := _document(out / data, row, data)) is not None
    ]
    text = "\n\n".join(_markdown(data, [one for one in documents if one["data"] == data]) for data in table.data)
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.json").write_text(json.dumps(documents, indent=1) + "\n")
    (out / "table.md").write_text(text.strip() + "\n")
    return text.strip()


def _document(folder: Path, row: TableRow, data: str) -> dict[str, Any] | None:
    """One row: facts of its finished runs, over whatever seeds there are; what belongs to other runs is left out."""
    runs = [run for path in sorted(folder.glob(f"{row.name}-seed*/run.json")) if _is_of(row, data, run := path.parent)]
    if not runs:
        return None
    first = load_run(runs[0])
    metrics = [json.loads((run / "metrics.json").read_bytes()) for run in runs]
    exported = [run for run in runs if is_exported(run, row.export)]
    evaluations = _evaluations(exported, "int8")
    artifacts = [artifact for run in exported for artifact in Bundle.open(bundle_of(run)).manifest.artifacts]
    sources = row.sources_of(data)
    return {
        "data": data,
        "row": row.name,
        "model": row.model,
        "size": row.size_on(data),
        "seeds": [_seed_of(run) for run in runs],
        "epochs": [load_run(run).config.epochs for run in runs],
        "parameters": count_parameters(first.module),
        "macs": count_macs(first.module, first.config.input_shape),
        "bytes_tflite": _most(artifact.bytes for artifact in artifacts if artifact.format == "tflite"),
        "bytes_onnx": _most(artifact.bytes for artifact in artifacts if artifact.format == "onnx"),
        "float_layers": {kind: _float_layers(artifacts, kind) for kind in ("tflite", "onnx")},
        "validation": [one["validation"]["accuracy"] for one in metrics],
        "float": [one["test"]["accuracy"] for one in metrics if one["test"]],
        "int8_tflite": _accuracies(evaluations, "litert"),
        "int8_onnx": _accuracies(evaluations, "onnxruntime"),
        "sources": {
            source: {
                "float": _accuracies(_evaluations(runs, f"float.{source}"), "torch"),
                "int8_tflite": _accuracies(_evaluations(exported, f"int8.{source}"), "litert"),
            }
            for source in sources
        },
    }


def _is_of(row: TableRow, data: str, run: Path) -> bool:
    """Whether a run was trained as its row says."""
    told = read_training(run)
    return told is not None and told.fits(row.training(run.parent, data, _seed_of(run)))


def _seed_of(run: Path) -> int:
    return int(run.name.rpartition("-seed")[2])


def _evaluations(runs: Sequence[Path], what: str) -> list[Path]:
    """Documents of `edgekit evaluate` beside these runs: of their weights, or of the files of their bundles."""
    found = []
    for run in runs:
        subject = {weights_of(run)} if what.startswith("float") else files_of(bundle_of(run))
        if is_evaluation_of(file := run.with_name(f"{run.name}.{what}.json"), subject):
            found.append(file)
    return found


def _most(values: Iterator[int]) -> int | None:
    return max(values, default=None)


def _float_layers(artifacts: Sequence[Any], kind: str) -> list[int]:
    """How many layers each file keeps in float."""
    return [len(artifact.recipe.float_layers) for artifact in artifacts if artifact.format == kind]


def _accuracies(files: Sequence[Path], runtime: str) -> list[float]:
    results = [json.loads(file.read_bytes())["results"] for file in files]
    return [row["accuracy"] for rows in results for row in rows if row["runtime"] == runtime]


def _markdown(data: str, documents: Sequence[dict[str, Any]]) -> str:
    if not documents:
        return ""
    sources = list(documents[0]["sources"])
    header = ["network", "px", "seeds", "epochs", "parameters", "MACs", "int8 TFLite bytes", "validation", "test float"]
    header += ["test int8 TFLite", "test int8 ONNX", *(f"{source} float / int8" for source in sources)]
    lines = [f"### {data}", "", f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for one in documents:
        cells = [one["row"], str(one["size"] or "-"), str(len(one["seeds"])), _range(one["epochs"])]
        cells += [f"{one['parameters']:,}", _millions(one["macs"]), _bytes(one)]
        cells += [_spread(one[key]) for key in ("validation", "float", "int8_tflite", "int8_onnx")]
        cells += [f"{_mean(of['float'])} / {_mean(of['int8_tflite'])}" for of in one["sources"].values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _millions(macs: int) -> str:
    return f"{macs / 1e6:.2f} M"


def _bytes(document: dict[str, Any]) -> str:
    size, layers = document["bytes_tflite"], document["float_layers"]["tflite"]
    if size is None:
        return "-"
    return f"{size:,}" + (f" ({_range(layers)} layers in float)" if any(layers) else "")


def _mean(values: Sequence[float]) -> str:
    return f"{100 * statistics.fmean(values):.1f}" if values else "-"


def _spread(values: Sequence[float]) -> str:
    """Mean and standard deviation (of a sample) in per cent."""
    return _mean(values) + (f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else "")
