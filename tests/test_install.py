"""`edgekit install` and `edgekit rollback` on a board's store, beside a daemon that serves it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from edgekit.core.bundle import Bundle
from edgekit.core.signature import new_key, public_path, sign
from edgekit.core.store import Store
from edgekit.errors import BundleError, GateError, MissingExtraError, SignatureError, UnknownNameError, UserError
from edgekit.install import install, roll_back

pytestmark = pytest.mark.device


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def second(golden_bundle, tmp_path) -> Path:
    """The committed bundle with another temperature: another version."""
    return with_manifest(golden_bundle, tmp_path / "second.bundle", temperature=0.5)


def with_manifest(bundle: Path, out: Path, temperature: float = 1.0, name: str = "textures") -> Path:
    shutil.copytree(bundle, out)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["output"]["temperature"] = temperature
    manifest["name"] = name
    (out / "manifest.json").write_text(json.dumps(manifest))
    return out


def edgekit(*words: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "edgekit", *map(str, words)], input=stdin, capture_output=True, check=False)


def test_a_folder_a_zip_and_a_zip_on_stdin_are_the_same_version(golden_bundle, store, tmp_path):
    bundle = Bundle.open(golden_bundle)
    (tmp_path / "textures.zip").write_bytes(bundle.archive())
    for source, stdin in ((golden_bundle, b""), (tmp_path / "textures.zip", b""), ("-", bundle.archive())):
        result = edgekit("install", source, "--store", store.root, "--json", stdin=stdin)
        assert json.loads(result.stdout)["version"] == bundle.version, result.stderr
    assert store.versions("textures") == (bundle.version,)


def test_what_comes_cut_short_on_stdin_is_refused(golden_bundle, store):
    result = edgekit("install", "-", "--store", store.root, stdin=Bundle.open(golden_bundle).archive()[:-100])
    assert result.returncode == 2
    assert b"stdin.zip: File is not a zip file" in result.stderr
    assert not store.root.exists()


def test_rollback_goes_back_and_a_second_one_forward_again(golden_bundle, second, store):
    first, newer = install(golden_bundle, store), install(second, store)
    assert newer.previous == first.version
    for expected in (first, newer):
        result = edgekit("rollback", "textures", "--store", store.root, "--json")
        assert json.loads(result.stdout)["version"] == expected.version == store.current("textures")
    assert roll_back("textures", store, newer.version).version == newer.version
    with pytest.raises(UnknownNameError, match=first.version):
        roll_back("textures", store, "7")


def test_a_version_that_was_damaged_since_is_not_rolled_back_to(golden_bundle, second, store):
    first, newer = install(golden_bundle, store), install(second, store)
    (first.path / "golden.npz").write_bytes(b"")
    with pytest.raises(BundleError, match="sha256"):
        roll_back("textures", store)
    assert store.current("textures") == newer.version


def test_only_what_a_key_signed_is_installed_and_rolled_back_to(golden_bundle, second, store, tmp_path):
    pytest.importorskip("cryptography", reason="needs edgekit[sign]")
    new_key(tmp_path / "key")
    key = public_path(tmp_path / "key")
    with pytest.raises(SignatureError, match="it is not"):
        install(golden_bundle, store, key)
    assert not store.root.exists()
    install(golden_bundle, store)
    sign(second, tmp_path / "key")
    signed = install(second, store, key)
    with pytest.raises(SignatureError, match="it is not"):
        roll_back("textures", store, signed_by=key)
    assert store.current("textures") == signed.version


def test_signing_makes_another_version(second, store, tmp_path):
    pytest.importorskip("cryptography", reason="needs edgekit[sign]")
    unsigned = install(second, store).version
    new_key(tmp_path / "key")
    sign(second, tmp_path / "key")
    assert install(second, store).previous == unsigned


@pytest.mark.parametrize("name", ["../textures", ".textures", "a b", ""])
def test_a_name_that_would_leave_the_store_is_refused(golden_bundle, store, tmp_path, name):
    with pytest.raises(BundleError, match="name"):
        install(with_manifest(golden_bundle, tmp_path / "named.bundle", name=name), store)
    assert not store.root.exists()


def test_a_name_that_the_daemon_cannot_serve_is_refused(golden_bundle, store, tmp_path):
    with pytest.raises(BundleError, match="not 'stats'"):
        install(with_manifest(golden_bundle, tmp_path / "named.bundle", name="stats"), store)
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--store", "FILE"), ("--store", "~nobody-here/x"), ("--daemon", "~nobody-here/x")]
)
def test_a_path_that_cannot_be_is_one_line(golden_bundle, tmp_path, option, value):
    (tmp_path / "file").write_text("")
    result = edgekit(
        "install", golden_bundle, "--store", tmp_path / "store", option, value.replace("FILE", str(tmp_path / "file"))
    )
    assert result.returncode == 2
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("error: Expected ")


def test_a_file_where_the_models_folder_belongs(golden_bundle, store):
    store.root.mkdir()
    (store.root / "textures").write_text("")
    with pytest.raises(UserError, match="Expected a folder at .*textures"):
        install(golden_bundle, store)


def test_a_full_disk_leaves_no_empty_folder_in_the_store(golden_bundle, store, monkeypatch):
    def full(_folder: Path, _files: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("edgekit.core.bundle.write_files", full)
    with pytest.raises(OSError, match="No space left"):
        install(golden_bundle, store)
    assert list(store.root.iterdir()) == []


def test_an_interrupt_between_writing_and_switching_leaves_no_version_behind(golden_bundle, second, store, monkeypatch):
    first, rename = install(golden_bundle, store), os.rename

    def interrupted(source: Path, target: Path) -> None:
        rename(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr("os.rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        install(second, store)
    assert store.versions("textures") == (store.current("textures"),) == (first.version,)


def test_two_at_once_take_turns(golden_bundle, second, store):
    with ThreadPoolExecutor() as pool:
        with store.locked("textures"):
            waiting = [pool.submit(install, bundle, store) for bundle in (golden_bundle, golden_bundle, second)]
            assert not wait(waiting, timeout=0.5).done
            assert not (store.root / "textures").exists()
        versions = {installed.result().version for installed in waiting}
    assert set(store.versions("textures")) == versions
    assert {store.current("textures"), store.previous("textures")} == versions


def test_without_a_runtime_the_install_line_comes(golden_bundle, store, monkeypatch):
    monkeypatch.setattr("edgekit.runtimes.open.has_module", lambda _name: False)
    with pytest.raises(MissingExtraError, match="pip install"):
        install(golden_bundle, store)
    assert not store.root.exists()


@pytest.fixture
def served(golden_bundle, store, tmp_path):
    """A daemon that looks at its store when asked alone."""
    pytest.importorskip("uvicorn", reason="needs edgekit[daemon]")
    from edgekit.daemon.settings import Settings
    from tests.daemon.client import running

    install(golden_bundle, store)
    with running(Settings(store=store.root, port=0, uds=tmp_path / "s", watch_s=60)) as daemon:
        yield daemon


def answering(served) -> str:
    return served.get("/v2/models/textures").json["versions"][0]


def test_a_daemon_that_is_named_answers_with_the_version_when_the_command_returns(served, second, store):
    first = answering(served)
    installed = install(second, store, daemon=served.uds)
    assert answering(served) == installed.version != first
    assert roll_back("textures", store, daemon=served.uds).version == first == answering(served)


def test_what_the_daemon_refuses_leaves_the_links_as_they_were(golden_bundle, second, store, tmp_path):
    pytest.importorskip("uvicorn", reason="needs edgekit[daemon]")
    pytest.importorskip("cryptography", reason="needs edgekit[sign]")
    from edgekit.daemon.settings import Settings
    from tests.daemon.client import running

    new_key(tmp_path / "key")
    shutil.copytree(golden_bundle, tmp_path / "signed.bundle")
    older = with_manifest(golden_bundle, tmp_path / "older.bundle", temperature=2.0)
    for bundle in (older, tmp_path / "signed.bundle"):
        sign(bundle, tmp_path / "key")
        signed = install(bundle, store)
    settings = Settings(store=store.root, port=0, uds=tmp_path / "s", watch_s=60, signed_by=public_path(tmp_path / "key"))
    with running(settings) as served:
        with pytest.raises(GateError, match="it refuses: .*signed"):
            install(second, store, daemon=served.uds)
        assert (store.current("textures"), store.previous("textures")) == (signed.version, signed.previous)
        assert answering(served) == signed.version
        assert Bundle.open(second).version not in store.versions("textures")


def test_a_first_version_that_the_daemon_refuses_is_not_current(served, golden_bundle, store, tmp_path):
    fresh = Store(tmp_path / "fresh")
    with pytest.raises(GateError, match="it refuses"):
        install(with_manifest(golden_bundle, tmp_path / "new.bundle", name="new"), fresh, daemon=served.uds)
    assert fresh.current("new") is None
    assert not (fresh.root / "new").exists()


def test_a_daemon_that_refused_a_new_model_is_ready_as_before(golden_bundle, second, store, tmp_path):
    pytest.importorskip("uvicorn", reason="needs edgekit[daemon]")
    pytest.importorskip("cryptography", reason="needs edgekit[sign]")
    from edgekit.daemon.settings import Settings
    from tests.daemon.client import running

    new_key(tmp_path / "key")
    sign(second, tmp_path / "key")
    install(second, store)
    new = with_manifest(golden_bundle, tmp_path / "new.bundle", name="new")
    settings = Settings(store=store.root, port=0, uds=tmp_path / "s", watch_s=0.05, signed_by=public_path(tmp_path / "key"))
    with running(settings) as served:
        with pytest.raises(GateError, match="it refuses"):
            install(new, store, daemon=served.uds)
        for _ in range(200):
            if served.get("/v2/health/ready").status == 200:
                break
            time.sleep(0.05)
        assert served.get("/v2/health/ready").status == 200
        assert "new" not in served.get("/v1/status").body.decode()
        assert 'edgekit_model_load_refused{model="new"} 0.0' in served.get("/metrics").body.decode()
        sign(new, tmp_path / "key")
        install(new, store, daemon=served.uds)
        assert served.get("/v2/models/new").status == 200


def test_a_daemon_of_another_store_is_found_out(served, second, tmp_path):
    other = Store(tmp_path / "other")
    with pytest.raises(UserError, match="does not serve"):
        install(second, other, daemon=served.uds)
    assert other.current("textures") is None


def test_no_daemon_and_something_else_on_the_socket(golden_bundle, second, store, tmp_path):
    first = install(golden_bundle, store)
    with pytest.raises(UserError, match="Expected edgekit's daemon on the Unix socket"):
        install(second, store, daemon=tmp_path / "nobody")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "echo"))
        listener.listen()
        threading.Thread(target=lambda: listener.accept()[0].close()).start()
        with pytest.raises(UserError, match="Expected edgekit's daemon"):
            install(second, store, daemon=tmp_path / "echo")
    assert store.current("textures") == first.version
