"""`edgekit serve` on a board's core, in this process: ready, an inference, a picture, metrics, and its end on SIGTERM."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import threading
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgekit.core.bundle import Bundle
from tests.synthetic import texture

pytestmark = pytest.mark.device

pytest.importorskip("uvicorn", reason="needs edgekit[daemon]")


class Client(threading.Thread):
    """Asks everything once the daemon is ready, then ends it as systemd does."""

    def __init__(self, port: int, requests: dict[str, bytes | None]) -> None:
        super().__init__()
        self._port = port
        self._requests = requests
        self.answers: dict[str, tuple[int, bytes]] = {}

    def run(self) -> None:
        try:
            self._wait()
            for path, body in self._requests.items():
                self.answers[path] = self._ask(path, body)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def _wait(self) -> None:
        for _ in range(600):
            try:
                if self._ask("/v2/health/ready", None)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)

    def _ask(self, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET" if body is None else "POST", path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def recorded(bundle: Bundle) -> tuple[list[Any], np.ndarray]:
    """The first golden input, and the scores that the workstation's int8 model gave for it on LiteRT."""
    artifact = next(item for item in bundle.manifest.artifacts if (item.format, item.precision) == ("tflite", "int8"))
    with np.load(io.BytesIO(bundle.read(bundle.manifest.golden.file))) as golden:
        steps = golden[f"{artifact.file}@litert@{version('ai-edge-litert')}"][:1]
        return golden["features"][:1].astype(np.float32).tolist(), artifact.output.affine.dequantize(steps)


def test_serve_answers_with_the_workstations_int8_bits_and_ends_on_sigterm(golden_bundle, edgekit):
    features, expected = recorded(Bundle.open(golden_bundle))
    picture = io.BytesIO()
    Image.fromarray(texture("stripes", 3)).save(picture, "JPEG")
    tensor = {"name": "features", "shape": [1, 32, 12], "datatype": "FP32", "data": features}
    infer, classify = "/v2/models/textures/infer", "/v1/models/textures/classify"
    port = free_port()
    client = Client(port, {infer: json.dumps({"inputs": [tensor]}).encode(), classify: picture.getvalue(), "/metrics": None})
    client.start()
    edgekit("serve", golden_bundle, "--port", port, "--runtime", "litert", "--precision", "int8")
    client.join()
    assert {path: status for path, (status, _) in client.answers.items()} == {infer: 200, classify: 200, "/metrics": 200}
    (output,) = json.loads(client.answers[infer][1])["outputs"]
    np.testing.assert_array_equal(np.float32(output["data"]), expected.ravel())
    assert json.loads(client.answers[classify][1])["label"] == "stripes"
    assert b'edgekit_requests_total{model="textures",outcome="ok"} 2.0' in client.answers["/metrics"][1]
