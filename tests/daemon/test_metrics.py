"""/metrics, parsed by the parser of Prometheus' own client."""

from __future__ import annotations

import pytest

pytest.importorskip("prometheus_client", reason="needs edgekit[daemon]")

from prometheus_client.parser import text_string_to_metric_families

from edgekit.bench.host import read_state
from edgekit.daemon.metrics import Metrics
from edgekit.pipeline import STAGES
from tests.bench.boards import BOARDS, unpack

pytestmark = pytest.mark.device


def families(text: bytes) -> dict:
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def test_a_picture_is_counted_by_outcome_and_timed_by_stage(daemon, jpeg):
    def value(name: str, **labels: str) -> float:
        found = families(daemon.get("/metrics").body)
        samples = [sample for family in found.values() for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    before = {stage: value("edgekit_stage_seconds_count", model="textures", stage=stage) for stage in STAGES}
    ok, rejected = (value("edgekit_requests_total", model="textures", outcome=outcome) for outcome in ("ok", "rejected"))
    assert daemon.post("/v1/models/textures/classify", jpeg).status == 200
    assert daemon.post("/v1/models/textures/classify", b"no picture").status == 415
    assert value("edgekit_requests_total", model="textures", outcome="ok") == ok + 1
    assert value("edgekit_requests_total", model="textures", outcome="rejected") == rejected + 1
    for stage in STAGES:
        assert value("edgekit_stage_seconds_count", model="textures", stage=stage) == before[stage] + 1
    assert value("edgekit_queue_seconds_count") >= 1
    assert value("edgekit_model_ready", model="textures") == 1
    assert value("edgekit_model_info", model="textures", precision="int8") == 1
    assert value("process_resident_memory_bytes") > 1e6
    assert value("edgekit_in_flight_requests") == 1
    assert value("edgekit_queue_depth", model="textures") == 0


def test_names_that_clients_make_up_are_no_labels(daemon):
    daemon.post("/v2/models/made-up/infer", b"{}")
    assert b"made-up" not in daemon.get("/metrics").body


@pytest.mark.parametrize("board", BOARDS)
def test_a_boards_temperature_and_throttling_are_told_where_it_tells_them(board, tmp_path):
    run = unpack(board, tmp_path)
    state = read_state(tmp_path, run)
    found = families(Metrics(lambda: state).text())
    assert ("edgekit_cpu_temperature_celsius" in found) == (state.temperature_c is not None)
    assert ("edgekit_throttled" in found) == (state.throttled is not None)
    if state.throttled is not None:
        values = {sample.labels["reason"]: sample.value for sample in found["edgekit_throttled"].samples}
        assert {reason for reason, value in values.items() if value} == state.throttled
