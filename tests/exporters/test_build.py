from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgekit.calibration import sample_digest
from edgekit.core.manifest import Artifact
from edgekit.core.recipe import PerTensor, Recipe
from edgekit.errors import GateError, InputError, ModelError, UnknownNameError
from edgekit.exporters import graphs
from edgekit.exporters.base import Converted
from edgekit.exporters.build import Export, export, reference_logits
from edgekit.exporters.targets import Target
from edgekit.models.registry import MODELS, create_model
from edgekit.runtimes.open import installed_runtimes, open_runtime
from edgekit.runtimes.ort import QUANTIZATION_KEY
from tests.exporters.networks import PreActivation, SensorNet, train, warmed

Data = tuple[np.ndarray, np.ndarray]

#: Bytes of ImageSig's CNN1D with its card inside; the paper's file has 44.2 KB without one.
LIMIT = 44_200


def by_file(exported: Export) -> dict[str, Artifact]:
    return {artifact.file: artifact for artifact in exported.artifacts}


def only(*artifacts: tuple[str, str]) -> Target:
    return Target("test", "for a test", artifacts)  # type: ignore[arg-type]


def test_all_artifacts_of_the_target_are_made_and_measured_on_every_runtime(exported: Export) -> None:
    assert list(by_file(exported)) == [
        "model.fp32.onnx",
        "model.int8.onnx",
        "model.fp32.tflite",
        "model.fp16.tflite",
        "model.int8-dynamic.tflite",
        "model.int8.tflite",
    ]
    for artifact in exported.artifacts:
        assert tuple(parity.runtime for parity in artifact.parity) == installed_runtimes(artifact.format)
        assert all(parity.n == 300 for parity in artifact.parity)


@pytest.mark.parametrize(("precision", "least"), [("fp32", 100.0), ("fp16", 60.0), ("int8-dynamic", 30.0), ("int8", 25.0)])
def test_each_precision_is_as_close_to_pytorch_as_it_can_be(exported: Export, precision: str, least: float) -> None:
    for artifact in exported.artifacts:
        if artifact.precision == precision:
            for parity in artifact.parity:
                assert parity.sqnr_db is None or parity.sqnr_db >= least, (artifact.file, parity)
                assert parity.agreement >= 0.97


@pytest.mark.parametrize("file", ["model.int8.tflite", "model.int8.onnx", "model.int8-dynamic.tflite"])
def test_an_int8_cnn1d_with_its_card_stays_within_the_paper_s_size(exported: Export, card: str, file: str) -> None:
    assert len(card) > 1800
    assert by_file(exported)[file].bytes <= LIMIT


def test_entries_describe_their_files(exported: Export, files: dict[str, bytes]) -> None:
    for artifact in exported.artifacts:
        model = files[artifact.file]
        assert artifact.bytes == len(model)
        assert artifact.sha256 == hashlib.sha256(model).hexdigest()
        assert artifact.recipe is not None
        assert artifact.recipe.precision == artifact.precision
        for runtime in installed_runtimes(artifact.format):
            with open_runtime(model, runtime) as opened:
                (entry,), (leaving,) = opened.inputs, opened.outputs
                for spec, wrote in ((entry, artifact.input), (leaving, artifact.output)):
                    assert (spec.name, spec.dtype, spec.shape, spec.affine) == (
                        wrote.name,
                        wrote.dtype,
                        wrote.shape,
                        wrote.affine,
                    )
        assert artifact.input.layout == "NRF"
        assert artifact.input.dtype == ("int8" if artifact.precision == "int8" else "float32")


def test_onnx_int8_writes_its_affines_into_the_file(exported: Export, files: dict[str, bytes]) -> None:
    proto = onnx.load_from_string(files["model.int8.onnx"])
    written = json.loads({entry.key: entry.value for entry in proto.metadata_props}[QUANTIZATION_KEY])
    affine = by_file(exported)["model.int8.onnx"].input.affine
    assert affine is not None
    assert written["features"] == [affine.scale, affine.zero_point, "int8"]
    assert (proto.ir_version, proto.opset_import[0].version) == (8, 17)


def test_the_export_names_its_tools_and_its_calibration_sample(exported: Export, data: Data) -> None:
    assert {"torch", "onnx", "onnxruntime", "litert-torch", "ai-edge-quantizer", "numpy"} <= set(exported.tools)
    assert exported.calibration == sample_digest(data[0][:128])
    assert exported.reference.shape == (300, 2)


def test_an_int8_tflite_takes_its_ranges_from_minima_and_maxima(exported: Export, data: Data) -> None:
    affine = by_file(exported)["model.int8.tflite"].input.affine
    assert affine is not None
    sample = data[0][:128]
    assert affine.scale == pytest.approx((sample.max() - sample.min()) / 255, rel=1e-3)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("imagesig") and name != "imagesig-cnn1d"])
