from __future__ import annotations

import io
import zipfile

import numpy as np
import onnx

from edgekit.exporters.embed import embed_onnx, embed_tflite
from edgekit.runtimes.litert import CARD_MEMBER
from edgekit.runtimes.open import installed_runtimes, open_runtime
from edgekit.runtimes.ort import CARD_KEY


def test_every_runtime_gives_the_card_back_and_runs_the_file(files: dict[str, bytes], card: str) -> None:
    x = np.zeros((1, 64, 120), np.float32)
    for name, model in files.items():
        for runtime in installed_runtimes(name.rpartition(".")[2]):
            with open_runtime(model, runtime) as opened:
                assert opened.metadata == card, name
                assert opened.run({"features": x})["logits"].shape == (1, 2)


def test_a_tflite_card_is_a_zip_member_without_a_clock(files: dict[str, bytes], card: str) -> None:
    with zipfile.ZipFile(io.BytesIO(files["model.int8.tflite"])) as archive:
        (member,) = archive.infolist()
        assert member.filename == CARD_MEMBER
        assert member.date_time == (1980, 1, 1, 0, 0, 0)
        assert archive.read(CARD_MEMBER).decode("utf-8") == card


def test_text_outside_ascii_comes_back(files: dict[str, bytes]) -> None:
    with open_runtime(embed_onnx(files["model.int8.onnx"], '{"labels":["Brände","火"]}')) as opened:
        assert opened.metadata == '{"labels":["Brände","火"]}'


def test_a_second_onnx_card_replaces_the_first_and_keeps_the_rest(files: dict[str, bytes]) -> None:
    again = embed_onnx(embed_onnx(files["model.int8.onnx"], "one"), "two")
    entries = [(entry.key, entry.value) for entry in onnx.load_from_string(again).metadata_props]
    assert [key for key, _ in entries] == [CARD_KEY, "edgekit.quantization"]
    assert entries[0][1] == "two"


def test_equal_text_gives_equal_bytes() -> None:
    assert embed_tflite(b"1234TFL3", "x") == embed_tflite(b"1234TFL3", "x")
