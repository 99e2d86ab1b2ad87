"""`xlt serve`: flags in, a running server out."""

from __future__ import annotations

import logging
import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from xlt.cli.options import PATH, command, device_option, threads_option
from xlt.core.artifacts.bundle import PRECISIONS
from xlt.core.errors import Mistakes, UsageError
from xlt.core.extras import needs

__all__ = ["serve"]

Option = Callable[[Callable[..., Any]], Callable[..., Any]]
THREAD_SECONDS = 2.0  # for our threads to end after the last answer


def _precisions(values: tuple[str, ...]) -> dict[str, str]:
    """`fp32` and `NAME=int8` as {"": "fp32", "NAME": "int8"}."""
    found: dict[str, str] = {}
    mistakes = []
    for value in values:
        name, _, precision = value.rpartition("=")
        if precision not in PRECISIONS:
            mistakes.append(f"--precision {value}: not one of {', '.join(PRECISIONS)}")
        found[name] = precision
    if mistakes:
        raise UsageError.all_of(
            mistakes, "--precision int8, or for one model --precision NAME=int8"
        )
    return found


def _check_certificate(certificate: Path, key: Path | None) -> None:
    """Look at the PEM files of --tls-cert and --tls-key before anything else is done.

    Raises:
        UsageError: one is not there, or they are no certificate and its key.
    """
    for path in (certificate, key):
        if path is not None and not path.is_file():
            raise UsageError(f"{path}: no such file", "name the PEM file of the certificate or key")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except OSError as error:  # ssl.SSLError is one
        if "BAD_DECRYPT" in str(error) or "BAD_PASSWORD" in str(error):
            return  # the server will ask for its password
        raise UsageError(
            f"--tls-cert {certificate}: not a certificate with its key in PEM ({error})",
            "give both files: --tls-cert CERT.pem --tls-key KEY.pem",
        ) from error


def _limits(**flags: Any) -> Any:
    from xlt.serve.limits import Limits

    return Limits(**{name: value for name, value in flags.items() if value is not None})


def _size(name: str, default: str, text: str) -> Option:
    return click.option(
        name, type=click.IntRange(1), metavar="N", help=f"{text} [default: {default}]"
    )


def _seconds(name: str, default: str, text: str) -> Option:
    return click.option(
        name, type=click.FloatRange(0.001), metavar="S", help=f"{text} [default: {default}]"
    )


