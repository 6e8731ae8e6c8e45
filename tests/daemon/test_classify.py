"""The door for people: pictures and windows in, labels and timings out."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

import edgekit
from edgekit.daemon.settings import Limits, Settings
from edgekit.frontends import Samples
from edgekit.packing import pack
from edgekit.pipeline import STAGES
from tests.daemon.client import running
from tests.daemon.conftest import encoded
from tests.synthetic import texture

pytestmark = pytest.mark.device

CLASSIFY = "/v1/models/textures/classify"


@pytest.fixture(scope="module")
def windows(windows_bundle):
    with running(Settings((windows_bundle,), port=0)) as served:
        yield served


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_gets_the_pipelines_own_answer_with_its_timings(daemon, golden_bundle, kind):
    picture = encoded(kind)
    model = daemon.service.slot("textures").model
    with edgekit.open(golden_bundle, model.pipeline.runtime.name, "int8") as pipeline:
        expected = pipeline.predict(picture)
    answer = daemon.post(CLASSIFY, picture).json
    assert (answer["model"], answer["label"], answer["index"]) == ("textures", expected.label, expected.index)
    assert answer["probabilities"] == pytest.approx(expected.probabilities)
    assert list(answer["timings_ms"]) == ["queue", *STAGES]


def test_a_picture_of_any_size_and_mode_is_taken(daemon):
    grey = encoded("PNG", texture("checks", 1)[..., 0])
    large = encoded("JPEG", np.tile(texture("checks", 1), (9, 7, 1)))
    assert [daemon.post(CLASSIFY, picture).status for picture in (grey, large)] == [200, 200]


@pytest.mark.parametrize("content", [b"", b"GIF89a" + b"\0" * 50, b"BM" + b"\0" * 60, b"\xff\xd8", b'{"window": [1]}'])
def test_what_is_no_jpeg_or_png_is_not_even_decoded(daemon, content):
    answer = daemon.post(CLASSIFY, content)
    assert answer.status == 415
    assert "JPEG or PNG" in answer.error


def test_a_damaged_picture_is_refused_at_every_length(daemon, jpeg):
    png = encoded("PNG")
    for whole in (jpeg, png):
        for length in range(12, len(whole) * 4 // 5, max(1, len(whole) // 40)):
            answer = daemon.post(CLASSIFY, whole[:length])
            assert answer.status == 400, (length, answer.body)
            assert answer.error.startswith("Expected")


def png_bomb(width: int, height: int) -> bytes:
    """A header that declares a huge picture, and a little data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10_000_000)) + chunk(b"IEND", b"")


def test_a_jpeg_of_scans_without_end_is_refused_and_a_progressive_one_is_not(daemon):
    stream = io.BytesIO()
    Image.fromarray(np.tile(texture("checks", 1), (2, 2, 1))).save(stream, "JPEG", progressive=True)
    progressive = stream.getvalue()
    assert daemon.post(CLASSIFY, progressive).status == 200
    last_scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    answer = daemon.post(CLASSIFY, progressive[:-2] + last_scan * 50 + b"\xff\xd9")
    assert answer.status == 413
    assert "fewer scans" in answer.error


def test_what_lies_behind_a_jpeg_is_not_taken_for_its_scans(daemon, jpeg):
    film = np.random.default_rng(0).bytes(4_000_000)  # as the motion pictures of phones have it
    assert film.count(b"\xff\xda") > 32
    assert daemon.post(CLASSIFY, jpeg + film).status == 200


