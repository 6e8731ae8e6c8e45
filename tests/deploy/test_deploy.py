"""`edgekit deploy` through OpenSSH's client, onto a real SSH server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgekit.core.bundle import Bundle
from edgekit.core.files import sha256_of
from edgekit.core.signature import new_key, public_path, sign
from edgekit.core.store import Store
from tests.deploy.board import TestBoard

pytestmark = pytest.mark.device


def deploy(board: TestBoard, *arguments: object, host: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "edgekit",
        "deploy",
        host or board.name,
        *map(str, arguments),
        "--ssh-config",
        board.ssh_config,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def error_of(result: subprocess.CompletedProcess[str], code: int = 2) -> str:
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


def another(bundle: Path, out: Path) -> Path:
    """The same network with another temperature: another version."""
    shutil.copytree(bundle, out)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["output"]["temperature"] = 0.5
    (out / "manifest.json").write_text(json.dumps(manifest))
    return out


def test_a_bundle_becomes_the_current_version_and_the_next_one_keeps_it_for_the_way_back(board, golden_bundle, tmp_path):
    first = json.loads(deploy(board, golden_bundle, "--json").stdout)
    assert first["host"] == "board"
    assert (first["name"], first["previous"], first["daemon"]) == ("textures", None, None)
    assert first["version"] == Bundle.open(golden_bundle).version
    assert Path(first["path"]) == board.store / "textures" / first["version"]
    assert all(check["ok"] for check in first["checks"])
    sent = {file.name: file.read_bytes() for file in golden_bundle.iterdir()}
    assert {file.name: file.read_bytes() for file in Path(first["path"]).iterdir()} == sent

    second = json.loads(deploy(board, another(golden_bundle, tmp_path / "second.bundle"), "--json").stdout)
    assert second["previous"] == first["version"]
    assert Store(board.store).current("textures") == second["version"]

    back = json.loads(deploy(board, "--rollback", "textures", "--json").stdout)
    assert (back["version"], back["previous"]) == (first["version"], second["version"])
    assert Store(board.store).current("textures") == first["version"]


def test_twice_the_same_bundle_is_one_version(board, golden_bundle):
    once, again = (json.loads(deploy(board, golden_bundle, "--json").stdout) for _ in range(2))
    assert once == again
    assert Store(board.store).versions("textures") == (once["version"],)


def test_without_json_it_says_where_the_bundle_lies_and_what_was_checked(board, golden_bundle):
    lines = deploy(board, golden_bundle, "--store", "~/models").stdout.splitlines()
    assert lines[0].startswith(f"board:{board.home}/models/textures/")
    assert any("model.int8.tflite on litert" in line for line in lines)


def test_a_url_with_a_port_is_a_host(board, golden_bundle):
    result = deploy(board, golden_bundle, "--json", host="ssh://pi@board")
    assert json.loads(result.stdout)["host"] == "ssh://pi@board"


def test_what_a_login_script_prints_is_no_answer(board, golden_bundle):
    board.login.write_text("echo 'Welcome {to} the board'; echo 'error: a full mailbox' >&2\n")
    assert json.loads(deploy(board, golden_bundle, "--json").stdout)["name"] == "textures"


def test_told_to_accept_signed_bundles_only_it_sends_nothing_else(board, golden_bundle, tmp_path):
    pytest.importorskip("cryptography", reason="needs edgekit[sign]")
    for name in ("ours", "theirs"):
        new_key(tmp_path / name)
    bundle = tmp_path / "textures.bundle"
    shutil.copytree(golden_bundle, bundle)
    option = ("--signed-by", public_path(tmp_path / "ours"))

    assert "to be signed, it is not" in error_of(deploy(board, bundle, *option))
    sign(bundle, tmp_path / "theirs")
    assert "it is signed by" in error_of(deploy(board, bundle, *option))
    assert not board.store.exists()

    sign(bundle, tmp_path / "ours")
    installed = json.loads(deploy(board, bundle, *option, "--json").stdout)
    assert (Path(installed["path"]) / "signature.json").read_bytes() == (bundle / "signature.json").read_bytes()


def test_a_board_that_computes_something_else_refuses_and_keeps_what_it_had(board, golden_bundle, tmp_path):
    kept = json.loads(deploy(board, golden_bundle, "--json").stdout)
    bundle = tmp_path / "wrong.bundle"
    shutil.copytree(golden_bundle, bundle)
    with np.load(bundle / "golden.npz") as golden:
        np.savez(bundle / "golden.npz", **{k: np.roll(golden[k], 1, axis=-1) if "@" in k else golden[k] for k in golden.files})
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["golden"]["sha256"] = sha256_of((bundle / "golden.npz").read_bytes())
    (bundle / "manifest.json").write_text(json.dumps(manifest))

    assert "board: Expected model" in error_of(deploy(board, bundle), code=1)
    assert Store(board.store).versions("textures") == (kept["version"],)
    assert Store(board.store).current("textures") == kept["version"]


def test_a_damaged_bundle_is_not_sent(board, golden_bundle, tmp_path):
    bundle = tmp_path / "damaged.bundle"
    shutil.copytree(golden_bundle, bundle)
    (bundle / "model.int8.tflite").write_bytes(b"")
    assert "sha256" in error_of(deploy(board, bundle))
    assert not board.store.exists()


def test_a_version_that_was_changed_on_the_board_is_not_taken_for_the_bundle(board, golden_bundle):
    path = Path(json.loads(deploy(board, golden_bundle, "--json").stdout)["path"])
    (path / "model.int8.tflite").write_bytes(b"")
    assert f"Expected model.int8.tflite in {path} with sha256" in error_of(deploy(board, golden_bundle))


def test_nothing_to_roll_back_to(board, golden_bundle):
    assert "found none" in error_of(deploy(board, "--rollback", "textures"))
    deploy(board, golden_bundle)
    assert "Expected a previous version of 'textures'" in error_of(deploy(board, "--rollback", "textures"))


def test_a_name_that_looks_like_an_option_is_a_name(board):
    for name in ("--help", "--store=elsewhere", "'; touch x; '"):
        assert f"Expected a previous version of {name!r}" in error_of(deploy(board, "--rollback", name))
    assert not (board.home / "x").exists()


def test_a_board_without_edgekit(board, golden_bundle):
    (board.home / "edgekit-venv/bin/edgekit").unlink()
    assert "Expected edgekit on board, found no edgekit in its PATH" in error_of(deploy(board, golden_bundle))
    elsewhere = board.put_command("opt/kit", f'exec {sys.executable} -m edgekit "$@"')
    assert deploy(board, golden_bundle, "--edgekit", f"env LANG=C {elsewhere}").returncode == 0


def test_a_board_with_an_older_edgekit(board, golden_bundle):
    board.put_command("edgekit-venv/bin/edgekit", "echo \"error: No such command 'install'. See: edgekit --help\" >&2; exit 2")
    assert "it is older" in error_of(deploy(board, golden_bundle))


def test_a_board_that_answers_with_something_else(board, golden_bundle):
    for answer in ("hello", "[]", '{"version": "1"}'):
        board.put_command("edgekit-venv/bin/edgekit", f"cat > /dev/null; echo '{answer}'")
        assert "Expected edgekit on board to answer with what its store holds" in error_of(deploy(board, golden_bundle))
    board.put_command("edgekit-venv/bin/edgekit", "echo 'Illegal instruction' >&2; exit 132")
    assert "ended with 132: Illegal instruction" in error_of(deploy(board, golden_bundle))


def test_a_board_that_is_not_there(board, golden_bundle):
    assert "Expected ssh to reach ssh://pi@127.0.0.1:1" in error_of(deploy(board, golden_bundle, host="ssh://pi@127.0.0.1:1"))
    assert "Expected user@host" in error_of(deploy(board, golden_bundle, host=" "))
    for host in ("ssh://pi@board:99999", "ssh://pi@board:x", "ssh://pi@board:0", "ssh://:22"):
        assert f"a port of 1 to 65535, got {host}" in error_of(deploy(board, golden_bundle, host=host))


def test_a_host_that_looks_like_an_option_is_none(board, golden_bundle, tmp_path):
    command = [
        sys.executable,
        "-m",
        "edgekit",
        "deploy",
        "--ssh-config",
        board.ssh_config,
        "--",
        f"-oProxyCommand=touch {tmp_path}/x",
    ]
    result = subprocess.run([*command, golden_bundle], capture_output=True, text=True, check=False)
    error_of(result)
    assert not (tmp_path / "x").exists()


#: Runs a command on a terminal of its own.
_ON_A_TERMINAL = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"


def test_what_ssh_asks_on_the_terminal_stays_there_until_it_is_answered(board, golden_bundle, tmp_path):
    asking = tmp_path / "asking"
    known = f"UserKnownHostsFile {tmp_path / 'known'}\n  StrictHostKeyChecking ask\n  #"
    asking.write_text(board.ssh_config.read_text().replace("UserKnownHostsFile", known).replace("BatchMode yes", ""))
    command = [sys.executable, "-m", "edgekit", "deploy", board.name, golden_bundle, "--ssh-config", asking]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "bufsize": 0}
    with subprocess.Popen([sys.executable, "-c", _ON_A_TERMINAL, *map(str, command)], **pipes) as process:
        seen = b""
        while b"yes/no" not in seen:
            seen += process.stdout.read(4096) or pytest.fail(seen.decode())
        time.sleep(0.5)
        process.stdin.write(b"yes\n")
        rest = process.stdout.read(4096)
        while piece := process.stdout.read(4096):
            rest += piece
    wipe = b"\x1b[2K"
    assert wipe not in seen + rest.partition(b"yes\r\n")[0]
    assert b"is current; before: nothing" in rest


def test_an_interrupt_ends_ssh_and_says_what_may_have_happened(golden_bundle, tmp_path, monkeypatch):
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho edgekit-answer-begins\ncat > /dev/null\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    command = [sys.executable, "-m", "edgekit", "deploy", "board", golden_bundle]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
            time.sleep(0.05)
        process.terminate()
        assert process.stderr.read() == (
            "error: Interrupted. What board had received whole by then it may still carry out; ask again.\n"
        )
    assert process.returncode == 2
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_bundle_or_a_rollback(board, golden_bundle):
    assert "one of the two" in error_of(deploy(board))
    assert "one of the two" in error_of(deploy(board, golden_bundle, "--rollback", "textures"))
    assert "a rollback sends nothing" in error_of(deploy(board, "--rollback", "textures", "--signed-by", "key.pub"))


def test_without_ssh_it_says_what_to_install(board, golden_bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt install openssh-client" in error_of(deploy(board, golden_bundle))
