"""The models a server holds: loading, warm-up, swap, and which of them a request means."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xlt.core.artifacts.bundle import Bundle, find_bundles
from xlt.core.encode.encoder import Row
from xlt.core.errors import ModelError, UsageError, did_you_mean
from xlt.core.inference.engine import Engine
from xlt.core.tasks.table import KINDS
from xlt.serve.compute.lanes import Pace
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.vitals import Vitals
from xlt.serve.compute.warmup import probe, tune
from xlt.serve.errors import Problem

__all__ = ["Loading", "Models", "Served", "Source", "find_sources"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model comes from."""

    name: str
    path: Path
    precision: str = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How models are opened.

    Attributes:
        batch_tokens: padded tokens in a batch; None lets the warm-up choose.
        warm_up: whether a model computes something before it is called ready.
    """

    device: str = "auto"
    threads: int | None = None
    batch_tokens: int | None = None
    warm_up: bool = True


@dataclass(eq=False, slots=True)
class Served:
    """One loaded model.

    Attributes:
        pace: as the warm-up measured it.
        dimensions: of the vectors of an embedder.
        by_token: the same embedder as a giver of token vectors; None where its graph has none.
        device_lock: held while anything computes on the device.
        vitals: whether it still answers.
    """

    source: Source
    engine: Engine
    device_lock: threading.Lock
    vitals: Vitals
    pace: Pace = field(default_factory=Pace)
    dimensions: int | None = None
    by_token: Served | None = None
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def name(self) -> str:
        """What clients call it."""
        return self.source.name

    @property
    def bundle(self) -> Bundle:
        """What it was opened from."""
        return self.engine.bundle

    @property
    def kind(self) -> str:
        """pair, choice, tag, span or embed."""
        return self.engine.bundle.task.kind

    @property
    def task(self) -> str:
        """The name of its task."""
        return self.engine.bundle.task.name

    @property
    def cut_to(self) -> list[int]:
        """Dimensions that the bundle declares its vectors can be cut to (Matryoshka)."""
        declared: list[int] = self.bundle.manifest.get("dimensions") or []
        return declared

    def encoder_for(
        self, truncate: str | None, items: Sequence[Any]
    ) -> Callable[[], Sequence[Row]]:
        """What makes the rows of items, cutting long texts at the side asked for."""
        if truncate in (None, "error"):
            return lambda: self.engine.encode_rows(items)
        encoder = replace(self.engine.encoder, keep_left=truncate == "right")
        return lambda: encoder.encode(self.kind, items)

    def check(self) -> None:
        """Find out whether it answers; for one that has failed."""
        self.vitals.check(self.run)

    def run(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Outputs of rows, one batch, one at a time on the device."""
        with self.device_lock:
            return self.engine.run_batch(rows)


