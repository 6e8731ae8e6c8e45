"""Twelve networks that are not ours through the public door: every file on every installed runtime, by the gates of a release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.exporters import ModuleExport, export
from edgekit.runtimes import installed_runtimes, open_runtime
from tests.exporters.public_architectures import ARCHITECTURES, CLASSES
from tests.exporters.public_data import fit, pictures, waves

#: Points of accuracy that int8 may lose; a network that loses more is mended by layers in float.
LIMIT = 1.0
#: Layers that may stay in float (hand-written Mish needs one or two; docs/results.md names them).
MOST_IN_FLOAT = 3
#: Inputs on which the files are run again here, away from the exporter.
AGAIN = 60


@dataclass(frozen=True)
class Case:
    name: str
    network: nn.Module
    made: ModuleExport
    x: np.ndarray
    y: np.ndarray


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Two threads only wait for each other in networks of this size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def case(request: pytest.FixtureRequest) -> Case:
    """Trained for seconds on a task of three classes, then exported in float and int8."""
    make, shape = ARCHITECTURES[request.param]
    draw = pictures if len(shape) == 3 else waves
    x, y = draw(400, 0)
    tested, classes = draw(200, 1)
    torch.manual_seed(0)
    network = fit(make(), x, y)
    made = export(network, tested, classes, calibration=x[:128], precisions=["fp32", "int8"], limit=LIMIT)
    return Case(request.param, network, made, tested, classes)


def test_it_passes_the_gates_on_every_runtime(case: Case) -> None:
    with torch.no_grad():
        accuracy = float((case.network(torch.from_numpy(case.x)).argmax(1).numpy() == case.y).mean())
    assert accuracy > 1.5 / CLASSES  # it has learnt something that can be lost
    assert [artifact.file for artifact in case.made.artifacts] == [
        *("model.fp32.onnx", "model.int8.onnx", "model.fp32.tflite", "model.int8.tflite"),
    ]
    for artifact in case.made.artifacts:
        assert tuple(parity.runtime for parity in artifact.parity) == installed_runtimes(artifact.format)
        for parity in artifact.parity:
            assert parity.accuracy is not None
            assert parity.agreement >= 0.97
            assert accuracy - parity.accuracy <= LIMIT / 100 + 1e-9
            assert artifact.precision == "int8" or parity.sqnr_db is None or parity.sqnr_db >= 100


def test_the_files_say_the_same_when_they_are_opened_again(case: Case) -> None:
    x = case.x[:AGAIN]
    with torch.no_grad():
        wanted = case.network(torch.from_numpy(x)).numpy()
    for artifact in case.made.artifacts:
        for name in installed_runtimes(artifact.format):
            with open_runtime(case.made.files[artifact.file], name, format=artifact.format) as runtime:
                logits = np.concatenate([runtime.run({"features": row[None]})["logits"] for row in x])
            assert (logits.argmax(1) == wanted.argmax(1)).mean() >= 0.95, (artifact.file, name)
            if artifact.precision == "fp32":
                np.testing.assert_allclose(logits, wanted, atol=1e-4 * np.abs(wanted).max(), err_msg=f"{artifact.file} {name}")


def test_int8_is_int8_but_where_it_was_mended(case: Case) -> None:
    mended = {done.file: done.layers for done in case.made.build.mixed}
    for artifact in case.made.artifacts:
        if artifact.precision == "int8":
            assert (artifact.input.dtype, artifact.output.dtype) == ("int8", "int8")
            assert artifact.recipe is not None
            assert artifact.recipe.float_layers == mended[artifact.file]
            assert len(mended[artifact.file]) <= MOST_IN_FLOAT
