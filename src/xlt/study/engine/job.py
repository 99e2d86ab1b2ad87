"""One stage at work: a process of `xlt` that holds the stage's lock until it ends.

The lock is inherited by the process: when its driver is killed, the stage stays taken until the
process has ended too, and nobody starts a second one in the same folder.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import read_json
from xlt.core.show.terminal import LIVE
from xlt.study.engine.store import Store
from xlt.study.plan.records import Stage

__all__ = ["XLT", "Job"]

TAIL_BYTES = 4096
XLT = (sys.executable, "-m", "xlt")
COMPUTING = ("train", "export", "eval")


class Job:
    """A started stage.

    Attributes:
        stage: what runs.
        failure: how it failed, once it has.
    """

    def __init__(self, stage: Stage, store: Store, handle: int, words: list[str]) -> None:
        self.stage, self.failure = stage, dict[str, Any]()
        self._store, self._handle, self._words = store, handle, words
        self._started = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls,
        stage: Stage,
        store: Store,
        data: Path | None,
        *,
        threads: int,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = XLT,
    ) -> Job | None:
        """Start a stage; None while somebody else works on it.

        Args:
            stage: its needs are done.
            store: where it lies.
            data: the data root.
            threads: CPU threads it may use.
            environment: further variables, e.g. the device.
            program: what the words of a stage are given to.

        Raises:
            DataError: a checkpoint that it should read was not kept.
        """
        handle = store.lock(stage)
        if handle is None:
            return None
        job = None
        try:
            how = ["--threads", str(threads)] if stage.verb in COMPUTING else []
            named = [_picked(word) for word in stage.words(store.path, data)]
            words = store.begin(stage, named, how)
            job = cls(stage, store, handle, words)
            job._open([*program, *words], environment or {})
        finally:
            if job is None or job._process is None:
                store.unlock(stage, handle)
        return job

    def _open(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        with self._store.log(self.stage).open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "COLUMNS": "200", LIVE: "1", **environment},
                pass_fds=(self._handle,),
            )

    def poll(self) -> bool:
        """Whether it has ended; the stage is then done, or `failure` says why not."""
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            return False
        seconds = self.seconds
        try:
            if code == 0:
                machine = {"host": socket.gethostname(), "cores": os.cpu_count()}
                self._store.finish(self.stage, self._words, seconds, **machine)
            else:
                self._failed(code)
        except DataError as error:
            self.failure = {"code": 1, "message": error.message, "hint": error.hint}
        if self.failure:
            self._store.fail(self.stage, self.failure)
        self._store.unlock(self.stage, self._handle)
        return True

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait for its end, no longer than this; what it then still does is killed."""
        assert self._process is not None
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._store.unlock(self.stage, self._handle)

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self._started

    def line(self) -> str:
        """What it said last."""
        said = self._said()
        return said[-1] if said else ""

    def _said(self) -> list[str]:
        """The last lines of its log, live ones included."""
        log = self._store.log(self.stage)
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
        return [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]

    def _failed(self, code: int) -> None:
        said = self._said()
        message = next((s for s in reversed(said) if s.startswith("error: ")), "")
        hint = next((s for s in reversed(said) if s.startswith("hint: ")), "")
        if code < 0:
            name = signal.Signals(-code).name
            message = f"killed by {name}" + (", perhaps for memory" if name == "SIGKILL" else "")
        self.failure = {
            "code": code if code > 0 else 128 - code,
            "message": message.removeprefix("error: ") or (said[-1] if said else "no message"),
            "hint": hint.removeprefix("hint: "),
        }


def _picked(word: str) -> str:
    """The folder that `@TASK:RULE:RUN` stands for: what `xlt average` named in its record.

    Raises:
        DataError: it named none.
    """
    if not word.startswith("@"):
        return word
    task, rule, run = word[1:].split(":", 2)
    try:
        return str(read_json(Path(run) / "run.json")["targets"][task]["folders"][rule])
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{run}: it names no {rule} of {task}",
            "the data root needs dev sets of other languages, the training --keep",
        ) from error
