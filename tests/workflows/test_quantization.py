"""Ranges, observers and gates through the commands themselves."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.calibration import observers
from edgekit.calibration.ranges import Range, Ranges
from edgekit.cli import main
from edgekit.core.bundle import Bundle
from edgekit.core.recipe import Recipe
from edgekit.core.spec import Affine
from edgekit.frontends import create_frontend
from tests.synthetic import CLASSES, write_textures

pytest.importorskip("torch", reason="the workstation's side needs torch")

from edgekit.training.progress import Silent
from edgekit.workflows.export import export_run


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    error: str


Edgekit = Callable[..., Ended]


@pytest.fixture
def edgekit(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Edgekit:
    """The command line in this process: starting one costs more than an export."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["edgekit", *map(str, arguments)])
        monkeypatch.chdir(tmp_path)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, error = capfd.readouterr()
        lines = [line for line in error.splitlines() if "XNNPACK" not in line]
        return Ended(int(ended.value.code or 0), out, "\n".join(lines))

    return run


@pytest.fixture(scope="module")
def by_mse(tmp_path_factory: pytest.TempPathFactory, trained_run: Path) -> Path:
    """A bundle of int8 alone."""
    out = tmp_path_factory.mktemp("by-mse") / "m.bundle"
    export_run(trained_run, out, Silent(), recipe=Recipe("int8", observer="mse"), precisions=["int8"])
    return out


def test_the_bundle_says_by_which_observer_and_holds_the_ranges(by_mse: Path) -> None:
    bundle = Bundle.open(by_mse)
    ranges = Ranges.load(by_mse)
    assert {artifact.recipe.observer for artifact in bundle.manifest.artifacts if artifact.recipe} == {"mse"}
    assert ranges.observer == "mse"
    assert ranges.calibration == bundle.manifest.calibration
    assert {graph.format for graph in ranges.graphs} == {"onnx", "tflite"}
    for graph in ranges.graphs:
        assert len(graph.tensors) > 5
    assert bundle.manifest.ranges is not None
    assert bundle.read("ranges.json") == (by_mse / "ranges.json").read_bytes()
    assert Ranges.load(by_mse / "ranges.json") == ranges


def test_ranges_are_shown(by_mse: Path, edgekit: Edgekit) -> None:
    ranges = Ranges.load(by_mse)
    ended = edgekit("inspect", by_mse / "ranges.json")
    assert ended.code == 0, ended.error
    assert f"ranges by mse of {ranges.samples} inputs" in ended.out
    for graph in ranges.graphs:
        for name, found in graph.tensors.items():
            assert any(line.split() == [name, f"{found.low[0]:.6g}", f"{found.high[0]:.6g}"] for line in ended.out.splitlines())
    shown = json.loads(edgekit("inspect", by_mse / "ranges.json", "--json").out)
    assert shown["graphs"][0]["tensors"].keys() == ranges.graphs[0].tensors.keys()
    ended = edgekit("inspect", by_mse / "manifest.json")
    assert ended.code == 2
    assert "manifest.json" in ended.error


def test_reused_ranges_give_the_same_bundle_byte_for_byte(
    by_mse: Path, trained_run: Path, tmp_path: Path, edgekit: Edgekit
) -> None:
    again = ("export", trained_run, "--out", "again.bundle", "--precision", "int8", "--ranges", by_mse, "--json")
    assert "was found by mse" in edgekit(*again, "--observer", "entropy").error
    ended = edgekit(*again)
    assert ended.code == 0, ended.error
    for file in by_mse.iterdir():
        assert (tmp_path / "again.bundle" / file.name).read_bytes() == file.read_bytes(), file.name


def test_ranges_of_another_network_are_one_line(by_mse: Path, trained_run: Path, tmp_path: Path, edgekit: Edgekit) -> None:
    text = (by_mse / "ranges.json").read_text()
    (tmp_path / "other.json").write_text(text.replace(Ranges.load(by_mse).graphs[0].graph, "0" * 64))
    ended = edgekit("export", trained_run, "--out", "x.bundle", "--ranges", "other.json")
    assert ended.code == 2
    assert len(ended.error.strip().splitlines()) == 1
    assert "they are of another" in ended.error
    assert not (tmp_path / "x.bundle").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--samples", "300"], "--ranges or --samples"),
        (["--qat", "1"], "--qat or --ranges"),
        (["--precision", "fp32"], "--ranges concern int8 alone"),
    ],
)
def test_ranges_that_cannot_be_used_are_refused(
    options: list[str], words: str, by_mse: Path, trained_run: Path, tmp_path: Path, edgekit: Edgekit
) -> None:
    ended = edgekit("export", trained_run, "--out", "x.bundle", "--ranges", by_mse, *options)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.error
    assert not (tmp_path / "x.bundle").exists()


def test_a_few_images_are_too_few_to_calibrate_int8_on(trained_run: Path, tmp_path: Path, edgekit: Edgekit) -> None:
    ended = edgekit("export", trained_run, "--out", "x.bundle", "--samples", "15")
    assert (ended.code, ended.out) == (2, "")
    assert "at least 16 images or windows to calibrate int8 on, got 15" in ended.error
    assert not (tmp_path / "x.bundle").exists()
    ended = edgekit("export", trained_run, "--out", "x.bundle", "--samples", "15", "--format", "onnx", "--precision", "fp32")
    assert ended.code == 0, ended.error


def test_mixed_says_in_a_line_that_nothing_had_to_be_mended(trained_run: Path, tmp_path: Path, edgekit: Edgekit) -> None:
    ended = edgekit("export", trained_run, "--out", "x.bundle", "--precision", "mixed", "--gate", "3", "--json")
    assert {row["precision"] for row in json.loads(ended.out)["artifacts"]} == {"int8"}
    assert "model.int8.tflite: int8 throughout passes its gate" in ended.error
    for artifact in Bundle.open(tmp_path / "x.bundle").manifest.artifacts:
        assert artifact.recipe is not None
        assert artifact.recipe.float_layers == ()


