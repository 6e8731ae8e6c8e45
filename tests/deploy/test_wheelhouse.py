"""Wheelhouses: with a pip that is played, and with the real one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.deploy.boards import Board, System, find_system, get_board
from edgekit.deploy.pip import run_pip
from edgekit.deploy.resolve import read_wheel
from edgekit.deploy.source import source_tree
from edgekit.deploy.wheelhouse import make_wheelhouse
from edgekit.errors import UserError
from tests.deploy.elves import elf, wheel

PI4 = find_system(get_board("pi4"), "3.11")


class FakePip:
    """An index of wheels: gives the newest version of each name that the constraints leave, and of every name asked for."""

    def __init__(self, index: Path, names: list[str]) -> None:
        self.index, self.names = index, names

    def __call__(self, arguments) -> None:
        folder = Path(arguments[arguments.index("--dest") + 1])
        constraints = Path(arguments[arguments.index("--constraint") + 1]).read_text().split()
        below = dict(line.split("<") for line in constraints if "<" in line)
        wanted = {name.replace("-", "_") for name in {*self.names, *arguments}}
        for name in wanted & {path.name.split("-")[0] for path in self.index.iterdir()}:
            versions = {path.name.split("-")[1]: path for path in self.index.glob(f"{name}-*")}
            left = [version for version in versions if version < below.get(name, "9")]
            if not left:
                raise UserError(f"pip download failed: No matching distribution found for {name}")
            shutil.copy(versions[max(left)], folder)


@pytest.fixture
def index(tmp_path) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    markers = ('old-python; python_version < "3.11"', 'new-python; python_version >= "3.11"')
    wheel(folder, "edgekit", requires=("numpy>=1.24", *markers))
    wheel(folder, "new-python")
    wheel(folder, "numpy", "2.0", binary=elf(versions=("GLIBC_2.17",)))
    wheel(folder, "litert", "2.0", binary=elf(versions=("GLIBC_2.34",)))
    return folder


def system(**changes: object) -> System:
    return dataclasses.replace(PI4, runtimes={"litert": ("litert",)}, **changes)


def made(tmp_path: Path, index: Path, pip: FakePip, **changes: object):
    own = index / "edgekit-1.0-py3-none-any.whl"
    return make_wheelhouse(get_board("pi4"), system(**changes), tmp_path / "out", wheel=own, pip=pip)


@pytest.mark.device
def test_a_wheel_whose_binaries_need_a_newer_glibc_gives_way_to_an_older_one(tmp_path, index):
    wheel(index, "litert", "3.0", binary=elf(versions=("GLIBC_2.38",)))
    house = made(tmp_path, index, FakePip(index, ["edgekit", "numpy", "litert"]))
    assert [(w.name, w.version) for w in house.wheels if w.name == "litert"] == [("litert", "2.0")]


@pytest.mark.device
def test_where_no_version_fits_the_error_says_what_each_needs(tmp_path, index):
    with pytest.raises(UserError, match=r"litert 2\.0 needs glibc 2\.34, the board has 2\.27.*No matching distribution"):
        made(tmp_path, index, FakePip(index, ["edgekit", "numpy", "litert"]), glibc=(2, 27))
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


@pytest.mark.device
def test_a_wheel_for_another_processor_is_refused(tmp_path, index):
    wheel(index, "litert", "2.0", binary=elf("x86_64"))
    with pytest.raises(UserError, match="litert 2.0 is built for x86_64, not aarch64"):
        made(tmp_path, index, FakePip(index, ["edgekit", "numpy", "litert"]))


@pytest.mark.device
def test_markers_are_read_with_the_boards_python_and_what_is_superfluous_goes(tmp_path, index):
    wheel(index, "old-python")
    wheel(index, "stranger")
    house = made(tmp_path, index, FakePip(index, ["edgekit", "numpy", "litert", "old_python", "stranger"]))
    assert {w.name for w in house.wheels} == {"edgekit", "numpy", "litert", "new-python"}
    assert {path.name for path in (tmp_path / "out" / "wheels").iterdir()} == {w.file for w in house.wheels}


@pytest.mark.device
def test_what_debian_provides_is_not_collected(tmp_path, index):
    pip = FakePip(index, ["edgekit", "litert", "new_python"])
    house = made(tmp_path, index, pip, provided={"numpy": "1.24.2"}, debian=("python3-venv", "python3-numpy"))
    assert "numpy" not in {w.name for w in house.wheels}
    script = (tmp_path / "out" / "install.sh").read_text()
    assert "--system-site-packages" in script
    assert "sudo apt install python3-venv python3-numpy" in script


@pytest.mark.device
def test_the_folder_holds_hashes_a_script_and_a_line_to_read(tmp_path, index):
    house = made(tmp_path, index, FakePip(index, ["edgekit", "numpy", "litert", "new_python"]))
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["README.txt", "install.sh", "requirements.txt", "wheels"]
    for line in (out / "requirements.txt").read_text().splitlines():
        name, digest = line.split("==")[0], line.split("sha256:")[1]
        file = next(w.file for w in house.wheels if w.name == name)
        assert hashlib.sha256((out / "wheels" / file).read_bytes()).hexdigest() == digest
    assert "sh install.sh" in (out / "README.txt").read_text()
    assert os.access(out / "install.sh", os.X_OK)
    document = house.to_json()
    assert json.loads(json.dumps(document)) == document
    assert document["wheels"][0]["needs_glibc"] is None
    assert {w["name"]: w["needs_glibc"] for w in document["wheels"]}["litert"] == "2.34"


@pytest.mark.device
@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "found no file there"), (b"no zip", "cannot be read as one"), ("numpy", "Expected edgekit's wheel")],
)
def test_a_wheel_that_is_not_edgekits_is_refused(tmp_path, content, words):
    own = tmp_path / "edgekit-1.0-py3-none-any.whl"
    if content == "numpy":
        own = wheel(tmp_path, "numpy", "2.0")
    elif content is not None:
        own.write_bytes(content)
    with pytest.raises(UserError, match=words):
        make_wheelhouse(get_board("pi4"), PI4, tmp_path / "out", wheel=own, pip=FakePip(tmp_path, []))
    assert not (tmp_path / "out").exists()


@pytest.mark.device
def test_pips_own_reason_is_one_line():
    with pytest.raises(UserError, match=r"^pip download failed: .*no-such-requirement"):
        run_pip(["download", "--no-index", "no-such-requirement"])


@pytest.mark.device
def test_the_script_refuses_another_machine_in_one_line_and_leaves_nothing(tmp_path, index):
    made(tmp_path, index, FakePip(index, ["edgekit", "numpy", "litert", "new_python"]))
    venv = tmp_path / "venv"
    command = ["sh", str(tmp_path / "out" / "install.sh"), str(venv)]
    absent = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHON": "python9.9"})
    assert (absent.returncode, len(absent.stderr.splitlines())) == (1, 1)
    assert "Expected Python 3.11, found no python9.9" in absent.stderr
    if platform.machine() == "aarch64":
        pytest.skip("the wheels are for this machine")
    other = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHON": sys.executable})
    assert (other.returncode, len(other.stderr.splitlines())) == (1, 1)
    assert "Expected Python 3.11 on aarch64 (64 bit), got" in other.stderr
    assert not venv.exists()


@pytest.mark.network
@pytest.mark.skipif(source_tree() is None, reason="builds the wheel from the source tree")
def test_the_32_bit_wheelhouse_has_the_one_runtime_that_there_is(tmp_path):
    board = get_board("pi-32bit")
    house = make_wheelhouse(board, find_system(board, "3.11"), tmp_path / "out")
    found = {w.name: w for w in house.wheels}
    assert found["tflite-runtime"].version == "2.14.0"
    assert found["tflite-runtime"].machines == {"armv7l"}
    assert found["tflite-runtime"].needs_glibc == (2, 27)
    assert not {"numpy", "pillow"} & set(found)
    assert "edgekit" in found


@pytest.mark.network
@pytest.mark.skipif(source_tree() is None, reason="builds the wheel from the source tree")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="installs wheels for x86_64")
def test_a_wheelhouse_for_this_machine_installs_offline_and_predicts(tmp_path, golden_bundle):
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    here = System("this machine", python, "x86_64", (2, 31), {"litert": ("ai-edge-litert>=2.1",)}, "it is here", {})
    make_wheelhouse(Board("here", "this machine", "any", (here,)), here, tmp_path / "out")
    offline = {**os.environ, "PYTHON": sys.executable, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_FIND_LINKS": ""}
    venv = tmp_path / "venv"
    result = subprocess.run(
        ["sh", str(tmp_path / "out" / "install.sh"), str(venv)], capture_output=True, text=True, check=False, env=offline
    )
    assert result.returncode == 0, result.stdout + result.stderr
    told = subprocess.run(
        [venv / "bin" / "edgekit", "inspect", golden_bundle / "model.int8.tflite", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout)["format"]


@pytest.mark.device
def test_a_wheel_is_read_with_its_needs(tmp_path):
    path = wheel(
        tmp_path,
        "native-thing",
        "1.2",
        requires=("numpy",),
        binary=elf(versions=("GLIBC_2.30",)),
        tag="cp311-cp311-linux_aarch64",
    )
    read = read_wheel(path)
    assert (read.name, read.version, read.requires) == ("native-thing", "1.2", ("numpy",))
    assert (read.machines, read.needs_glibc) == ({"aarch64"}, (2, 30))
