"""Front ends in the graph: the NumPy front end and PyTorch are the reference, the bare runtimes do the running."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from edgekit.core.recipe import Recipe
from edgekit.errors import ModelError
from edgekit.exporters.base import Converted
from edgekit.exporters.fuse import fuse_onnx, fuse_tflite
from edgekit.exporters.fused import FUSED, front_end_graph
from edgekit.exporters.targets import get_target
from edgekit.exporters.to_onnx import quantize_onnx, to_onnx
from edgekit.frontends import FrontEnd, Hog, LogSignature, Pixels, Scattering, Signature, Standardisation
from edgekit.runtimes import installed_runtimes
from edgekit.runtimes.litert import interpreter_module
from tests.synthetic import CLASSES, texture

GENERIC = get_target("generic")

FRONT_ENDS = [
    Signature((24, 24)),
    Signature((20, 31), directions="both"),
    Signature((24, 24), directions="both-rotated", depth=3),
    Signature((16, 24), depth=2, path="rgb+time"),
    Signature((24, 24), depth=5, path="grey+time", directions="both"),
    LogSignature((24, 20), directions="both"),
    Scattering((32, 32), J=2, L=4),
    Signature((24, 24), depth=1),
    Signature((24, 20), directions="both", path="lead-lag"),
    LogSignature((24, 24), depth=5, path="grey+time"),
    LogSignature((24, 24), depth=1),
    Scattering((33, 40), J=3, L=5, max_order=2, colour="grey"),
    Pixels((24, 24), "CHW", "rgb", (0.1, 0.2, 0.3), (1.0, 2.0, 3.0)),
    Pixels((24, 20), "HWC", "bgr", 1 / 128, -1.0),
    Pixels((24, 24), "HWC", "grey"),
]


def images(size: tuple[int, int], count: int = 12) -> np.ndarray:
    height, width = size
    return np.stack([texture(CLASSES[n % len(CLASSES)], n, max(size))[:height, :width] for n in range(count)])


def fitted(frontend: FrontEnd) -> FrontEnd:
    if frontend.name == "pixels":
        return frontend
    features = np.moveaxis(frontend.raw(images(frontend.size)), frontend.feature_axis, -1)
    return frontend.with_standardisation(Standardisation.fit(features))


def decibels(actual: np.ndarray, expected: np.ndarray) -> float:
    error = np.square(actual.astype(np.float64) - expected).sum()
    return float(10 * np.log10(np.square(expected.astype(np.float64)).sum() / max(error, 1e-30)))


def network(frontend: FrontEnd) -> nn.Module:
    torch.manual_seed(0)
    size = int(np.prod(frontend.output.shape))
    return nn.Sequential(nn.Flatten(), nn.Linear(size, 16), nn.ReLU(), nn.Linear(16, 3)).eval()


def logits(module: nn.Module, features: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(features)).numpy()


@pytest.mark.parametrize("frontend", FRONT_ENDS, ids=lambda f: f"{f.name}-{f.size}-{f.config}"[:70])
def test_the_graph_gives_the_front_ends_features(frontend):
    frontend = fitted(frontend)
    graph, pictures = front_end_graph(frontend), images(frontend.size)
    with torch.no_grad():
        actual = np.concatenate([graph(torch.from_numpy(picture[None])).numpy() for picture in pictures])
    expected = frontend(pictures)
    assert actual.shape == expected.shape
    assert decibels(actual, expected) > 100


@pytest.mark.parametrize("frontend", FRONT_ENDS[:7], ids=lambda f: f"{f.name}-{f.size}")
def test_onnx_takes_a_uint8_image_and_gives_the_networks_logits(frontend):
    frontend = fitted(frontend)
    module, pictures = network(frontend), images(frontend.size)
    features = frontend(pictures)
    plain = Converted(to_onnx(module, features[:1], GENERIC))
    fused = fuse_onnx(front_end_graph(frontend), plain, frontend.size, GENERIC)
    onnx.checker.check_model(onnx.load_from_string(fused.model))
    session = onnxruntime.InferenceSession(fused.model, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(uint8)"
    actual = np.concatenate([session.run(None, {"features": picture[None]})[0] for picture in pictures])
    assert decibels(actual, logits(module, features)) > 80


def test_an_int8_network_behind_a_front_end_gives_what_it_gave_before():
    frontend = fitted(Signature((24, 24)))
    module, pictures = network(frontend), images(frontend.size)
    features = frontend(pictures)
    quantized = quantize_onnx(to_onnx(module, features[:1], GENERIC), Recipe("int8"), features, GENERIC)
    fused = fuse_onnx(front_end_graph(frontend), quantized, frontend.size, GENERIC)
    before, after = (onnxruntime.InferenceSession(c.model, providers=["CPUExecutionProvider"]) for c in (quantized, fused))
    for picture, values in zip(pictures, features, strict=True):
        stored = before.run(None, {"features": quantized.input.quantize(values)[None]})[0]
        actual = after.run(None, {"features": picture[None]})[0]
        # A feature on the edge between two integers may fall to either side.
        np.testing.assert_allclose(actual, quantized.output.dequantize(stored), atol=1.01 * quantized.output.scale)


def test_equal_inputs_give_equal_bytes():
    frontend = fitted(Signature((24, 24), depth=2))
    plain = Converted(to_onnx(network(frontend), frontend(images(frontend.size, 1)), GENERIC))
    files = {fuse_onnx(front_end_graph(frontend), plain, frontend.size, GENERIC).model for _ in range(2)}
    assert len(files) == 1


@pytest.mark.parametrize(
    "frontend",
    [Signature((24, 24), directions="both"), LogSignature((24, 24), directions="both-rotated"), Scattering((32, 32), J=2, L=4)],
    ids=lambda f: f.name,
)
def test_tflite_takes_a_uint8_image_too_on_every_runtime(frontend):
    frontend = fitted(frontend)
    module, pictures = network(frontend), images(frontend.size, 6)
    features = frontend(pictures)
    fused = fuse_tflite(front_end_graph(frontend), module, features[:1], frontend.size)
    for runtime in installed_runtimes("tflite"):
        interpreter = interpreter_module(runtime).Interpreter(model_content=fused.model)
        interpreter.allocate_tensors()
        given, wanted = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        assert (given["dtype"], given["quantization"]) == (np.uint8, (1.0, 0))
        actual = []
        for picture in pictures:
            interpreter.set_tensor(given["index"], picture[None])
            interpreter.invoke()
            actual.append(interpreter.get_tensor(wanted["index"]))
        assert decibels(np.concatenate(actual), logits(module, features)) > 80


REFUSED = {
    "another front end": (Hog((24, 24)), "signature"),
    "float64": (Signature((24, 24), dtype="float64"), "float32"),
    "a rotation of an oblong": (Signature((24, 32), directions="both-rotated"), "square"),
    "time in two lengths": (Signature((24, 32), directions="both", path="rgb+time"), "square"),
    "one pixel a row": (Signature((24, 1)), "at least 2 pixels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_graph_is_refused_with_the_reason(case):
    frontend, word = REFUSED[case]
    with pytest.raises(ModelError, match=word):
        front_end_graph(frontend)


def test_every_listed_front_end_exists():
    assert all(callable(FUSED.load(name)) for name in FUSED)
