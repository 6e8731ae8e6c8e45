from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.daemon.settings import Access, Limits, Settings, read_token
from edgekit.errors import UnknownNameError, UserError

pytestmark = pytest.mark.device

BUNDLES = (Path("a.bundle"),)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_a_loopback_address_no_token_is_needed(host):
    Settings(BUNDLES, host=host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_on_any_other_address_a_token_is_needed_or_waived_in_words(host):
    with pytest.raises(UserError, match="Pass --token-file FILE, or --no-token"):
        Settings(BUNDLES, host=host)
    Settings(BUNDLES, host=host, open_to_all=True)
    Settings(BUNDLES, host=host, access=Access("a" * 32))
    with pytest.raises(UserError, match="Expected a token"):
        Settings(BUNDLES, host=host, access=Access(None, "a" * 32))


def test_nothing_to_serve_is_refused(tmp_path):
    with pytest.raises(UserError, match="at least one bundle or a store"):
        Settings()
    with pytest.raises(UserError, match="Expected a bundle store"):
        Settings(store=tmp_path / "absent")


@pytest.mark.parametrize("wrong", [{"runtime": "tensorrt"}, {"precision": "int4"}])
def test_an_unknown_runtime_or_precision_is_refused_before_a_store_is_served_with_nothing(tmp_path, wrong):
    with pytest.raises(UnknownNameError, match="Known: "):
        Settings(store=tmp_path, **wrong)


def test_a_certificate_comes_with_its_key(tmp_path):
    (tmp_path / "cert.pem").touch()
    with pytest.raises(UserError, match="both --tls-cert and --tls-key"):
        Settings(BUNDLES, tls_cert=tmp_path / "cert.pem")
    with pytest.raises(UserError, match="Expected a PEM file"):
        Settings(BUNDLES, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")


def test_limits_are_above_nought_and_go_together():
    with pytest.raises(UserError, match="queue above 0"):
        Limits(queue=0)
    with pytest.raises(UserError, match="the limit for all bodies"):
        Limits(body_bytes=1 << 30)


def test_a_token_is_read_from_its_file_without_the_line_break(tmp_path):
    path = tmp_path / "token"
    path.write_text("0123456789abcdef\n")
    path.chmod(0o600)
    assert read_token(path) == "0123456789abcdef"


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("0123456789abcdef", 0o644, "chmod 600"),
        ("short", 0o600, "16 characters or more"),
        ("0123456789abcdef two", 0o600, "one token"),
        ("schlüsselschlüssel", 0o600, "not ASCII"),
        (None, 0o600, "No such file"),
    ],
)
def test_a_token_file_that_protects_nothing_is_refused(tmp_path, content, mode, words):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content, encoding="utf-8")
        path.chmod(mode)
    with pytest.raises(UserError, match=words):
        read_token(path)
