"""Conversions take seconds: each is made once a session."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.calibration.samples import ArraySamples
from edgekit.core.recipe import Format
from edgekit.exporters import build, graphs
from edgekit.exporters.build import Export, export
from edgekit.exporters.targets import TARGETS
from edgekit.models.registry import create_model
from tests.exporters.networks import CLASSES, FEATURES, ROWS, signature_like, train
from tests.exporters.planting import X, export_of, network, only

#: As long as a real card: two vectors of 120 float32 values in base64, labels, and the rest.
VECTORS = np.random.default_rng(7).normal(size=240).astype("<f4").tobytes()


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def data() -> tuple[np.ndarray, np.ndarray]:
    return signature_like(600, seed=1)


@pytest.fixture(scope="session")
def cnn1d(data: tuple[np.ndarray, np.ndarray]) -> nn.Module:
    torch.manual_seed(0)
    module = create_model("imagesig-cnn1d", classes=CLASSES, input_shape=(ROWS, FEATURES))
    return train(module, data[0][:300], data[1][:300], epochs=3)


@pytest.fixture(scope="session")
def card() -> str:
    import base64
    import json

    return json.dumps({"vectors": base64.b64encode(VECTORS).decode("ascii"), "rest": "labels, sizes, names; " * 25})


@pytest.fixture(scope="session")
def exported(cnn1d: nn.Module, data: tuple[np.ndarray, np.ndarray], card: str) -> Export:
    features, labels = data
    return export(
        cnn1d,
        calibration=features[:128],
        parity_features=features[300:],
        parity_labels=labels[300:],
        card_text=card,
        target=TARGETS["generic"],
        layout="NRF",
    )


@pytest.fixture(scope="session")
def files(exported: Export) -> dict[str, bytes]:
    return {artifact.file: model for artifact, model in exported.files}


@pytest.fixture(scope="session")
def plain() -> nn.Module:
    return network()


@pytest.fixture(scope="session")
def plain_graphs(plain: nn.Module) -> dict[Format, bytes]:
    return graphs.float_graphs(plain, ArraySamples(X[:32]), TARGETS["generic"])


@pytest.fixture
def quick(plain: nn.Module, plain_graphs: dict[Format, bytes], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Export]:
    """An export whose float graphs are made already: the defect lies behind them."""
    monkeypatch.setattr(build, "float_graphs", lambda module, samples, target: {f: plain_graphs[f] for f, _ in target.artifacts})
    return lambda format_, precision="int8", **more: export_of(plain, only(format_, precision), **more)
