"""What a worker of a cluster does: it opens what the caller named, and answers with replies.

Every worker opens bundles and data at the same paths as the caller (a shared folder) and refuses
what has other bytes there.
"""

from __future__ import annotations

import platform
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xlt.core.artifacts.bundle import Bundle
from xlt.core.encode.encoder import Encoder
from xlt.core.errors import DataError, ModelError, XltError
from xlt.core.kinds.table import kind_of
from xlt.core.show.terminal import Tick
from xlt.evalsuite.compute.cells import difference
from xlt.evalsuite.compute.engines import Engines
from xlt.evalsuite.compute.identity import identify
from xlt.evalsuite.compute.vectors import TextVectors
from xlt.evalsuite.plan.plan import Plan
from xlt.evalsuite.workers.job import Done, Job, compute

__all__ = ["Cluster", "Reply", "answer_cell", "answer_texts"]

TEXTS = 512  # that are embedded as one task


class Cluster(Protocol):
    """What a worker knows of its cluster.

    Attributes:
        run: a name of the evaluation, for what workers keep between tasks.
    """

    run: str

    def fetch_plan(self) -> Plan:
        """The plan, without its cells."""
        ...

    def vectors(self, bundle: Bundle, pieces: Sequence[Sequence[str]]) -> Iterator[Reply]:
        """Let other workers embed texts; a reply each, in their order."""
        ...


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a worker sends back: a result, or the error with its traceback.

    Attributes:
        value: the result; None after an error.
        trace: of the error, as text.
        fatal: nothing of this bundle can be computed.
    """

    value: Any = None
    error: Exception | None = None
    trace: str = ""
    fatal: bool = False

    def unpack(self) -> Any:
        """The result.

        Raises:
            Exception: the worker's error, caused by its traceback.
        """
        if self.error is not None:
            raise self.error from _Traceback(self.trace)
        return self.value


class _Traceback(Exception):
    """A traceback of a worker, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class _NotLoaded(Exception):
    """A bundle does not load; `args[0]` is the error."""


class _Spread:
    """Vectors of texts by tasks of their own, a few hundred texts each."""

    def __init__(self, cluster: Cluster, bundle: Bundle) -> None:
        self._cluster, self._bundle = cluster, bundle

    def embed(self, texts: Sequence[str], *, tick: Tick | None = None) -> NDArray[np.float32]:
        """Vectors (N, D) in the order of the texts.

        Raises:
            DataError: a text is not valid Unicode.
            ModelError: an output is not finite.
        """
        pieces = [texts[start : start + TEXTS] for start in range(0, len(texts), TEXTS)]
        found = []
        replies = self._cluster.vectors(self._bundle, pieces)
        for piece, reply in zip(pieces, replies, strict=True):
            if reply.fatal:
                raise _NotLoaded(reply.error)
            found.append(reply.unpack())
            if tick is not None:
                tick(len(piece))
        return np.concatenate(found)


class _Engines(Engines):
    """Engines of a worker; it embeds through other tasks and then loads no model itself."""

    def __init__(self, plan: Plan, cluster: Cluster) -> None:
        super().__init__(plan)
        self._cluster, self._threads = cluster, plan.threads
        self._encoders: dict[Path, Encoder] = {}

    def encoder(self, bundle: Bundle) -> Encoder:
        """The encoder of a bundle, without its model."""
        if bundle.path not in self._encoders:
            self._encoders[bundle.path] = Encoder.load(bundle.path, max_length=bundle.max_length)
        return self._encoders[bundle.path]

    def vectors(self, bundle: Bundle) -> TextVectors:
        """Sentence vectors of a bundle, made by other tasks."""
        return TextVectors(_Spread(self._cluster, bundle))

    @property
    def setup(self) -> dict[str, Any]:
        """What speed depends on, for measured.json."""
        found = super().setup if self.is_open else {"threads": self._threads}
        return {**found, "host": platform.node(), "machine": platform.machine(), "engine": "ray"}


@dataclass(kw_only=True)
class _Worker:
    """What a worker's process keeps from task to task of one evaluation."""

    run: str
    plan: Plan
    engines: _Engines
    bundles: dict[tuple[Path, str], Bundle] = field(default_factory=dict)

    def bundle(self, asked: Bundle) -> Bundle:
        """The bundle at the same path here.

        Raises:
            ModelError: it is not there, damaged, or another one.
        """
        place = asked.path, asked.default_prompt
        if place not in self.bundles:
            own = Bundle.open(asked.path, precision=asked.precision)
            if own.key != asked.key:
                raise ModelError(
                    f"{asked.path} is another bundle on {platform.node()} than for the caller",
                    "models and data must lie on a folder that all machines share",
                )
            # the caller has chosen the prompt of the task
            self.bundles[place] = replace(own, manifest=asked.manifest)
        return self.bundles[place]


_kept: list[_Worker] = []


def _worker(cluster: Cluster) -> _Worker:
    """This process, ready for an evaluation; what it kept of another one goes."""
    if not _kept or _kept[0].run != cluster.run:
        _kept.clear()
        plan: Plan = cluster.fetch_plan()
        _kept.append(_Worker(run=cluster.run, plan=plan, engines=_Engines(plan, cluster)))
    return _kept[0]


def answer_cell(cluster: Cluster, job: Job) -> Reply:
    """Compute one cell: `Done`."""
    return _reply(partial(_cell, cluster, job))


def answer_texts(cluster: Cluster, bundle: Bundle, texts: Sequence[str]) -> Reply:
    """Embed texts: vectors (N, D)."""
    return _reply(partial(_embedded, cluster, bundle, texts))


def _cell(cluster: Cluster, job: Job) -> Done:
    worker = _worker(cluster)
    try:
        bundle = worker.bundle(job.cell.bundle)
        if kind_of(job.cell.task).matching is None:
            worker.engines.engine(bundle)
    except XltError as error:
        raise _NotLoaded(error) from error
    cell = replace(job.cell, assignment=replace(job.cell.assignment, bundle=bundle))
    _check_same(worker.plan, job)
    return compute(worker.plan, replace(job, cell=cell), worker.engines)


def _embedded(cluster: Cluster, bundle: Bundle, texts: Sequence[str]) -> NDArray[np.float32]:
    worker = _worker(cluster)
    try:
        engine = worker.engines.engine(worker.bundle(bundle))
    except XltError as error:
        raise _NotLoaded(error) from error
    return engine.embed(texts)


def _check_same(plan: Plan, job: Job) -> None:
    """Compare what a worker computes from with what the caller sees.

    Raises:
        DataError: files or code differ.
    """
    hint = "data and models must lie on a folder that all machines share, with one version of xlt"
    try:
        here = identify(plan, job.cell, job.inputs).to_json()
    except OSError as error:
        raise DataError(f"{platform.node()}: {error}", hint) from error
    asked = job.identity.to_json()
    if here != asked:
        raise DataError(
            f"{job.cell.name}: not the same on {platform.node()} as for the caller: "
            + difference(asked, [{"parts": here}]),
            hint,
        )


def _reply(work: Callable[[], Any]) -> Reply:
    """What a call gives, errors included, in a form that travels."""
    try:
        return Reply(value=work())
    except Exception as raised:
        error: Exception = raised
        fatal = isinstance(raised, _NotLoaded)
        if fatal:
            error = raised.args[0]
        trace = "".join(traceback.format_exception(raised))
        if not isinstance(error, XltError | MemoryError | OSError | ValueError):
            error = RuntimeError(f"{type(error).__name__}: {error}")
        return Reply(error=error, trace=trace, fatal=fatal)
