"""`edgekit doctor` on a board's core: the processor by name, and every runtime tried in a process of its own."""

from __future__ import annotations

import json

import pytest

from edgekit.runtimes import installed_runtimes

pytestmark = pytest.mark.device


def test_doctor_names_the_core_and_sees_every_runtime_run(edgekit):
    report = json.loads(edgekit("doctor", "--json"))
    checks = {check["name"]: check for check in report["checks"]}
    assert "Cortex-A" in checks["architecture"]["found"]
    for runtime in {name for kind in ("onnx", "tflite") for name in installed_runtimes(kind)}:
        assert checks[f"runtime {runtime}"]["ok"], checks[f"runtime {runtime}"]
    assert report["ok"]
