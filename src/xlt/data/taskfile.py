"""Task files: a user's own task of a known kind, described in a small YAML file.

docs/data.md shows one. All mistakes are reported at once, with their lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError, did_you_mean
from xlt.core.extras import needs
from xlt.core.files import read_text
from xlt.core.kinds.table import KINDS, PROTOCOLS
from xlt.core.metrics.official import FORMATS
from xlt.core.metrics.table import metrics_of
from xlt.core.tasks.table import TASKS, XTREME, KindName, Task
from xlt.data.usertask import HubSource, UserTask

__all__ = ["load_task_file", "load_task_files", "load_tasks"]

SHIPPED = Path(__file__).with_name("shipped")
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
UNREADABLE = re.compile(r"[\x00\ud800-\udfff]")
LANG = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
USER_KINDS = tuple(name for name, kind in KINDS.items() if kind.columns)
SPLITS = ("train", "dev", "test")
FIELDS = (
    "name", "kind", "labels", "n_choices", "languages", "metric", "max_length", "null_answer",
    "suite", "files", "hub", "columns", "values",
)  # fmt: skip
HUB_FIELDS = ("name", "config", "splits")


def load_tasks(paths: Iterable[Path]) -> dict[str, Task]:
    """The task records of task files, by name."""
    return {name: user.task for name, user in load_task_files(paths).items()}


def load_task_files(paths: Iterable[Path]) -> dict[str, UserTask]:
    """The tasks of several files, by name.

    Raises:
        UsageError: mistakes in a file, or two files for one name.
    """
    tasks: dict[str, UserTask] = {}
    for path in dict.fromkeys(_found(Path(path)).resolve() for path in paths):
        user = load_task_file(path)
        if user.task.name in tasks:
            raise UsageError(f"{path}: task {user.task.name!r} is there twice", "rename one")
        tasks[user.task.name] = user
    return tasks


def _found(path: Path) -> Path:
    """The file itself; else, for a bare name, the one of that name that comes with xlt."""
    if path.exists() or path.parent != Path():
        return path
    ours = SHIPPED / f"{path.name.removesuffix('.yaml')}.yaml"
    return ours if ours.is_file() else path


def load_task_file(path: Path) -> UserTask:
    """Read one task file.

    Raises:
        DataError: no such file.
        UsageError: mistakes in it, all at once, each with its line.
        MissingExtra: pyyaml is not installed.
    """
    with needs("train", "to read task files"):
        import yaml
    text = read_text(path, DataError)
    try:
        value = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise UsageError(
            f"{path}: {place}not valid YAML ({problem})", "see docs/data.md"
        ) from error
    for line, text in _scalars(node):
        if UNREADABLE.search(text):
            raise UsageError(
                f"{path}: line {line}: {text!r} has half of a surrogate pair, or NUL",
                "write the whole character: YAML's \\U0001F600, or the character itself",
            )
    if not isinstance(value, dict):
        raise UsageError(f"{path}: a mapping is needed, this is {type(value).__name__}", HINT)
    checker = Checker(value, _line_numbers(node))
    user = checker.task(path.resolve().parent)
    if checker.mistakes or user is None:
        mistakes = [f"{path}: {mistake}" for mistake in checker.mistakes]
        raise UsageError.all_of(mistakes, HINT)
    return user


HINT = "fields: " + ", ".join(FIELDS) + "; docs/data.md has examples"


def _scalars(node: Any) -> Iterator[tuple[int, str]]:
    """(1-based line, text) of every key and value that holds no others."""
    if type(node).__name__ == "ScalarNode":
        yield node.start_mark.line + 1, node.value
    for inner in node.value if type(node).__name__ in {"MappingNode", "SequenceNode"} else ():
        for one in inner if isinstance(inner, tuple) else (inner,):
            yield from _scalars(one)


def _line_numbers(node: Any, prefix: str = "") -> dict[str, int]:
    """The 1-based line of every key: `kind`, `files.train` ..."""
    found: dict[str, int] = {}
    if type(node).__name__ == "MappingNode":
        for key, value in node.value:
            name = f"{prefix}{key.value}"
            found[name] = key.start_mark.line + 1
            found.update(_line_numbers(value, f"{name}."))
    return found


class Checker:
    """Reads one parsed file and notes every mistake with its line."""

    def __init__(self, value: Mapping[Any, Any], lines: Mapping[str, int]) -> None:
        self.value = value
        self.lines = lines
        self.mistakes: list[str] = []

    def wrong(self, field: str, text: str) -> None:
        """Note a mistake about a field."""
        line = self.lines.get(field)
        self.mistakes.append(f"line {line}: {text}" if line else text)

    def task(self, folder: Path) -> UserTask | None:
        """The record; None, or an incomplete one, when there are mistakes."""
        self._unknown(self.value, FIELDS, "")
        kind = self.value.get("kind")
        if kind not in USER_KINDS:
            near = did_you_mean(str(kind), USER_KINDS)
            self.wrong("kind", f"kind is {kind!r}{near} known: {', '.join(USER_KINDS)}")
            return None
        name = self.value.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.wrong("name", f"name is {name!r}: small letters, digits, - . _ are needed")
        elif name in TASKS:
            self.wrong("name", f"name {name!r} is an official task, choose another")
        files = self._files(vectors=KINDS[kind].vectors)
        hub = self._hub()
        if not files and hub is None:
            self.wrong("files", "neither `files` nor `hub`: say where the data are")
        columns = self._columns(kind)
        two_sided = files and all(isinstance(pattern, tuple) for pattern in files.values())
        if KINDS[kind].vectors and not columns and not two_sided:
            needed = ", ".join(KINDS[kind].required)
            self.wrong("columns", f"kind {kind} needs columns: {needed}; or two files a split")
        user = UserTask(
            task=self._record(str(name), kind),
            folder=folder,
            files=files,
            hub=hub,
            columns=columns,
            values=self._values(),
        )
        known = user.task.labels
        for value, label in user.values.items():
            if known and label not in known:
                self.wrong(f"values.{value}", f"value {value!r} is mapped to {label!r}, no label")
        return user

    def _record(self, name: str, kind: KindName) -> Task:
        row = PROTOCOLS["search"] if KINDS[kind].vectors else KINDS[kind]
        labels = self._list("labels")
        if len(labels) < row.least_labels:
            self.wrong("labels", f"kind {kind} needs two or more labels")
        if labels and not row.classes:
            self.wrong("labels", f"kind {kind} has no labels")
        if len(set(labels)) < len(labels):
            self.wrong("labels", "a label is there twice")
        n_choices = self._number("n_choices", 0)
        varies = n_choices == 0 and "n_choices" in self.value
        if row.choices and n_choices < 2 and not varies:
            self.wrong("n_choices", f"kind {kind} needs n_choices, 2 or more, or 0 where they vary")
        if not row.choices and n_choices:
            self.wrong("n_choices", f"kind {kind} has no n_choices")
        null_answer = self.value.get("null_answer", False)
        if not isinstance(null_answer, bool) or (null_answer and not row.null_answer):
            self.wrong("null_answer", f"null_answer is {null_answer!r}: true is for kind span")
        metric = self.value.get("metric", "squad2" if null_answer else row.metric)
        metrics = metrics_of(row.form)
        if metric not in metrics:
            near, known = did_you_mean(str(metric), metrics), ", ".join(metrics)
            self.wrong("metric", f"metric is {metric!r}{near} known for {kind}: {known}")
        languages = self._list("languages") or ("en",)
        for code in languages:
            if not LANG.fullmatch(code):
                self.wrong("languages", f"language {code!r} is not a code like 'sw'")
        return Task(
            name=name,
            kind=kind,
            protocol=row.protocol,
            role="user",
            suite=self._suite(),
            languages=languages,
            labels=labels,
            metric=str(metric),
            source=None if row.untrained else name,
            extension=FORMATS[row.form].extension,
            max_length=self._number("max_length", row.max_length),
            n_choices=n_choices,
            null_answer=bool(null_answer),
        )

    def _suite(self) -> str | None:
        value = self.value.get("suite")
        if value is None or (isinstance(value, str) and value and value != XTREME):
            return value
        self.wrong("suite", f"suite is {value!r}: a name of your own is needed, not {XTREME}")
        return None

    def _unknown(self, value: Mapping[Any, Any], known: Iterable[str], prefix: str) -> None:
        for name in value:
            if name not in known:
                near = did_you_mean(str(name), known)
                self.wrong(f"{prefix}{name}", f"unknown field {prefix}{name}{near}")

    def _mapping(self, field: str) -> Mapping[Any, Any]:
        value = self.value.get(field)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong(field, f"{field} is {value!r}, a mapping is needed")
            return {}
        return value

    def _files(self, *, vectors: bool) -> dict[str, str | tuple[str, ...]]:
        """Patterns by split; for kinds of vectors also [foreign, English], aligned by line."""
        if self.value.get("files") is None:
            return {}
        value = self._mapping("files")
        pairs = {
            str(split): tuple(given)
            for split, given in value.items()
            if vectors
            and isinstance(given, list)
            and len(given) == 2
            and all(isinstance(side, str) and side for side in given)
        }
        self.value = {**self.value, "files": {k: v for k, v in value.items() if k not in pairs}}
        for split in pairs:
            if split not in SPLITS:
                self.wrong(f"files.{split}", f"unknown field files.{split}")
        return {**self._texts("files", SPLITS), **pairs}

    def _texts(self, field: str, known: Iterable[str]) -> dict[str, str]:
        """A mapping from known names to texts."""
        value = self._mapping(field)
        self._unknown(value, known, f"{field}.")
        for name, text in value.items():
            if not isinstance(text, str) or not text:
                self.wrong(f"{field}.{name}", f"{field}.{name} is {text!r}, a text is needed")
        return {str(name): text for name, text in value.items() if isinstance(text, str)}

    def _list(self, field: str) -> tuple[str, ...]:
        value = self.value.get(field, [])
        if not isinstance(value, list):
            self.wrong(field, f"{field} is {value!r}, a list is needed")
            return ()
        # YAML reads bare `no` and `1` as a truth value and a number
        for item in value:
            if isinstance(item, bool) or not isinstance(item, str | int):
                self.wrong(field, f"{field} has {item!r}, a text is needed: put quotes around it")
        return tuple(str(item) for item in value)

    def _number(self, field: str, default: int) -> int:
        value = self.value.get(field, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.wrong(field, f"{field} is {value!r}, a whole number is needed")
            return default
        return value

    def _hub(self) -> HubSource | None:
        value = self.value.get("hub")
        if value is None:
            return None
        if not isinstance(value, dict):
            self.wrong("hub", f"hub is {value!r}, a mapping is needed")
            return None
        self._unknown(value, HUB_FIELDS, "hub.")
        name, config = value.get("name"), value.get("config", "default")
        if not isinstance(name, str) or name.count("/") > 1:
            self.wrong("hub.name", f"hub.name is {name!r}, a data set like org/name is needed")
        if not isinstance(config, str):
            self.wrong("hub.config", f"hub.config is {config!r}, a text is needed")
        splits = value.get("splits", {name: name for name in SPLITS})
        if not isinstance(splits, dict) or not set(splits) <= set(SPLITS):
            self.wrong("hub.splits", "hub.splits maps train, dev, test to the data set's names")
            splits = {}
        return HubSource(
            name=str(name),
            config=str(config),
            splits={ours: str(theirs) for ours, theirs in splits.items()},
        )

    def _columns(self, kind: KindName) -> dict[str, str | tuple[str, ...]]:
        value = self._mapping("columns")
        self._unknown(value, KINDS[kind].columns, "columns.")
        if value:
            for name in KINDS[kind].required:
                if name not in value:
                    self.wrong("columns", f"columns lacks {name}, which kind {kind} needs")
        columns: dict[str, str | tuple[str, ...]] = {}
        for name, column in value.items():
            several = name in {"prompt", "choices", "text_a", "text_b"}
            if isinstance(column, str):
                columns[str(name)] = column
            elif several and isinstance(column, list) and all(isinstance(c, str) for c in column):
                columns[str(name)] = tuple(column)
            else:
                what = "a column or a list of columns" if several else "a column"
                self.wrong(f"columns.{name}", f"columns.{name} is {column!r}, {what} is needed")
        return columns

    def _values(self) -> dict[str, str]:
        return {str(value): str(label) for value, label in self._mapping("values").items()}
