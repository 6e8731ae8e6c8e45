"""Wrong input through the command itself: exit code 2, one line on stderr, nothing on stdout, nothing half-written."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.command import edgekit, photo, refused

pytestmark = pytest.mark.device


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.jpg", b"this is no image", ["text.jpg"]),
        ("empty.jpg", b"", ["empty.jpg"]),
        ("none.jpg", None, ["none.jpg", "found none"]),
    ],
)
def test_predict_names_the_image_that_cannot_be_decoded(work, tmp_path, bundle, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    refused(edgekit("predict", bundle, path, cwd=work), *words)


def test_predict_names_a_truncated_jpeg(work, tmp_path, bundle):
    whole = tmp_path / "whole.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(whole, quality=95)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:1500])
    refused(edgekit("predict", bundle, cut, "--json", cwd=work), "cut.jpg")


def test_predict_names_a_damaged_tiff_in_one_line_although_pillow_logs_another(work, tmp_path, bundle):
    whole = tmp_path / "damaged.tif"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(whole)
    samples = (277).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    content = whole.read_bytes()
    assert content.count(samples + b"\3\0") == 1  # the tag of the samples a pixel
    whole.write_bytes(content.replace(samples + b"\3\0", samples + b"\x63\0"))
    refused(edgekit("predict", bundle, whole, cwd=work), "damaged.tif")


def test_bad_images_among_good_ones_are_named_and_counted(work, tmp_path, bundle):
    folder = tmp_path / "mixed"
    for number in range(4):
        photo(folder / f"{number}.png", number)
    (folder / "bad.jpg").write_text("no image")
    (folder / "worse.png").write_bytes(b"")
    refused(edgekit("predict", bundle, folder, "--json", cwd=work), "2 of 6", "bad.jpg", "worse.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "x", "--threads", "0", "y"], ["--threads", "See: edgekit predict --help"]),
        (["predict", "x", "y", "--colour"], ["--colour", "See: edgekit predict --help"]),
        (["inspect"], ["Missing argument", "See: edgekit inspect --help"]),
        (["paint"], ["paint", "See: edgekit --help"]),
    ],
)
def test_a_wrong_option_is_one_line(work, arguments, words):
    refused(edgekit(*arguments, cwd=work), *words)


@pytest.mark.parametrize("name", ["", "a" * 300, "no/*.jpg"])
def test_an_argument_that_names_nothing_is_refused(work, bundle, name):
    refused(edgekit("predict", bundle, name, cwd=work), "found none")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--runtime", "tensorrt"], ["Unknown runtime 'tensorrt'", "litert, onnxruntime, tflite-runtime"]),
        (["--precision", "int4"], ["Unknown precision 'int4'", "fp16, fp32, int8, int8-dynamic"]),
    ],
)
def test_an_unknown_word_lists_the_known_ones(work, tmp_path, bundle, options, words):
    refused(edgekit("predict", bundle, photo(tmp_path / "a.png"), *options, cwd=work), *words)


def test_a_changed_byte_is_refused(work, tmp_path, bundle):
    victim = bundle / "model.int8.tflite"
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    refused(edgekit("predict", bundle, photo(tmp_path / "a.png"), cwd=work), "model.int8.tflite", "sha256")
    refused(edgekit("inspect", bundle, cwd=work), "model.int8.tflite", "sha256")


def edit_manifest(bundle: Path, **changes: object) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest.update(changes)
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_an_unknown_manifest_key_is_refused(work, tmp_path, bundle):
    edit_manifest(bundle, colour="red")
    refused(edgekit("predict", bundle, photo(tmp_path / "a.png"), cwd=work), "Unknown key 'colour'")


def test_a_path_that_leaves_the_bundle_is_refused(work, tmp_path, bundle):
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["artifacts"][0]["file"] = "../../evil.onnx"
    edit_manifest(bundle, artifacts=manifest["artifacts"])
    refused(edgekit("predict", bundle, photo(tmp_path / "a.png"), cwd=work), "could leave it")


def test_an_unknown_front_end_in_a_manifest_lists_the_known_ones(work, tmp_path, bundle):
    edit_manifest(bundle, frontend={"name": "retina", "config": {}})
    refused(edgekit("predict", bundle, photo(tmp_path / "a.png"), cwd=work), "Unknown front end 'retina'", "signature")


def pack(bundle: Path, out: object, *options: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return edgekit("pack", bundle / "model.int8.tflite", "--out", out, "--name", "x", *options, cwd=cwd)


def test_a_model_whose_input_does_not_fit_the_front_end_is_refused(work, bundle):
    result = pack(bundle, "x.bundle", "--labels", "a,b", "--frontend", "signature", cwd=work)
    refused(result, "features of shape (1, 64, 120)", "this one takes")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--frontend", "retina"], ["Unknown front end 'retina'", "pixels", "samples", "signature"]),
        (["--frontend", "signature", "--frontend-config", "{"], ["Expected JSON in --frontend-config"]),
        (["--frontend", "signature", "--frontend-config", '{"deep": 4}'], ["'deep'"]),
        (["--frontend", "signature", "--frontend-config", '{"depth": 9}'], ["depth of 1 to 6"]),
        (["--frontend", "signature", "--output", "votes"], ["Unknown output kind 'votes'", "logits, probabilities, raw"]),
    ],
)
def test_pack_refuses_what_it_does_not_know(work, bundle, options, words):
    refused(pack(bundle, "x.bundle", "--labels", "a,b", *options, cwd=work), *words)


@pytest.mark.parametrize("name", ["", "../x", "a b"])
def test_pack_refuses_a_name_that_cannot_be_served(work, bundle, name):
    options = ("--labels", "a,b", "--frontend", "signature", "--name", name)
    refused(pack(bundle, "x.bundle", *options, cwd=work), "Expected a name of at most 128 letters")


def test_pack_never_overwrites(tmp_path, bundle):
    (tmp_path / "x.bundle").mkdir()
    refused(pack(bundle, "x.bundle", "--labels", "a,b", "--frontend", "signature", cwd=tmp_path), "x.bundle exists")


@pytest.mark.parametrize("name", ["nothing.bundle", "empty"])
def test_a_path_that_is_no_bundle_is_refused(work, tmp_path, name):
    (tmp_path / "empty").mkdir()
    refused(edgekit("predict", tmp_path / name, photo(tmp_path / "a.png"), cwd=work), "Expected")
    refused(edgekit("inspect", tmp_path / name, cwd=work), "Expected")


def test_a_model_file_of_somebody_else_is_told_to_be_packed(work, shared, tmp_path):
    anchor = shared / "anchors" / "imagesig_cnn1d_64_2dir_quant.tflite"
    refused(edgekit("predict", anchor, photo(tmp_path / "a.png"), cwd=work), "edgekit pack")


@pytest.mark.parametrize("command", [["inspect"], ["predict"], ["pack"]], ids=lambda c: c[0])
def test_a_file_that_is_no_model_is_named(work, command):
    path = photo(work / "photo.png")
    rest = {"predict": [path], "pack": ["--out", "x.bundle", "--name", "x", "--labels", "a", "--frontend", "pixels"]}
    refused(edgekit(*command, path, *rest.get(command[0], []), cwd=work), "photo.png", "Expected an ONNX model")
    path.unlink()


def test_a_number_that_no_float_holds_is_refused(work, golden_bundle):
    options = ["--name", "x", "--labels", "a", "--frontend", "pixels", "--frontend-config", '{"scale": 1' + "0" * 400 + "}"]
    refused(edgekit("pack", golden_bundle / "model.fp32.onnx", "--out", "x.bundle", *options, cwd=work), "scale")


def test_front_ends_that_cannot_take_the_size_are_left_out_of_the_list_by_name(work):
    result = edgekit("frontends", "--size", "4x4", cwd=work)
    assert result.returncode == 0
    assert "signature: float32 4x120" in result.stdout
    assert "scattering was left out: Expected a size" in result.stderr
    refused(edgekit("frontends", "--size", "4x4", "--frontend", "scattering", cwd=work), "2^J = 8")
