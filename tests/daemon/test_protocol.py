"""Open Inference Protocol v2 byte by byte, against the pipeline itself."""

from __future__ import annotations

import gzip
import json
import struct
import zlib

import numpy as np
import pytest

import edgekit

pytestmark = pytest.mark.device

INFER = "/v2/models/textures/infer"


@pytest.fixture(scope="module")
def expected(golden_bundle, features, daemon) -> np.ndarray:
    """(3,) float32 logits of the first golden input, by the artifact and runtime that the daemon runs."""
    model = daemon.service.slot("textures").model
    with edgekit.open(golden_bundle, model.pipeline.runtime.name, "int8") as pipeline:
        return pipeline.infer(features[:1])


def tensor(features: np.ndarray, **changed: object) -> dict:
    plain = {"name": "features", "shape": [1, 32, 12], "datatype": "FP32", "data": features[0].ravel().tolist()}
    return {"inputs": [plain | changed]}


def binary(features: np.ndarray, parameters: dict | None = None, **changed: object) -> tuple[bytes, dict[str, str]]:
    raw = features[:1].astype("<f4").tobytes()
    request = tensor(features, parameters={"binary_data_size": len(raw)}, **changed)
    del request["inputs"][0]["data"]
    head = json.dumps(request | ({"parameters": parameters} if parameters else {})).encode()
    return head + raw, {"Inference_Header_Content_Length": str(len(head))}


def test_the_server_says_what_it_speaks(daemon):
    document = daemon.get("/v2").json
    assert document["name"] == "edgekit"
    assert {"binary_tensor_data", "classification", "model_repository", "statistics"} <= set(document["extensions"])


def test_health_is_a_status_without_a_body(daemon):
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/textures/ready"):
        answer = daemon.get(path)
        assert (answer.status, answer.body) == (200, b"")


def test_metadata_has_names_and_shapes_of_the_manifest(daemon):
    document = daemon.get("/v2/models/textures").json
    assert document["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [1, 32, 12]}]
    assert document["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [1, 3]}]
    assert daemon.get(f"/v2/models/textures/versions/{document['versions'][0]}").json == document


@pytest.mark.parametrize("nested", [False, True])
def test_json_in_json_out_flat_or_nested(daemon, features, expected, nested):
    data = features[:1].tolist() if nested else features[0].ravel().tolist()
    answer = daemon.post(INFER, {**tensor(features, data=data), "id": "seven"}).json
    assert answer["id"] == "seven"
    assert answer["model_name"] == "textures"
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("logits", "FP32", [1, 3])
    np.testing.assert_array_equal(np.float32(output["data"]), expected)


def test_a_model_may_be_asked_by_its_version(daemon, features, expected):
    version = daemon.get("/v2/models/textures").json["versions"][0]
    answer = daemon.post(f"/v2/models/textures/versions/{version}/infer", tensor(features)).json
    assert answer["model_version"] == version
    assert daemon.post("/v2/models/textures/versions/nine/infer", tensor(features)).status == 404


def test_binary_in_binary_out(daemon, features, expected):
    body, headers = binary(features, {"binary_data_output": True})
    answer = daemon.post(INFER, body, **headers)
    size = int(answer.headers["inference-header-content-length"])
    output = json.loads(answer.body[:size])["outputs"][0]
    assert output["parameters"] == {"binary_data_size": 12}
    assert "data" not in output
    np.testing.assert_array_equal(np.frombuffer(answer.body[size:], "<f4"), expected)


def test_an_outputs_own_wish_wins_over_the_requests(daemon, features, expected):
    body, headers = binary(features)
    asked = json.loads(body[: int(headers["Inference_Header_Content_Length"])])
    asked |= {"parameters": {"binary_data_output": True}, "outputs": [{"name": "logits", "parameters": {"binary_data": False}}]}
    head = json.dumps(asked).encode()
    raw = features[:1].astype("<f4").tobytes()
    answer = daemon.post(INFER, head + raw, Inference_Header_Content_Length=str(len(head)))
    np.testing.assert_array_equal(np.float32(answer.json["outputs"][0]["data"]), expected)


def test_a_raw_body_is_the_one_input(daemon, features, expected):
    answer = daemon.post(INFER, features[:1].astype("<f4").tobytes(), Inference_Header_Content_Length="0")
    size = int(answer.headers["inference-header-content-length"])
    np.testing.assert_array_equal(np.frombuffer(answer.body[size:], "<f4"), expected)


def test_the_classification_extension_gives_value_index_label(daemon, features, expected):
    asked = {**tensor(features), "outputs": [{"name": "logits", "parameters": {"classification": 2}}]}
    output = daemon.post(INFER, asked).json["outputs"][0]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 2])
    labels = ("blobs", "checks", "stripes")
    order = np.argsort(-expected, kind="stable")[:2]
    assert [text.split(":")[1:] for text in output["data"]] == [[str(i), labels[i]] for i in order]
    assert [float(text.split(":")[0]) for text in output["data"]] == pytest.approx(expected[order], abs=1e-6)
    asked["outputs"][0]["parameters"]["binary_data"] = True
    answer = daemon.post(INFER, asked)
    raw = answer.body[int(answer.headers["inference-header-content-length"]) :]
    (length,) = struct.unpack_from("<I", raw)
    assert raw[4 : 4 + length].decode() == output["data"][0]


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_understood(daemon, features, expected, name, compress):
    answer = daemon.post(INFER, compress(json.dumps(tensor(features)).encode()), Content_Encoding=name)
    np.testing.assert_array_equal(np.float32(answer.json["outputs"][0]["data"]), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "image"}, "Expected the input 'features'"),
        ({"datatype": "INT8"}, "Expected datatype FP32"),
        ({"shape": [32, 12]}, r"Expected shape [1, 32, 12]"),
        ({"shape": [1, 32, -12]}, "`int` >= 0"),
        ({"data": [1.0] * 383}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": ["1.0"] * 384}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": [None] * 384}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": [[1.0] * 12] * 31 + [[1.0] * 13]}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": [[[1.0] * 32] * 12]}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": [[1.0] * 12] * 32}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": [[[[1.0] * 12] * 32]]}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": [[[1.0] * 12] * 31 + [1.0] * 12]}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": [True] * 384}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": {"0": 1.0}}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": [1e39] * 384}, "finite"),
        ({"data": [10**400] * 384}, "Expected"),
        ({"data": []}, "numbers of shape [1, 32, 12], or flat"),
        ({"data": 7}, "numbers of shape"),
        ({"data": None}, "numbers of shape"),
        ({"parameters": {"binary_data_size": 4}}, "got both"),
    ],
)
def test_a_wrong_tensor_is_named_in_one_line(daemon, features, change, words):
    answer = daemon.post(INFER, tensor(features, **change))
    assert answer.status == 400, answer.body
    assert words in answer.error
    assert "\n" not in answer.error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"inputs": []}',
        b"[" * 50_000,
        b'{"inputs": ' + b"[" * 5000,
        b"\xff\xfe",
        b'{"inputs":[{"name":NaN}]}',
        b'{"inputs": {}}',
        b'{"inputs": [[]]}',
        b'{"inputs": [' + b"{}," * 70 + b"{}]}",
        b'{"inputs": [], "id": 7}',
        b'{"inputs": [], "outputs": [{"name": 18446744073709551616}]}',
    ],
)
def test_what_is_no_request_is_refused(daemon, body):
    answer = daemon.post(INFER, body)
    assert answer.status == 400
    assert answer.error.startswith("Expected")


