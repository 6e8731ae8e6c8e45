"""`edgekit bench`: latency on this machine."""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.bench_show import show
from edgekit.cli.common import Bar, Json, boundary, log, print_json, progress_bar
from edgekit.cli.late_bar import LateBar
from edgekit.errors import GateError, UserError

if TYPE_CHECKING:
    from edgekit.bench.plan import Candidate, Mode
    from edgekit.core.bundle import Bundle

__all__ = ["bench"]

_WORTH_SAYING_S = 90
_COMMAND = "edgekit"


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
    remote: Annotated[str | None, typer.Option(help="Measure on a board over ssh: user@host.", metavar="HOST")] = None,
    edgekit: Annotated[str, typer.Option(help="With --remote: the board's command.")] = _COMMAND,
    ssh_config: Annotated[Path | None, typer.Option(help="With --remote: in place of ~/.ssh/config.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the whole document, raw samples too, to a JSON file.")] = None,
    json: Json = False,
) -> None:
    """Latency of every artifact on every installed runtime, by stage; by default five windows of 10 s each.

    With --compare, float32 and int8 in turns and which to ship; accuracy from --images where that is a folder of labelled images
    (CLASS/*), else from the bundle.

    Example: edgekit bench fire.bundle --images photos --threads 1 --threads 4 --out bench.json
    """
    from edgekit.bench.against import compare_with, read_measurement
    from edgekit.bench.plan import DEFAULT, QUICK, SMOKE, STRICT
    from edgekit.cli.predict import expand
    from edgekit.core.bundle import Bundle

    if smoke + quick + strict > 1:
        raise UserError("Expected one of --smoke, --quick and --strict, got several. Choose one.")
    if compare and precision is not None:
        raise UserError(f"Expected --compare or --precision, got both ({precision}). Leave one out.")
    if remote is None and (edgekit != _COMMAND or ssh_config is not None):
        raise UserError("Expected --edgekit and --ssh-config with --remote HOST, got no host. Add it, or leave them out.")
    if out is not None and not out.parent.is_dir():
        raise UserError(f"Expected the folder {out.parent} to exist, to write {out.name} into. Create it first.")
    if out is not None and out.is_dir():
        raise UserError(f"Expected a file for --out, {out} is a folder. Name a file in it.")
    mode = SMOKE if smoke else QUICK if quick else STRICT if strict else DEFAULT
    earlier = read_measurement(against) if against is not None else None
    opened = Bundle.open(bundle)
    paths = expand([str(images)], opened.manifest.frontend.name == "samples") if images else []
    wanted = _Wanted(mode, runtime, precision, tuple(threads or [1]), compare)
    document = _here(opened, wanted, paths) if remote is None else _there(remote, ssh_config, edgekit, opened, wanted, paths)
    if earlier is not None:
        document["against"] = compare_with(document, earlier)
    if out is not None:
        _write(out, document)
    if json:
        print_json(document)
    else:
        show(document)
    if earlier is not None and document["against"]["slower"]:
        raise GateError(f"Expected every run as fast as in {against} within the spread of the windows, some are slower.")


@dataclass(frozen=True)
class _Wanted:
    """What to measure, and how long."""

    mode: Mode
    runtime: str | None
    precision: str | None
    threads: tuple[int, ...]
    compare: bool

    def options(self) -> list[str]:
        """The same for another `edgekit bench`."""
        given = [("runtime", self.runtime), ("precision", self.precision), *(("threads", count) for count in self.threads)]
        words = [f"--{name}={value}" for name, value in given if value is not None]
        mode = [] if self.mode.name == "default" else [f"--{self.mode.name}"]
        return [*words, *mode, *(["--compare"] if self.compare else [])]


def _here(bundle: Bundle, wanted: _Wanted, paths: list[Path]) -> dict[str, Any]:
    from edgekit.bench.compare import pairs_of
    from edgekit.bench.plan import candidates_of
    from edgekit.bench.run import bench_bundle

    mode = wanted.mode
    candidates = candidates_of(bundle, wanted.runtime, wanted.precision, wanted.threads)
    pairs = pairs_of(candidates) if wanted.compare else ()
    candidates = tuple(candidate for pair in pairs for candidate in pair) or candidates
    if (seconds := len(candidates) * mode.seconds_each) > _WORTH_SAYING_S:
        log(f"{len(candidates)} candidates, about {seconds / 60:.0f} minutes; --runtime, --precision and --quick make it shorter")
    with progress_bar() as progress:
        progress.start("bench", len(candidates) * (1 + mode.windows))
        document = bench_bundle(bundle, candidates, mode, paths, progress.advance)
        if pairs:
            document["comparison"] = _comparison(bundle, document, pairs, paths, progress)
    return document


def _there(
    host: str, ssh_config: Path | None, command: str, bundle: Bundle, wanted: _Wanted, paths: list[Path]
) -> dict[str, Any]:
    from edgekit.bench.remote import bench_on
    from edgekit.deploy.remote import RemoteEdgekit
    from edgekit.deploy.ssh import Host

    board = RemoteEdgekit(Host(host, ssh_config), command)
    with ExitStack() as stack:
        progress = LateBar(stack, "sending", "the board measures").progress
        return bench_on(board, bundle, paths, wanted.options(), wanted.compare, progress)


def _comparison(
    bundle: Bundle, document: dict[str, Any], pairs: Sequence[tuple[Candidate, Candidate]], paths: list[Path], progress: Bar
) -> dict[str, Any]:
    from edgekit.bench.compare import compare
    from edgekit.bench.labelled import labelled_inputs, qualities_of
    from edgekit.frontends.base import create_frontend

    manifest = bundle.manifest
    frontend = create_frontend(manifest.frontend.name, manifest.frontend.config)
    inputs = labelled_inputs(paths, manifest.labels, frontend) if paths else ()
    progress.start("accuracy", len(inputs) * len({whole.runtime for whole, _ in pairs}))
    qualities = qualities_of(bundle, pairs, inputs, progress.advance)
    firm = document["valid"] and document["mode"] != "smoke"
    return compare(document["runs"], qualities, firm, document["device"]["machine"])


def _write(out: Path, document: dict[str, Any]) -> None:
    from edgekit.core.files import write_file

    write_file(out, (jsons.dumps(document, indent=1, allow_nan=False) + "\n").encode("utf-8"))
