"""Wrong input to the commands of the workstation, as in test_bad_input.py; needs torch."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from tests.cli.command import edgekit, folder_of_classes, refused

pytestmark = pytest.mark.workstation


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({}, ["empty folder"]),
        ({"only": 4}, ["at least 2 classes", "only"]),
        ({"many": 6, "one": 1}, ["at least 2", "one"]),
    ],
)
def test_a_data_set_that_cannot_be_trained_on_is_refused(work, tmp_path, classes, words):
    data = tmp_path / "data"
    data.mkdir()
    folder_of_classes(data, classes)
    refused(edgekit("train", data, "--model", "imagesig-fc", "--out", "run", cwd=work), *words)


@pytest.mark.parametrize("size", ["²", "0", "8x", "-8", "8x8x8", "9999999"])
def test_a_size_that_is_none_is_refused(work, tmp_path, size):
    result = edgekit("train", tmp_path, "--model", "imagesig-fc", "--out", "run", f"--size={size}", cwd=work)
    refused(result, "Expected HEIGHTxWIDTH")


@pytest.mark.parametrize("name", ["field 1", "läuf", ".hidden", "stats"])
def test_a_run_whose_bundle_no_board_would_take_is_refused_before_it_is_trained(work, textures, name):
    result = edgekit("train", textures, "--model", "imagesig-fc", "--out", name, cwd=work)
    refused(result, "letters, digits, '.', '_' and '-'", repr(name))


def test_a_missing_folder_is_refused(work, tmp_path):
    refused(edgekit("train", tmp_path / "no", "--model", "imagesig-fc", "--out", "run", cwd=work), "nothing there")


@pytest.mark.parametrize("command", ["train", "sweep", "export"])
def test_a_name_longer_than_a_disk_takes_is_one_line(work, tmp_path, command):
    model = () if command == "export" else ("--model", "imagesig-fc")
    words = ["at most 128 letters"] if command == "train" else ["File name too long", "Choose another"]
    refused(edgekit(command, tmp_path / "data", *model, "--out", "x" * 300, cwd=work), *words)


def test_a_folder_that_takes_no_files_is_refused_before_anything_else_is_looked_at(work, tmp_path):
    result = edgekit("export", tmp_path / "no-run", "--out", "/proc/x.bundle", cwd=work)
    refused(result, "Expected to write x.bundle into /proc", "Choose another place")


def test_an_unknown_network_lists_the_known_ones(work, tmp_path):
    data = folder_of_classes(tmp_path / "data", {"a": 8, "b": 8})
    result = edgekit("train", data, "--model", "resnet-50", "--out", "run", cwd=work)
    refused(result, "Unknown network 'resnet-50'", "imagesig-cnn1d, imagesig-cnn1d-2dir, imagesig-fc")


def test_images_that_cannot_be_decoded_are_named_and_counted(work, tmp_path):
    data = folder_of_classes(tmp_path / "data", {"a": 8, "b": 8})
    (data / "a" / "broken.jpg").write_text("no image")
    (data / "b" / "cut.png").write_bytes((data / "b" / "0.png").read_bytes()[:200])
    result = edgekit("train", data, "--model", "imagesig-fc", "--size", "8", "--out", "run", cwd=work)
    refused(result, "2 of 18", "broken.jpg", "cut.png")


def test_grey_images_on_the_rgb_path_are_refused_with_the_reason_and_the_mend(work, tmp_path):
    data = folder_of_classes(tmp_path / "data", {"a": 8, "b": 8})
    for path in data.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    result = edgekit("train", data, "--model", "imagesig-fc", "--size", "8", "--out", "run", cwd=work)
    refused(result, "one tint", "--path grey+time")


def test_a_full_disk_in_the_first_epoch_leaves_no_run(work, textures):
    code = (
        "import errno, edgekit.training.loop as m\n"
        "def full(*a):\n raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "m.save_state = full; from edgekit.cli import main; main()"
    )
    words = ["train", str(textures), "--model", "imagesig-fc", "--out", "run", "--size", "16", "--augment", "none"]
    result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=work, check=False)
    refused(result, "No space left on device", "half-written")


def test_torch_runs_runs_and_a_run_has_torch_alone(work, textures, trained_run, bundle):
    refused(edgekit("evaluate", bundle, textures, "--runtime", "torch", cwd=work), "Expected a run folder for torch")
    refused(edgekit("evaluate", trained_run, textures, "--runtime", "litert", cwd=work), "Export it first")


def test_an_export_of_no_run_is_refused(work, tmp_path):
    refused(edgekit("export", tmp_path / "no", "--out", "x.bundle", cwd=work), "Expected a run folder")
    refused(edgekit("export", tmp_path, "--out", "x.bundle", cwd=work), "Expected a run folder")


def test_an_unknown_target_lists_the_known_ones(work, trained_run):
    result = edgekit("export", trained_run, "--out", "x.bundle", "--target", "toaster", cwd=work)
    refused(result, "Unknown target 'toaster'", "generic")


def test_calibration_images_of_other_classes_are_refused(work, tmp_path, trained_run):
    data = folder_of_classes(tmp_path / "data", {"cat": 8, "dog": 8})
    result = edgekit("export", trained_run, "--out", "x.bundle", "--calibration", data, cwd=work)
    refused(result, "cat", "dog")


def test_an_evaluation_of_unknown_classes_is_refused(work, tmp_path, trained_run):
    data = folder_of_classes(tmp_path / "data", {"cat": 8, "dog": 8})
    refused(edgekit("evaluate", trained_run, data, cwd=work), "cat")


def test_an_interrupted_training_says_how_to_go_on_and_does(tmp_path, textures):
    words = ["train", str(textures), "--model", "imagesig-fc", "--out", "run", "--size", "16", "--augment", "none", "--json"]
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", *words, "--epochs", "5000"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "run" / "state.pt").is_file() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=120)
    assert process.returncode == 2, error
    assert output == ""
    assert "--resume" in error
    refused(edgekit("export", "run", "--out", "x.bundle", cwd=tmp_path), "interrupted one", "--resume")
    refused(edgekit(*words, "--epochs", "7", cwd=tmp_path), "run")


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    ("step", "swallowed"),
    # A converter in C++ may swallow the exception; the last step before writing must not.
    [("edgekit.exporters.graphs.to_tflite", True), ("edgekit.workflows.export.make_golden", False)],
)
def test_an_interrupted_export_leaves_nothing(work, trained_run, signal_name, step, swallowed):
    module, _, function = step.rpartition(".")
    code = f"""
import contextlib, os, signal, {module} as m
real = m.{function}
def interrupted(*arguments):
    with contextlib.suppress({"KeyboardInterrupt" if swallowed else ""}):
        os.kill(os.getpid(), signal.{signal_name})
    return real(*arguments)
m.{function} = interrupted
from edgekit.cli import main
main()
"""
    command = [sys.executable, "-c", code, "export", str(trained_run), "--out", "x.bundle"]
    refused(subprocess.run(command, capture_output=True, text=True, cwd=work, check=False), "Interrupted")


def test_a_full_disk_during_export_leaves_nothing(work, trained_run):
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "import edgekit.core.bundle as b; write = b.write_bundle;"
        "import edgekit.workflows.export as e\n"
        "def small(*a):\n resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); write(*a)\n"
        "e.write_bundle = small; from edgekit.cli import main; main()"
    )
    command = [sys.executable, "-c", limited, "export", str(trained_run), "--out", "x.bundle"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=work, check=False)
    refused(result, "File too large", "half-written")