@command(
    "xlt serve                                     the bundles of ./xlt-run",
    "xlt serve nli=out/xnli ner=out/panx --port 0",
    "xlt serve RUN --precision int8 --api-key-file keys.txt --host 0.0.0.0",
    "xlt serve e5=hf:ORG/NAME                      a checkpoint, exported once",
    "curl localhost:8080/v1/models",
    short_help="Serve bundles over HTTP.",
)
@click.argument("models", nargs=-1, metavar="[MODEL|NAME=MODEL]...")
@click.option(
    "--task", metavar="T", help="What a checkpoint among the models answers, if it does not say."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="0 takes a free one and prints it.",
)
@click.option("--uds", type=PATH, help="Listen on a Unix socket instead.")
@click.option(
    "--fd",
    type=click.IntRange(0),
    metavar="N",
    help="Take a listening socket that is open already, as systemd passes it (3).",
)
@click.option("--root-path", default="", metavar="PREFIX", help="Path prefix that a proxy adds.")
@click.option("--tls-cert", type=PATH, metavar="PEM", help="Certificate; turns TLS on.")
@click.option("--tls-key", type=PATH, metavar="PEM", help="Its key.")
@click.option(
    "--precision",
    multiple=True,
    metavar="[NAME=]P",
    help="fp32, fp16, int8 or int8-vnni, for all or for one model.",
)
@device_option
@threads_option
@click.option(
    "--batch-tokens",
    type=click.IntRange(1),
    metavar="N",
    help="Padded tokens in a batch [default: found at warm-up].",
)
@click.option("--no-warm-up", is_flag=True, help="Be ready at once; the first requests are slow.")
@click.option(
    "--api-key-file",
    type=PATH,
    metavar="FILE",
    help="Keys that clients need, one a line (also XLT_API_KEYS, commas).",
)
@click.option(
    "--admin-key-file",
    type=PATH,
    metavar="FILE",
    help="Keys for loading models at run time (also XLT_ADMIN_KEYS); off without.",
)
@click.option(
    "--repository",
    type=PATH,
    metavar="DIR",
    help="Bundles that may be loaded at run time, by folder name.",
)
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Origin whose pages may call, as https://example.org; repeatable.",
)
@click.option(
    "--accept-token-ids",
    is_flag=True,
    help="Take token ids at /v1/embeddings; wrong vectors where another tokenizer made them.",
)
@click.option("--no-metrics", is_flag=True, help="No /metrics.")
@click.option("--no-docs", is_flag=True, help="No /, /docs and /openapi.json.")
@_size("--body-bytes", "2097152", "Largest request body.")
@_size("--queue-requests", "512", "Most requests at once.")
@_size("--queue-tokens", "262144", "Most tokens at once, and in one request.")
@_size("--queue-bytes", "268435456", "Most bytes of requests at once.")
@_seconds("--queue-seconds", "10", "Longest wait; requests that would wait longer are refused.")
@_seconds("--request-seconds", "60", "Longest time for an answer.")
@_seconds("--read-seconds", "10", "Longest time to receive a request's head, or its body.")
@_seconds("--write-seconds", "30", "A client that reads nothing for so long is dropped.")
@_seconds("--drain-seconds", "30", "After SIGTERM, time for what is in flight.")
@click.option(
    "--drain-delay",
    type=click.FloatRange(0),
    default=0.0,
    metavar="S",
    help="After SIGTERM, be unready for so long before refusing [default: 0]",
)
@click.option(
    "--tokenizer-threads",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Threads that tokenise.",
)
@click.option("--otel", is_flag=True, help="Send spans by OTLP; set up by the OTEL_* variables.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Of the JSON lines on stderr.",
)
def serve(
    models: tuple[str, ...],
    task: str | None,
    precision: tuple[str, ...],
    device: str,
    threads: int | None,
    batch_tokens: int | None,
    no_warm_up: bool,
    api_key_file: Path | None,
    admin_key_file: Path | None,
    repository: Path | None,
    cors: tuple[str, ...],
    accept_token_ids: bool,
    no_metrics: bool,
    no_docs: bool,
    root_path: str,
    drain_delay: float,
    tokenizer_threads: int,
    otel: bool,
    log_level: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    **others: Any,
) -> int:
    """Serve every kind of bundle over HTTP: OpenAI, TEI and KServe clients work unchanged.

    MODEL is a bundle, a folder of bundles or a run; without any, ./xlt-run. A checkpoint folder
    or hf:ORG/NAME is exported once, into a cache. The page at / lets you try the models; /docs
    lists the routes.
    """
    with needs("serve", "the server"):
        import msgspec  # noqa: F401
        import orjson  # noqa: F401
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from xlt.core.inference.session import check_device
    from xlt.serve.app.frame import App
    from xlt.serve.app.server import Bind, serve_app
    from xlt.serve.app.tracing import NoSpans, OtelSpans
    from xlt.serve.auth import read_keys
    from xlt.serve.compute.metrics import Metrics
    from xlt.serve.compute.models import Models
    from xlt.serve.compute.sources import Loading, find_sources
    from xlt.serve.http import logs
    from xlt.serve.settings import Settings

    mistakes, sources = Mistakes(), []
    with mistakes:
        if (tls_key is not None) and tls_cert is None:
            raise UsageError("--tls-key without --tls-cert", "give the certificate too")
        if tls_cert is not None:
            _check_certificate(tls_cert, tls_key)
    with mistakes:
        if others["fd"] is not None and others["uds"] is not None:
            raise UsageError("--fd and --uds are two sockets", "give one of them")
    with mistakes:
        if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
            raise UsageError(
                f"--root-path {root_path!r} must begin with / and not end with it",
                "--root-path /xlt",
            )
    with mistakes:
        if repository is not None and not repository.is_dir():
            raise UsageError(
                f"--repository {repository}: no such folder", "name a folder of bundles"
            )
    with mistakes:
        sources = find_sources(models, _precisions(precision), task=task)
    with mistakes:
        check_device(device)
    mistakes.tell()
    bind = Bind(
        host=others.pop("host"),
        port=others.pop("port"),
        uds=others.pop("uds"),
        fd=others.pop("fd"),
        certificate=tls_cert,
        key=tls_key,
    )
    settings = Settings(
        limits=_limits(**others),
        keys=read_keys(api_key_file, "XLT_API_KEYS"),
        admin_keys=read_keys(admin_key_file, "XLT_ADMIN_KEYS"),
        key_file=api_key_file,
        admin_key_file=admin_key_file,
        repository=repository,
        cors=cors,
        accept_token_ids=accept_token_ids,
        metrics=not no_metrics,
        docs=not no_docs,
        root_path=root_path,
        drain_delay=drain_delay,
        tokenizer_threads=tokenizer_threads,
    )
    loading = Loading(
        device=device, threads=threads, batch_tokens=batch_tokens, warm_up=not no_warm_up
    )
    logs.set_up(log_level)
    metrics = Metrics()
    spans = OtelSpans() if otel else NoSpans()
    app = App(settings, Models(loading, metrics), metrics, spans=spans)
    clean = serve_app(app, sources, bind, lambda url: click.echo(f"serving on {url}"))
    code = 0 if clean else 1
    if app.busy(THREAD_SECONDS):  # stuck in a model, or still loading one: do not wait for it
        sys.stdout.flush()
        logging.shutdown()  # bounded; stderr itself may be a pipe that nobody reads
        os._exit(code)
    return code
