"""The page of `edgekit evaluate --report`: whole, on its own, about what a board would run."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from edgekit.frontends import Samples
from edgekit.workflows.figures import class_figures, ranking_figure
from edgekit.workflows.mistakes import AT_MOST, window_uri, worst_mistakes
from edgekit.workflows.page import confusion_figure, svg_of
from tests.synthetic import write_textures
from tests.workflows.windows import write_window_bundle, write_windows

pytest.importorskip("torch", reason="the workstation's side needs torch")


def edgekit(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


class Page(HTMLParser):
    """Addresses, headings and cells of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.cells: list[str] = []
        self.headings: list[str] = []
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        if self._tag == "td":
            self.cells.append(data)
        if self._tag == "h2":
            self.headings.append(data.strip())


@pytest.fixture(scope="module")
def reported(tmp_path_factory, golden_bundle) -> tuple[Path, dict]:
    """The golden bundle on textures coarser than those that it was trained on: some answers are wrong."""
    folder = tmp_path_factory.mktemp("reported")
    write_textures(folder / "data", train=1, test=12, size=20)
    arguments = ("evaluate", golden_bundle, "data", "--runtime", "litert", "--report", "page.html", "--json")
    result = edgekit(*arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "page.html", json.loads(result.stdout)


def test_the_page_has_every_part_and_no_address_outside_itself(reported):
    path, _ = reported
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert {"Artifacts", "Classes", "Where it errs", "Ranking", "The worst mistakes"} <= set(page.headings)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.search(r"<script|@import|<link", text)
    assert text.count("<svg") == 4


def test_the_table_has_every_artifact_and_the_board_s_is_marked(reported, golden_bundle):
    path, document = reported
    page = Page(path.read_text(encoding="utf-8"))
    assert {row["artifact"] for row in document["results"]} <= set(page.cells)
    marked = re.search(r'<tr class="chosen"><td>([^<]+)</td><td>([^<]+)</td>', path.read_text(encoding="utf-8"))
    assert marked is not None
    assert marked.groups() == ("model.int8.tflite", "litert")
    sizes = {row["artifact"]: row["bytes"] for row in document["results"]}
    assert sizes == {name: (golden_bundle / name).stat().st_size for name in sizes}


def test_mistakes_are_pictures_of_the_wrong_answers_only(reported):
    path, document = reported
    row = next(row for row in document["results"] if row["artifact"] == "model.int8.tflite")
    wrong = np.sum(row["confusion"]) - np.trace(row["confusion"])
    pictures = [address for address in Page(path.read_text(encoding="utf-8")).addresses if address.startswith("data:image/jpeg")]
    assert 0 < len(pictures) == min(wrong, AT_MOST)
    content = base64.b64decode(pictures[0].partition(",")[2])
    assert Image.open(io.BytesIO(content)).size == (20, 20)


def test_the_same_evaluation_gives_the_same_page(reported, golden_bundle):
    path, _ = reported
    arguments = ("evaluate", golden_bundle, "data", "--runtime", "litert", "--report", "again.html")
    assert edgekit(*arguments, cwd=path.parent).returncode == 0
    assert (path.parent / "again.html").read_bytes() == path.read_bytes()


def test_a_report_never_overwrites(reported, golden_bundle):
    path, _ = reported
    before = path.read_bytes()
    result = edgekit("evaluate", golden_bundle, "data", "--report", path.name, cwd=path.parent)
    assert result.returncode == 2
    assert "page.html exists" in result.stderr
    assert path.read_bytes() == before


def test_a_run_has_a_page_too(tmp_path, trained_run, textures):
    result = edgekit("evaluate", trained_run, textures, "--report", "run.html", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "on torch" in (tmp_path / "run.html").read_text(encoding="utf-8")


def test_sensor_windows_are_drawn_as_curves(tmp_path):
    write_window_bundle(tmp_path)
    write_windows(tmp_path / "test.npz")
    result = edgekit("evaluate", "walk.bundle", "test.npz", "--report", "w.html", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    addresses = Page((tmp_path / "w.html").read_text(encoding="utf-8")).addresses
    assert any(address.startswith("data:image/svg+xml") for address in addresses)
    assert not any(address.startswith("data:image/jpeg") for address in addresses)


def test_windows_are_drawn_as_they_were_recorded(tmp_path):
    write_window_bundle(tmp_path, Samples((3, 8), mirror=(0,), separate_gravity=True))
    recorded = np.load(write_windows(tmp_path / "test.npz"))["x"].astype(np.float32)
    result = edgekit("evaluate", "walk.bundle", "test.npz", "--report", "w.html", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    drawn = {window_uri(window) for window in recorded} & set(Page((tmp_path / "w.html").read_text(encoding="utf-8")).addresses)
    assert len(drawn) > 5


@pytest.mark.parametrize("shape", [(3, 100), (1, 40), (49, 10, 1), (640,), (2, 3, 4)])
def test_a_window_of_any_shape_is_a_picture(rng, shape):
    uri = window_uri(rng.normal(size=shape).astype(np.float32))
    assert ElementTree.fromstring(base64.b64decode(uri.partition(",")[2])).tag.endswith("svg")


def test_the_surest_mistake_comes_first():
    scores = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    found = worst_mistakes(np.zeros((4, 1, 5), np.float32), np.array([1, 1, 1, 0]), scores, ("a", "b"), honest=True)
    assert [mistake.name for mistake in found] == ["window 1", "window 3", "window 0"]
    assert [(m.true, m.predicted, m.probability, m.true_probability) for m in found] == [
        ("b", "a", 0.9, 0.1),
        ("a", "b", 0.7, 0.3),
        ("b", "a", 0.6, 0.4),
    ]


def test_figures_of_each_class_are_scikit_learns_and_none_where_undefined(rng):
    targets = rng.integers(0, 3, 60)
    scores = rng.dirichlet(np.ones(4), 60)
    found = class_figures(targets, scores, ("a", "b", "c", "absent"))
    expected = precision_recall_fscore_support(targets, scores.argmax(1), labels=range(4), zero_division=0)
    assert [row.n for row in found] == expected[3].tolist()
    assert [row.recall for row in found[:3]] == pytest.approx(expected[1][:3])
    assert found[1].average_precision == pytest.approx(average_precision_score(targets == 1, scores[:, 1]))
    assert found[1].roc_auc == pytest.approx(roc_auc_score(targets == 1, scores[:, 1]))
    assert [row.f1 for row in found[:3]] == pytest.approx(expected[2][:3])
    assert found[3].f1 is None
    called = class_figures(np.array([0, 0, 1]), np.eye(3)[[0, 2, 1]], ("a", "b", "absent"))[2]
    assert (called.n, called.precision, called.f1) == (0, 0.0, None)
    assert (found[3].n, found[3].recall, found[3].average_precision, found[3].roc_auc) == (0, None, None, None)


#: No formulas, hidden, far too long.
NAMES = ("$\\frac$ price", "a$b_c$d", "_hidden", "a long name that somebody typed in full, the ward's and its street's included")


def test_names_of_classes_are_shown_as_they_are(rng):
    """Matplotlib takes dollars for formulas and leaves out of legends what begins with an underscore."""
    targets, scores = rng.integers(0, 4, 80), rng.dirichlet(np.ones(4), 80)
    figure = ranking_figure(targets, scores, class_figures(targets, scores, NAMES))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg_of(figure)
        svg_of(confusion_figure(np.eye(4, dtype=int).tolist(), NAMES))
    for axes in figure.axes:
        shown = [text.get_text().strip().replace(r"\$", "$").rsplit(" (", 1)[0] for text in axes.get_legend().get_texts()]
        assert sorted(name[:20] for name in shown) == sorted(name[:20] for name in NAMES)
        assert max(map(len, shown)) < 40


def test_many_classes_are_colours_by_number():
    axes = confusion_figure(np.eye(100, dtype=int).tolist(), [f"class {number}" for number in range(100)]).axes[0]
    assert "number" in axes.get_xlabel()
    assert not axes.texts
    assert len(axes.get_xticks()) < 30


def test_file_names_that_are_no_text_are_shown_in_a_page(tmp_path, golden_bundle):
    write_textures(tmp_path / "data", train=1, test=4, size=20)
    for number, path in enumerate(sorted((tmp_path / "data/test").rglob("*.png"))):
        path.rename(path.with_name(f"caf\udce9{number}.png"))
    result = edgekit("evaluate", golden_bundle, "data", "--runtime", "litert", "--report", "page.html", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "caf?" in (tmp_path / "page.html").read_text(encoding="utf-8")
