"""Bundles: written whole or not at all, and verified byte by byte when opened."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.core.bundle import Bundle, write_bundle
from edgekit.core.files import sha256_of
from edgekit.core.manifest import Artifact, FileEntry, FrontEndEntry, Manifest, ModelCard, OutputEntry, Parity
from edgekit.core.recipe import PerAxis, PerTensor, Recipe
from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import BundleError, UnknownNameError, UserError

pytestmark = pytest.mark.device

MODEL, GOLDEN = b"model bytes", b"golden bytes"


def example(**changes) -> Manifest:
    spec = TensorSpec("features", "int8", (1, 64, 120), "NRF", Affine(0.03, 3, "int8"))
    artifact = Artifact(
        file="model.int8.tflite",
        format="tflite",
        precision="int8",
        bytes=len(MODEL),
        sha256=sha256_of(MODEL),
        input=spec,
        output=TensorSpec("logits", "int8", (1, 2), "NC", Affine(0.1, -4, "int8")),
        recipe=Recipe("int8"),
        parity=(Parity("litert", 100, 0.5, 30.5, 0.99, 0.9), Parity("tflite-runtime", 100, 0.0, None, 1.0)),
    )
    manifest = Manifest(
        name="fire",
        model="imagesig-cnn1d",
        labels=("fire", "no_fire"),
        frontend=FrontEndEntry("signature", {"depth": 4}),
        input=TensorSpec("features", "float32", (1, 64, 120), "NRF"),
        output=OutputEntry("logits", 1.25),
        target="generic",
        artifacts=(artifact,),
        golden=FileEntry("golden.npz", len(GOLDEN), sha256_of(GOLDEN)),
        calibration=None,
        tools={"edgekit": "0.1.0"},
    )
    return replace(manifest, **changes)


FILES = {"model.int8.tflite": MODEL, "golden.npz": GOLDEN}


@pytest.fixture(params=["fire.bundle", "fire.zip"])
def written(request, tmp_path):
    path = tmp_path / request.param
    write_bundle(path, example(), FILES)
    return path


def test_a_bundle_comes_back_as_it_was_written(written):
    bundle = Bundle.open(written)
    assert bundle.manifest == example()
    assert bundle.read("model.int8.tflite") == MODEL


@given(
    name=st.text(min_size=1),
    labels=st.lists(st.text(), min_size=1, max_size=4).map(tuple),
    temperature=st.floats(0.01, 100),
    granularity=st.one_of(st.just(PerTensor()), st.integers(0, 3).map(PerAxis)),
)
def test_any_manifest_survives_its_json(name, labels, temperature, granularity):
    recipe = Recipe("int8-dynamic", granularity, samples=3, seed=7)
    artifact = replace(example().artifacts[0], recipe=recipe)
    manifest = example(name=name, labels=labels, output=OutputEntry("logits", temperature), artifacts=(artifact,))
    assert Manifest.from_text(manifest.to_text()) == manifest


def test_the_card_for_a_single_file_survives_its_json():
    card = example().card
    assert ModelCard.from_text(card.to_text()) == card


def test_equal_content_gives_equal_archives(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_bundle(tmp_path / name, example(), FILES)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_an_existing_path_is_never_overwritten(written):
    with pytest.raises(UserError, match="exists"):
        write_bundle(written, example(), FILES)


def test_a_missing_parent_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="Expected the folder"):
        write_bundle(tmp_path / "no" / "fire.bundle", example(), FILES)


def test_a_changed_byte_is_found(tmp_path):
    path = tmp_path / "fire.bundle"
    write_bundle(path, example(), FILES)
    (path / "model.int8.tflite").write_bytes(b"model bytez")
    with pytest.raises(BundleError, match=r"model\.int8\.tflite .* sha256"):
        Bundle.open(path)


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "fire.bundle"
    write_bundle(path, example(), FILES)
    (path / "golden.npz").unlink()
    with pytest.raises(BundleError, match=r"golden\.npz .* missing"):
        Bundle.open(path)


def _edit(path, change):
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(colour="red"), "Unknown key 'colour' in manifest.json"),
        (lambda m: m["output"].update(kind="votes"), "one of logits, probabilities, raw"),
        (lambda m: m.pop("labels"), "Expected key 'labels'"),
        (lambda m: m["output"].update(temperature=0), "Expected a temperature above 0"),
        (lambda m: m["output"].update(temperature=float("nan")), "NaN is no JSON number"),
        (lambda m: m.update(schema=99), "Expected schema 1 in manifest.json, got 99"),
        (lambda m: m.update(labels="fire"), "Expected a list at manifest.json.labels"),
        (lambda m: m["artifacts"][0].update(bytes="many"), "Expected an integer at manifest.json.artifacts"),
        (lambda m: m["artifacts"][0].update(file="../model.int8.tflite"), "could leave it"),
        (lambda m: m["artifacts"][0].update(file="/etc/passwd"), "could leave it"),
        (lambda m: m["artifacts"][0].update(file="a\\b"), "could leave it"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_the_key(tmp_path, change, message):
    path = tmp_path / "fire.bundle"
    write_bundle(path, example(), FILES)
    _edit(path, change)
    with pytest.raises(BundleError, match=message):
        Bundle.open(path)


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_a_manifest_that_is_no_json_is_refused(tmp_path, text):
    path = tmp_path / "fire.bundle"
    write_bundle(path, example(), FILES)
    (path / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match="Expected JSON in manifest.json"):
        Bundle.open(path)


def test_a_link_out_of_the_bundle_is_refused(tmp_path):
    path = tmp_path / "fire.bundle"
    write_bundle(path, example(), FILES)
    outside = tmp_path / "outside"
    outside.write_bytes(MODEL)
    (path / "model.int8.tflite").unlink()
    (path / "model.int8.tflite").symlink_to(outside)
    with pytest.raises(BundleError, match="links out of it"):
        Bundle.open(path)
    outside.unlink()
    outside.symlink_to(path / "model.int8.tflite")
    with pytest.raises(BundleError, match="links out of it, to itself or to nothing"):
        Bundle.open(path)


def test_an_archive_with_a_path_that_leaves_it_is_refused(tmp_path):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../evil", b"")
    with pytest.raises(BundleError, match="could leave it"):
        Bundle.open(path)


@pytest.mark.parametrize("name", ["nothing", "empty", "text.zip"])
def test_what_is_no_bundle_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(BundleError, match="Expected a bundle"):
        Bundle.open(tmp_path / name)


@pytest.mark.parametrize("folder", ["fire.bundle", "my fire (1)", "..fire"])
def test_an_archive_of_the_bundles_folder_is_a_bundle(tmp_path, folder):
    write_bundle(tmp_path / "fire.bundle", example(), FILES)
    with zipfile.ZipFile(tmp_path / "fire.ZIP", "w") as archive:
        archive.mkdir(folder)
        for path in (tmp_path / "fire.bundle").iterdir():
            archive.write(path, f"{folder}/{path.name}")
    assert Bundle.open(tmp_path / "fire.ZIP").manifest == example()


def test_any_changed_bit_of_an_archive_is_refused_or_harmless(tmp_path):
    path = tmp_path / "fire.zip"
    write_bundle(path, example(), FILES)
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 3):
        content = bytearray(whole)
        content[position] ^= 0xFF
        path.write_bytes(content)
        try:
            # What is not covered by a digest (a date in a header, say) does no harm.
            assert Bundle.open(path).manifest == example()
        except BundleError:
            refused += 1
    assert refused > len(whole) / 6


def test_files_that_the_manifest_does_not_describe_are_not_written(tmp_path):
    with pytest.raises(BundleError, match="as the manifest describes"):
        write_bundle(tmp_path / "x.bundle", example(), {**FILES, "extra": b""})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "x.bundle", example(), FILES)
    assert list(tmp_path.iterdir()) == []


def test_an_absent_or_unknown_precision_lists_what_there_is(written):
    bundle = Bundle.open(written)
    with pytest.raises(BundleError, match=r"Expected an artifact of fp32 .* holds int8 \(tflite\)"):
        bundle.artifacts("fp32")
    with pytest.raises(UnknownNameError, match="Unknown precision 'int4'. Known: fp16, fp32, int8, int8-dynamic"):
        bundle.artifacts("int4")
