"""The loops, on an engine without a graph."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from edgekit.bench.measure import Series, Subject, features_of, measure
from edgekit.bench.plan import Mode
from edgekit.core.manifest import FrontEndEntry, ModelCard, OutputEntry
from edgekit.core.spec import Affine, TensorSpec
from edgekit.pipeline import STAGES, Pipeline
from edgekit.runtimes.fake import FakeEngine
from edgekit.runtimes.quantised import EngineRuntime
from tests.synthetic import texture

pytestmark = pytest.mark.device

TINY = Mode("tiny", windows=3, window_s=0.0, warm_up_s=0.0, comparable=False)
FEATURES = TensorSpec("x", "int8", (1, 8, 3), "NRF", Affine(0.5, 0, "int8"))
CARD = ModelCard("fake", ("a", "b"), FrontEndEntry("signature", {"size": [8, 8], "depth": 1}), OutputEntry("logits"), FEATURES)


def subject(calls: list[str], name: str = "one", images=None) -> Subject:
    def run(arrays):
        assert arrays[0].dtype == np.int8
        calls.append(name)
        return [np.array([[1.0, 2.0]], np.float32)]

    engine = FakeEngine([FEATURES], [TensorSpec("y", "float32", (1, 2), "NC")], run)
    return subject_on(engine, images or [texture("blobs", 0), texture("checks", 0)])


def subject_on(engine: FakeEngine, images) -> Subject:
    pipeline = Pipeline(CARD, EngineRuntime(engine))
    return Subject(pipeline, images, features_of(pipeline.frontend, images))


def test_every_window_has_samples_of_model_face_and_whole_road():
    one = subject([])
    measure([one], Series(TINY))
    for windows in (one.model_only, one.face, one.end_to_end, *one.stages.values()):
        assert len(windows) == 3
        assert all(len(window) >= 3 and (window >= 0).all() for window in windows)
    assert tuple(one.stages) == STAGES


def test_subjects_take_turns_within_each_round():
    calls: list[str] = []
    measure([subject(calls, "one"), subject(calls, "two")], Series(TINY))
    turns = [name for name, before in zip(calls, [None, *calls], strict=False) if name != before]
    assert turns == ["one", "two"] * 3


def test_the_state_is_read_before_and_after_each_round():
    calls: list[str] = []
    measure([subject(calls)], Series(TINY, after_round=lambda: calls.append("state"), advance=lambda: calls.append("bar")))
    assert calls[0] == calls[-1] == "state"
    assert calls.count("state") == 4
    assert calls.count("bar") == 3


def test_queries_differ_from_one_to_the_next():
    seen = []

    def run(arrays):
        seen.append(arrays[0].tobytes())
        return [np.zeros((1, 2), np.float32)]

    engine = FakeEngine([FEATURES], [TensorSpec("y", "float32", (1, 2), "NC")], run)
    one = subject_on(engine, [texture("blobs", 0), texture("stripes", 0)])
    measure([one], Series(TINY))
    assert len(set(seen)) == 2


def test_the_stages_of_encoded_images_add_up_to_the_whole_road():
    stream = io.BytesIO()
    Image.fromarray(texture("blobs", 1, 200)).save(stream, "JPEG")
    one = subject([], images=[stream.getvalue()])
    measure([one], Series(Mode("short", 1, 0.05, 0.0, False)))
    stages = sum(windows[0] for windows in one.stages.values())
    assert (one.stages["decode"][0] > 0).all()
    assert (stages * 1e6 <= one.end_to_end[0]).all()
