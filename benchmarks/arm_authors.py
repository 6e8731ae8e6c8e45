"""Raw 640 x 480 frame to label on an emulated core: edgekit against the ImageSig authors' way, in executed instructions.

Theirs: OpenCV INTER_AREA, iisignature row by row, warpAffine, iisignature again, tflite-runtime with dynamic int8.
Ours: the same network (two directions, as theirs), LiteRT, int8. iisignature has no arm64 wheel: it is cross-built once.

usage: arm_authors.py WHEEL [CORE...]    (default a72)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from arm_cost import NETWORKS, build_plugin, count_inside, make_bundle
from root import HERE, NUMPY1, ArmError, download, ensure_root
from suite import install

NETWORK = "imagesig-cnn1d-2dir"
COMPILER = ("g++-aarch64-linux-gnu:amd64", "libpython3.11-dev:arm64")


def ensure_iisignature(board: Path) -> Path:
    """A folder with iisignature 0.24 for arm64, cross-built once a board."""
    final = board / "root/opt/iisignature"
    if final.is_dir():
        return final
    with tempfile.TemporaryDirectory(prefix="iisignature-", dir=board) as name:
        folder = Path(name)
        for package in download(folder / "apt", COMPILER):
            subprocess.run(["dpkg", "-x", package, folder / "cross"], check=True)
        source = ["--no-deps", "--no-binary=:all:", "--no-build-isolation", "iisignature==0.24", "--dest", folder]
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *source], check=True)
        shutil.unpack_archive(folder / "iisignature-0.24.tar.gz", folder)
        built = folder / "built"
        built.mkdir()
        cross, numpy = folder / "cross", board / "root" / NUMPY1 / "numpy/core/include"
        # The compiler is not installed: its own libraries and its system lie under `cross`.
        environment = {**os.environ, "LD_LIBRARY_PATH": str(cross / "usr/lib/x86_64-linux-gnu")}
        flags = [f"--sysroot={cross}", "-std=c++11", "-O2", "-fPIC", "-shared", "-w", "-DVERSION=0.24"]
        flags += [f"-I{path}" for path in (cross / "usr/include/python3.11", cross / "usr/include", numpy)]
        unit = folder / "iisignature-0.24/src/pythonsigs.cpp"
        command = [cross / "usr/bin/aarch64-linux-gnu-g++-12", *flags, unit, "-o", built / "iisignature.so"]
        subprocess.run(command, env=environment, check=True)
        built.rename(final)
    return final


def main(wheel: Path, cores: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="edgekit-authors-") as name:
        folder = Path(name)
        try:
            board = ensure_root()
            numpy1 = [ensure_iisignature(board), board / "root" / NUMPY1]
            plugin, installed = build_plugin(folder), install(wheel, folder)
            bundle = make_bundle(NETWORK, NETWORKS[NETWORK], folder / NETWORK)
            print("{:6}{:>16}{:>16}{:>8}   million instructions".format("cortex", "authors", "edgekit", "ratio"))
            for core in cores:
                command = [HERE / "authors_inside.py", "COUNTS", bundle / "model.int8-dynamic.tflite"]
                theirs = count_inside(core, board, [installed, *numpy1], plugin, folder, command)
                ours = count_inside(core, board, [installed], plugin, folder, [HERE / "cost_inside.py", "COUNTS", bundle])
                mine = {stage: ours[f"{NETWORK}/{stage}"] for stage in ("resize", "frontend")}
                mine |= {s: ours[f"{NETWORK}/litert/int8/{s}"] for s in ("quantize", "inference", "post", "frame to label")}
                before, now = theirs["frame to label"], mine["frame to label"]
                print(f"{core:6}{before / 1e6:16.2f}{now / 1e6:16.2f}{before / now:8.2f}")
                for whose, costs in (("authors", theirs), ("edgekit", mine)):
                    print(f"       {whose}: " + ", ".join(f"{stage} {cost / 1e6:.2f}" for stage, cost in costs.items()))
        except ArmError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: arm_authors.py WHEEL [CORE...]")
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or ["a72"]))
