"""Runtimes tried for real, and interpreters that misbehave, in a process of their own."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.doctor.trial import Trial, try_runtime

pytestmark = pytest.mark.device


@pytest.fixture
def plant(tmp_path, monkeypatch):
    """Make an `ai_edge_litert` whose interpreter module is this code."""

    def planted(code: str) -> None:
        package = tmp_path / "site" / "ai_edge_litert"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "interpreter.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    return planted


@pytest.mark.parametrize(("runtime", "module"), [("litert", "ai_edge_litert"), ("onnxruntime", "onnxruntime")])
def test_an_installed_runtime_runs_the_tiny_model(runtime, module):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    trial = try_runtime(runtime)
    assert trial.ok, trial.told
    assert trial.told[0].isdigit()


@pytest.mark.parametrize(
    ("name", "words"), [("SIGILL", "an instruction that this processor lacks"), ("SIGSEGV", "it crashed"), ("SIGKILL", "memory")]
)
def test_a_runtime_that_dies_by_a_signal_becomes_a_message(plant, name, words):
    plant(f"import os, signal\nos.kill(os.getpid(), signal.{name})\n")
    trial = try_runtime("litert")
    assert not trial.ok
    assert trial.told.startswith(f"died of {name}: ")
    assert words in trial.told


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ImportError('libc.so.6: version `GLIBC_2.34 not found')", "GLIBC_2.34 not found"),
        ("def Interpreter(**_): raise TypeError('odd')", "TypeError: odd"),
        ("import os; os._exit(3)", "ended with code 3: it told nothing"),
        ("import os, sys; sys.stderr.write('last words\\n'); sys.stderr.flush(); os._exit(3)", "ended with code 3: last words"),
    ],
)
def test_a_runtime_that_fails_tells_why_in_one_line(plant, code, words):
    plant(code)
    trial = try_runtime("litert")
    assert not trial.ok
    assert words in trial.told
    assert "\n" not in trial.told


def test_wrong_numbers_are_a_fault(plant):
    plant(
        "import numpy as np\n"
        "class Interpreter:\n"
        "    def __init__(self, **_): pass\n"
        "    def allocate_tensors(self): pass\n"
        "    def get_signature_list(self): return {}\n"
        "    def _detail(self, name, size):\n"
        "        shape = np.array([1, size], np.int32)\n"
        "        return [dict(name=name, index=0, shape=shape, shape_signature=shape, dtype=np.float32, quantization=(0.0, 0))]\n"
        "    def get_input_details(self): return self._detail('x', 16)\n"
        "    def get_output_details(self): return self._detail('y', 8)\n"
        "    def set_tensor(self, *_): pass\n"
        "    def invoke(self): pass\n"
        "    def get_tensor(self, _): return np.ones((1, 8), np.float32)\n"
        "    def tensor(self, _): return lambda: np.ones((1, 8), np.float32)\n"
    )
    trial = try_runtime("litert")
    assert not trial.ok
    assert "wrong numbers" in trial.told


def test_a_python_that_cannot_be_started_is_said(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert try_runtime("litert") == Trial(False, "could not be tried: /no/such/python does not start (No such file or directory)")


def test_where_python_cannot_be_started_again_it_is_forked(plant, tmp_path):
    plant("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    code = (
        "import errno, subprocess\n"
        "def run(*_a, **_k): raise OSError(errno.ENOEXEC, 'Exec format error')\n"
        "subprocess.run = run\n"
        "from edgekit.doctor.trial import try_runtime\n"
        "print(try_runtime('litert').told)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("died of SIGILL")


def test_the_report_on_this_machine_names_every_runtime_that_runs():
    result = subprocess.run([sys.executable, "-m", "edgekit.doctor", "--json"], capture_output=True, text=True, check=False)
    document = json.loads(result.stdout)
    assert result.returncode == (0 if document["ok"] else 1)
    told = {row["name"]: row["ok"] for row in document["checks"]}
    needed = {"python", "architecture", "userland", "glibc", "numpy", "packages", "runtimes"}
    assert needed <= {name for name, ok in told.items() if ok}
    assert all(ok for name, ok in told.items() if name.startswith("runtime "))


def test_the_command_gives_the_same_keys_and_a_table():
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", "doctor"]
    document = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=False).stdout)
    assert set(document) == {"ok", "checks"}
    text = subprocess.run(command, capture_output=True, text=True, check=False)
    assert text.returncode == (0 if document["ok"] else 1)
    assert "numpy" in text.stdout
    assert text.stderr == ""


@pytest.mark.parametrize("broken", ["numpy", "PIL", "ai_edge_litert"])
def test_the_doctor_needs_nothing_that_is_compiled(broken):
    code = (
        f"import sys; sys.modules[{broken!r}] = None; sys.argv = ['edgekit', 'doctor', '--json']\n"
        "from edgekit.cli import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert json.loads(result.stdout)["checks"]


def test_nothing_compiled_is_loaded_by_the_doctor():
    code = (
        "import sys, edgekit.doctor.report, edgekit.cli.doctor\n"
        "print([name for name in ('numpy', 'PIL', 'ai_edge_litert', 'onnxruntime', 'tflite_runtime') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_an_old_python_is_told_so_before_anything_else():
    root = Path(__file__).resolve().parents[2] / "edgekit"
    code = (
        "import sys, runpy\n"
        "sys.version_info = (3, 8, 0)\n"
        f"runpy.run_path({str(root / 'doctor' / '__main__.py')!r}, run_name='__main__')"
    )
    if not root.is_dir():
        pytest.skip("needs the source tree")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "error: Expected Python 3.10 to 3.13, got 3.8. See docs/boards.md for this board.\n"
