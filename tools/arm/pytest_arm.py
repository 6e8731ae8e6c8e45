"""Pytest plugin of the emulated board: the right machine, the installed wheel, nothing skipped, few Hypothesis examples."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

import pytest
from hypothesis import settings

#: Oracles that no board has: a test that skips for want of one has its place on the workstation.
_ELSEWHERE = ("iisignature", "kornia", "kymatio", "scikit-image", "torch")

settings.register_profile("arm", max_examples=5, deadline=None, derandomize=True)


def pytest_sessionstart(session: pytest.Session) -> None:
    import edgekit

    expected = os.environ["EDGEKIT_ARM_PART"]
    if platform.machine() != "aarch64" or f"CPU part\t: {expected}" not in Path("/proc/cpuinfo").read_text():
        pytest.exit(f"Expected an aarch64 core with part {expected}, this is another machine.", 3)
    if not Path(edgekit.__file__).is_relative_to(os.environ["EDGEKIT_ARM_PATH"].partition(":")[0]):
        pytest.exit(f"Expected edgekit from the built wheel, it comes from {edgekit.__file__}.", 3)
    session.config.stash[_RESULT] = {"passed": 0, "failed": 0, "skipped": 0, "seconds": -time.monotonic()}


_RESULT: pytest.StashKey[dict[str, float]] = pytest.StashKey()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs the real images beside the checkout, where they are not to be used."""
    photographs = os.environ.get("EDGEKIT_ARM_SHARED") == "1"
    out = [item for item in items if "shared" in item.fixturenames and not photographs]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    result = item.config.stash[_RESULT]
    elsewhere = report.skipped and any(f"{oracle} is the oracle" in str(report.longrepr) for oracle in _ELSEWHERE)
    if not elsewhere and (report.when == "call" or not report.passed):
        result[report.outcome] += 1
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    result = session.config.stash[_RESULT]
    result["seconds"] += time.monotonic()
    if result["skipped"]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    Path(os.environ["EDGEKIT_ARM_RESULT"]).write_text(json.dumps(result))