def test_a_png_whose_texts_inflate_without_end_is_refused(daemon):
    png = encoded("PNG")
    text = b"k\0\0" + zlib.compress(b"\0" * (1 << 20), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    head = png.index(b"IDAT") - 4
    assert daemon.post(CLASSIFY, png[:head] + chunk + png[head:]).status == 200
    assert daemon.post(CLASSIFY, png[:head] + chunk * 40 + png[head:]).status == 413


@pytest.mark.parametrize("side", [5_000, 60_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_by_its_header(daemon, side):
    answer = daemon.post(CLASSIFY, png_bomb(side, side))
    assert answer.status in (400, 413)
    assert "Expected a picture" in answer.error


def test_the_limit_of_pixels_is_the_one_that_was_set(golden_bundle):
    with running(Settings((golden_bundle,), port=0, limits=Limits(pixels=32 * 32))) as served:
        assert served.post(CLASSIFY, encoded("PNG", np.zeros((32, 32, 3), np.uint8))).status == 200
        assert served.post(CLASSIFY, encoded("PNG", np.zeros((32, 33, 3), np.uint8))).status == 413


def test_a_window_is_taken_as_json_and_as_npz(windows, windows_bundle, features):
    with edgekit.open(windows_bundle) as pipeline:
        expected = pipeline.predict(features[0])
    for body in ({"window": features[0].tolist()}, npz(x=features[0]), npz(x=features[:1])):
        answer = windows.post("/v1/models/windows/classify", body).json
        assert answer["label"] == expected.label
        assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)


def test_a_window_comes_as_recorded_where_the_front_end_gives_more_channels(golden_bundle, tmp_path, rng):
    out, window = tmp_path / "apart.bundle", rng.normal(0, 1, (16, 12)).astype(np.float32)
    frontend = Samples((16, 12), separate_gravity=True)
    pack(golden_bundle / "model.int8.tflite", out, "apart", ("blobs", "checks", "stripes"), frontend, "logits")
    with edgekit.open(out) as pipeline, running(Settings((out,), port=0)) as served:
        answer = served.post("/v1/models/apart/classify", npz(x=window)).json
        assert answer["probabilities"] == pytest.approx(pipeline.predict(window).probabilities, abs=1e-6)
        assert "[16, 12]" in served.post("/v1/models/apart/classify", npz(x=np.zeros((32, 12)))).json["error"]


def test_an_archive_that_names_its_channels_is_put_in_order(golden_bundle, tmp_path, rng):
    out, window = tmp_path / "named.bundle", rng.normal(0, 1, (2, 16, 12)).astype(np.float32)[0]
    names = [f"c{i}" for i in range(16)]
    frontend = Samples((16, 12), separate_gravity=True, channels=names)
    pack(golden_bundle / "model.int8.tflite", out, "named", ("blobs", "checks", "stripes"), frontend, "logits")
    path = "/v1/models/named/classify"
    with edgekit.open(out) as pipeline, running(Settings((out,), port=0)) as served:
        expected = pytest.approx(pipeline.predict(window).probabilities, abs=1e-6)
        for body in (npz(x=window), npz(x=window[::-1], channels=names[::-1]), npz(x=window[None, ::-1], channels=names[::-1])):
            assert served.post(path, body).json["probabilities"] == expected
        assert served.post(path, npz(x=window, channels=[*names[:-1], "other"])).status == 400
        assert served.post(path, npz(x=window, channels=names[:3])).status == 400
        assert served.post(path, npz(x=window, channels=np.array(names, "S"))).status == 400
        assert served.post(path, npz(x=window, channels=np.zeros(1_000_000, "<U0"))).status in (400, 413)
        assert served.post(path, npz(x=np.r_[window, window[:1]], channels=[*names, "c0"])).status == 400
        assert served.post(path, npz(x=window, channels=np.array("c0"))).json["probabilities"] == expected


def zip_of(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"window": [[1, 2], [3]]}',
        b'{"window": "1"}',
        b"PK\x03\x04 damaged",
        npz(y=np.zeros((32, 12))),
        npz(x=np.zeros((12, 32))),
        npz(x=np.full((32, 12), np.nan)),
        npz(x=np.array([["a"] * 12] * 32)),
        zip_of("x.npy", b"no array"),
    ],
)
def test_what_is_no_such_window_is_refused(windows, body):
    answer = windows.post("/v1/models/windows/classify", body)
    assert answer.status == 400, answer.body
    assert answer.error.startswith("Expected")


def test_a_zip_bomb_and_a_pickle_are_refused(windows):
    assert windows.post("/v1/models/windows/classify", zip_of("x.npy", b"\0" * 50_000_000)).status == 413
    pickled = io.BytesIO()
    np.savez(pickled, x=np.array([[object] * 12] * 32, dtype=object))
    assert windows.post("/v1/models/windows/classify", pickled.getvalue()).status == 400


def test_a_window_that_is_longer_than_any_could_be_is_not_parsed(windows):
    answer = windows.post("/v1/models/windows/classify", b'{"window": [' + b"[]," * 100_000 + b"[]]}")
    assert answer.status == 400
    assert "bytes of JSON" in answer.error
    assert windows.post("/v1/models/windows/classify", npz(x=np.zeros((32, 12)), y=np.zeros(100_000))).status == 413


def test_a_picture_sent_to_a_model_of_windows_is_refused(windows, jpeg):
    assert windows.post("/v1/models/windows/classify", jpeg).status == 400
