"""Is int8 worth it? Time on this machine and instructions on emulated boards, float32 against int8, network by network.

usage: int8_worth.py OUT [NETWORK ...] [--arm WHEEL] [--show]      (no network: all of them)

Files are made of networks with random weights, on which neither depends, and kept in OUT beside the figures of each network, so
that the command goes on where it stopped. Times: one thread, files in turns, least of the rounds. Instructions: docs/arm.md; they
are no time. --show prints the tables of what is there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import thread_time_ns

import numpy as np
import torch
from torch import nn

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tools/arm"), str(REPO)]

from root import ensure_root  # noqa: E402
from suite import install  # noqa: E402

from benchmarks.arm_cost import build_plugin, count_inside  # noqa: E402
from benchmarks.trial_blocks import BLOCKS  # noqa: E402
from edgekit.exporters.build import export  # noqa: E402
from edgekit.exporters.targets import Target  # noqa: E402
from edgekit.models.registry import MODELS, create_model  # noqa: E402
from edgekit.runtimes.open import open_runtime  # noqa: E402
from edgekit.runtimes.quantised import EngineRuntime  # noqa: E402
from tests.exporters.networks import warmed  # noqa: E402

#: Registered name -> input shape; None: its paper's.
NETWORKS: dict[str, tuple[int, ...] | None] = {
    "imagesig-fc": None,
    "imagesig-cnn1d": None,
    "imagesig-cnn1d-2dir": None,
    "imagesig-transformer": None,
    "tsak-student": None,
    "resnet8": None,
    "scatnet-edge": None,
    "mobilenetv2-0.35": (3, 64, 64),
    "shnet-23-1": (3, 32, 32),
    "medianet-base-69": (3, 64, 64),
}
#: Name -> a network that is not registered, of 3 x 32 x 32.
TRIALS = {f"trial: {name}": make for name, make in BLOCKS.items()}
ARTIFACTS = (("onnx", "fp32"), ("onnx", "int8"), ("tflite", "fp32"), ("tflite", "int8-dynamic"), ("tflite", "int8"))
CORES = ("a53", "a72", "a76")
ROUNDS = 15


def make_network(name: str) -> tuple[tuple[int, ...], nn.Module]:
    """The shape of one input, and a network of random weights."""
    if name in TRIALS:
        return (3, 32, 32), TRIALS[name]()
    shape = NETWORKS[name] or MODELS[name].input_shape
    return shape, create_model(name, classes=4, input_shape=shape)


def make_files(name: str, folder: Path) -> list[Path]:
    """The files of a network, made unless they are there."""
    files = [folder / name / f"model.{precision}.{format_}" for format_, precision in ARTIFACTS]
    if not all(file.is_file() for file in files):
        torch.manual_seed(0)
        shape, module = make_network(name)
        module = warmed(module, *shape)
        features = np.random.default_rng(0).normal(size=(8, *shape)).astype(np.float32).clip(-4, 4)
        made = export(module, calibration=features, parity_features=features, target=Target("all", "all", ARTIFACTS), gate=False)
        files[0].parent.mkdir(parents=True, exist_ok=True)
        for artifact, model in made.files:
            (folder / name / artifact.file).write_bytes(model)
    return files


def times_us(files: list[Path]) -> dict[str, float]:
    """File name -> least microseconds of a call, as the calling thread spent them."""
    runtimes = [open_runtime(file, "onnxruntime" if file.suffix == ".onnx" else "litert", threads=1) for file in files]
    calls = []
    for runtime in runtimes:
        if not isinstance(runtime, EngineRuntime):
            raise TypeError(f"Expected an EngineRuntime, got {type(runtime).__name__}.")
        noise = np.random.default_rng(0).random(runtime.inputs[0].shape, np.float32)
        calls.append((runtime.engine, runtime.to_stored({runtime.inputs[0].name: noise})))
    least = dict.fromkeys((file.name for file in files), float("inf"))
    for _ in range(ROUNDS):
        for file, (engine, inputs) in zip(files, calls, strict=True):
            end = thread_time_ns() + 20_000_000
            while True:
                start = thread_time_ns()
                engine.invoke(inputs)
                now = thread_time_ns()
                least[file.name] = min(least[file.name], (now - start) / 1e3)
                if now > end:
                    break
    return least


def instructions(files: list[Path], wheel: Path) -> dict[str, dict[str, int]]:
    """Core -> "file/runtime" -> instructions of one inference."""
    with tempfile.TemporaryDirectory(prefix="edgekit-worth-") as name:
        folder, board = Path(name), ensure_root()
        plugin, installed = build_plugin(folder), install(wheel, folder)
        script = [REPO / "tools/arm/model_cost_inside.py", "COUNTS", *(file.resolve() for file in files)]
        return {core: count_inside(core, board, [installed], plugin, folder, script) for core in CORES}


def rows(folder: Path) -> Iterator[str]:
    """A table of times and one of instructions: float32, in LiteRT int8-dynamic, int8; ratios are int8 over float32."""
    known = [
        (name, json.loads((folder / name / "worth.json").read_text())) for name in (*NETWORKS, *TRIALS) if _has(folder, name)
    ]
    yield "| network | onnxruntime us: float32, int8 | ratio | LiteRT us: float32, int8-dynamic, int8 | ratio |"
    yield "|---|---|---|---|---|"
    for name, found in known:
        t = found["us"]
        onnx, lite = ([t[f"model.{p}.{f}"] for f, p in ARTIFACTS if f == kind] for kind in ("onnx", "tflite"))
        cells = [", ".join(f"{value:,.0f}" for value in of) + f" | {of[-1] / of[0]:.2f}" for of in (onnx, lite)]
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield ""
    yield "| network | runtime | " + " | ".join(f"{core}, thousand" for core in CORES) + " |"
    yield "|---|---|" + "---|" * len(CORES)
    for name, found in known:
        for runtime, suffix in (("onnxruntime", "onnx"), ("litert", "tflite")):
            cells = [_cell(found["instructions"][core], suffix, runtime) for core in found.get("instructions", {})]
            if cells:
                yield f"| {name} | {runtime} | " + " | ".join(cells) + " |"


def _has(folder: Path, name: str) -> bool:
    return (folder / name / "worth.json").is_file()


def _cell(counts: dict[str, int], suffix: str, runtime: str) -> str:
    of = [counts[f"model.{precision}.{kind}/{runtime}"] for kind, precision in ARTIFACTS if kind == suffix]
    return ", ".join(f"{count / 1e3:,.0f}" for count in of) + f" = {of[-1] / of[0]:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--arm", type=Path, metavar="WHEEL")
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    for name in [] if given.show else given.networks or (*NETWORKS, *TRIALS):
        record = given.out / name / "worth.json"
        files = make_files(name, given.out)
        found = json.loads(record.read_text()) if record.is_file() else {}
        if "us" not in found:
            found["us"] = times_us(files)
        if given.arm is not None and "instructions" not in found:
            found["instructions"] = instructions(files, given.arm)
        record.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{name}: done", file=sys.stderr)
    print("\n".join(rows(given.out)))


if __name__ == "__main__":
    main()
