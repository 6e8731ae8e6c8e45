"""`edgekit serve`: the inference daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.common import Json, Threads, boundary, log, print_json

__all__ = ["serve"]


@boundary
def serve(
    bundles: Annotated[list[Path] | None, typer.Argument(help="Bundles; a model's name is its bundle's.")] = None,
    store: Annotated[Path | None, typer.Option(help="A bundle store, STORE/NAME/VERSION with `current` links; watched.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    uds: Annotated[Path | None, typer.Option(help="A Unix socket beside TCP; its owner and group may load and unload.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="Holds the token that TCP asks for.")] = None,
    admin_token_file: Annotated[Path | None, typer.Option(help="Holds the token that may load and unload on TCP.")] = None,
    no_token: Annotated[bool, typer.Option("--no-token", help="Let anybody ask on an address that others reach.")] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM): TCP speaks TLS alone.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    runtime: Annotated[str | None, typer.Option(help="litert, tflite-runtime or onnxruntime.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, fp16, int8-dynamic or int8.")] = None,
    threads: Threads = 1,
    signed_by: Annotated[Path | None, typer.Option(help="Serve only what this public key signed; see edgekit sign.")] = None,
    queue: Annotated[int, typer.Option(min=1, help="Requests that may wait for a model; one more gets 503.")] = 32,
    deadline: Annotated[float, typer.Option(min=0.001, help="Seconds that an answer may take.")] = 5.0,
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of one request.")] = 8 << 20,
    max_pixels: Annotated[int, typer.Option(min=1, help="Pixels of one picture.")] = 16_777_216,
    json: Json = False,
) -> None:
    """Serve bundles over HTTP: Open Inference Protocol v2, and POST /v1/models/NAME/classify for pictures.

    Example: edgekit serve fire.bundle --uds /run/edgekit.sock
    """
    from edgekit.core.optional import require

    for module in ("uvicorn", "httptools", "starlette", "msgspec", "simdjson", "prometheus_client"):
        require(module, "daemon")
    from edgekit.daemon.logs import log_to_stderr
    from edgekit.daemon.serve import run
    from edgekit.daemon.settings import Access, Limits, Settings, read_token

    limits = Limits(
        queue=queue, deadline_s=deadline, body_bytes=max_body, bodies_bytes=max(4 * max_body, 32 << 20), pixels=max_pixels
    )
    settings = Settings(
        bundles=tuple(bundles or ()),
        store=store,
        host=host,
        port=port,
        uds=uds,
        access=Access(*(read_token(path) if path is not None else None for path in (token_file, admin_token_file))),
        open_to_all=no_token,
        tls_cert=tls_cert,
        tls_key=tls_key,
        runtime=runtime,
        precision=precision,
        threads=threads,
        signed_by=signed_by,
        limits=limits,
    )

    def announce(addresses: dict[str, Any]) -> None:
        if json:
            print_json(addresses)
        else:
            log(f"serving {', '.join(addresses['models']) or 'nothing yet'} at {addresses['url']}")

    log_to_stderr()
    run(settings, announce)
