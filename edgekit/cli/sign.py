"""`edgekit sign` and `edgekit verify`: whose bundle is it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.common import Json, boundary, print_json
from edgekit.errors import UserError

__all__ = ["sign", "verify"]


@boundary
def sign(
    bundle: Annotated[Path | None, typer.Argument(help="A bundle (folder or .zip).")] = None,
    key: Annotated[Path | None, typer.Option(help="The private key to sign with.")] = None,
    new_key: Annotated[
        Path | None, typer.Option(help="Make a private key FILE and a public one FILE.pub.", metavar="FILE")
    ] = None,
    json: Json = False,
) -> None:
    """Sign a bundle with Ed25519, or make the keys for it. The private key stays here; FILE.pub goes onto the boards.

    Example: edgekit sign --new-key fire.key && edgekit sign fire.bundle --key fire.key
    """
    if new_key is not None:
        if bundle is not None or key is not None:
            raise UserError("Expected --new-key alone, got a bundle or a key as well. Make the key first, then sign.")
        _make(new_key, json)
        return
    if bundle is None or key is None:
        raise UserError("Expected a bundle and --key FILE, or --new-key FILE. See: edgekit sign --help")
    from edgekit.core.bundle import SIGNATURE
    from edgekit.core.signature import ALGORITHM
    from edgekit.core.signature import sign as sign_bundle

    name = sign_bundle(bundle, key)
    if json:
        print_json({"bundle": str(bundle), "algorithm": ALGORITHM, "key": name, "signature": SIGNATURE})
        return
    typer.echo(f"{bundle}: signed by key {name} ({SIGNATURE})")


def _make(path: Path, json: bool) -> None:
    from edgekit.core.signature import new_key, public_path

    name, public = new_key(path), public_path(path)
    if json:
        print_json({"private_key": str(path), "public_key": str(public), "key": name})
        return
    typer.echo(f"key {name}: private {path} (keep it here), public {public} (for the boards)")


@boundary
def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle (folder or .zip).")],
    key: Annotated[Path, typer.Option(help="The public key that it must be signed by.")],
    json: Json = False,
) -> None:
    """Check that a bundle was signed by a key and no byte of it was changed since. Exit code 2 where it was not.

    Example: edgekit verify fire.bundle --key fire.key.pub
    """
    from edgekit.core.bundle import Bundle
    from edgekit.core.signature import verify as verify_bundle

    opened = Bundle.open(bundle)
    name, files = verify_bundle(opened, key), sorted(opened.manifest.digests)
    if json:
        print_json({"bundle": str(bundle), "name": opened.manifest.name, "key": name, "files": files})
        return
    typer.echo(f"{bundle}: signed by key {name}; {len(files)} files and the manifest are as they were signed")