def test_a_gate_that_nothing_reaches_exits_with_1_and_leaves_no_bundle(
    trained_run: Path, tmp_path: Path, edgekit: Edgekit, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ranges a thousandth as wide as they are: the int8 edges alone are enough to miss every gate.
    honest = observers._Histogram.range
    monkeypatch.setattr(observers._Histogram, "range", lambda self: narrow(honest(self)))
    ended = edgekit("export", trained_run, "--out", "x.bundle", "--gate", "1", "--observer", "percentile")
    assert ended.code == 1
    assert "does not even with all" in ended.error
    assert list(tmp_path.iterdir()) == []


def narrow(found: Range) -> Range:
    return Range(*(tuple(end / 1000 for end in ends) for ends in (found.low, found.high)))


def nothing(root: Path) -> None:
    for side in ("train", "test"):
        for kind in CLASSES:
            (root / side / kind).mkdir(parents=True)


def black(root: Path) -> None:
    nothing(root)
    for side in ("train", "test"):
        for kind in CLASSES:
            for number in range(6):
                pixel = np.zeros((40 + number, 40, 3), np.uint8)
                Image.fromarray(pixel).save(root / side / kind / f"{number}.png")


def dark(root: Path) -> None:
    """Black but for a pixel that no front end sees much of: no two images are equal."""
    nothing(root)
    for side in ("train", "test"):
        for kind in CLASSES:
            for number in range(8):
                pixels = np.zeros((48, 48, 3), np.uint8)
                pixels[0, 0] = number
                Image.fromarray(pixels).save(root / side / kind / f"{number}.png")


def others(root: Path) -> None:
    write_textures(root, train=3, test=2)
    for side in ("train", "test"):
        (root / side / "stripes").rename(root / side / "dots")


@pytest.mark.parametrize(
    ("make", "message"),
    [(nothing, "Expected"), (black, "all black"), (dark, "tells apart"), (others, "Expected the run's classes")],
    ids=["empty", "black", "dark", "of other classes"],
)
def test_a_calibration_folder_that_is_no_use_is_one_line(
    make: Callable[[Path], None], message: str, trained_run: Path, tmp_path: Path, edgekit: Edgekit
) -> None:
    make(tmp_path / "data")
    ended = edgekit("export", trained_run, "--out", "x.bundle", "--calibration", "data", "--json")
    assert ended.code == 2
    assert ended.out == ""
    assert len(ended.error.strip().splitlines()) == 1
    assert message in ended.error
    assert not (tmp_path / "x.bundle").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--observer", "magic"), "Unknown observer 'magic'"),
        (("--gate", "0"), "Expected a gate above 0"),
        (("--ranges", "absent.json"), "Expected a ranges file at absent.json"),
        (("--gate", "1", "--precision", "fp32"), "since --gate concern int8 alone, got fp32"),
        (("--qat", "1", "--precision", "fp32"), "since --qat concern int8 alone, got fp32"),
        (("--observer", "mse", "--weights-observer", "mse", "--precision", "fp16"), "since --observer and --weights-observer"),
        (("--fuse-frontend", "--target", "pi5", "--precision", "int8"), "asks for model.int8.tflite: ONNX in every precision"),
    ],
)
def test_a_wrong_option_is_one_line(
    arguments: tuple[str, ...], message: str, trained_run: Path, tmp_path: Path, edgekit: Edgekit
) -> None:
    ended = edgekit("export", trained_run, "--out", "x.bundle", *arguments)
    assert ended.code == 2
    assert message in ended.error
    assert list(tmp_path.iterdir()) == []


def test_a_front_end_inside_leaves_int8_tflite_out_and_says_so(trained_run: Path, tmp_path: Path, edgekit: Edgekit) -> None:
    ended = edgekit("export", trained_run, "--out", "x.bundle", "--fuse-frontend", "--target", "pi5")
    assert ended.code == 0, ended.error
    assert "model.int8.tflite was left out: with the front end inside, TFLite is made in fp32 alone" in ended.error
    manifest = Bundle.open(tmp_path / "x.bundle").manifest
    assert [artifact.file for artifact in manifest.artifacts] == ["model.fp32.tflite"]
    assert manifest.default is None


@pytest.mark.parametrize("observer", ["min-max", "percentile"])
def test_int8_rounds_no_level_of_a_pixel(tmp_path: Path, observer: str) -> None:
    from edgekit.training.config import TrainConfig
    from edgekit.training.loop import train

    # None of these pictures is black or white anywhere: what the sample holds is not all that may come.
    data = write_textures(tmp_path / "data", train=20, test=5)
    for file in data.rglob("*.png"):
        Image.fromarray((60 + np.asarray(Image.open(file)) // 3).astype(np.uint8)).save(file)
    train(TrainConfig(data, "fc-pixels", tmp_path / "run", epochs=2, size=(16, 16), refit=False))
    export_run(tmp_path / "run", tmp_path / "b", Silent(), recipe=Recipe("int8", observer=observer), precisions=["int8"])
    bundle = Bundle.open(tmp_path / "b")
    levels = np.arange(256, dtype=np.uint8)
    frontend = create_frontend(bundle.manifest.frontend.name, bundle.manifest.frontend.config)
    picture = np.repeat(levels.reshape(16, 16, 1), 3, axis=2)
    for artifact in bundle.artifacts():
        assert artifact.input.affine == Affine(1 / 64, 0, "int8")
        stored = frontend.quantize(picture, artifact.input.affine)
        assert (stored[0].ravel() == levels.astype(int) - 128).all()
