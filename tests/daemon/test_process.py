"""The command as a process of its own: signals, systemd, kill -9, its log."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgekit.core.store import Store
from tests.daemon.client import ask

pytestmark = pytest.mark.device


@dataclass
class Process:
    popen: subprocess.Popen
    address: str

    def end(self, number: int = signal.SIGTERM) -> tuple[int, list[dict]]:
        """Exit code, and the log's lines."""
        self.popen.send_signal(number)
        _, stderr = self.popen.communicate(timeout=20)
        return self.popen.returncode, [json.loads(line) for line in stderr.splitlines()]


@contextmanager
def serving(*arguments: object, **environment: str) -> Iterator[Process]:
    command = [
        sys.executable,
        "-c",
        "from edgekit.cli import main; main()",
        "serve",
        *map(str, arguments),
        "--port",
        "0",
        "--json",
    ]
    popen = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        document = ""
        while not document.endswith("}\n"):
            line = popen.stdout.readline()
            assert line, popen.stderr.read()
            document += line
        yield Process(popen, json.loads(document)["url"].removeprefix("http://"))
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.communicate()


@pytest.fixture
def body(features) -> bytes:
    return json.dumps(
        {"inputs": [{"name": "features", "shape": [1, 32, 12], "datatype": "FP32", "data": features[0].ravel().tolist()}]}
    ).encode()


def test_json_tells_address_and_models_and_the_log_is_one_object_a_line(golden_bundle):
    with serving(golden_bundle) as process:
        assert ask(process.address, "GET", "/v2/health/ready").status == 200
        code, log = process.end()
    assert code == 0
    assert [line["message"] for line in log] == ["loaded", "ready", "ending", "ended"]
    assert all({"time", "level", "logger"} <= set(line) for line in log)
    assert log[1]["models"] == ["textures"]


def test_the_soft_limit_of_open_files_is_raised_for_its_connections(golden_bundle):
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with serving(golden_bundle) as process:
            limits = Path(f"/proc/{process.popen.pid}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
    soft = int(next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3])
    assert soft >= min(hard, 2048)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_under_load_loses_no_request(golden_bundle, body, number):
    answers, refused = [], []

    def client(address: str) -> None:
        connection = http.client.HTTPConnection(address, timeout=10)
        while True:
            try:
                connection.request("POST", "/v2/models/textures/infer", body)
                answer = connection.getresponse()
                answer.read()
                answers.append(answer.status)
            except ConnectionRefusedError:
                return
            except (OSError, http.client.HTTPException) as error:
                refused.append(error)
                return

    with serving(golden_bundle) as process:
        clients = [threading.Thread(target=client, args=(process.address,)) for _ in range(4)]
        for thread in clients:
            thread.start()
        time.sleep(0.5)
        code, _ = process.end(number)
        for thread in clients:
            thread.join()
    assert code == 0
    assert set(answers) == {200}
    assert refused == []


def test_a_request_that_was_accepted_before_sigterm_is_answered_and_told_to_close(golden_bundle):
    with serving(golden_bundle) as process:
        host, _, port = process.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(b"POST /v2/repository/index HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{")
            time.sleep(0.2)
            process.popen.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            client.sendall(b"}")
            answer = b""
            while part := client.recv(10_000):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"textures"' in answer
        assert process.popen.wait(20) == 0


def test_one_that_still_answers_what_it_accepted_leaves_the_next_ones_socket_alone(golden_bundle, tmp_path, body):
    uds = tmp_path / "edgekit.sock"
    with serving(golden_bundle, "--uds", uds) as first, socket.create_connection(first.address.split(":"), timeout=10) as client:
        head = f"POST /v2/models/textures/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        client.sendall(head + body[:10])
        while not ask(uds, "GET", "/metrics").body.count(b"edgekit_in_flight_requests 2.0"):
            time.sleep(0.02)
        first.popen.send_signal(signal.SIGTERM)
        while uds.exists():
            time.sleep(0.02)
        with serving(golden_bundle, "--uds", uds):
            client.sendall(body[10:])
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            assert first.popen.wait(20) == 0
            assert ask(uds, "GET", "/v2/health/ready").status == 200


def test_after_kill_9_it_starts_again_on_the_same_socket(golden_bundle, tmp_path):
    uds = tmp_path / "edgekit.sock"
    for _ in range(2):
        with serving(golden_bundle, "--uds", uds) as process:
            assert ask(uds, "GET", "/v2/health/ready").status == 200
            process.popen.kill()
            process.popen.wait(10)
        assert uds.exists()


def test_sighup_loads_what_is_current_now(store):
    with serving("--store", store) as process:
        assert ask(process.address, "GET", "/v2/models/textures").json["versions"] == ["1"]
        Store(store).switch("textures", "2")
        process.popen.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while ask(process.address, "GET", "/v2/models/textures").json["versions"] != ["2"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        process.end()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_of_start_life_reload_and_end(golden_bundle, tmp_path, abstract):
    name = f"\0edgekit-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name)
        systemd.settimeout(10)
        with serving(golden_bundle, NOTIFY_SOCKET=name.replace("\0", "@"), WATCHDOG_USEC="200000") as process:
            told = [systemd.recv(1000).decode()]
            assert told[0].splitlines()[0] == "READY=1"
            while told.count("WATCHDOG=1") < 3:
                told.append(systemd.recv(1000).decode())
            process.popen.send_signal(signal.SIGHUP)
            while not told[-1].startswith("READY=1"):
                told.append(systemd.recv(1000).decode())
            assert any(line.startswith("RELOADING=1\nMONOTONIC_USEC=") for line in told)
            process.end()
            while told[-1] != "STOPPING=1":
                told.append(systemd.recv(1000).decode())


def test_a_watchdog_meant_for_another_process_is_left_alone(golden_bundle, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(1)
        notify = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}
        with serving(golden_bundle, **notify):
            assert systemd.recv(1000).startswith(b"READY=1")
            with pytest.raises(TimeoutError):
                systemd.recv(1000)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "at least one bundle or a store"),
        (("absent.bundle",), "Expected a bundle"),
        (("GOLDEN", "--host", "0.0.0.0"), "--token-file FILE, or --no-token"),
        (("GOLDEN", "--token-file", "absent"), "Expected a token"),
        (("GOLDEN", "--precision", "int4"), "Unknown precision"),
        (("GOLDEN", "--runtime", "tensorrt"), "Unknown runtime"),
        (("GOLDEN", "--queue", "0"), "--queue"),
    ],
)
def test_wrong_settings_are_one_line_and_exit_code_2(golden_bundle, tmp_path, arguments, words):
    arguments = [golden_bundle if argument == "GOLDEN" else argument for argument in arguments]
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", "serve", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=30, check=False)
    assert result.returncode == 2
    assert words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert list(Path(tmp_path).iterdir()) == []


def test_without_the_extra_the_command_says_the_pip_line(golden_bundle):
    code = "import sys; sys.modules['uvicorn'] = None; from edgekit.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code, "serve", golden_bundle], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "pip install 'edgekit[daemon]'" in result.stderr


def test_the_daemon_imports_no_torch_no_onnx_and_no_engine(golden_bundle):
    code = (
        "import sys\nfor name in ('torch', 'onnx', 'sklearn', 'matplotlib'): sys.modules[name] = None\n"
        "import edgekit.daemon.serve\n"
        "print([m for m in ('onnxruntime', 'ai_edge_litert', 'PIL', 'tflite_runtime') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
