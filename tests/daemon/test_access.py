"""Tokens, admin rights, TLS, and what an answer must not tell."""

from __future__ import annotations

import re
import shutil
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from edgekit.daemon.settings import Access, Settings
from edgekit.errors import UserError
from tests.daemon.client import ask, running

pytestmark = pytest.mark.device

TOKEN, ADMIN = "t" * 32, "a" * 32
LOAD = "/v2/repository/models/textures/load"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def guarded(golden_bundle, tmp_path_factory):
    uds = tmp_path_factory.mktemp("guarded") / "edgekit.sock"
    with running(Settings((golden_bundle,), port=0, uds=uds, access=Access(TOKEN, ADMIN))) as served:
        yield served


@pytest.mark.parametrize("path", ["/v2", "/v2/models/textures", "/metrics", "/v1/status", "/openapi.json", "/nowhere"])
def test_without_the_token_nothing_is_told_on_tcp(guarded, path):
    for headers in ({}, bearer("x" * 32), {"Authorization": "Basic abc"}, {"Authorization": "Bearer"}, bearer("Ã¼")):
        answer = ask(guarded.address, "GET", path, headers=headers)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert ask(guarded.address, "GET", path, headers=bearer(TOKEN)).status in (200, 404)


@pytest.mark.parametrize("path", ["/", "/v2/health/live", "/v2/health/ready"])
def test_health_and_the_empty_page_ask_for_no_token(guarded, path):
    assert guarded.get(path).status == 200


@pytest.mark.parametrize("host", ["a/v2/health/live?", "a/#", "[", "", "a/v2/health/live\\"])
def test_no_host_header_talks_a_request_past_the_token(guarded, host):
    assert guarded.get("/v2/models/textures", Host=host).status == 401


def test_the_unix_socket_asks_for_no_token_and_is_its_owners_and_groups(guarded):
    assert ask(guarded.uds, "GET", "/v2").status == 200
    assert stat.S_IMODE(guarded.uds.stat().st_mode) == 0o660


def test_models_are_loaded_with_the_admin_token_or_on_the_unix_socket_alone(guarded):
    assert ask(guarded.address, "POST", LOAD, {}, bearer(TOKEN)).status == 403
    assert ask(guarded.address, "POST", LOAD, {}, bearer(ADMIN)).status == 200
    assert guarded.admin(LOAD, {}).status == 200


def test_without_any_token_tcp_may_still_not_load(daemon):
    for path in (LOAD, LOAD.replace("load", "unload"), "/v1/models/textures/rollback"):
        assert daemon.post(path, {}).status == 403
    assert daemon.get("/v2/models/textures/ready").status == 200


def test_errors_tell_no_path_no_version_and_no_trace(daemon, golden_bundle):
    version = daemon.get("/v2/models/textures").json["versions"][0]
    answers = [
        daemon.post("/v2/models/textures/infer", b"{"),
        daemon.post("/v1/models/textures/classify", b"\xff\xd8\xff damaged"),
        daemon.get("/v2/models/nothing"),
        daemon.get("/v2/models/textures/versions/0"),
        daemon.admin("/v2/repository/models/nothing/load", {}),
        daemon.admin("/v1/models/textures/rollback"),
    ]
    for answer in answers:
        assert answer.status in (400, 404)
        assert not re.search(r"/work|/tmp|/home|\.py|Traceback|0x[0-9a-f]{6}|\b\d+\.\d+\.\d+\b", answer.error)
        assert version not in answer.error
        assert str(golden_bundle) not in answer.error
        assert "server" not in answer.headers


def test_a_unix_socket_left_by_a_killed_daemon_is_replaced_and_a_living_ones_is_not(daemon, golden_bundle, tmp_path):
    import socket

    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    with running(Settings((golden_bundle,), port=0, uds=stale)) as served:
        assert ask(served.uds, "GET", "/v2/health/ready").status == 200
    assert not stale.exists()
    with pytest.raises(UserError, match="another daemon answers"), running(Settings((golden_bundle,), port=0, uds=daemon.uds)):
        pass
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is a file"), running(Settings((golden_bundle,), port=0, uds=tmp_path / "file")):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_a_taken_port_is_one_worded_error(daemon, golden_bundle):
    port = int(daemon.address.rpartition(":")[2])
    with pytest.raises(UserError, match=r"Pass --port"), running(Settings((golden_bundle,), port=port)):
        pass


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", folder / "key.pem"


def make_certificate(cert: Path, key: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-keyout", key, "-out", cert, "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )


def test_with_a_certificate_tcp_speaks_tls_and_the_unix_socket_does_not(golden_bundle, certificate, tmp_path):
    cert, key = certificate
    settings = Settings((golden_bundle,), port=0, uds=tmp_path / "s", tls_cert=cert, tls_key=key)
    with running(settings) as served:
        context = ssl.create_default_context(cafile=str(cert))
        assert ask(served.address, "GET", "/v2/health/ready", ssl_context=context).status == 200
        assert ask(served.uds, "GET", "/v2/health/ready").status == 200
        with pytest.raises(OSError, match="reset|closed|Remote"):
            ask(served.address, "GET", "/v2/health/ready")
        served.call(served.daemon.reload())
        assert ask(served.address, "GET", "/v2/health/ready", ssl_context=context).status == 200


def test_a_new_certificate_that_does_not_fit_its_key_is_refused_and_the_old_one_stays(golden_bundle, certificate, tmp_path):
    cert, key = (shutil.copy(path, tmp_path) for path in certificate)
    with running(Settings((golden_bundle,), port=0, tls_cert=Path(cert), tls_key=Path(key))) as served:
        context = ssl.create_default_context(cafile=cert)
        make_certificate(tmp_path / "cert.pem", tmp_path / "other.pem")
        served.call(served.daemon.reload())
        assert ask(served.address, "GET", "/v2/health/ready", ssl_context=context).status == 200


def test_a_certificate_that_is_none_or_anothers_is_one_worded_error(golden_bundle, certificate, tmp_path):
    cert, key = certificate
    (tmp_path / "other.pem").write_text("no certificate")
    for pair in ((tmp_path / "other.pem", key), (cert, tmp_path / "other.pem")):
        settings = Settings((golden_bundle,), port=0, tls_cert=pair[0], tls_key=pair[1])
        with pytest.raises(UserError, match=r"Expected a certificate chain and its key \(PEM\)"), running(settings):
            pass
