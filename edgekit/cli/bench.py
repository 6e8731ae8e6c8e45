"""`edgekit bench`: latency on this machine."""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.common import Bar, Json, boundary, log, print_json, print_table, progress_bar
from edgekit.errors import GateError, UserError

if TYPE_CHECKING:
    from edgekit.bench.plan import Candidate
    from edgekit.core.bundle import Bundle

__all__ = ["bench"]

_WORTH_SAYING_S = 90


@boundary
def bench(
    bundle: Annotated[Path, typer.Argument(help="A bundle (folder or .zip).")],
    images: Annotated[Path | None, typer.Option(help="Real images, or windows (.npz). Default: the bundle's own.")] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Threads of the runtime; may be given several times. [1]")
    ] = None,
    runtime: Annotated[str | None, typer.Option(help="litert, tflite-runtime or onnxruntime. Default: all installed.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, fp16, int8-dynamic or int8. Default: all.")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="Two windows of 0.05 s: does it run? Not comparable.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Five windows of 1 s: a first idea. Not comparable.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Ten windows of 60 s: does it hold once the board is warm?")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="float32 against int8 in turns: which to ship here.")] = False,
    against: Annotated[
        Path | None, typer.Option(help="An earlier --out of this board: exit code 1 where one became slower.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the whole document, raw samples too, to a JSON file.")] = None,
    json: Json = False,
) -> None:
    """Latency of every artifact on every installed runtime, by stage; by default five windows of 10 s each.

    With --compare, float32 and int8 in turns and which to ship; accuracy from --images where that is a folder of labelled images
    (CLASS/*), else from the bundle.

    Example: edgekit bench fire.bundle --images photos --threads 1 --threads 4 --out bench.json
    """
    from edgekit.bench.against import compare_with, read_measurement
    from edgekit.bench.compare import pairs_of
    from edgekit.bench.plan import DEFAULT, QUICK, SMOKE, STRICT, candidates_of
    from edgekit.bench.report import HEADER, table
    from edgekit.bench.run import bench_bundle
    from edgekit.cli.predict import expand
    from edgekit.core.bundle import Bundle

    if smoke + quick + strict > 1:
        raise UserError("Expected one of --smoke, --quick and --strict, got several. Choose one.")
    if compare and precision is not None:
        raise UserError(f"Expected --compare or --precision, got both ({precision}). Leave one out.")
    if out is not None and not out.parent.is_dir():
        raise UserError(f"Expected the folder {out.parent} to exist, to write {out.name} into. Create it first.")
    mode = SMOKE if smoke else QUICK if quick else STRICT if strict else DEFAULT
    earlier = read_measurement(against) if against is not None else None
    opened = Bundle.open(bundle)
    windows = opened.manifest.frontend.name == "samples"
    candidates = candidates_of(opened, runtime, precision, threads or [1])
    pairs = pairs_of(candidates) if compare else ()
    candidates = tuple(candidate for pair in pairs for candidate in pair) or candidates
    paths = expand([str(images)], windows) if images else []
    if (seconds := len(candidates) * mode.seconds_each) > _WORTH_SAYING_S:
        log(f"{len(candidates)} candidates, about {seconds / 60:.0f} minutes; --runtime, --precision and --quick make it shorter")
    with progress_bar() as progress:
        progress.start("bench", len(candidates) * (1 + mode.windows))
        document = bench_bundle(opened, candidates, mode, paths, progress.advance)
        if pairs:
            document["comparison"] = _comparison(opened, document, pairs, paths, progress)
    if earlier is not None:
        document["against"] = compare_with(document, earlier)
    if out is not None:
        _write(out, document)
    if json:
        print_json(document)
    else:
        print_table(HEADER, table(document["runs"]))
        _show(document)
    if earlier is not None and document["against"]["slower"]:
        raise GateError(f"Expected every run as fast as in {against} within the spread of the windows, some are slower.")


def _comparison(
    bundle: Bundle, document: dict[str, Any], pairs: Sequence[tuple[Candidate, Candidate]], paths: list[Path], progress: Bar
) -> dict[str, Any]:
    from edgekit.bench.compare import compare
    from edgekit.bench.labelled import labelled_inputs, qualities_of

    manifest = bundle.manifest
    inputs = labelled_inputs(paths, manifest.labels, manifest.frontend.name == "samples") if paths else ()
    progress.start("accuracy", len(inputs) * len({whole.runtime for whole, _ in pairs}))
    qualities = qualities_of(bundle, pairs, inputs, progress.advance)
    firm = document["valid"] and document["mode"] != "smoke"
    return compare(document["runs"], qualities, firm, document["device"]["machine"])


def _show(document: dict[str, Any]) -> None:
    if "comparison" in document:
        _show_comparison(document["comparison"])
    if "against" in document:
        _show_against(document["against"])
    for warning in document["warnings"]:
        log(f"warning: {warning}")


def _show_against(against: dict[str, Any]) -> None:
    header = ["against the earlier measurement", "runtime", "threads", "before ms", "now ms", "ratio", "spread ms", "verdict"]
    rows = [
        [
            *(run["artifact"], run["runtime"], str(run["threads"])),
            *(f"{run[key]:.3f}" for key in ("before_ms", "now_ms", "ratio", "spread_ms")),
            run["verdict"] if against["firm"] else f"({run['verdict']})",
        ]
        for run in against["runs"]
    ]
    print_table(header, rows)
    for note in against["notes"]:
        log(f"note: not judged: {note}.")


def _show_comparison(comparison: dict[str, Any]) -> None:
    for pair in comparison["pairs"]:
        typer.echo(f"{pair['runtime']}, {pair['threads']} thread(s): {pair['why']}. Ship {pair['ship']}.")
    ship, firm = comparison["ship"], "" if comparison["firm"] else " (not firm: the measurement is invalid or too short)"
    typer.echo(f"Ship {ship['artifact']} on {ship['runtime']}: {ship['p50_ms']:.3f} ms an image{firm}.")
    typer.echo(f"Rule: {comparison['rule']}")
    for note in comparison["notes"]:
        log(f"note: {note}.")


def _write(out: Path, document: dict[str, Any]) -> None:
    from edgekit.core.files import write_file

    write_file(out, (jsons.dumps(document, indent=1, allow_nan=False) + "\n").encode("utf-8"))
