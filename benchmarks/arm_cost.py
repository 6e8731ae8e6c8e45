"""Instructions that each stage of a prediction takes on emulated Cortex-A53, A57, A72 and A76, kept in arm_cost.json.

    make arm-cost            measure and write benchmarks/arm_cost.json
    make arm-cost CHECK=1    measure and compare with it: exit 1 when a stage grew, saying which, where and by how much

usage: arm_cost.py WHEEL [--check]

Counts say how much work a change adds and which kernels a core gets. They are no time: caches and stalls do not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tools/arm"), str(REPO)]

from root import CORES, HERE, ArmError, ensure_root  # noqa: E402
from suite import install  # noqa: E402

RECORD = Path(__file__).with_suffix(".json")
TEXTURES = REPO / "tests/golden/textures.bundle"
#: Networks of the papers, with random weights: the count does not depend on them.
NETWORKS = {"imagesig-cnn1d": "rows", "imagesig-cnn1d-2dir": "both-rotated"}

#: A stage may grow by this much. onnxruntime's own kernels vary by up to 3 % from run to run, the others by 0.3 %.
GROWTH = 0.03
GROWTH_ONNXRUNTIME = 0.06


def make_bundle(network: str, directions: str, out: Path) -> Path:
    """A bundle of an untrained network behind its paper's front end, 64 x 64 pixels."""
    import numpy as np
    import torch

    from edgekit.core.bundle import write_bundle
    from edgekit.core.files import sha256_of
    from edgekit.core.manifest import FileEntry, FrontEndEntry, Manifest, ModelCard, OutputEntry
    from edgekit.exporters.build import export
    from edgekit.exporters.targets import get_target
    from edgekit.frontends import Signature, Standardisation
    from edgekit.golden import GOLDEN, make_golden
    from edgekit.models.registry import create_model
    from tests.synthetic import CLASSES, texture

    images = np.stack([texture(kind, seed, 64) for seed in range(16) for kind in CLASSES])
    plain = Signature((64, 64), 4, directions)
    frontend = plain.with_standardisation(Standardisation.fit(plain.raw(images)))
    card = ModelCard(
        name=network,
        labels=CLASSES,
        frontend=FrontEndEntry(frontend.name, frontend.config_to_json()),
        output=OutputEntry("logits"),
        input=frontend.output,
    )
    torch.manual_seed(0)
    module = create_model(network, classes=len(CLASSES), input_shape=frontend.output.shape)
    features = frontend(images)
    exported = export(module, calibration=features, parity_features=features, card_text=card.to_text(), layout="NRF", gate=False)
    golden = make_golden(card, images[:2], exported.files)
    manifest = Manifest(
        name=network,
        model=network,
        labels=card.labels,
        frontend=card.frontend,
        input=card.input,
        output=card.output,
        target=get_target("generic").name,
        artifacts=exported.artifacts,
        golden=FileEntry(GOLDEN, len(golden), sha256_of(golden)),
        calibration=exported.calibration,
        tools=exported.tools,
    )
    write_bundle(out, manifest, {**{artifact.file: model for artifact, model in exported.files}, GOLDEN: golden})
    return out


def build_plugin(folder: Path) -> Path:
    """The qemu plugin arm_cost.c, compiled."""
    plugin = folder / "arm_cost.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", RECORD.with_suffix(".c"), "-o", plugin], check=True)
    return plugin


def count_inside(
    core: str, board: Path, path: list[Path], plugin: Path, folder: Path, script: list[Path | str]
) -> dict[str, int]:
    """What a script prints that runs on an emulated core under the plugin.

    Args:
        core: "a72", ...
        board: from `ensure_root`.
        path: folders to import from, before the board's own wheels.
        plugin: from `build_plugin`.
        folder: to work in.
        script: the script and its arguments; "COUNTS" becomes the file that the plugin writes.

    Raises:
        ArmError: when the script fails.
    """
    counts = folder / f"counts-{core}"
    environment = {
        **os.environ,
        "EDGEKIT_ARM_CORE": core,
        "EDGEKIT_ARM_PATH": ":".join(map(str, path)),
        "EDGEKIT_ARM_PLUGIN": f"{plugin},out={counts}",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
    }
    command = [str(counts) if word == "COUNTS" else str(word) for word in [board / "python", *script]]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ArmError(f"counting on cortex-{core} failed with {done.returncode}:\n{done.stderr}")
    print(f"cortex-{core}: done", file=sys.stderr)
    return json.loads(done.stdout)


def grown(before: dict[str, dict[str, int]], now: dict[str, dict[str, int]]) -> list[str]:
    """One line for each stage that costs more than it may, or that only one side knows."""
    lines = []
    for core in sorted(before.keys() | now.keys()):
        old, new = before.get(core, {}), now.get(core, {})
        lines += [
            f"cortex-{core} {stage}: only in {'the record' if stage in old else 'this run'}" for stage in old.keys() ^ new.keys()
        ]
        for stage in sorted(old.keys() & new.keys()):
            allowed = GROWTH_ONNXRUNTIME if "/onnxruntime/" in stage else GROWTH
            change = new[stage] / old[stage] - 1
            if change > allowed:
                lines.append(f"cortex-{core} {stage}: {old[stage]:,} -> {new[stage]:,} instructions, {change:+.1%}")
    return lines


def table(counts: dict[str, dict[str, int]]) -> str:
    """Thousands of instructions, one row a stage, one column a core."""
    cores = list(counts)
    rows = ["{:54}".format("thousand instructions") + "".join(f"{core:>10}" for core in cores)]
    rows += [f"{stage:54}" + "".join(f"{counts[core][stage] / 1e3:10.0f}" for core in cores) for stage in counts[cores[0]]]
    return "\n".join(rows)


def main(wheel: Path, check: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="edgekit-cost-") as name:
        folder = Path(name)
        try:
            board = ensure_root()
            plugin, installed = build_plugin(folder), install(wheel, folder)
            bundles = [TEXTURES, *(make_bundle(network, way, folder / network) for network, way in NETWORKS.items())]
            script = [HERE / "cost_inside.py", "COUNTS", *bundles]
            with ThreadPoolExecutor(2) as pool:
                results = pool.map(lambda core: count_inside(core, board, [installed], plugin, folder, script), CORES)
                counts = dict(zip(CORES, results, strict=True))
        except ArmError as error:
            print(f"make arm-cost: {error}", file=sys.stderr)
            return 2
    print(table(counts))
    lock = (HERE / "requirements.lock").read_text().split()
    versions = dict(word.split("==") for word in lock if word.startswith(("numpy==", "onnxruntime==", "ai-edge-litert==")))
    if not check:
        RECORD.write_text(json.dumps({"frame": [480, 640], "versions": versions, "instructions": counts}, indent=1) + "\n")
        return 0
    record = json.loads(RECORD.read_text())
    lines = grown(record["instructions"], counts)
    if lines and versions != record["versions"]:
        lines.append(f"(other versions: {record['versions']} -> {versions})")
    print("\n".join(lines) if lines else f"No stage grew against {RECORD.name}.")
    return 1 if lines else 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--check"]):
        sys.exit("usage: arm_cost.py WHEEL [--check]   (make arm-cost)")
    sys.exit(main(Path(sys.argv[1]), "--check" in sys.argv))
