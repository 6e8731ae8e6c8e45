from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.core.manifest import Parity
from edgekit.errors import GateError, InputError
from edgekit.exporters.parity import GATES, check, measure
from edgekit.runtimes.base import Runtime
from edgekit.runtimes.open import open_runtime


@pytest.fixture
def opened(files: dict[str, bytes]) -> Runtime:
    return open_runtime(files["model.fp32.onnx"])


def parity(**changes: object) -> Parity:
    given = {"runtime": "litert", "n": 300, "max_abs_error": 0.1, "sqnr_db": 40.0, "agreement": 0.99, "accuracy": 0.9}
    return Parity(**{**given, **changes})  # type: ignore[arg-type]


def test_figures_are_what_their_definitions_say(opened: Runtime, data: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = data[0][:20], data[1][:20]
    exact = np.concatenate([opened.run({"features": x[i : i + 1]})["logits"] for i in range(20)])
    same = measure(opened, x, exact, labels)
    assert (same.max_abs_error, same.sqnr_db, same.agreement) == (0.0, None, 1.0)
    assert same.accuracy == np.mean(exact.argmax(1) == labels)
    reference = exact.copy()
    reference[0] = reference[0, ::-1]
    error = exact - reference
    figures = measure(opened, x, reference)
    assert figures.agreement == 0.95
    assert figures.accuracy is None
    assert figures.max_abs_error == pytest.approx(np.abs(error).max())
    assert figures.sqnr_db == pytest.approx(10 * math.log10((reference**2).sum() / (error**2).sum()), abs=1e-4)


@pytest.mark.parametrize(
    ("precision", "changes", "message"),
    [
        ("fp32", {"sqnr_db": 99.9}, "SQNR of model.x on litert to be at least 100 dB, got 99.9 dB"),
        ("fp16", {"sqnr_db": 59.0}, "at least 60 dB, got 59.0 dB"),
        ("int8", {"agreement": 0.969}, "model.x on litert to agree with PyTorch on at least 97 %, got 96.9 % over 300 images"),
        ("int8-dynamic", {"accuracy": 0.88}, "model.x on litert to lose at most 1.0 points of accuracy, it loses 2.0"),
        ("int8", {"max_abs_error": math.inf}, "finite logits of model.x on litert"),
    ],
)
def test_a_missed_gate_names_artifact_runtime_value_and_remedy(precision: str, changes: dict[str, float], message: str) -> None:
    with pytest.raises(GateError) as caught:
        check(parity(**changes), GATES[precision], "model.x", reference_accuracy=0.9)  # type: ignore[index]
    assert message in str(caught.value)
    assert "leave this artifact out" in str(caught.value).lower()
    assert ("Calibrate on more images" in str(caught.value)) == (precision.startswith("int8") and "finite" not in message)
    assert "\n" not in str(caught.value)


def test_what_reaches_its_gate_passes() -> None:
    check(parity(sqnr_db=100.0), GATES["fp32"], "model.x")
    check(parity(sqnr_db=None), GATES["fp32"], "model.x")
    check(parity(agreement=0.97, accuracy=0.89), GATES["int8"], "model.x", 0.9)
    check(parity(accuracy=None), GATES["int8"], "model.x", 0.9)
    # Two images of fifty are four points; they may always be lost.
    check(parity(n=50, accuracy=0.86), GATES["int8"], "model.x", 0.9)


def test_arrays_that_do_not_fit_are_refused(opened: Runtime, data: tuple[np.ndarray, np.ndarray]) -> None:
    x = data[0][:2]
    with pytest.raises(InputError, match=r"Expected n >= 1 features and \(n, classes\) logits"):
        measure(opened, x, np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match="Expected 2 labels"):
        measure(opened, x, np.zeros((2, 2), np.float32), np.zeros(3, np.int64))
    with pytest.raises(InputError, match="Expected 5 logits, the model gives 2"):
        measure(opened, x, np.zeros((2, 5), np.float32))
