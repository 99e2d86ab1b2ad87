"""`xlt data fetch`: the hub's copies of the data sets, written once into a data root.

Configs and columns are those of google/xtreme's parquet files and of the intermediate tasks' own
repositories. A file is written whole, then recorded in `fetched.json` with its hash; what is
recorded and intact is not fetched again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xlt.core.artifacts.hub import prepare_hub
from xlt.core.errors import DataError, PartlyDone, UsageError
from xlt.core.extras import needs
from xlt.core.files import (
    read_json,
    sha256_bytes,
    sha256_file,
    write_atomic,
    write_error,
    write_json,
)
from xlt.core.show import terminal as show
from xlt.core.tasks.languages import parse_langs
from xlt.core.tasks.table import INTERMEDIATE, TARGETS, Task, parse_tasks
from xlt.data.check import FETCHED
from xlt.data.hub.sets import units_of
from xlt.data.hub.unit import Unit
from xlt.data.root import DataRoot

__all__ = ["Fetched", "fetch"]

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One file of the data root that came from the hub; `fresh` when this call wrote it."""

    path: str
    task: str
    rows: int
    sha256: str
    fresh: bool

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)


def fetch(
    path: Path,
    *,
    tasks: str = "all",
    langs: str = "all",
    task_files: Sequence[Path] = (),
    hub: str | None = None,
    force: bool = False,
) -> list[Fetched]:
    """Fetch the data of tasks and languages into the data root `path`, which may be new.

    Args:
        path: the data root.
        tasks: comma list; the source that trains a target comes with it.
        langs: a `--langs` value.
        task_files: files of user tasks with a `hub` part.
        hub: a folder `<org>/<name>/<config>/<split>-*.parquet`, or a mirror's URL.
        force: fetch again what is there.

    Returns:
        Every file of the chosen tasks, in order.

    Raises:
        UsageError: unknown names, or a task that is not on the hub.
        DataError: nothing could be fetched.
        PartlyDone: some sets failed; the others are written and kept.
        MissingExtra: `datasets` is not installed.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error
    root = DataRoot(path, task_files=task_files)
    user = {name: one.task for name, one in root.user_tasks.items()}
    every = [name for name in (*TARGETS, *INTERMEDIATE) if name != "ccg"]
    chosen = _with_sources(parse_tasks(tasks, all_means=[*every, *user], extra=user), root)
    codes = set(parse_langs(langs, root.languages, root.languages))
    units = units_of(chosen, root, codes)
    absent = {task.name for task in chosen} - {name for unit in units for name in unit.tasks}
    if absent and tasks != "all":
        names = ", ".join(sorted(absent))
        raise UsageError(
            f"not on the hub, or not in these languages: {names}",
            "CCGbank is licensed: convert your own copy; docs/data.md shows the layouts",
        )
    manifest = _manifest(path)
    found: list[Fetched] = []
    failures: list[str] = []
    there = [None if force else _kept(path, unit, manifest) for unit in units]
    n_kept = sum(kept is not None for kept in there)
    offline = _why_offline(hub) if n_kept < len(units) else ""
    with show.progress("fetch", len(units), "sets", done=n_kept) as tick:
        for unit, kept in zip(units, there, strict=True):
            if kept is not None:
                found += kept
                continue
            try:
                found += _write(path, unit, hub, manifest)
            except DataError as error:
                if offline:
                    raise DataError(
                        f"{unit}: not in the hub's cache, and {offline}",
                        "check the network, or give --hub DIR|URL; what was fetched is kept",
                    ) from error
                failures.append(error.message)
                show.note(f"failed: {error.message}")
            tick(1)
    if failures and not found:
        raise DataError(
            f"nothing could be fetched; first: {failures[0]}",
            "check the network, or give --hub DIR|URL",
        )
    if failures:
        raise PartlyDone(
            f"{len(failures)} of {len(units)} sets failed, first: {failures[0]}",
            "run the same command again; finished files are kept",
        )
    return found


def _with_sources(tasks: Sequence[Task], root: DataRoot) -> list[Task]:
    names = dict.fromkeys(
        name for task in tasks for name in (task.name, task.source) if name is not None
    )
    return [root.tasks[name] for name in names]


def _manifest(path: Path) -> dict[str, Any]:
    file = path / FETCHED
    if not file.is_file():
        return {"schema": SCHEMA, "files": {}}
    manifest = read_json(file)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise DataError(f"{file}: not a list of fetched files", "remove it to fetch again")
    return manifest


def _kept(path: Path, unit: Unit, manifest: Mapping[str, Any]) -> list[Fetched] | None:
    """The files of a unit when all of them are recorded and intact."""
    files = []
    for name in unit.files:
        record = manifest["files"].get(name)
        if record is None or not (path / name).is_file():
            return None
        if sha256_file(path / name) != record["sha256"]:
            return None
        files.append(
            Fetched(
                path=name,
                task=record["task"],
                rows=record["rows"],
                sha256=record["sha256"],
                fresh=False,
            )
        )
    return files


def _write(path: Path, unit: Unit, hub: str | None, manifest: dict[str, Any]) -> list[Fetched]:
    """Fetch one unit, write its files, record them."""
    lines: dict[str, list[str]] = {name: [] for name in unit.files}
    try:
        for row in _rows(unit, hub):
            for name, line in unit.convert(row):
                if name in lines:
                    lines[name].append(line)
    except KeyError as error:
        raise DataError(f"{unit}: no column {error}", "the hub's copy has changed") from error
    empty = [name for name, found in lines.items() if not found]
    if empty:
        raise DataError(f"{unit}: no rows for {empty[0]}", "see the data set's page on the hub")
    fetched = []
    for name, found in lines.items():
        content = _content(name, found)
        write_atomic(path / name, content)
        record = {
            "task": unit.tasks[0],
            "rows": len(found),
            "sha256": sha256_bytes(content.encode()),
            "dataset": unit.dataset,
            "config": unit.config,
            "split": unit.split,
        }
        manifest["files"][name] = record
        fetched.append(
            Fetched(
                path=name,
                task=unit.tasks[0],
                rows=len(found),
                sha256=str(record["sha256"]),
                fresh=True,
            )
        )
    write_json(path / FETCHED, manifest)
    return fetched


def _content(name: str, lines: Iterable[str]) -> str:
    """The text of a file: rows under `data` for .json, else one line each."""
    if name.endswith(".json"):
        return '{"data": [\n' + ",\n".join(lines) + "\n]}\n"
    return "\n".join(lines) + "\n"


def _rows(unit: Unit, hub: str | None) -> Iterator[dict[str, Any]]:
    """The rows of one hub split, class labels by name where the data set names them."""
    with needs("data", "to fetch data sets"):
        import datasets
        from datasets.exceptions import DatasetsError
    try:
        if hub is not None and not _is_address(hub):
            folder = Path(hub) / unit.dataset / unit.config
            files = sorted(str(file) for file in folder.glob(f"{unit.split}-*.parquet"))
            if not files:
                raise DataError(
                    f"no {folder}/{unit.split}-*.parquet", "check --hub and the data set's configs"
                )
            rows = datasets.load_dataset(
                "parquet", data_files={"rows": files}, split="rows", streaming=True
            )
        else:
            rows = datasets.load_dataset(unit.dataset, unit.config, split=unit.split)
        names = {column: _class_names(kind) for column, kind in (rows.features or {}).items()}
        for row in rows:
            yield {column: _by_name(value, names.get(column)) for column, value in row.items()}
    except (OSError, ValueError, DatasetsError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{unit}: {reason}", "run again to continue") from error


def _is_address(hub: str) -> bool:
    return hub.startswith(("http://", "https://"))


def _why_offline(hub: str | None) -> str:
    """Why the hub, or the mirror, cannot be reached; "" when it can, or a folder stands for it."""
    if hub is not None and not _is_address(hub):
        return ""
    if hub is not None:
        os.environ["HF_ENDPOINT"] = hub.rstrip("/")
    return prepare_hub()


def _class_names(kind: Any) -> list[str] | None:
    """The names of a ClassLabel column, or of a list of them."""
    kind = getattr(kind, "feature", kind)
    return getattr(kind, "names", None)


def _by_name(value: Any, names: Sequence[str] | None) -> Any:
    if names is None:
        return value
    if isinstance(value, list):
        return [_by_name(item, names) for item in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
