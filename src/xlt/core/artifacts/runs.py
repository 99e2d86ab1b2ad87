"""The run folder: what `xlt train` hands to export, evaluation and a later `--resume`.

`run.json` is written whole at every change and says `done` only after everything else is on
disk. A lock held by the process keeps a second one out; it ends with the process, however
that ends.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from xlt.core.artifacts.lock import take_lock
from xlt.core.errors import ModelError, UsageError
from xlt.core.files import read_json, refuse_non_empty, write_error, write_json

__all__ = ["SCHEMA", "Run", "differences", "recorded_root"]

SCHEMA = 1
RECORD, LOCK, LOG, MEASURED, STATE = "run.json", "run.lock", "log.jsonl", "measured.json", "state"
CONTINUE = "add --resume to continue it, "


class Run:
    """One training run on disk.

    Open one for reading with `Run.open`, begin or continue one with `Run.create` (which holds
    the lock until `finish` or `close`).

    Attributes:
        path: the folder.
        record: the content of run.json.
        observer: is told what is logged, too.
    """

    def __init__(self, path: Path, record: dict[str, Any], lock: int | None = None) -> None:
        self.path = path
        self.record = record
        self._lock = lock
        self.observer: Callable[[Mapping[str, Any]], None] | None = None

    def __repr__(self) -> str:
        trained = ", ".join(self.record.get("targets", {})) or "none"
        return f"Run({str(self.path)!r}, {self.record.get('status')}, targets: {trained})"

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any], *, force: bool, resume: bool) -> Run:
        """Begin a run, or continue an unfinished one.

        Args:
            path: the folder; made when absent.
            config: everything that decides the result, as JSON values.
            force: replace a folder that holds something.
            resume: start when there is nothing, continue what is unfinished, return what is
                finished (its `status` is then "done" and no lock is held).

        Raises:
            UsageError: the folder holds something and neither flag is given; another process
                works on it; `resume` with another configuration.
            ModelError: `resume` on a folder that is not a run.
        """
        wanted = json.loads(json.dumps(config))
        if resume and not _is_fresh(path):
            return cls._continue(path, wanted)
        if not resume and not force:
            refuse_non_empty(path, force=False, other=CONTINUE)
        if force and path.is_dir():
            os.close(take_lock(path / LOCK))
            refuse_non_empty(path, force=True)
        lock = take_lock(path / LOCK)
        _drop_unfinished(path)
        run = cls(path, {"schema": SCHEMA, "status": "running", "config": wanted}, lock)
        run.save(lineage={}, encoder=None, targets={})
        return run

    @classmethod
    def _continue(cls, path: Path, wanted: dict[str, Any]) -> Run:
        run = cls.open(path)
        other = differences(run.record["config"], wanted)
        if other:
            raise UsageError(
                f"{path} was started with another configuration: {'; '.join(other)}",
                "give the same flags as before, or another --out",
            )
        if run.status == "done":
            return run
        run._lock = take_lock(path / LOCK)
        run.record = cls.open(path).record  # what the former owner wrote last
        _drop_unfinished(path)
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """Read a run; nothing is locked.

        Raises:
            ModelError: the folder is missing, is not a run, or its record is damaged.
        """
        if not (path / RECORD).is_file():
            raise ModelError(
                f"{path} is not a run (no {RECORD})", "`xlt train --out RUN` makes one"
            )
        record = read_json(path / RECORD, ModelError)
        needed = {"schema", "status", "config", "lineage", "encoder", "targets"}
        if not isinstance(record, dict) or not needed <= record.keys():
            raise ModelError(f"{path / RECORD} is not a run's record", "train again with --force")
        if record["schema"] != SCHEMA:
            raise ModelError(
                f"{path / RECORD} has schema {record['schema']!r}, this version reads {SCHEMA}",
                "use the version of xlt that wrote it",
            )
        return cls(path, record)

    @property
    def status(self) -> str:
        """`running` (also when it was killed) or `done`."""
        return str(self.record["status"])

    @property
    def encoder(self) -> Path | None:
        """The folder of the encoder, once it is there."""
        name = self.record["encoder"]
        return self.path / name if name else None

    @property
    def targets(self) -> dict[str, Path]:
        """Finished targets: name -> model folder."""
        return {name: self.path / entry["path"] for name, entry in self.record["targets"].items()}

    @property
    def state(self) -> Path:
        """Where an unfinished run keeps what it needs to continue."""
        return self.path / STATE

    def save(self, **changes: Any) -> None:
        """Change fields of the record and write it, whole."""
        self.record = json.loads(json.dumps({**self.record, **changes}))
        write_json(self.path / RECORD, self.record)

    def finish(self) -> None:
        """Drop the state, say `done` and let go of the lock."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.save(status="done")
        self.close()

    def close(self) -> None:
        """Let go of the lock; the lock file goes too."""
        if self._lock is not None:
            (self.path / LOCK).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def log(self, **fields: Any) -> None:
        """Append one line to log.jsonl (what happened, never when)."""
        line = json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            with (self.path / LOG).open("ab") as stream:
                stream.write(line.encode())
        except OSError as error:
            raise write_error(self.path / LOG, error) from error
        if self.observer is not None:
            self.observer(fields)

    @property
    def log_size(self) -> int:
        """Bytes of log.jsonl so far; a checkpoint remembers it."""
        log = self.path / LOG
        return log.stat().st_size if log.exists() else 0

    def rewind_log(self, size: int) -> None:
        """Forget the lines after `size` bytes: their steps will be done again."""
        if self.log_size > size:
            os.truncate(self.path / LOG, size)

    def restart_log(self, phase: str) -> None:
        """Forget the lines of a phase that was stopped before its first checkpoint."""
        log, size = self.path / LOG, 0
        for line in log.read_bytes().splitlines(keepends=True) if log.exists() else ():
            if not line.endswith(b"\n") or json.loads(line).get("phase") == phase:
                self.rewind_log(size)
                return
            size += len(line)

    def measure(self, name: str, **fields: float | str) -> None:
        """Add to measured.json: seconds, speeds, host; outside every comparison."""
        path = self.path / MEASURED
        seen = read_json(path, ModelError) if path.exists() else {}
        write_json(path, {**seen, name: {**seen.get(name, {}), **fields}})


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`name: old -> new` for every setting that is not the same."""
    return [
        f"{name}: {json.dumps(old.get(name))} -> {json.dumps(new.get(name))}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def recorded_root(folders: Iterable[Path]) -> Path | None:
    """The data root that the first run among the folders was trained on.

    Raises:
        ModelError: a run's record is damaged.
    """
    for folder in folders:
        if (folder / RECORD).is_file():
            data = Run.open(folder).record["config"].get("data")
            if data:
                return Path(data)
    return None


def _is_fresh(path: Path) -> bool:
    """Nothing there but what a start that was killed at once leaves behind."""
    if not path.is_dir():
        return not path.exists()
    return all(entry.name == LOCK or entry.name.endswith(".part") for entry in path.iterdir())


def _drop_unfinished(path: Path) -> None:
    """Remove files and folders that a process was writing when it was killed; whole models."""
    for part in [*path.rglob(".*.part")]:
        shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
