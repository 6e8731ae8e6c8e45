"""The official client of the protocol, unchanged."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from edgekit.daemon.settings import Access, Settings
from tests.daemon.client import running

pytestmark = pytest.mark.device

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    triton = pytest.importorskip("tritonclient.http", reason="needs tritonclient[http], of the dev extra")

ADMIN = "a" * 32
RIGHTS = {"Authorization": f"Bearer {ADMIN}"}


@pytest.fixture(scope="module")
def served(golden_bundle):
    with running(Settings((golden_bundle,), port=0, access=Access(None, ADMIN))) as daemon:
        yield daemon


@pytest.fixture
def client(served):
    client = triton.InferenceServerClient(served.address)
    yield client
    client.close()


@pytest.fixture(scope="module")
def expected(served, features) -> np.ndarray:
    return served.service.slot("textures").model.infer(features[:1])


def request(features: np.ndarray, binary: bool = True):
    tensor = triton.InferInput("features", [1, 32, 12], "FP32")
    tensor.set_data_from_numpy(features[:1], binary_data=binary)
    return [tensor]


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("textures")
    assert not client.is_model_ready("absent")
    assert client.get_server_metadata()["name"] == "edgekit"
    metadata = client.get_model_metadata("textures")
    assert metadata["inputs"][0] == {"name": "features", "datatype": "FP32", "shape": [1, 32, 12]}
    assert client.is_model_ready("textures", metadata["versions"][0])


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_inference_in_json_and_binary(client, features, expected, binary_in, binary_out):
    outputs = None if binary_out is None else [triton.InferRequestedOutput("logits", binary_data=binary_out)]
    result = client.infer("textures", request(features, binary_in), outputs=outputs, request_id="7")
    np.testing.assert_array_equal(result.as_numpy("logits"), expected)
    response = result.get_response()
    assert (response["id"], response["model_name"]) == ("7", "textures")


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_both_ways(client, features, expected, algorithm):
    result = client.infer(
        "textures", request(features), request_compression_algorithm=algorithm, response_compression_algorithm=algorithm
    )
    np.testing.assert_array_equal(result.as_numpy("logits"), expected)


@pytest.mark.parametrize("binary", [True, False])
def test_classification(client, features, expected, binary):
    outputs = [triton.InferRequestedOutput("logits", binary_data=binary, class_count=3)]
    texts = client.infer("textures", request(features), outputs=outputs).as_numpy("logits").reshape(-1)
    rows = [(text.decode() if isinstance(text, bytes) else text).split(":") for text in texts]
    assert [int(index) for _, index, _ in rows] == np.argsort(-expected[0]).tolist()


def test_in_the_background_and_with_a_deadline(client, features, expected):
    np.testing.assert_array_equal(client.async_infer("textures", request(features)).get_result().as_numpy("logits"), expected)
    np.testing.assert_array_equal(client.infer("textures", request(features), timeout=4_000_000).as_numpy("logits"), expected)


def test_repository_and_statistics(client, features):
    (entry,) = client.get_model_repository_index()
    assert (entry["name"], entry["state"]) == ("textures", "READY")
    client.unload_model("textures", headers=RIGHTS)
    assert not client.is_model_ready("textures")
    client.load_model("textures", headers=RIGHTS)
    assert client.is_model_ready("textures")
    client.infer("textures", request(features))
    for stats in (client.get_inference_statistics(), client.get_inference_statistics("textures")):
        (row,) = stats["model_stats"]
        assert row["inference_stats"]["success"]["count"] == row["inference_count"] > 0


@pytest.mark.parametrize(
    ("call", "words", "status"),
    [
        (lambda c, f: c.infer("absent", request(f)), "name of a model", "404"),
        (lambda c, f: c.get_model_metadata("absent"), "name of a model", "404"),
        (lambda c, f: c.load_model("textures"), "admin", "403"),
        (lambda c, f: c.load_model("absent", headers=RIGHTS), "name of a model", "404"),
        (lambda c, f: c.load_model("textures", headers=RIGHTS, config="{}"), "verified bundles alone", "400"),
        (lambda c, f: c.infer("textures", request(f), outputs=[triton.InferRequestedOutput("x")]), "one output", "400"),
        (lambda c, f: c.infer("textures", request(f), model_version="9"), "version", "404"),
        (lambda c, f: c.get_system_shared_memory_status(), "address of the daemon", "404"),
    ],
)
def test_errors_have_the_status_and_words_of_the_daemon(client, features, call, words, status):
    with pytest.raises(triton.InferenceServerException, match=words) as error:
        call(client, features)
    assert error.value.status() == status
