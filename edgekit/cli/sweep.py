"""`edgekit sweep`: a grid of training runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.common import Json, boundary, log, parse_items, parse_numbers, parse_size, print_json, print_table, progress_bar
from edgekit.errors import UserError

__all__ = ["sweep"]


@boundary
def sweep(
    data: Annotated[Path, typer.Argument(help="As for edgekit train.")],
    model: Annotated[str, typer.Option(help="Networks by name, a comma between them.")],
    out: Annotated[Path, typer.Option(help="The sweep's folder: new, or one to go on with.")],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[-- TRAIN_OPTIONS]", help="Further options of edgekit train, for all runs.")
    ] = None,
    sizes: Annotated[str | None, typer.Option(help="Image sizes, such as 32,64 or 48x64.")] = None,
    depths: Annotated[str | None, typer.Option(help="Signature depths, such as 3,4.")] = None,
    directions: Annotated[str | None, typer.Option(help="Directions, such as rows,both.")] = None,
    neurons: Annotated[str | None, typer.Option(help="Widths of the hidden layer, such as 25,50.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds; the table has mean and spread over them.")] = "0,1,2",
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time, on this machine.")] = 1,
    ray: Annotated[str | None, typer.Option(help="Run on a Ray cluster: its address, or local.")] = None,
    json: Json = False,
) -> None:
    """Train every combination, and tell mean and spread of the accuracy over seeds.

    Run again with the same --out, it goes on: finished runs stay, interrupted ones are resumed, new combinations are added.

    Example: edgekit sweep data/fire --model imagesig-cnn1d --out sweeps/fire --sizes 32,64 --depths 3,4 -- --epochs 20
    """
    axes: dict[str, list[str]] = {}
    if sizes is not None:
        axes["size"] = ["x".join(map(str, parse_size(text))) for text in parse_items("--sizes", sizes)]
    if depths is not None:
        axes["depth"] = [str(number) for number in parse_numbers("--depths", depths)]
    if directions is not None:
        axes["directions"] = parse_items("--directions", directions)
    if neurons is not None:
        axes["neurons"] = [str(number) for number in parse_numbers("--neurons", neurons)]
    from edgekit.workflows.sweep import plan_sweep, run_sweep
    from edgekit.workflows.sweep_runners import local_runner, ray_runner

    plan = plan_sweep(data, out, parse_items("--model", model), axes, parse_numbers("--seeds", seeds), options or [])
    runner = local_runner(jobs) if ray is None else ray_runner(ray, jobs)
    try:
        with progress_bar() as progress:
            document = run_sweep(plan, runner, progress)
    except KeyboardInterrupt as interrupt:
        raise UserError(f"Interrupted. What is trained so far is in {out}: go on with the same command.") from interrupt
    if json:
        print_json(document)
    else:
        _show(document["table"])
    failed = [row for row in document["runs"] if row["error"] is not None]
    if failed:
        log(f"error: {len(failed)} of {len(document['runs'])} runs failed, {failed[0]['run']} with: {failed[0]['error']}")
        raise typer.Exit(2)


def _show(table: list[dict[str, Any]]) -> None:
    from edgekit.workflows.sweep import AXES

    varied = [axis for axis in AXES if any(row[axis] is not None for row in table)]
    print_table(
        ["model", *varied, "seeds", "parameters", "MACs", "validation", "test"],
        [
            [
                row["model"],
                *(row[axis] or "-" for axis in varied),
                str(row["n"]),
                f"{row['parameters']:,}",
                f"{row['macs']:,}",
                _spread(row["validation"]),
                _spread(row["test"]),
            ]
            for row in table
        ],
    )


def _spread(value: dict[str, float | None] | None) -> str:
    if value is None or value["mean"] is None:
        return "-"
    deviation = "" if value["deviation"] is None else f" ± {100 * value['deviation']:.2f}"
    return f"{100 * value['mean']:.2f}{deviation} %"
