"""What must never creep in: heavy imports on the device side, names that nobody meant to make public."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import edgekit

pytestmark = pytest.mark.device

ABSENT = ("torch", "onnx", "sklearn", "matplotlib", "jax")

PREDICT = """
import sys
for name in {absent}:
    sys.modules[name] = None
from edgekit.cli import main
sys.argv = ["edgekit", *{arguments}]
main()
"""


def without_training_packages(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = PREDICT.format(absent=ABSENT, arguments=[str(argument) for argument in arguments])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_device_commands_run_without_torch_onnx_and_scikit_learn(tmp_path, golden_bundle):
    from PIL import Image

    from tests.synthetic import texture

    picture = tmp_path / "a.png"
    Image.fromarray(texture("stripes", 0)).save(picture)
    for arguments in (
        ("predict", golden_bundle, picture, "--json"),
        ("predict", golden_bundle / "model.int8.tflite", picture),
        ("inspect", golden_bundle, "--json"),
        ("frontends", "--json"),
        ("targets", "--json"),
        ("--help",),
    ):
        result = without_training_packages(*arguments)
        assert result.returncode == 0, result.stderr
        assert result.stdout


def test_a_training_command_on_a_board_gives_the_install_line(tmp_path):
    (tmp_path / "data").mkdir()
    result = without_training_packages("models")
    assert result.returncode == 2
    assert "pip install 'edgekit[train,export]'" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_importing_the_package_loads_no_engine_and_no_image_library():
    heavy = ("torch", "onnxruntime", "ai_edge_litert", "PIL", "rich")
    code = f"import sys, edgekit, edgekit.cli; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("edgekit", ["Bundle", "EdgekitError", "Pipeline", "Prediction", "Runtime", "UserError", "open", "open_runtime"]),
        (
            "edgekit.frontends",
            [
                *("ColourEdges", "FRONTENDS", "FrontEnd", "Hog", "LogSignature", "Pixels", "Samples"),
                *("Scattering", "Sift", "Signature", "Sobel", "SobelBinary", "SobelMasked", "Standardisation"),
                *("create_frontend", "frontend_to_json"),
            ],
        ),
        ("edgekit.runtimes", ["RUNTIME_FORMATS", "Runtime", "installed_runtimes", "open_runtime"]),
    ],
)
def test_the_public_surface_is_what_was_decided(module, names):
    loaded = importlib.import_module(module)
    assert sorted(loaded.__all__) == names
    assert all(hasattr(loaded, name) for name in names)


def test_every_module_says_what_is_public():
    root = Path(edgekit.__file__).parent
    texts = {path.relative_to(root): path.read_text(encoding="utf-8") for path in root.rglob("*.py")}
    silent = [str(path) for path, text in texts.items() if "__all__" not in text and "import" in text]
    assert silent == []


@pytest.mark.parametrize(
    "command",
    [
        *("quickstart", "train", "evaluate", "export", "pack", "inspect", "predict"),
        *("bench", "serve", "doctor", "sign", "verify", "wheelhouse", "models", "frontends", "targets"),
    ],
)
def test_every_command_is_usable_from_its_help(command):
    result = subprocess.run(
        [sys.executable, "-c", "from edgekit.cli import main; main()", command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Example: edgekit" in " ".join(result.stdout.split())
    assert "--json" in result.stdout
