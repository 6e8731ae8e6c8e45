"""Models swapped, refused, rolled back and unloaded while requests run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
import time

import numpy as np
import pytest

from edgekit.core.store import Store
from edgekit.daemon.settings import Settings
from edgekit.errors import BundleError, GateError, UserError
from tests.daemon.client import running
from tests.daemon.conftest import add_version, with_golden

pytestmark = pytest.mark.device

MODEL = "/v2/models/textures"
LOAD, UNLOAD = "/v2/repository/models/textures/load", "/v2/repository/models/textures/unload"
ROLLBACK = "/v1/models/textures/rollback"


@pytest.fixture
def served(store, tmp_path):
    with running(Settings(store=store, port=0, uds=tmp_path / "s", watch_s=0.05)) as daemon:
        yield daemon


def entry(served) -> dict:
    (found,) = served.post("/v2/repository/index").json
    return found


def version(served) -> str:
    return served.get(MODEL).json["versions"][0]


def wait_until(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def metric(served, name: str) -> float:
    lines = [line for line in served.get("/metrics").body.decode().splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def damaged(store, version: str) -> None:
    """One bit of the model's file flips: its digest is wrong."""
    path = store / "textures" / version / "model.int8.tflite"
    for path in (store / "textures" / version).glob("model.*"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))


def test_the_stores_current_version_is_served_by_its_name(served):
    assert entry(served) == {"name": "textures", "version": "1", "state": "READY", "reason": ""}
    assert version(served) == "1"


def test_switching_the_link_swaps_the_model_in_without_being_asked(served, store):
    Store(store).switch("textures", "2")
    wait_until(lambda: version(served) == "2")
    assert served.get("/v2/health/ready").status == 200


def test_a_new_name_in_the_store_is_found(served, store, golden_bundle):
    shutil.copytree(golden_bundle, store / "more" / "7")
    (store / "more" / "current").symlink_to("7")
    wait_until(lambda: served.get("/v2/models/more/ready").status == 200)


def test_a_load_takes_what_is_current_and_a_rollback_what_was(store, tmp_path):
    with running(Settings(store=store, port=0, uds=tmp_path / "s", watch_s=60)) as served:
        Store(store).switch("textures", "2")
        assert served.admin(LOAD).status == 200
        assert version(served) == "2"
        answer = served.admin(ROLLBACK)
        assert (answer.status, answer.json["version"], version(served)) == (200, "1", "1")
        assert (Store(store).current("textures"), Store(store).previous("textures")) == ("1", "2")


def test_the_way_back_is_kept_for_links_that_others_switched(served, store):
    link = store / "textures" / "new"
    link.symlink_to("2")
    os.replace(link, store / "textures" / "current")
    wait_until(lambda: Store(store).previous("textures") == "1")
    assert served.admin(ROLLBACK).json["version"] == "1"


def test_a_rollback_after_a_refused_version_goes_back_to_what_answers_and_then_to_what_was_before(served, store, golden_bundle):
    Store(store).switch("textures", "2")
    wait_until(lambda: version(served) == "2")
    add_version(store, golden_bundle, "3")
    damaged(store, "3")
    Store(store).switch("textures", "3")
    wait_until(lambda: entry(served)["reason"] != "")
    assert served.admin(ROLLBACK).json == {"name": "textures", "version": "2", "state": "READY", "reason": ""}
    assert Store(store).current("textures") == "2"
    assert served.admin(ROLLBACK).json["version"] == "1"
    assert (Store(store).current("textures"), Store(store).previous("textures")) == ("1", "2")


