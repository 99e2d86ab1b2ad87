"""One stage on a machine of a cluster: what a task of Ray does. Knows nothing of Ray.

The store is a folder that all machines see, or a URL that fsspec can write; then a stage works in
a folder of its machine's own, where what it needs is fetched to, and is copied out when it is done.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import XltError
from xlt.study.engine.job import XLT, Job
from xlt.study.engine.mirror import Mirror
from xlt.study.engine.store import Store
from xlt.study.plan.records import Stage

__all__ = ["Outcome", "Work", "perform"]

POLL_SECONDS = 0.2
BUSY_SECONDS = 1.0
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a task is given.

    Attributes:
        stage: to run.
        needs: the stages whose results it reads.
        store: a folder that all machines see.
        url: the store, where it is a URL; `store` is then what each machine calls its own.
        data: the data root; None: the world among `needs`.
        threads: CPU threads.
        again: it was finished, and its weights are needed once more.
        program: what the words of a stage are given to.
    """

    stage: Stage
    needs: tuple[Stage, ...]
    store: Path
    url: str | None = None
    data: str | None = None
    threads: int = 1
    again: bool = False
    program: tuple[str, ...] = XLT


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it went: both are empty when an earlier stage failed.

    Attributes:
        done: whether its record is in the store.
        failure: how it ended otherwise.
    """

    done: bool = False
    failure: Mapping[str, Any] | None = None


def perform(work: Work, *before: Outcome) -> Outcome:
    """Run a stage unless it is done; where another process is at it, wait for that.

    Args:
        work: what to do.
        before: how the stages that it needs went.
    """
    if not all(one.done for one in before):
        return Outcome()
    try:
        return _perform(work)
    except XltError as error:
        failure = {"code": error.exit_code, "message": error.message, "hint": error.hint}
        return Outcome(failure=failure)


def _perform(work: Work) -> Outcome:
    store = Store(work.store)
    mirror = Mirror(work.url, store) if work.url is not None else None
    if mirror is not None:
        if mirror.fetch_record(work.stage):
            return Outcome(done=True)
        for need in work.needs:
            mirror.fetch(need)
    job = None
    while job is None and not _is_done(work, store):
        job = Job.start(
            work.stage, store, _root(work, store), threads=work.threads, program=work.program
        )
        if job is None:
            time.sleep(BUSY_SECONDS)
    if job is not None:
        try:
            while not job.poll():
                time.sleep(POLL_SECONDS)
        except BaseException:
            job.stop()
            job.wait(PATIENCE_SECONDS)
            raise
        if job.failure:
            return Outcome(failure=job.failure)
    if mirror is not None:
        mirror.put(work.stage)
    return Outcome(done=True)


def _is_done(work: Work, store: Store) -> bool:
    """Whether it is; another study may have finished it and dropped its weights since."""
    dropped = not work.again and store.dropped(work.stage) is not None
    return dropped or store.done(work.stage) is not None


def _root(work: Work, store: Store) -> Path | None:
    if work.data is not None:
        return Path(work.data)
    worlds = [stage for stage in work.needs if stage.verb == "world"]
    return store.path / worlds[0].output if worlds else None
