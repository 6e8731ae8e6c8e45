"""Daemons to ask, and bundles for them."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("uvicorn", reason="needs edgekit[daemon]")

from edgekit.core.bundle import Bundle
from edgekit.core.files import sha256_of
from edgekit.daemon.settings import Settings
from edgekit.frontends import Samples
from edgekit.packing import pack
from tests.daemon.client import Running, running
from tests.synthetic import texture


@pytest.fixture(scope="module")
def daemon(golden_bundle, tmp_path_factory) -> Running:
    """The committed bundle on TCP and on a Unix socket."""
    uds = tmp_path_factory.mktemp("sockets") / "edgekit.sock"
    with running(Settings((golden_bundle,), port=0, uds=uds)) as served:
        yield served


@pytest.fixture(scope="session")
def features(golden_bundle) -> np.ndarray:
    """(K, 32, 12) float32 golden inputs of the network."""
    bundle = Bundle.open(golden_bundle)
    with np.load(io.BytesIO(bundle.read(bundle.manifest.golden.file))) as golden:
        return golden["features"].astype(np.float32)


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    return encoded("JPEG")


@pytest.fixture(scope="session")
def windows_bundle(golden_bundle, tmp_path_factory) -> Path:
    """The committed network behind front end `samples`: windows of (32, 12)."""
    out = tmp_path_factory.mktemp("windows") / "windows.bundle"
    pack(golden_bundle / "model.int8.tflite", out, "windows", ("blobs", "checks", "stripes"), Samples((32, 12)), "logits")
    return out


@pytest.fixture
def store(tmp_path, golden_bundle) -> Path:
    """A store with versions 1 (current) and 2 of the committed bundle; they differ in their temperature alone."""
    root = tmp_path / "store"
    add_version(root, golden_bundle, "1")
    add_version(root, golden_bundle, "2", temperature=0.5)
    (root / "textures" / "current").symlink_to("1")
    return root


def encoded(kind: str, image: np.ndarray | None = None) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(texture("stripes", 3) if image is None else image).save(stream, kind)
    return stream.getvalue()


def add_version(root: Path, bundle: Path, version: str, temperature: float | None = None) -> Path:
    folder = root / "textures" / version
    shutil.copytree(bundle, folder)
    if temperature is not None:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["output"]["temperature"] = temperature
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def with_golden(folder: Path, **changed: np.ndarray) -> None:
    """Change arrays of a bundle's golden vectors; the digests stay right."""
    manifest = json.loads((folder / "manifest.json").read_text())
    with np.load(folder / "golden.npz") as golden:
        arrays = {name: golden[name] for name in golden.files} | changed
    np.savez_compressed(folder / "golden.npz", **arrays)
    content = (folder / "golden.npz").read_bytes()
    manifest["golden"] |= {"bytes": len(content), "sha256": sha256_of(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