def test_every_signature_network_exports_and_passes_its_gates(name: str, data: Data) -> None:
    torch.manual_seed(0)
    shape = MODELS[name].input_shape
    features = np.concatenate([data[0]] * (shape[0] // 64), axis=1)
    module = train(create_model(name, classes=2, input_shape=shape), features[:300], data[1][:300], epochs=2)
    made = export(
        module, calibration=features[:64], parity_features=features[300:400], parity_labels=data[1][300:400], layout="NRF"
    )
    assert len(made.files) == 6


def test_other_networks_export_too_with_mish_and_batch_norms(rng: np.random.Generator) -> None:
    for module, shape in ((SensorNet(), (3, 40)), (PreActivation(), (3, 16, 16))):
        features = rng.normal(size=(60, *shape)).astype(np.float32).clip(-4, 4)
        made = export(warmed(module, *shape), calibration=features, parity_features=features, gate=False)
        for artifact in made.artifacts:
            floor = {"fp32": 100.0, "fp16": 55.0}.get(artifact.precision, 18.0)
            assert all(p.sqnr_db is None or p.sqnr_db > floor for p in artifact.parity), artifact


def test_a_broken_artifact_is_refused(cnn1d: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = graphs.quantize_onnx

    def broken(model: bytes, *rest: object) -> Converted:
        made = honest(model, *rest)  # type: ignore[arg-type]
        proto = onnx.load_from_string(made.model)
        weights = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        weights.raw_data = weights.raw_data[::-1]
        return Converted(proto.SerializeToString(), made.input, made.output)

    monkeypatch.setattr(graphs, "quantize_onnx", broken)
    with pytest.raises(GateError, match=r"model\.int8\.onnx on onnxruntime"):
        export(
            cnn1d,
            calibration=data[0][:20],
            parity_features=data[0][:60],
            parity_labels=data[1][:60],
            target=only(("onnx", "int8")),
        )


def test_progress_is_told_and_nothing_else_is_printed(cnn1d: nn.Module, data: Data, capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    export(
        cnn1d,
        calibration=data[0][:2],
        parity_features=data[0][:2],
        target=only(("onnx", "fp32"), ("tflite", "int8")),
        gate=False,
        recipe=Recipe("int8", granularity=PerTensor()),
        progress=said.append,
    )
    assert said == [
        "PyTorch reference",
        "float graphs and their ranges",
        "making model.fp32.onnx",
        "checking model.fp32.onnx",
        "making model.int8.tflite",
        "checking model.int8.tflite",
    ]
    out, error = capfd.readouterr()
    assert out == ""
    # The one line that LiteRT's interpreter itself writes when it is opened, outside of this package's reach.
    assert [line for line in error.splitlines() if "XNNPACK" not in line] == []


def test_samples_that_do_not_fit_are_refused(cnn1d: nn.Module, data: Data) -> None:
    x = data[0][:4]
    with pytest.raises(InputError, match=r"Expected calibration features of shape \(n, 64, 120\), n >= 1, got \(4, 120, 64\)"):
        export(cnn1d, calibration=x.transpose(0, 2, 1), parity_features=x)
    with pytest.raises(InputError, match="got NaN or infinity"):
        export(cnn1d, calibration=np.full_like(x, np.nan), parity_features=x)
    with pytest.raises(InputError, match="Expected 4 parity labels"):
        export(cnn1d, calibration=x, parity_features=x, parity_labels=np.zeros(3, np.int64))
    with pytest.raises(InputError, match=r"to \(n, classes\) logits"):
        reference_logits(nn.Identity(), x)
    with pytest.raises(UnknownNameError, match="Unknown ONNX precision 'fp16'"):
        export(cnn1d, calibration=x, parity_features=x, target=only(("onnx", "fp16")))


def test_a_network_that_does_not_convert_names_its_operator(data: Data) -> None:
    class Fourier(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvalsh(x @ x.transpose(1, 2))[:, :3]

    for format_ in ("onnx", "tflite"):
        with pytest.raises(ModelError) as caught:
            export(Fourier(), calibration=data[0][:2], parity_features=data[0][:2], target=only((format_, "fp32")))
        assert "linalg_eig" in str(caught.value)


DETERMINISM = """
import sys, torch, numpy as np
from edgekit.exporters.build import export
from edgekit.models.registry import create_model
torch.manual_seed(0)
x = np.random.default_rng(0).normal(size=(2, 64, 120)).clip(-4, 4).astype(np.float32)
made = export(create_model("imagesig-transformer", classes=2, input_shape=(64, 120)),
              calibration=x, parity_features=x[:1], card_text="{}", gate=False)
print(*(f"{artifact.file} {artifact.sha256}" for artifact in made.artifacts), sep="\\n")
"""


def test_two_processes_in_two_places_write_identical_files(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    processes = []
    for seed, folder, threads in (("1", root, "1"), ("4242", str(tmp_path), "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", DETERMINISM]
        processes.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    (first, errors), (second, _) = (process.communicate(timeout=300) for process in processes)
    assert first == second
    assert first.count(b"\n") == 6, errors.decode()