def test_fields_that_nobody_asked_for_are_passed_over(daemon, features, expected):
    unknown = {f"field {number}": {"deep": [number]} for number in range(2000)}
    answer = daemon.post(INFER, {**unknown, **tensor(features, more=[1, 2])}).json
    np.testing.assert_array_equal(np.float32(answer["outputs"][0]["data"]), expected)


def test_numbers_that_are_not_finite_are_refused_in_binary_too(daemon, features):
    bad = features.copy()
    bad[0, 5, 5] = np.nan
    body, headers = binary(bad)
    assert "finite" in daemon.post(INFER, body, **headers).error


@pytest.mark.parametrize("length", ["-1", "x", "999999999", "99999999999999999999", "1.0", "", "٣"])
def test_a_wrong_length_of_the_json_is_refused(daemon, features, length):
    body, _ = binary(features)
    answer = daemon.post(INFER, body, Inference_Header_Content_Length=length.encode().decode("latin-1"))
    assert answer.status == 400
    assert "Inference-Header-Content-Length" in answer.error


def test_bytes_that_are_missing_or_too_many_are_refused(daemon, features):
    body, headers = binary(features)
    for wrong in (body[:-1], body + b"\0"):
        assert "binary_data_size" in daemon.post(INFER, wrong, **headers).error


@pytest.mark.parametrize(
    "more",
    [
        {"outputs": [{"name": "probabilities"}]},
        {"outputs": [{"name": "logits"}, {"name": "logits"}]},
        {"outputs": [{"name": "logits", "parameters": {"classification": -1}}]},
        {"outputs": [{"name": "logits", "parameters": {"binary_data": "yes"}}]},
        {"outputs": [{"name": "logits", "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 12}}]},
        {"parameters": {"timeout": "soon"}},
    ],
)
def test_wrong_wishes_are_refused(daemon, features, more):
    assert daemon.post(INFER, {**tensor(features), **more}).status == 400


def test_wrong_addresses_and_verbs_have_their_status(daemon):
    for method, path, status in (
        ("get", "/v2/models/absent", 404),
        ("get", "/v2/models/absent/ready", 404),
        ("get", "/v2/models/absent/stats", 404),
        ("post", "/v2/models/absent/infer", 404),
        ("get", "/v3", 404),
        ("get", "/v2/", 404),
        ("get", INFER, 405),
        ("post", "/v2/health/live", 405),
    ):
        answer = getattr(daemon, method)(path)
        assert answer.status == status, path
        assert answer.error.startswith("Expected")


def test_statistics_count_and_add_up(daemon, features):
    def stats() -> dict:
        return daemon.get("/v2/models/textures/stats").json["model_stats"][0]

    before = stats()
    daemon.post(INFER, tensor(features))
    daemon.post(INFER, b"{")
    after = stats()
    parts, earlier = after["inference_stats"], before["inference_stats"]
    assert after["inference_count"] == before["inference_count"] + 1
    assert parts["fail"]["count"] == earlier["fail"]["count"] + 1
    for name in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert parts[name]["count"] == earlier[name]["count"] + 1
        assert parts[name]["ns"] > earlier[name]["ns"]
    assert after["last_inference"] >= before["last_inference"] > 0 or before["last_inference"] == 0
    assert after in daemon.get("/v2/models/stats").json["model_stats"]
