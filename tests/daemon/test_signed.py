"""A daemon that accepts signed bundles only."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("uvicorn", reason="needs edgekit[daemon]")
pytest.importorskip("cryptography", reason="signatures need edgekit[sign]")

from edgekit.core.signature import new_key, public_path, sign
from edgekit.daemon.loading import load_model
from edgekit.daemon.settings import Settings
from edgekit.errors import SignatureError, UserError
from tests.daemon.client import running

pytestmark = pytest.mark.device


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "fire.key"
    new_key(path)
    return path


@pytest.fixture
def bundle(tmp_path, golden_bundle):
    return shutil.copytree(golden_bundle, tmp_path / "textures.bundle")


def test_a_signed_bundle_is_served(bundle, key):
    sign(bundle, key)
    with running(Settings((bundle,), port=0, signed_by=public_path(key))) as served:
        assert served.get("/v2/models/textures/ready").status == 200


def test_an_unsigned_bundle_is_not_loaded(bundle, key):
    with pytest.raises(SignatureError, match="to be signed, it is not"):
        load_model(bundle, signed_by=public_path(key))


def test_another_signer_is_not_accepted(bundle, key, tmp_path):
    other = tmp_path / "other.key"
    new_key(other)
    sign(bundle, other)
    with pytest.raises(SignatureError, match="it is signed by"):
        load_model(bundle, signed_by=public_path(key))


def test_without_the_setting_a_signature_is_not_looked_at(bundle, key):
    sign(bundle, key)
    load_model(bundle).close()


def test_a_wrong_key_file_is_told_before_anything_is_served(bundle, key):
    with pytest.raises(UserError, match="It holds a private key"):
        Settings((bundle,), signed_by=key)
