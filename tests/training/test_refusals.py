"""What a training cannot be made of, through the command: one line, exit code 2, nothing left."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgekit.cli.app import build

pytest.importorskip("torch", reason="training needs torch")


def refused(*arguments: object, out: Path) -> str:
    """Run `edgekit train` in this process; the one line that it says."""
    before = sys.argv
    result = CliRunner().invoke(build(["train"]), ["train", *map(str, arguments), "--out", str(out), "--epochs", "1"])
    sys.argv = before
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    assert not out.exists()
    return line


def windows(folder: Path, test: dict[str, np.ndarray], **train: np.ndarray) -> Path:
    folder.mkdir()
    np.savez(folder / "train.npz", **train)
    np.savez(folder / "test.npz", **test)
    return folder


def test_sensor_windows_that_do_not_fit(tmp_path, rng):
    x, y = rng.normal(size=(20, 3, 100)).astype(np.float32), np.arange(20) % 2
    broken, short, ragged = x.copy(), x[:, :, :90], np.empty(3, object)
    broken[3, 1, 5] = np.nan
    ragged[:] = [np.zeros((3, length)) for length in (90, 100, 110)]
    cases = {
        "y": (windows(tmp_path / "y", {"x": x, "y": y}, x=x, y=y[:19]), ["(20,) class indices", "(19,)"]),
        "nan": (windows(tmp_path / "nan", {"x": x, "y": y}, x=broken, y=y), ["1 of 20 windows hold NaN"]),
        "nan-test": (windows(tmp_path / "t", {"x": broken, "y": y}, x=x, y=y), ["test.npz", "1 of 20 windows hold NaN"]),
        "length": (windows(tmp_path / "length", {"x": short, "y": y}, x=x, y=y), ["(3, 100)", "got (3, 90)"]),
        "ragged": (windows(tmp_path / "ragged", {"x": x, "y": y}, x=ragged, y=y[:3]), ["all windows of one length"]),
        "class": (windows(tmp_path / "class", {"x": x, "y": y + 1}, x=x, y=y), ["classes 0 to 1", "test.npz", "got 2"]),
        "short": (windows(tmp_path / "short", {"x": x, "y": y}, x=x[..., :20], y=y), ["at least 22 samples", "got 20"]),
    }
    (tmp_path / "short" / "test.npz").unlink()
    for name, (data, words) in cases.items():
        line = refused(data, "--model", "tsak-student", out=tmp_path / "run")
        assert all(word in line for word in words), (name, line)


@pytest.mark.parametrize(
    ("model", "size", "words"),
    [
        ("mobilenetv2-0.35", "16", "at least 32 x 32 for MobileNetV2"),
        ("resnet18", "31x64", "at least 32 x 32 for ResNet-18"),
        ("shnet-23-1", "64x8", "at least 32 x 32 for SHNet"),
        ("medianet-base-69", "24", "at least 32 x 32 for MeDiANet"),
        ("resnet8", "3", "at least 4 x 4 for ResNet8"),
        ("imagesig-cnn1d", "8", "at least 17 paths"),
        ("scatnet-edge", "2", "2^J = 4 pixels"),
    ],
)
def test_images_smaller_than_the_networks_stride(split_folder, tmp_path, model, size, words):
    assert words in refused(split_folder, "--model", model, "--size", size, out=tmp_path / "run")


def test_classes_that_one_side_lacks(split_folder, write_pictures, tmp_path):
    write_pictures(split_folder / "test", {"green": 2})
    assert "only in test/: green" in refused(split_folder, "--model", "imagesig-fc", out=tmp_path / "run")


@pytest.mark.parametrize("place", [".", "run", "train/run", "train/../new/run"])
def test_a_run_among_the_data_is_refused(split_folder, place):
    out = split_folder / place
    result = CliRunner().invoke(build(["train"]), ["train", str(split_folder), "--model", "imagesig-fc", "--out", str(out)])
    assert result.exit_code == 2
    assert "outside the data set" in result.stderr
    assert {path.name for path in split_folder.iterdir()} == {"train", "test"}


def test_a_network_fed_with_what_it_does_not_take(split_folder, tmp_path):
    line = refused(split_folder, "--model", "imagesig-cnn1d", "--frontend", "sobel", out=tmp_path / "run")
    assert "Use a signature front end" in line
    line = refused(split_folder, "--model", "resnet8", "--frontend", "sobel", "--depth", "3", out=tmp_path / "run")
    assert "depth" in line
    line = refused(split_folder, "--model", "resnet8", "--frontend", "edges", out=tmp_path / "run")
    assert "sobel-binary" in line
    line = refused(split_folder, "--model", "tsak-student", "--frontend", "sobel", out=tmp_path / "run")
    assert "Expected" in line


@pytest.mark.parametrize("option", ["--alpha", "--temperature"])
def test_a_teachers_settings_without_a_teacher(split_folder, tmp_path, option):
    line = refused(split_folder, "--model", "imagesig-fc", option, "0.5", out=tmp_path / "run")
    assert f"Expected a teacher beside {option}" in line
