"""The store: one folder a stage, believed only when its record fits its key and its bytes.

    STORE/<verb>-<label>-<hash8>/   stage.json   written last: key, command, seconds, hashes
                                    start.json   the command as it was first started
                                    failed.json  how it ended, when it did not end well
                                    log.txt      what the command said
                                    root|run|bundles|results
    STORE/locks/<id>                held by whoever works on a stage, and by its process
    STORE/studies/<hash>.json       a study that has used the store: where it is, and its plan
    STORE/dropped/<id>.json         the record of a finished stage whose weights were removed

Several studies may share a store: a lock keeps a second one off a stage.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlt.core.artifacts.lock import take_lock
from xlt.core.errors import DataError, UsageError
from xlt.core.files import read_json, sha256_bytes, sha256_file, sha256_json, write_json
from xlt.study.plan.records import OUTPUT, Plan, Stage

__all__ = ["RECORD", "START", "Store", "size_of", "size_words"]

SCHEMA = 1
RECORD, START, FAILED, LOG = "stage.json", "start.json", "failed.json", "log.txt"
LOCKS, STUDIES, DROPPED = "locks", "studies", "dropped"
# What proves a result, by verb; small files that their writers write last.
MANIFESTS = {
    "world": "root/world.json",
    "train": "run/run.json",
    "average": "run/run.json",
    "export": "bundles/*/xlt.json",
    "eval": "results/results.json",
}


class Store:
    """A folder of finished and unfinished stages.

    Args:
        path: made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def folder(self, stage: Stage) -> Path:
        """Where a stage's files lie."""
        return self.path / stage.id

    def log(self, stage: Stage) -> Path:
        """What a stage's command said."""
        return self.folder(stage) / LOG

    def done(self, stage: Stage) -> dict[str, Any] | None:
        """The record of a finished stage; None when it is not finished, or not what it says."""
        folder = self.folder(stage)
        try:
            record = read_json(folder / RECORD)
            fits = record["schema"] == SCHEMA and record["key"] == stage.key and record["outputs"]
            for name, digest in record["outputs"].items():
                fits = fits and sha256_file(folder / name) == digest
        except (DataError, KeyError, TypeError, AttributeError, OSError):
            return None
        return dict(record) if fits else None

    def failed(self, stage: Stage) -> dict[str, Any] | None:
        """How the last try of a stage ended, when it failed."""
        try:
            return dict(read_json(self.folder(stage) / FAILED))
        except (DataError, TypeError, ValueError):
            return None

    def dropped(self, stage: Stage) -> dict[str, Any] | None:
        """The record of a stage that was finished and has lost its weights since."""
        try:
            record = read_json(self._mark(stage.id))
            fits = record["schema"] == SCHEMA and record["key"] == stage.key
        except (DataError, KeyError, TypeError, AttributeError, OSError):
            return None
        return dict(record) if fits else None

    def is_dropped(self, name: str) -> bool:
        """Whether the stage of this id has lost its weights, and was not done again."""
        return self._mark(name).is_file() and not (self.path / name / RECORD).is_file()

    def mark_dropped(self, name: str) -> None:
        """Note the record of a stage that is to lose its weights; its lock is held."""
        write_json(self._mark(name), read_json(self.path / name / RECORD))

    def unmark_dropped(self, name: str) -> None:
        """Take that back; its lock is held."""
        self._mark(name).unlink(missing_ok=True)

    def disbelieve(self, name: str) -> None:
        """Have a stage done anew, whatever of it is there, when it is next asked for."""
        for file in (RECORD, START):
            (self.path / name / file).unlink(missing_ok=True)

    def running(self, stage: Stage) -> bool:
        """Whether somebody works on it now."""
        return self.is_held(stage.id)

    def lock(self, stage: Stage) -> int | None:
        """Take a stage: the descriptor that holds it, or None while another process has it.

        Raises:
            UsageError: the store cannot be written.
        """
        return self.hold(stage.id)

    def unlock(self, stage: Stage, handle: int) -> None:
        """Let go of a stage."""
        self.let_go(stage.id, handle)

    def is_held(self, name: str) -> bool:
        """Whether somebody works on the stage of this id now."""
        if not (self.path / LOCKS / name).exists():
            return False
        handle = self.hold(name)
        if handle is None:
            return True
        self.let_go(name, handle)
        return False

    def hold(self, name: str) -> int | None:
        """As `lock`, for a stage of which the id alone is known."""
        try:
            return take_lock(self.path / LOCKS / name)
        except UsageError as error:
            if isinstance(error.__cause__, BlockingIOError):
                return None
            raise

    def let_go(self, name: str, handle: int) -> None:
        """As `unlock`, by id."""
        (self.path / LOCKS / name).unlink(missing_ok=True)
        os.close(handle)

    def remember(self, out: Path, plan: Plan) -> None:
        """Note a study and what it asks for, so that its stages are known to be wanted."""
        path, value = self._note(out), {"out": str(out.resolve()), "plan": plan.to_json()}
        with contextlib.suppress(DataError):
            if sha256_json(read_json(path)) == sha256_json(value):
                return
        write_json(path, value)

    def forget(self, out: Path) -> None:
        """Drop the note of a folder that is gone."""
        self._note(out).unlink(missing_ok=True)

    def studies(self) -> list[Path]:
        """The folders of the studies that were planned or run in this store."""
        found = []
        for path in sorted((self.path / STUDIES).glob("*.json")):
            with contextlib.suppress(DataError, KeyError, TypeError):
                found.append(Path(read_json(path)["out"]))
        return found

    def plans(self) -> list[Plan]:
        """The plans of the studies that were planned or run in this store, as they noted them.

        Raises:
            DataError: one is damaged, or another version's.
        """
        found = []
        for path in sorted((self.path / STUDIES).glob("*.json")):
            value = read_json(path)
            if not isinstance(value, dict) or not value.get("out"):
                raise DataError(f"{path}: not the note of a study", "remove it")
            # an older version noted no plan: it is in the study's folder
            noted = value.get("plan")
            found.append(Plan.read(noted, path) if noted else Plan.open(Path(value["out"])))
        return found

    def _mark(self, name: str) -> Path:
        return self.path / DROPPED / f"{name}.json"

    def _note(self, out: Path) -> Path:
        name = sha256_bytes(str(out.resolve()).encode())[:16]
        return self.path / STUDIES / f"{name}.json"

    def begin(self, stage: Stage, words: list[str], how: list[str]) -> list[str]:
        """Get a stage's folder ready; its lock is held.

        What an earlier try left is gone on with, under the flags `how` (threads, device) it was
        started with, where its command is still the same; otherwise it is thrown away.

        Returns:
            The words of the command.
        """
        folder = self.folder(stage)
        before: Any = None
        if (folder / START).is_file():
            try:
                before = read_json(folder / START)
            except DataError:
                before = None
        same = isinstance(before, dict) and before.get("words") == words
        if folder.is_dir() and not same:
            shutil.rmtree(folder)
        if same:
            how = [str(word) for word in before["how"]]
        else:
            write_json(folder / START, {"key": stage.key, "words": words, "how": how})
        for name in (RECORD, FAILED):
            (folder / name).unlink(missing_ok=True)
        return [*words, *how]

    def finish(self, stage: Stage, words: list[str], seconds: float, **more: Any) -> dict[str, Any]:
        """Write a stage's record: from now on it is done.

        Raises:
            DataError: the command ended well but left no result.
        """
        folder = self.folder(stage)
        found = sorted(folder.glob(MANIFESTS[stage.verb]))
        if not found:
            raise DataError(
                f"{stage.id}: ended without {MANIFESTS[stage.verb]}", f"see {folder / LOG}"
            )
        record = {
            "schema": SCHEMA,
            "key": stage.key,
            "verb": stage.verb,
            "label": stage.label,
            "command": words,
            "seconds": seconds,
            "bytes": size_of(folder / OUTPUT[stage.verb]),
            "facts": dict(stage.facts),
            **more,
            "outputs": {str(path.relative_to(folder)): sha256_file(path) for path in found},
        }
        write_json(folder / RECORD, record)
        self.unmark_dropped(stage.id)
        return record

    def fail(self, stage: Stage, failure: Mapping[str, Any]) -> None:
        """Remember how a stage ended."""
        write_json(self.folder(stage) / FAILED, dict(failure))


def size_of(folder: Path) -> int:
    """Bytes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def size_words(count: int) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
