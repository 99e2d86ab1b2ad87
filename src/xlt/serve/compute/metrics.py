"""Prometheus series of the server. Labels are bounded: model, task, route template, status.

Every series of a model exists, at zero, from the moment the model is loaded, until it is unloaded.
What a model still answers after that counts without its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from xlt._version import __version__
from xlt.core.extras import needs

with needs("serve", "metrics of the server"):
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.exposition import generate_latest

__all__ = ["CONTENT_TYPE", "REFUSALS", "STAGES", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STAGES = ("read", "tokenize", "queue", "infer", "post")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
TOKENS = (8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
RATIOS = (1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0, 4.0)
REFUSALS = ("overloaded", "too_many_tokens", "draining", "not_ready")
FAULTS = ("exception", "non_finite", "undecoded")
LOSSES = ("deadline", "disconnect")
CONNECTIONS = ("write_deadline", "open_files", "tls_handshake")


class Named(Protocol):
    """What the series need to know of a model."""

    @property
    def name(self) -> str:
        """What clients call it."""

    @property
    def task(self) -> str:
        """The name of its task."""


class Metrics:
    """All series, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        keep: dict[str, Any] = {"registry": self.registry}
        model = ("model", "task")
        self.requests = Counter(
            "xlt_requests", "Requests answered.", (*model, "route", "status"), **keep
        )
        self.request_seconds = Histogram(
            "xlt_request_duration_seconds",
            "From the head of a request to its answer.", model, buckets=SECONDS, **keep,
        )  # fmt: skip
        self.stage_seconds = Histogram(
            "xlt_stage_duration_seconds",
            "Parts of a request's time.", (*model, "stage"), buckets=SECONDS, **keep,
        )  # fmt: skip
        self.input_tokens = Histogram(
            "xlt_input_tokens", "Tokens in a request.", model, buckets=TOKENS, **keep
        )
        self.truncated = Counter("xlt_truncated_inputs", "Inputs that were cut.", model, **keep)
        self.batch_rows = Histogram(
            "xlt_batch_rows", "Rows in a batch.", model, buckets=ROWS, **keep
        )
        self.batch_tokens = Histogram(
            "xlt_batch_tokens", "Padded tokens in a batch.", model, buckets=TOKENS, **keep
        )
        self.padding = Histogram(
            "xlt_batch_padding_ratio",
            "Padded tokens over tokens.", model, buckets=RATIOS, **keep,
        )  # fmt: skip
        self.tokens = Counter("xlt_tokens", "Tokens computed, without padding.", model, **keep)
        self.padded = Counter("xlt_padded_tokens", "Tokens computed, with padding.", model, **keep)
        self.failed_rows = Counter(
            "xlt_failed_rows", "Rows the model gave no usable output for.",
            (*model, "reason"), **keep,
        )  # fmt: skip
        self.lost = Counter(
            "xlt_cancelled", "Requests dropped before their answer.", (*model, "reason"), **keep
        )
        self.model_ready = Gauge("xlt_model_ready", "1 when a model answers.", model, **keep)
        self.refused = Counter("xlt_rejected", "Requests refused.", ("reason",), **keep)
        self.lost_connections = Counter(
            "xlt_connections_lost", "Connections ended before their answer was read.",
            ("reason",), **keep,
        )  # fmt: skip
        self.queue_requests = Gauge("xlt_queue_requests", "Admitted, not answered.", **keep)
        self.queue_tokens = Gauge("xlt_queue_tokens", "Admitted, not computed.", **keep)
        self.worker_restarts = Counter("xlt_worker_restarts", "Deaths of the worker.", **keep)
        self.worker_alive = Gauge("xlt_worker_alive", "1 while the worker computes.", **keep)
        build = Gauge("xlt_build_info", "The version.", ("version",), **keep)
        build.labels(__version__).set(1)
        for reason in REFUSALS:
            self.refused.labels(reason)
        for reason in CONNECTIONS:
            self.lost_connections.labels(reason)
        self.nameless: ModelSeries | None = None
        self.known: dict[tuple[str, str], ModelSeries] = {}

    def text(self) -> bytes:
        """The exposition for `/metrics`."""
        return generate_latest(self.registry)

    def add(self, model: Named) -> ModelSeries:
        """The series of a loaded model; it goes on with them when it replaces one of its task."""
        return self.known.setdefault(key := (model.name, model.task), ModelSeries(self, *key))

    def forget(self, model: Named) -> None:
        """Remove the series of a model that has been unloaded."""
        series = self.known.pop((model.name, model.task), None)
        if series is not None:
            series.remove()

    def of(self, model: Named) -> ModelSeries:
        """The series of a loaded model; of one that has been unloaded, those without a name."""
        series = self.known.get((model.name, model.task))
        if series is None:
            series = self.nameless = self.nameless or ModelSeries(self, "", "")
        return series

    def answered(self, model: Named | None, route: str, status: int) -> None:
        """Count an answer, of a model or of none."""
        series = None if model is None else self.known.get((model.name, model.task))
        if series is None:
            self.requests.labels("", "", route, str(status)).inc()
        else:
            series.answered(route, status)

    def rejected(self, reason: str) -> None:
        """Count a refusal."""
        self.refused.labels(reason).inc()

    def lost_connection(self, reason: str) -> None:
        """Count a connection that ended before its answer was read."""
        self.lost_connections.labels(reason).inc()

    def cancelled(self, model: Named, reason: str) -> None:
        """Count a request whose deadline or client was gone before its answer."""
        self.of(model).lost[reason].inc()

    def failed_row(self, model: Named, reason: str) -> None:
        """Count a row without usable output."""
        self.of(model).failed[reason].inc()

    def batch(self, model: Named, *, rows: int, tokens: int, padded: int, seconds: float) -> None:
        """Count a computed batch: its rows, its tokens without and with padding, its time."""
        series = self.of(model)
        series.batch_rows.observe(rows)
        series.batch_tokens.observe(padded)
        series.padding.observe(padded / tokens)
        series.tokens.inc(tokens)
        series.padded.inc(padded)
        series.counts.rows += rows
        series.counts.batches += 1
        series.counts.infer_ns += int(seconds * 1e9)