@pytest.mark.parametrize("kind", ["digest", "schema", "golden", "manifest", "gone"])
def test_a_bad_bundle_is_refused_everywhere_it_must_be_said_and_the_old_model_answers_on(served, store, features, kind, caplog):
    folder = store / "textures" / "2"
    if kind == "digest":
        damaged(store, "2")
    elif kind == "schema":
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    elif kind == "golden":
        with np.load(folder / "golden.npz") as golden:
            recorded = {name: np.roll(golden[name], 1, axis=-1) for name in golden.files if "@" in name}
        with_golden(folder, **recorded)
    elif kind == "manifest":
        (folder / "manifest.json").write_text("{")
    else:
        (folder / "manifest.json").unlink()
    refused = metric(served, 'edgekit_model_loads_total{model="textures",outcome="refused"}')
    with caplog.at_level("WARNING", logger="edgekit.daemon"):
        Store(store).switch("textures", "2")
        wait_until(lambda: entry(served)["reason"] != "")
    assert entry(served)["state"] == "READY"
    assert "refused" in entry(served)["reason"]
    assert version(served) == "1"
    assert served.get("/v2/health/ready").status == 200
    assert metric(served, 'edgekit_model_loads_total{model="textures",outcome="refused"}') > refused
    assert metric(served, "edgekit_model_load_refused") == 1
    assert "load refused" in caplog.text
    asked = {"inputs": [{"name": "features", "shape": [1, 32, 12], "datatype": "FP32", "data": features[0].ravel().tolist()}]}
    assert served.post(f"{MODEL}/infer", asked).json["model_version"] == "1"
    answer = served.admin(LOAD)
    assert answer.status == 400
    assert "refused" in answer.error
    Store(store).switch("textures", "1")
    wait_until(lambda: entry(served)["reason"] == "")


def test_a_version_that_was_refused_is_not_tried_again_and_again(served, store, caplog):
    damaged(store, "2")
    with caplog.at_level("WARNING", logger="edgekit.daemon"):
        Store(store).switch("textures", "2")
        wait_until(lambda: entry(served)["reason"] != "")
        time.sleep(0.4)
    assert caplog.text.count("load refused") == 1


def test_where_the_current_version_is_bad_at_the_start_the_previous_one_answers(store, tmp_path):
    Store(store).switch("textures", "2")
    damaged(store, "2")
    with running(Settings(store=store, port=0, uds=tmp_path / "s")) as served:
        assert version(served) == "1"
        assert "refused" in entry(served)["reason"]
        assert metric(served, "edgekit_model_load_refused") == 1
        assert served.get("/v2/health/ready").status == 200
    assert Store(store).current("textures") == "2"


def test_with_no_good_version_the_daemon_lives_and_is_not_ready(store):
    for number in ("1", "2"):
        damaged(store, number)
    with running(Settings(store=store, port=0)) as served:
        assert served.get("/v2/health/live").status == 200
        assert served.get("/v2/health/ready").status == 503
        assert entry(served)["state"] == "UNAVAILABLE"
        assert served.get(f"{MODEL}/ready").status == 503
        assert served.post(f"{MODEL}/infer", b"{}").status == 503


def test_unloading_and_loading_again(served):
    assert served.admin(UNLOAD, {"parameters": {"unload_dependents": False}}).status == 200
    assert entry(served)["state"] == "UNAVAILABLE"
    assert served.get(f"{MODEL}/ready").status == 404
    assert served.post(f"{MODEL}/infer", b"{}").status == 503
    assert metric(served, 'edgekit_requests_total{model="textures",outcome="not_loaded"}') == 1
    assert metric(served, 'edgekit_requests_total{model="textures",outcome="failed"}') == 0
    assert served.post("/v2/repository/index", {"ready": True}).json == []
    assert metric(served, "edgekit_model_ready") == 0
    time.sleep(0.3)
    assert entry(served)["reason"] == "unloaded"
    assert served.admin(LOAD, {}).status == 200
    assert served.get(f"{MODEL}/ready").status == 200


def test_a_store_that_cannot_be_read_for_a_while_ends_neither_reload_nor_watch(served, store, monkeypatch, caplog):
    def denied(_: Store) -> tuple[str, ...]:
        raise PermissionError(13, "Permission denied", str(store))

    with monkeypatch.context() as patched, caplog.at_level("WARNING", logger="edgekit.daemon"):
        patched.setattr(Store, "names", denied)
        served.call(served.daemon.reload())
        assert served.admin("/v2/repository/models/more/load").status == 404
    assert "the store cannot be read" in caplog.text
    assert version(served) == "1"
    Store(store).switch("textures", "2")
    wait_until(lambda: version(served) == "2")


