"""A store behind a URL: stages are copied out when they are done, and fetched where needed.

`stage.json` is copied last and fetched last, so that a half-copied stage is not believed.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from xlt.core.errors import DataError, UsageError
from xlt.core.extras import needs
from xlt.study.engine.store import RECORD, Store
from xlt.study.plan.records import Stage

__all__ = ["Mirror"]

BUSY_SECONDS = 0.5
WHOLE = "whole"  # marks a local copy that has all files, weights too

# What a driver fetches: records, scores and logs, not weights.
LIGHT = {".json", ".jsonl", ".npz", ".tsv", ".csv", ".txt", ".yaml"}


class Mirror:
    """Copies between a URL and a local store.

    Args:
        url: of a folder, in fsspec's notation: s3://bucket/store, file:///mnt/store ...
        store: the local one.

    Raises:
        UsageError: no such protocol, or the package for it is missing.
    """

    def __init__(self, url: str, store: Store) -> None:
        with needs("study", "a store behind a URL"):
            import fsspec
        self._store = store
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise UsageError(
                f"--store {url}: {error}", "install fsspec's package for it"
            ) from error

    def fetch_record(self, stage: Stage) -> bool:
        """Whether the stage is there, finished; its small files are then in the local store."""
        with self._alone(stage):
            return self._store.done(stage) is not None or self._fetch(stage, light=True)

    def fetch(self, stage: Stage) -> None:
        """Have a finished stage in the local store, whole.

        Raises:
            DataError: it is not there.
        """
        whole = self._store.folder(stage) / WHOLE
        with self._alone(stage):
            there = whole.is_file() and self._store.done(stage) is not None
            if not there and not self._fetch(stage, light=False):
                raise DataError(f"{stage.id} is not in the store", "run the study again")

    def put(self, stage: Stage) -> None:
        """Copy a finished stage out."""
        folder, place = self._store.folder(stage), f"{self._root}/{stage.id}"
        (folder / WHOLE).touch()
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != WHOLE]
        for path in sorted(files, key=lambda path: path == folder / RECORD):
            target = f"{place}/{path.relative_to(folder)}"
            self._files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            self._files.put_file(str(path), target)

    @contextlib.contextmanager
    def _alone(self, stage: Stage) -> Iterator[None]:
        """Hold a stage's lock: tasks of one machine share its folder."""
        while (handle := self._store.lock(stage)) is None:
            time.sleep(BUSY_SECONDS)
        try:
            yield
        finally:
            self._store.unlock(stage, handle)

    def _fetch(self, stage: Stage, *, light: bool) -> bool:
        place = f"{self._root}/{stage.id}"
        if not self._files.exists(f"{place}/{RECORD}"):
            return False
        folder = self._store.folder(stage)
        fresh = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            for name in self._files.find(place):
                inside = str(name).removeprefix(str(self._root)).lstrip("/").partition("/")[2]
                path = fresh / inside
                if light and Path(inside).suffix not in LIGHT:
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                self._files.get_file(name, str(path))
            if not light:
                (fresh / WHOLE).touch()
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return self._store.done(stage) is not None
