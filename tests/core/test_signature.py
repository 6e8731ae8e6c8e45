"""Signed bundles: what passes, what is refused and how it is told; OpenSSL's own program is the oracle."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess
import sys
import zipfile

import pytest

from edgekit.core.bundle import MANIFEST, SIGNATURE, Bundle, put_file, write_bundle
from edgekit.core.signature import new_key, public_path, sign, verify
from edgekit.errors import BundleError, SignatureError, UserError
from tests.core.test_bundle import FILES, example

pytest.importorskip("cryptography", reason="signatures need the extra [sign]")

pytestmark = pytest.mark.device


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "fire.key"
    new_key(path)
    return path


@pytest.fixture(params=["fire.bundle", "fire.zip"])
def bundle(request, tmp_path):
    path = tmp_path / request.param
    write_bundle(path, example(), FILES)
    return path


def edgekit(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_signed_bundle_passes_with_the_public_key(bundle, key):
    name = sign(bundle, key)
    opened = Bundle.open(bundle)
    assert opened.manifest == example()
    assert verify(opened, public_path(key)) == name
    assert len(name) == 16


def test_signing_changes_no_other_byte_and_equal_keys_sign_equally(tmp_path, key):
    path = tmp_path / "fire.bundle"
    write_bundle(path, example(), FILES)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    sign(path, key)
    first = (path / SIGNATURE).read_bytes()
    sign(path, key)
    after = {file.name: file.read_bytes() for file in path.iterdir()}
    assert after == {**before, SIGNATURE: first}


def test_the_signature_is_the_one_that_openssl_knows(tmp_path, key):
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the openssl program")
    path = tmp_path / "fire.bundle"
    write_bundle(path, example(), FILES)
    sign(path, key)
    (tmp_path / "raw").write_bytes(base64.b64decode(json.loads((path / SIGNATURE).read_text())["signature"]))
    command = [program, "pkeyutl", "-verify", "-pubin", "-inkey", public_path(key), "-rawin", "-in", path / MANIFEST]
    assert subprocess.run([*command, "-sigfile", tmp_path / "raw"], check=False, capture_output=True).returncode == 0
    (tmp_path / "raw").write_bytes(bytes(64))
    assert subprocess.run([*command, "-sigfile", tmp_path / "raw"], check=False, capture_output=True).returncode != 0


def test_an_unsigned_bundle_is_refused_and_still_opens(bundle, key):
    opened = Bundle.open(bundle)
    assert opened.signature is None
    with pytest.raises(SignatureError, match="to be signed, it is not. Sign it: edgekit sign"):
        verify(opened, public_path(key))


def test_another_key_is_named(bundle, key, tmp_path):
    other = tmp_path / "other.key"
    mine, theirs = sign(bundle, key), new_key(other)
    with pytest.raises(SignatureError, match=f"to be signed by key {theirs} .*, it is signed by {mine}"):
        verify(Bundle.open(bundle), public_path(other))


def test_a_signature_that_only_claims_the_right_key_is_refused(bundle, key, tmp_path):
    other = tmp_path / "other.key"
    new_key(other)
    name = sign(bundle, key)
    sign(bundle, other)
    forged = json.loads(Bundle.open(bundle).signature) | {"key": name}
    put_file(bundle, SIGNATURE, json.dumps(forged).encode())
    with pytest.raises(SignatureError, match="as key .* signed it, it was changed"):
        verify(Bundle.open(bundle), public_path(key))


def test_a_changed_model_file_is_told_by_its_digest(tmp_path, key):
    path = tmp_path / "fire.bundle"
    write_bundle(path, example(), FILES)
    sign(path, key)
    (path / "model.int8.tflite").write_bytes(b"other bytes")
    with pytest.raises(BundleError, match=r"Expected model\.int8\.tflite .* with sha256"):
        Bundle.open(path)


def test_a_file_exchanged_together_with_its_digest_breaks_the_signature(tmp_path, key):
    """What sha256 alone cannot see: whoever changes a file changes the manifest, too."""
    path, changed = tmp_path / "fire.bundle", tmp_path / "changed.bundle"
    write_bundle(path, example(), FILES)
    sign(path, key)
    write_bundle(changed, example(name="water"), FILES)
    put_file(changed, SIGNATURE, (path / SIGNATURE).read_bytes())
    with pytest.raises(SignatureError, match=r"Expected manifest\.json .* signed it, it was changed"):
        verify(Bundle.open(changed), public_path(key))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"algorithm": "RSA", "key": "a", "signature": ""}',
        b"\xff\xfe",
        b'{"algorithm": "Ed25519"}',
        b"[" * 100_000,
    ],
)
def test_a_broken_signature_file_is_one_clear_error(bundle, key, content):
    put_file(bundle, SIGNATURE, content)
    with pytest.raises(SignatureError, match=r"Expected an Ed25519 signature in signature\.json"):
        verify(Bundle.open(bundle), public_path(key))


def test_the_private_key_is_for_its_owner_alone_and_nothing_is_overwritten(tmp_path, key):
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"BEGIN PRIVATE KEY" in key.read_bytes()
    assert b"BEGIN PUBLIC KEY" in public_path(key).read_bytes()
    with pytest.raises(UserError, match="exists"):
        new_key(key)


def test_keys_in_the_wrong_place_are_told_apart(bundle, key, tmp_path):
    with pytest.raises(UserError, match=r"Expected a private Ed25519 key .*It holds a public key; pass the file without \.pub"):
        sign(bundle, public_path(key))
    sign(bundle, key)
    opened = Bundle.open(bundle)
    with pytest.raises(UserError, match=r"holds a private key, which belongs to the workstation alone; pass fire\.key\.pub"):
        verify(opened, key)
    with pytest.raises(UserError, match="Expected a public key at .*: No such file"):
        verify(opened, tmp_path / "none.pub")
    (tmp_path / "noise").write_bytes(b"noise")
    with pytest.raises(UserError, match=r"Expected a public Ed25519 key \(PEM\) in .*noise\. Make one"):
        verify(opened, tmp_path / "noise")


def test_a_key_of_another_algorithm_is_refused(bundle, tmp_path):
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    foreign = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ec.key").write_bytes(foreign)
    with pytest.raises(UserError, match="Expected a private Ed25519 key"):
        sign(bundle, tmp_path / "ec.key")
    assert Bundle.open(bundle).signature is None


def test_a_signed_archive_holds_the_same_files_and_one_more(tmp_path, key):
    path = tmp_path / "fire.zip"
    write_bundle(path, example(), FILES)
    sign(path, key)
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == sorted([*FILES, MANIFEST, SIGNATURE])


def test_the_commands_make_keys_sign_and_verify(bundle, tmp_path):
    private, public = tmp_path / "a.key", tmp_path / "a.key.pub"
    made = json.loads(edgekit("sign", "--new-key", private, "--json").stdout)
    assert (made["private_key"], made["public_key"]) == (str(private), str(public))
    unsigned = edgekit("verify", bundle, "--key", public)
    assert unsigned.returncode == 2
    assert len(unsigned.stderr.strip().splitlines()) == 1
    signed = json.loads(edgekit("sign", bundle, "--key", private, "--json").stdout)
    assert signed == {"bundle": str(bundle), "algorithm": "Ed25519", "key": made["key"], "signature": SIGNATURE}
    verified = json.loads(edgekit("verify", bundle, "--key", public, "--json").stdout)
    assert verified == {"bundle": str(bundle), "name": "fire", "key": made["key"], "files": sorted(FILES)}
    assert f"signed by key {made['key']}; 2 files" in edgekit("verify", bundle, "--key", public).stdout


@pytest.mark.parametrize("arguments", [(), ("b",), ("--key", "k"), ("b", "--new-key", "k"), ("--new-key", ".")])
def test_sign_says_what_it_needs(arguments):
    result = edgekit("sign", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("error: Expected ")
    assert len(result.stderr.strip().splitlines()) == 1


def test_without_the_extra_the_install_line_is_told(tmp_path):
    code = "import sys; sys.modules['cryptography'] = None; from edgekit.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "sign", "--new-key", str(tmp_path / "k")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "pip install 'edgekit[sign]'" in result.stderr
    assert list(tmp_path.iterdir()) == []
