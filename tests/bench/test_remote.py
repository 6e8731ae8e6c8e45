"""`edgekit bench --remote` through OpenSSH's client, on a real SSH server."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from PIL import Image

from tests.synthetic import CLASSES, texture

pytestmark = pytest.mark.device


def bench(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgekit", "bench", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_the_document_of_the_board_comes_back_and_nothing_stays_there(board, golden_bundle, tmp_path):
    for kind in CLASSES:
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(texture(kind, number, 48)).save(tmp_path / "photos" / kind / f"{number}.png")
    words = (golden_bundle, "--images", tmp_path / "photos", "--runtime", "litert", "--smoke", "--threads", 1, "--threads", 2)
    remote = ("--remote", "board", "--ssh-config", board.ssh_config)
    result = bench(*words, *remote, "--compare", "--out", tmp_path / "b.json", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert json.loads((tmp_path / "b.json").read_text()) == document
    assert document["host"] == "board"
    assert document["mode"] == "smoke"
    assert {(run["precision"], run["runtime"], run["threads"]) for run in document["runs"]} == {
        (precision, "litert", count) for precision in ("fp32", "int8") for count in (1, 2)
    }
    assert document["comparison"]["pairs"][0]["int8"]["quality"]["n"] == 6
    assert document["comparison"]["pairs"][0]["int8"]["quality"]["accuracy"] is not None
    assert "bundle.zip" in document["device"]["command"]
    assert sorted(path.name for path in board.home.iterdir()) == ["edgekit-venv"]


def test_without_json_it_says_what_board_it_was(board, golden_bundle):
    result = bench(golden_bundle, "--smoke", "--precision", "int8", "--remote", "board", "--ssh-config", board.ssh_config)
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("measured on board: ")
    assert "model.int8.tflite" in result.stdout


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'error: Expected a runtime' >&2; exit 2", "board: Expected a runtime"),
        ("echo hello", "Expected a measurement (JSON) from edgekit on board, got 'hello"),
        ("echo [] ", "Expected a measurement (JSON)"),
        ("echo 'error: No such option: --strict' >&2; exit 2", "whose `bench` is this one, it is older"),
    ],
)
def test_what_the_board_says_instead_is_one_line(board, golden_bundle, script, words):
    board.put_command("edgekit-venv/bin/edgekit", script)
    result = bench(golden_bundle, "--smoke", "--remote", "board", "--ssh-config", board.ssh_config)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert words in line


def test_options_of_a_board_without_one_are_refused(golden_bundle):
    result = bench(golden_bundle, "--smoke", "--edgekit", "sudo edgekit")
    assert result.returncode == 2
    assert "with --remote HOST" in result.stderr
