"""uvicorn with our signals: the first drains, the second ends at once, a deadline ends both."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from xlt.core.errors import UsageError
from xlt.serve.app.frame import App
from xlt.serve.app.reload import Reload
from xlt.serve.compute.memory import freeze_and_use_huge_pages
from xlt.serve.compute.sources import Source
from xlt.serve.http.losses import Losses, watch_handshakes
from xlt.serve.http.protocol import protocol_class

__all__ = ["Bind", "Server", "config_of", "serve_app"]

log = logging.getLogger("xlt.serve")
BACKLOG = 2048
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Where to listen.

    Attributes:
        uds: path of a Unix socket, in place of host and port.
        fd: descriptor of a socket that listens already, in place of all of these.
        certificate, key: PEM files for TLS.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    uds: Path | None = None
    fd: int | None = None
    certificate: Path | None = None
    key: Path | None = None

    def open(self) -> socket.socket:
        """The listening socket.

        Raises:
            UsageError: the address is taken, not ours, or not allowed.
        """
        if self.fd is not None:
            return _passed(self.fd)
        where = self.uds or f"{self.host}:{self.port}"
        try:
            if self.uds is not None:
                if self.uds.is_socket():
                    _remove_dead(self.uds)
                found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                found.bind(str(self.uds))
            else:
                family, kind, protocol, _, address = socket.getaddrinfo(
                    self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )[0]
                # asyncio sets TCP_NODELAY only where the protocol is named
                found = socket.socket(family, kind, protocol)
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                found.bind(address)
            found.listen(BACKLOG)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {where}: {error.strerror or error}",
                "choose another --port (0 takes a free one), --host or --uds",
            ) from error
        return found


class Server(uvicorn.Server):
    """A server whose first signal begins a graceful end.

    Args:
        config: of uvicorn.
        app: what it serves.
        sources: models to load.
        on_open: called with the address once the socket is open.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        app: App,
        sources: list[Source],
        on_open: Callable[[str], None],
    ) -> None:
        super().__init__(config)
        self.app, self.sources, self.on_open = app, sources, on_open
        self.losses = Losses(app.state.metrics.lost_connection)
        self.signals = 0
        self.reload = Reload(app.state.settings, config)
        app.on_fatal = self.end_now

    def end_now(self) -> None:
        """End without a delay."""
        self.app.state.draining = self.app.state.refusing = True
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer probes, then begin to load.

        uvicorn's own way of listening has no bound on TLS handshakes.
        """
        config, loop = self.config, asyncio.get_running_loop()
        await self.lifespan.startup()
        seconds = self.app.state.settings.limits.read_seconds
        tls: dict[str, Any] = {}
        if config.ssl is not None:
            watch_handshakes(config.ssl, seconds, self.losses)
            tls = {"ssl": config.ssl, "ssl_handshake_timeout": seconds}
        self.servers = [
            await loop.create_server(self._protocol, sock=one, backlog=config.backlog, **tls)
            for one in sockets or []
        ]
        self.started = True
        await self.app.start(self.sources)
        if self.app.loading is not None and _is_main_thread():
            self.app.loading.add_done_callback(
                lambda _: (
                    None
                    if self.should_exit
                    else loop.run_in_executor(None, freeze_and_use_huge_pages)
                )
            )
        self.on_open(self.address())

    def _protocol(self) -> asyncio.Protocol:
        """What talks to one client."""
        make: Any = self.config.http_protocol_class
        made: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is in flight, within the deadline, then stop the threads."""
        await super().shutdown(sockets)
        await self.app.stop()

    def address(self) -> str:
        """The URL that clients use."""
        listening = self.servers[0].sockets[0]
        if listening.family == socket.AF_UNIX:
            return f"unix:{listening.getsockname()}"
        host, port = listening.getsockname()[:2]
        scheme = "https" if self.config.ssl else "http"
        name = f"[{host}]" if ":" in host else host
        return f"{scheme}://{name}:{port}{self.config.root_path}"

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle our signals while the server runs; they are not raised again afterwards."""
        if not _is_main_thread():
            yield  # only the main thread gets signals
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        if self.reload.has_files and hasattr(signal, "SIGHUP"):  # else it ends the process
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self.handle_hangup)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_hangup(self, sig: int, frame: FrameType | None) -> None:
        """Read keys and TLS files again, on the event loop."""
        loop = self.app.state.scheduler.loop
        if loop is not None:
            loop.call_soon_threadsafe(self.reload)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: not ready, then drain. Second: out."""
        self.signals += 1
        if self.signals > 1:
            os._exit(130 if sig == signal.SIGINT else 143)
        self.app.state.draining = True
        delay = self.app.state.settings.drain_delay
        log.info("shutting down", extra={"fields": {"signal": sig, "drain_delay": delay}})
        loop = self.app.state.scheduler.loop
        if delay > 0 and loop is not None:
            loop.call_soon_threadsafe(loop.call_later, delay, self.end_now)
        else:
            self.end_now()


def _passed(descriptor: int) -> socket.socket:
    """A socket that whoever started the server has opened.

    Raises:
        UsageError: it is none, or does not listen.
    """
    hint = "pass an open listening socket, as systemd's socket units do: --fd 3"
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise UsageError(f"--fd {descriptor}: {error.strerror or error}", hint) from error
    listens = found.type == socket.SOCK_STREAM
    if listens and hasattr(socket, "SO_ACCEPTCONN"):
        listens = bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    if not listens:
        found.detach()
        raise UsageError(f"--fd {descriptor}: a socket, but not one that listens", hint)
    if found.family != socket.AF_UNIX:  # as `Bind.open` names the protocol
        return socket.socket(found.family, found.type, socket.IPPROTO_TCP, fileno=found.detach())
    return found


def _is_main_thread() -> bool:
    """Whether the server has the process for itself; elsewhere it is a guest."""
    return threading.current_thread() is threading.main_thread()


def _remove_dead(path: Path) -> None:
    """Remove a socket that nobody listens on any more.

    Raises:
        OSError: somebody does.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        try:
            link.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise OSError(errno.EADDRINUSE, "a server listens there")


def config_of(app: App, bind: Bind) -> uvicorn.Config:
    """Uvicorn's settings: our protocol, our log, no features we do not use."""
    limits = app.state.settings.limits
    return uvicorn.Config(
        app,
        ssl_certfile=bind.certificate,
        ssl_keyfile=bind.key,
        root_path=app.state.settings.root_path,
        http=protocol_class(limits, Losses(app.state.metrics.lost_connection)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=max(1, round(limits.keep_alive_seconds)),
        timeout_graceful_shutdown=max(1, round(limits.drain_seconds)),
    )


def serve_app(app: App, sources: list[Source], bind: Bind, on_open: Callable[[str], None]) -> bool:
    """Serve until a signal.

    Returns:
        Whether everything in flight was answered in time.

    Raises:
        XltError: a model could not be loaded, the worker kept dying, or the address is taken.
    """
    server = Server(config_of(app, bind), app, sources, on_open)
    server.run(sockets=[bind.open()])
    if bind.uds is not None:
        bind.uds.unlink(missing_ok=True)
    if app.fatal is not None:
        raise app.fatal
    return app.state.dropped == 0
