"""Against an earlier measurement: the rule on figures written here, and the command on the committed bundle."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edgekit.bench.against import compare_with, read_measurement
from edgekit.cli.app import build
from edgekit.errors import UserError

pytestmark = pytest.mark.device


def run(*windows_ms: float, artifact: str = "model.int8.tflite", **more) -> dict:
    entry = {"artifact": artifact, "runtime": "litert", "threads": 1, "sha256": "a", "runtime_version": "2.3.0"}
    return {**entry, "end_to_end": {"window_p50_ms": list(windows_ms)}, **more}


def measured(*runs: dict, **more) -> dict:
    device = {"board": "Raspberry Pi 4 Model B Rev 1.4", "cpu": "Cortex-A72", "machine": "aarch64", "cores": 4}
    return {"device": device, "mode": "default", "comparable": True, "warnings": [], "runs": list(runs), **more}


EARLIER = measured(run(2.0, 2.1, 2.05))


@pytest.mark.parametrize(
    ("windows", "verdict"),
    [
        ((2.10, 2.12, 2.11), "same"),
        ((2.30, 2.31, 2.32), "slower"),
        ((2.0, 2.31, 2.9), "same"),
        ((1.80, 1.81, 1.82), "faster"),
    ],
)
def test_what_moved_by_more_than_the_windows_waver_is_slower_or_faster(windows, verdict):
    against = compare_with(measured(run(*windows)), EARLIER)
    assert against["firm"]
    assert against["runs"][0]["verdict"] == verdict
    assert against["runs"][0]["ratio"] == pytest.approx(sorted(windows)[1] / 2.05)
    assert against["slower"] == (verdict == "slower")


def test_only_what_both_measured_is_compared_and_another_file_is_told():
    now = measured(run(2.0, sha256="b"), run(1.0, artifact="new.onnx"), run(1.0, threads=4))
    (only,) = compare_with(now, measured(run(2.0), run(3.0, artifact="old.onnx")))["runs"]
    assert (only["artifact"], only["threads"]) == ("model.int8.tflite", 1)
    assert (only["same_file"], only["same_runtime"]) == (False, True)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"device": {**EARLIER["device"], "cpu": "Cortex-A53"}}, "another machine: cpu was Cortex-A72, is Cortex-A53"),
        ({"mode": "strict"}, "another mode: it was default, is strict"),
        ({"comparable": False, "warnings": ["Invalid: hot."]}, "the new measurement is not comparable: Invalid: hot."),
        ({"runs": [run(9.0, artifact="other.onnx")]}, "no artifact, runtime and number of threads are in both"),
    ],
)
def test_what_cannot_be_held_against_each_other_is_not_judged(change, note):
    against = compare_with({**measured(run(9.0, 9.0)), **change}, EARLIER)
    assert against["notes"] == [note]
    assert not against["firm"]
    assert not against["slower"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"runs": [{}]}', json.dumps(measured(run())), json.dumps(measured(run(0.0)))]
)
def test_another_file_is_no_measurement(tmp_path, content):
    (tmp_path / "old.json").write_text(content)
    with pytest.raises(UserError, match="as edgekit bench --out writes it"):
        read_measurement(tmp_path / "old.json")
    with pytest.raises(UserError, match="No such file"):
        read_measurement(tmp_path / "absent.json")


def edgekit(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgekit", *map(str, words)], capture_output=True, text=True, check=False)


def test_two_smoke_runs_are_shown_side_by_side_and_not_judged(golden_bundle, tmp_path):
    words = ("bench", golden_bundle, "--smoke", "--precision", "int8", "--runtime", "litert")
    assert edgekit(*words, "--out", tmp_path / "old.json").returncode == 0
    result = edgekit(*words, "--against", tmp_path / "old.json")
    assert result.returncode == 0, result.stderr
    assert "against the earlier measurement" in result.stdout
    assert "not judged: the earlier measurement is not comparable" in result.stderr


def test_a_wrong_file_ends_it_before_anything_is_measured(golden_bundle, tmp_path):
    result = edgekit("bench", golden_bundle, "--strict", "--against", tmp_path / "absent.json")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


def test_a_slower_run_ends_with_exit_code_1(golden_bundle, tmp_path, monkeypatch, capsys):
    (tmp_path / "old.json").write_text(json.dumps(EARLIER))
    monkeypatch.setattr("edgekit.bench.run.bench_bundle", lambda *_: measured(run(3.0, 3.0, 3.0)))
    words = ["bench", str(golden_bundle), "--against", str(tmp_path / "old.json"), "--json"]
    assert build(["bench"])(words, standalone_mode=False) == 1
    output = capsys.readouterr()
    assert json.loads(output.out)["against"]["slower"]
    assert "some are slower" in output.err
