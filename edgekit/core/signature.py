"""Signed bundles: Ed25519 (RFC 8032) over the bytes of manifest.json, which hold the sha256 of every other file.

A bundle that `verify` passes holds, byte for byte, what the owner of the private key signed. The signature lies beside the
manifest as signature.json, so that exports stay byte-identical whether they are signed or not. Keys are PEM files: the private
one (PKCS #8) stays on the workstation, the public one (FILE.pub) goes onto the boards.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from edgekit.core.bundle import MANIFEST, SIGNATURE, Bundle, put_file
from edgekit.core.files import check_new, sha256_of, write_file
from edgekit.core.optional import require
from edgekit.errors import SignatureError, UserError

__all__ = ["ALGORITHM", "key_name", "new_key", "public_path", "sign", "verify"]

ALGORITHM = "Ed25519"

_LARGEST_KEY_FILE = 1 << 16


def new_key(path: Path) -> str:
    """Write a new private key to `path`, readable by its owner alone, and its public key beside it.

    Returns:
        The key's fingerprint, see `_fingerprint`.

    Raises:
        UserError: when one of the files exists.
        MissingExtraError: without cryptography.
    """
    serialization = _serialization()
    check_new(path)
    check_new(public_path(path))
    key = require("cryptography.hazmat.primitives.asymmetric.ed25519", "sign").Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_file(public_path(path), public)
    # Private from its first moment on: not written and then restricted.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(private)
    return _fingerprint(key.public_key())


def public_path(path: Path) -> Path:
    """Where the public half of a private key lies: FILE.pub."""
    return path.with_name(f"{path.name}.pub")


def sign(path: Path, private_key: Path) -> str:
    """Put a signature into a bundle (folder or .zip), in place of one that was there. Equal bundles and keys sign equally.

    Returns:
        The key's fingerprint.

    Raises:
        BundleError: when the bundle is damaged.
        UserError: when the file holds no private Ed25519 key, or one with a password.
        MissingExtraError: without cryptography.
    """
    key = _load_private(private_key)
    bundle = Bundle.open(path)
    name = _fingerprint(key.public_key())
    signature = base64.b64encode(key.sign(bundle.read(MANIFEST))).decode("ascii")
    document = {"algorithm": ALGORITHM, "key": name, "signature": signature}
    put_file(path, SIGNATURE, (json.dumps(document, sort_keys=True, indent=1) + "\n").encode("ascii"))
    return name


def verify(bundle: Bundle, public_key: Path) -> str:
    """Pass when an opened bundle was signed by that key, and refuse it otherwise.

    `Bundle.open` has compared every file with the manifest, and the signature covers the manifest: both together cover all that
    is ever read of the bundle.

    Args:
        bundle: opened; what is verified are the bytes that it was opened from, not what lies on the disk by now.
        public_key: PEM file, FILE.pub of `new_key`.

    Returns:
        The key's fingerprint.

    Raises:
        SignatureError: when the bundle is unsigned, signed by another key, or its manifest was changed since.
        UserError: when the file holds no public Ed25519 key.
        MissingExtraError: without cryptography.
    """
    key = _load_public(public_key)
    expected = _fingerprint(key)
    if bundle.signature is None:
        raise SignatureError(f"Expected {bundle.path} to be signed, it is not. Sign it: edgekit sign {bundle.path} --key KEY")
    signer, signature = _parse(bundle.signature, bundle.path)
    if signer != expected:
        raise SignatureError(
            f"Expected {bundle.path} to be signed by key {expected} ({public_key}), it is signed by {signer}. "
            "Pass the other public key, or sign it with the right one."
        )
    try:
        key.verify(signature, bundle.read(MANIFEST))
    except require("cryptography.exceptions", "sign").InvalidSignature as error:
        raise SignatureError(
            f"Expected {MANIFEST} of {bundle.path} as key {expected} signed it, it was changed. Copy the bundle again."
        ) from error
    return expected


def key_name(public_key: Path) -> str:
    """Fingerprint of a public key.

    Raises:
        UserError: when the file holds no public Ed25519 key.
        MissingExtraError: without cryptography.
    """
    return _fingerprint(_load_public(public_key))


def _parse(content: bytes, path: Path) -> tuple[str, bytes]:
    try:
        document = json.loads(content)
        if document["algorithm"] != ALGORITHM:
            raise ValueError(f"algorithm {document['algorithm']!r}")
        return str(document["key"]), base64.b64decode(document["signature"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignatureError(
            f"Expected an {ALGORITHM} signature in {SIGNATURE} of {path}, got {error}. Sign it again."
        ) from error


def _fingerprint(key: Any) -> str:
    """First 16 digits of the sha256 of a public key's 32 bytes: by it a person tells keys apart."""
    serialization = _serialization()
    return sha256_of(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))[:16]


def _load_private(path: Path) -> Any:
    content = _read(path, "private")
    try:
        key = _serialization().load_pem_private_key(content, password=None)
    # Another algorithm, a broken file, or a password, by version as one of these.
    except (ValueError, TypeError, require("cryptography.exceptions", "sign").UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "private", content) from error
    if not isinstance(key, require("cryptography.hazmat.primitives.asymmetric.ed25519", "sign").Ed25519PrivateKey):
        raise _not_a_key(path, "private", content)
    return key


def _load_public(path: Path) -> Any:
    content = _read(path, "public")
    try:
        key = _serialization().load_pem_public_key(content)
    except (ValueError, require("cryptography.exceptions", "sign").UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "public", content) from error
    if not isinstance(key, require("cryptography.hazmat.primitives.asymmetric.ed25519", "sign").Ed25519PublicKey):
        raise _not_a_key(path, "public", content)
    return key


def _read(path: Path, kind: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(_LARGEST_KEY_FILE)
    except OSError as error:
        raise UserError(f"Expected a {kind} key at {path}: {error.strerror}. Make one: edgekit sign --new-key FILE") from error


def _not_a_key(path: Path, kind: str, content: bytes) -> UserError:
    """The error, with a word on the two usual mistakes."""
    if kind == "public" and b"PRIVATE KEY" in content:
        advice = f"It holds a private key, which belongs to the workstation alone; pass {public_path(path).name}."
    elif kind == "private" and b"PUBLIC KEY" in content:
        advice = "It holds a public key; pass the file without .pub."
    elif b"ENCRYPTED" in content:
        advice = "It has a password; keys of edgekit have none."
    else:
        advice = "Make one: edgekit sign --new-key FILE"
    return UserError(f"Expected a {kind} {ALGORITHM} key (PEM) in {path}. {advice}")


def _serialization() -> Any:
    return require("cryptography.hazmat.primitives.serialization", "sign")