class Models:
    """The table of models. Changed and read on the event loop; loading runs in a thread."""

    def __init__(self, loading: Loading, metrics: Metrics) -> None:
        self.loading, self.metrics = loading, metrics
        self.table: dict[str, Served] = {}
        self.awaited: dict[str, Source] = {}  # named at the start and not loaded yet
        self.device_lock = threading.Lock()
        self.load_lock = threading.Lock()  # one at a time: sessions are not created in parallel

    @property
    def ready(self) -> bool:
        """Whether all models of the start are there."""
        return not self.awaited

    def load(self, source: Source) -> Served:
        """Open a model and warm it up. Blocks; the table is not changed.

        Raises:
            ModelError: not a bundle, damaged, or without the variant.
        """
        loading = self.loading
        with self.load_lock:
            engine = Engine.open(
                source.path,
                precision=source.precision,
                device=loading.device,
                threads=loading.threads,
            )
            example = probe(engine.task.kind, n_choices=engine.task.n_choices or 2)
            vitals = Vitals(source.name, engine.encode_rows([example])[0])
            served = Served(source, engine, self.device_lock, vitals)
            if loading.batch_tokens is not None:
                served.pace = Pace(budget=loading.batch_tokens)
            if loading.warm_up:
                served.pace = tune(served, loading.batch_tokens)
            if served.kind == "embed":
                (output,) = served.run([vitals.probe])
                served.dimensions = len(output["sentence_embedding"])
                _check_widths(served)
            if engine.token_output is not None:
                served.by_token = replace(served, engine=engine.for_tokens())
        return served

    def put(self, served: Served) -> None:
        """Make a model answer under its name, in place of its predecessor."""
        self.table[served.name] = served
        self.awaited.pop(served.name, None)
        task = served.task
        self.metrics.of(served).ready.set_function(lambda: float(self._answers(served.name, task)))

    def remove(self, name: str) -> Served:
        """Forget a model; what is in flight is still answered.

        Raises:
            Problem: 404 for an unknown name.
        """
        served = self.find(name)
        del self.table[name]
        return served

    @property
    def failing(self) -> list[Served]:
        """Models that fail on everything."""
        return [served for served in self.table.values() if served.vitals.reason is not None]

    def find(self, name: str) -> Served:
        """The model of a name.

        Raises:
            Problem: 404 for an unknown name, 503 for one that is still loading.
        """
        if name in self.table:
            return self.table[name]
        if name in self.awaited:
            raise self._loading()
        known = ", ".join(self.table) or "none"
        raise Problem(
            404,
            "model_not_found",
            f"no model {name[:100]!r} here{did_you_mean(name[:100], self.table)}; loaded: {known}",
            "model",
        )

    def pick(self, name: str | None, *kinds: str) -> Served:
        """The model that a request means; it need not be named when only one fits.

        Raises:
            Problem: unknown name, a model of another kind, or several that fit.
        """
        if name is not None:
            served = self.find(name)
            if served.kind not in kinds:
                routes = ", ".join(KINDS[served.kind].routes)
                raise Problem(
                    400,
                    "wrong_model",
                    f"model {name!r} is of kind {served.kind!r}, which answers at {routes}; "
                    f"here fit: {self._names(kinds)}",
                    "model",
                )
            return served
        fitting = [served for served in self.table.values() if served.kind in kinds]
        if len(fitting) == 1:
            return fitting[0]
        if not fitting and self.awaited:
            raise self._loading()
        if not fitting:
            raise Problem(
                404,
                "model_not_found",
                f"no model of kind {' or '.join(kinds)} is loaded",
                "model",
            )
        raise Problem(
            400,
            "model_required",
            f"several models fit this route: name one as `model`: {self._names(kinds)}",
            "model",
        )

    def _answers(self, name: str, task: str) -> bool:
        served = self.table.get(name)
        return served is not None and served.task == task and served.vitals.reason is None

    def _names(self, kinds: Sequence[str]) -> str:
        names = [name for name, served in self.table.items() if served.kind in kinds]
        return ", ".join(names) or "none"

    def _loading(self) -> Problem:
        return Problem(503, "not_ready", "the models are still loading", retry_after=1.0)


def _check_widths(model: Served) -> None:
    """Refuse a bundle that declares widths which its vectors do not have.

    Raises:
        ModelError: names the width.
    """
    if model.dimensions is not None and max(model.cut_to, default=0) > model.dimensions:
        raise ModelError(
            f"{model.bundle.path}: its vectors have {model.dimensions} dimensions and cannot be "
            f"cut to {max(model.cut_to)}",
            "export it again with smaller --dimensions",
        )


def find_sources(arguments: Sequence[str], precision: dict[str, str]) -> list[Source]:
    """The models that `[NAME=]MODEL` arguments name; none means `./xlt-run`.

    Args:
        arguments: bundles, folders of bundles or runs, each with a name or without.
        precision: model name -> variant; the key "" is everybody else's.

    Raises:
        UsageError: two models of one name, a name that cannot stand in a URL, or a name for
            several bundles; all mistakes at once.
        ModelError: nothing there, or not a bundle.
    """
    sources: list[Source] = []
    mistakes: list[str] = []
    for argument in arguments or [""]:
        given, path = split_argument(argument)
        bundles = find_bundles(path)
        if given and len(bundles) > 1:
            mistakes.append(f"{argument}: a name for {len(bundles)} bundles")
        for bundle in bundles:
            name = given or Bundle.open(bundle, verify=False).name
            if not NAME.fullmatch(name):
                mistakes.append(f"{name!r} is no name: letters, digits, '.', '_' and '-' only")
            variant = precision.get(name, precision.get("", "fp32"))
            sources.append(Source(name=name, path=bundle, precision=variant))
    names = [source.name for source in sources]
    mistakes.extend(
        f"two models called {name!r}" for name in {n for n in names if names.count(n) > 1}
    )
    unknown = [name for name in precision if name and name not in names]
    mistakes.extend(
        f"--precision for {n!r}, which is not served{did_you_mean(n, names)}" for n in unknown
    )
    if mistakes:
        raise UsageError.all_of(mistakes, "give names: xlt serve NAME=BUNDLE NAME=BUNDLE")
    for source in sources:  # missing variants show before the socket opens
        Bundle.open(source.path, precision=source.precision, verify=False)
    return sources


def split_argument(argument: str) -> tuple[str, Path | None]:
    """`NAME=MODEL` or `MODEL` as (name or "", path); a path with `=` that exists is a path."""
    if not argument:
        return "", None
    name, equals, path = argument.partition("=")
    if not equals or Path(argument).exists():
        return "", Path(argument)
    return name, Path(path)
