"""The same server as replicas on a Ray cluster, behind Ray Serve's proxy.

    serve run xlt.serve.ray_app:build models=out/bundles replicas=4

Each replica holds its own models, queue and batches, exactly as `xlt serve` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from xlt.core.errors import UsageError, XltError, did_you_mean
from xlt.core.extras import needs
from xlt.serve.app.frame import App
from xlt.serve.auth import read_keys
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.models import Models
from xlt.serve.compute.sources import Loading, find_sources
from xlt.serve.http.bodies import Receive, Scope, Send
from xlt.serve.http.logs import set_up
from xlt.serve.limits import Limits
from xlt.serve.settings import Settings

with needs("study", "Ray Serve"):
    from ray import serve

__all__ = ["Hosted", "Options", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `build` takes.

    Attributes:
        models: bundles, folders of bundles or runs, as `xlt serve` takes them; commas between
            them. Each node needs them at these paths.
        replicas: how many; each loads the models.
        cpus, gpus: that one replica reserves; `cpus` is also its number of threads.
        device: auto, cpu or cuda.
        precision: fp32, fp16, int8 or int8-vnni, for all models.
        batch_tokens: padded tokens in a batch; 0 lets each replica find it at warm-up.
    """

    models: str
    replicas: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    device: str = "auto"
    precision: str = "fp32"
    batch_tokens: int = 0

    @classmethod
    def read(cls, arguments: Mapping[str, Any]) -> Options:
        """Options from `serve run`'s NAME=VALUE arguments or a YAML file's `args`.

        Raises:
            UsageError: an unknown name or a value of the wrong kind; all mistakes at once.
        """
        kinds = {"replicas": int, "cpus": float, "gpus": float, "batch_tokens": int}
        known = [field.name for field in fields(cls)]
        mistakes, values = [], {}
        for name, value in arguments.items():
            try:
                values[name] = kinds.get(name, str)(value)
            except (TypeError, ValueError):
                mistakes.append(f"{name}={value!r} is not a number")
            if name not in known:
                mistakes.append(f"no option {name!r}{did_you_mean(name, known)}")
        if "models" not in arguments:
            mistakes.append("models is missing")
        for name, least in (("replicas", 1), ("cpus", 0.01), ("gpus", 0), ("batch_tokens", 0)):
            if values.get(name, least) < least:
                mistakes.append(f"{name}={values[name]} is below {least}")
        if mistakes:
            raise UsageError.all_of(
                mistakes, "serve run xlt.serve.ray_app:build models=out/bundles replicas=2"
            )
        return cls(**values)


class Hosted:
    """The server as an ASGI application that starts and ends with its host (lifespan events).

    Loading and swapping models and `/metrics` stay switched off: behind a proxy they would reach
    any one of the replicas.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.server: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start, stop, or answer a request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self.server is not None:
            await self.server(scope, receive, send)

    def check(self) -> None:
        """Raise what a host should replace this replica for.

        Raises:
            XltError: a model could not be loaded, or the worker is dead.
        """
        if self.server is None:
            raise XltError("the server has not started", "wait for the replica to start")
        if self.server.fatal is not None:
            raise self.server.fatal
        if self.server.state.ready is not None:
            raise XltError(self.server.state.ready, "the replica is to be started again")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        try:
            self.server = await self._started()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        self.server.state.draining = self.server.state.refusing = True
        await self.server.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _started(self) -> App:
        """The server, once its models are loaded and warm."""
        options = self.options
        set_up("info")
        sources = find_sources(options.models.split(","), {"": options.precision})
        loading = Loading(
            device=options.device,
            threads=max(1, int(options.cpus)),
            batch_tokens=options.batch_tokens or None,
        )
        metrics = Metrics()
        settings = Settings(keys=read_keys(None, "XLT_API_KEYS"), metrics=False)
        server = App(settings, Models(loading, metrics), metrics)
        await server.start(sources)
        if server.loading is not None:
            await server.loading
        if server.fatal is not None:
            await server.stop()
            raise server.fatal
        return server


def build(arguments: Mapping[str, Any]) -> Any:
    """The Ray Serve application; `serve run` and `serve.run` take it.

    Args:
        arguments: `Options` by name.

    Raises:
        UsageError: an unknown name or a value of the wrong kind.
    """
    options = Options.read(arguments)

    def hosted() -> Hosted:
        return Hosted(options)

    class Replica:
        """One copy of the server in a Ray actor."""

        app: Hosted

        def check_health(self) -> None:
            """Ray replaces a replica that raises here."""
            self.app.check()

    deployment = serve.deployment(
        name="xlt",
        num_replicas=options.replicas,
        max_ongoing_requests=Limits().queue_requests,  # batching needs many; the server says 429
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
    )
    return deployment(serve.ingress(hosted)(Replica)).bind()