def test_loads_and_unloads_at_once_end_as_the_last_of_them_says(served):
    async def at_once() -> None:
        service = served.service
        await asyncio.gather(service.load("textures"), service.unload("textures"), service.load("textures"))

    served.call(at_once())
    assert entry(served)["state"] == "READY"
    assert served.get(f"{MODEL}/ready").status == 200


@pytest.mark.parametrize("parameters", [{"config": "{}"}, {"file:1/model.onnx": "AAAA"}])
def test_models_do_not_come_through_the_load_call(served, parameters):
    answer = served.admin(LOAD, {"parameters": parameters})
    assert answer.status == 400
    assert version(served) == "1"


def test_no_request_is_lost_while_models_are_swapped(served, features):
    body = json.dumps(
        {"inputs": [{"name": "features", "shape": [1, 32, 12], "datatype": "FP32", "data": features[0].ravel().tolist()}]}
    ).encode()
    stop, answers = threading.Event(), []

    def ask_on() -> None:
        while not stop.is_set():
            answers.append(served.post(f"{MODEL}/infer", body))

    clients = [threading.Thread(target=ask_on) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        results = [served.admin(LOAD if number % 2 else ROLLBACK).status for number in range(20)]
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert set(results) == {200}
    assert {answer.status for answer in answers} == {200}
    assert {answer.json["model_version"] for answer in answers} == {"1", "2"}


def test_a_bundle_given_by_its_path_is_loaded_again_when_it_was_replaced(golden_bundle, tmp_path):
    bundle = tmp_path / "textures.bundle"
    shutil.copytree(golden_bundle, bundle)
    with running(Settings((bundle,), port=0, uds=tmp_path / "s")) as served:
        before = version(served)
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["output"]["temperature"] = 0.5
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        assert version(served) == before
        assert served.admin(LOAD).status == 200
        assert version(served) != before
        assert "given as a path" in served.admin(ROLLBACK).error


def test_with_a_public_key_only_what_its_private_half_signed_is_served(store, tmp_path):
    pytest.importorskip("cryptography", reason="needs edgekit[sign]")
    from edgekit.core.signature import new_key, public_path, sign

    for name in ("ours", "theirs"):
        new_key(tmp_path / name)
    sign(store / "textures" / "1", tmp_path / "ours")
    sign(store / "textures" / "2", tmp_path / "theirs")
    settings = Settings(store=store, port=0, uds=tmp_path / "s", watch_s=60, signed_by=public_path(tmp_path / "ours"))
    with running(settings) as served:
        Store(store).switch("textures", "2")
        assert "not signed by the key" in served.admin(LOAD).error
        assert version(served) == "1"
        sign(store / "textures" / "2", tmp_path / "ours")
        assert served.admin(LOAD).status == 200
        assert version(served) == "2"


def test_a_bad_bundle_given_by_its_path_ends_the_start_with_its_own_error(golden_bundle, tmp_path):
    bundle = add_version(tmp_path, golden_bundle, "1")
    (bundle / "model.int8.tflite").write_bytes(b"")
    with pytest.raises(BundleError, match="sha256"), running(Settings((bundle,), port=0)):
        pass


def test_golden_vectors_that_come_out_differently_end_the_start(golden_bundle, tmp_path):
    bundle = add_version(tmp_path, golden_bundle, "1")
    with np.load(bundle / "golden.npz") as golden:
        recorded = {name: np.roll(golden[name], 1, axis=-1) for name in golden.files if "@" in name}
    with_golden(bundle, **recorded)
    with pytest.raises(GateError, match="golden vectors"), running(Settings((bundle,), port=0)):
        pass


def test_two_bundles_of_one_name_are_refused(golden_bundle):
    with pytest.raises(UserError, match="different names"), running(Settings((golden_bundle, golden_bundle), port=0)):
        pass
