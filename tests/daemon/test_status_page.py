"""The status page in a real browser."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess

import pytest

from edgekit.daemon.settings import Access, Settings
from tests.daemon.client import running

pytestmark = pytest.mark.device

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}")
    return found


def rendered(browser: str, url: str, folder) -> str:
    """The page's elements after its script has run for a while."""
    result = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}"),
            *("--virtual-time-budget=3000", "--timeout=10000", "--dump-dom", url),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "</html>" in result.stdout, result.stderr[-2000:]
    return result.stdout


def test_the_page_shows_models_latencies_and_the_last_prediction(daemon, browser, jpeg, tmp_path):
    label = daemon.post("/v1/models/textures/classify", jpeg).json["label"]
    page = rendered(browser, f"http://{daemon.address}/", tmp_path)
    assert '<span id="state" role="status" class="good">ready</span>' in page
    assert re.search(r"<h2>textures <span class=\"good\">ready</span>", page)
    assert f"<dt>last prediction</dt><dd>{label} (" in page
    assert page.count("<rect") == 17
    assert any(float(height) == 90 for height in re.findall(r'<rect [^>]*height="([\d.]+)"', page))
    assert "memory of the daemon" in page


def test_the_page_asks_for_the_token_where_there_is_one(golden_bundle, browser, tmp_path):
    with running(Settings((golden_bundle,), port=0, access=Access("t" * 32))) as served:
        page = rendered(browser, f"http://{served.address}/", tmp_path)
    assert "asks for its token" in page
    assert '<form id="door">' in page
    assert "textures" not in page


def test_the_page_needs_nothing_but_the_daemon_and_may_load_nothing_else(daemon):
    answer = daemon.get("/")
    page = answer.body.decode()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert not re.search(r"<link|<img|<iframe|@import|url\(|\ssrc=", page)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


def test_what_the_page_reads_is_plain(daemon, jpeg):
    daemon.post("/v1/models/textures/classify", jpeg)
    status = daemon.get("/v1/status").json
    assert status["ready"] is True
    (model,) = status["models"]
    assert model["last_prediction"]["label"] in model["labels"]
    counts = [count for _, count in model["latencies"]]
    assert counts == sorted(counts)
    assert counts[-1] == model["answered"]
    assert status["rss_mb"] > 1
    assert "throttled" in status["board"]