@dataclass(slots=True)
class Counts:
    """Totals of a model, for Triton's statistics route."""

    rows: int = 0
    batches: int = 0
    infer_ns: int = 0
    answered: int = 0
    answered_ns: int = 0
    failed: int = 0
    failed_ns: int = 0

    def request(self, status: int, seconds: float) -> None:
        """Count an answer."""
        if status < 400:
            self.answered += 1
            self.answered_ns += int(seconds * 1e9)
        else:
            self.failed += 1
            self.failed_ns += int(seconds * 1e9)


class ModelSeries:
    """The children of one model, looked up once: `labels()` is the costly part."""

    def __init__(self, metrics: Metrics, model: str, task: str) -> None:
        self.counts = Counts()
        self.made: list[tuple[Any, tuple[str, ...]]] = []
        own = (model, task)

        def child(metric: Any, *more: str) -> Any:
            self.made.append((metric, (*own, *more)))
            return metric.labels(*own, *more)

        self.requests = metrics.requests
        self.own = own
        self.answers: dict[tuple[str, str], Any] = {}
        self.request_seconds = child(metrics.request_seconds)
        self.stages = {stage: child(metrics.stage_seconds, stage) for stage in STAGES}
        self.input_tokens = child(metrics.input_tokens)
        self.truncated = child(metrics.truncated)
        self.batch_rows = child(metrics.batch_rows)
        self.batch_tokens = child(metrics.batch_tokens)
        self.padding = child(metrics.padding)
        self.tokens = child(metrics.tokens)
        self.padded = child(metrics.padded)
        self.failed = {reason: child(metrics.failed_rows, reason) for reason in FAULTS}
        self.lost = {reason: child(metrics.lost, reason) for reason in LOSSES}
        self.ready = child(metrics.model_ready)

    def answered(self, route: str, status: int) -> None:
        """Count an answer."""
        key = (route, str(status))
        if key not in self.answers:
            self.made.append((self.requests, (*self.own, *key)))
            self.answers[key] = self.requests.labels(*self.own, *key)
        self.answers[key].inc()

    def remove(self) -> None:
        """Take all of them out of the exposition."""
        for metric, labels in self.made:
            metric.remove(*labels)
