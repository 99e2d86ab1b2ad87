"""What a stage reads from outside the store, as hashes: data files and base models.

Digests of files are kept beside the store's stages by path, size and time of change, so that a
root of gigabytes is read once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError
from xlt.core.files import read_json, sha256_file, sha256_json, write_json
from xlt.core.tasks.examples import Example
from xlt.core.tasks.languages import parse_langs
from xlt.core.tasks.table import TASKS, Task
from xlt.data.root import DataRoot

__all__ = [
    "WORLD_EXAMPLES",
    "WORLD_LANGS",
    "WORLD_SIZES",
    "Digests",
    "Source",
    "WorldSource",
    "model_identity",
]

DIGESTS = "digests.json"
WORLD_SIZES = ("tiny", "small", "medium")
# English training examples of the embedded benchmark by size; a test holds them against it.
WORLD_EXAMPLES = {
    "mnli": (150, 9000, 30000), "anli+": (390, 17400, 76000), "qqp": (80, 4000, 15000),
    "pawsx": (80, 16000, 24000), "udpos": (80, 3000, 6000), "panx": (80, 3000, 8000),
    "squad": (100, 10000, 30000), "tydiqa": (80, 4000, 10000), "squad2": (60, 4000, 15000),
    "hellaswag": (60, 3000, 10000), "ccg": (60, 2000, 6000), "cosmosqa": (60, 3000, 10000),
    "csqa": (60, 3000, 6000),
}  # fmt: skip
PLANTED_EXAMPLES = {"planted-nli-": (60, 8000, 12000), "planted-": (40, 16000, 24000)}
NO_EXAMPLES = (0, 0, 0)
WORLD_TESTS_ALONE = {"xquad", "tydiqa"}  # no dev sets outside English; a test holds them against it
WORLD_LANGS = ("en", "qaa", "qab", "qba", "qbb", "qca", "qcb")
GROUPS = ("all", "indo-european", "non-indo-european")
WEIGHTS = ("*.safetensors", "*.bin", "config.json", "tokenizer*.json", "spiece.model", "vocab.*")


class Digests:
    """What was found out about files, remembered beside a store's stages.

    Digests are known by path, size and time of change; notes by a key of the caller's.

    Args:
        store: where they are remembered; None: only while this object lives.
    """

    def __init__(self, store: Path | None) -> None:
        self._path = store / DIGESTS if store is not None else None
        self._known: dict[str, Any] = {}
        self._notes: dict[str, float] = {}
        if self._path is not None and self._path.is_file():
            with contextlib.suppress(DataError, KeyError, TypeError):
                seen = read_json(self._path)
                self._known, self._notes = dict(seen["files"]), dict(seen["notes"])
        self._new = False

    def of(self, path: Path) -> str:
        """Hex SHA-256 of one file."""
        path = path.resolve()
        state = path.stat()
        mark = [state.st_size, state.st_mtime_ns]
        found = self._known.get(str(path))
        if not found or found[:2] != mark:
            self._known[str(path)] = found = [*mark, sha256_file(path)]
            self._new = True
        return str(found[2])

    def note(self, key: str, find: Callable[[], float]) -> float:
        """A number that takes long to find and depends on nothing but the key."""
        if key not in self._notes:
            self._notes[key] = find()
            self._new = True
        return self._notes[key]

    def keep(self) -> None:
        """Write what is new."""
        if self._path is not None and self._new:
            write_json(self._path, {"files": self._known, "notes": self._notes})
            self._new = False


class Source:
    """A data root that the user has.

    Args:
        path: the folder.
        digests: of its files.
        task_files: task files that the study names.
        shipped: tasks whose files come with the package.
    """

    def __init__(
        self,
        path: Path,
        digests: Digests,
        task_files: Iterable[Path] = (),
        shipped: Iterable[str] = (),
    ) -> None:
        self.path = path
        files = [*(self._file(file) for file in task_files), *map(Path, shipped)]
        self.root = DataRoot(path, task_files=files)
        self._digests = digests
        self._found: dict[tuple[Any, ...], str] = {}
        self._tests: dict[tuple[str, str, str], list[Path]] = {}

    def task(self, name: str) -> Task:
        """The record of a task."""
        return self.root.tasks[name]

    def training(self, tasks: Iterable[str], translated: Iterable[str] = ()) -> str:
        """Hash of the English train and dev files of tasks, and of their translations."""
        names, langs = sorted(set(tasks)), sorted(set(translated))
        return self._hash(("train", *names, "", *langs), lambda: self._training(names, langs))

    def examples(self, name: str) -> tuple[Example, ...]:
        """The English training examples of a task; none where the root has no such file."""
        if self.root.find(self.root.tasks[name], "en", "train") is None:
            return ()
        return self.root.read(self.root.tasks[name], "en", "train").examples

    def count(self, name: str, file: str | None = None) -> int:
        """Number of a task's English training examples, or of those in a file in their place."""
        if file is None:
            key = f"examples:{name}:{self.training([name])}"
            return int(self._digests.note(key, lambda: len(self.examples(name))))
        place, task = self._file(Path(file)), self.root.tasks[name]
        key = f"examples:{name}:{self._digests.of(place)}"

        def read() -> int:
            return len(self.root.read(task, "en", "train", file=place).examples)

        return int(self._digests.note(key, read))

    def dev_elsewhere(self, name: str) -> bool:
        """Whether a task has dev sets in other languages than English."""
        return any(lang != "en" for lang in self.root.langs(self.root.tasks[name], "dev"))

    def selects(self, languages: str, name: str, split: str) -> bool:
        """Whether a selection names a language that a task has."""
        try:
            there = self.root.langs(self.root.tasks[name], split)
            return bool(parse_langs(languages, self.root.languages, there))
        except UsageError:
            return False

    def trains(self, name: str) -> bool:
        """Whether a task has English training examples, or needs none."""
        return self.root.tasks[name].kind == "mlm" or self.count(name) > 0

    def texts(self) -> str:
        """Hash of what tokenizers and masked LM read."""

        def files() -> list[Path]:
            found = [p for d in ("text", "parallel") for p in sorted((self.path / d).glob("*"))]
            trained = [name for name, task in self.root.tasks.items() if task.kind != "mlm"]
            return [p for p in found if p.is_file()] + self._training(sorted(trained), [])

        return self._hash(("texts",), files)

    def files(self, names: Iterable[str]) -> str:
        """Hash of files that a flag names."""
        names = list(names)
        return self._hash(("files", *names), lambda: [self._file(Path(name)) for name in names])

    def tests(self, tasks: Iterable[str], langs: str, split: str) -> str:
        """Hash of the files that are scored."""
        names = list(tasks)
        return self._hash(
            ("tests", *names, "", langs, split),
            lambda: [path for name in names for path in self._scored(name, langs, split)],
        )

    def test_bytes(self, task: str, langs: str, split: str) -> int:
        """Bytes of text in the files that are scored: about, by their sizes and formats."""
        return sum(_text_bytes(path) for path in self._scored(task, langs, split))

    def _scored(self, name: str, langs: str, split: str) -> list[Path]:
        """The files of one task, looked for once."""
        key = name, langs, split
        if key not in self._tests:
            task = self.root.tasks[name]
            there = self.root.langs(task, split)
            self._tests[key] = [
                path
                for lang in (parse_langs(langs, self.root.languages, there) if there else ())
                if (files := self.root.find(task, lang, split))
                for path in (*files.paths, *([files.labels] if files.labels else []))
            ]
        return self._tests[key]

    def place(self, name: str) -> str:
        """A path of a flag as a command needs it, relative to the root where it lies there."""
        found = self._file(Path(name))
        inside = found.is_relative_to(self.path.resolve())
        return f"{{data}}/{found.relative_to(self.path.resolve())}" if inside else str(found)

    def _file(self, path: Path) -> Path:
        """Relative to the data root where it lies there, else to the current folder.

        Raises:
            UsageError: it is in neither.
        """
        for found in (self.path / path, path):
            if found.is_file():
                return found.resolve()
        raise UsageError(f"{path}: no such file in {self.path} or here", "check the study file")

    def _training(self, names: list[str], langs: list[str]) -> list[Path]:
        found: list[Path] = []
        for name in names:
            for lang, split in (
                ("en", "train"),
                ("en", "dev"),
                *((x, "translated") for x in langs),
            ):
                files = self.root.find(self.root.tasks[name], lang, split)
                found += files.paths if files is not None else ()
        return found

    def _hash(self, key: tuple[Any, ...], files: Any) -> str:
        if key not in self._found:
            paths = dict.fromkeys(files())
            self._found[key] = sha256_json(
                [[self._name(path), path.stat().st_size, self._digests.of(path)] for path in paths]
            )
        return self._found[key]

    def _name(self, path: Path) -> str:
        try:
            return str(path.resolve().relative_to(self.path.resolve()))
        except ValueError:
            return path.name


def _text_bytes(path: Path) -> int:
    """About: three times a compressed file; a line of CoNLL-U is ten columns about one word."""
    size = path.stat().st_size * (3 if path.suffix == ".gz" else 1)
    return size // 10 if ".conllu" in path.suffixes else size


class WorldSource:
    """The embedded benchmark before it is built: the key of its stage says what is in it."""

    path = None

    def __init__(self, size: str) -> None:
        self._size = WORLD_SIZES.index(size)

    def task(self, name: str) -> Task:
        """The record of a task; one of a planted task file is of kind pair."""
        return TASKS.get(name) or Task(name=name, kind="pair", labels=("0", "1"), source=name)

    def training(self, tasks: Iterable[str], translated: Iterable[str] = ()) -> str:
        """Nothing: see the class."""
        return ""

    def examples(self, name: str) -> tuple[Example, ...]:
        """Nothing: see the class."""
        return ()

    def count(self, name: str, file: str | None = None) -> int:
        """As the benchmark's sizes have it."""
        planted = (n for start, n in PLANTED_EXAMPLES.items() if name.startswith(start))
        return (WORLD_EXAMPLES.get(name) or next(planted, NO_EXAMPLES))[self._size]

    def dev_elsewhere(self, name: str) -> bool:
        """As it is written; XQuAD's and TyDi QA's languages have test sets alone."""
        return name not in WORLD_TESTS_ALONE

    def selects(self, languages: str, name: str, split: str) -> bool:
        """By codes; families are in the world's own table."""
        words = languages.split(",")
        return any(":" in word or word in (*WORLD_LANGS, *GROUPS) or word[:1] == "-"
                   for word in words)  # fmt: skip

    def trains(self, name: str) -> bool:
        """It has training data of everything."""
        return True

    def texts(self) -> str:
        """Nothing: see the class."""
        return ""

    def files(self, names: Iterable[str]) -> str:
        """Nothing: see the class."""
        return ""

    def tests(self, tasks: Iterable[str], langs: str, split: str) -> str:
        """Nothing: see the class."""
        return ""

    def test_bytes(self, task: str, langs: str, split: str) -> int | None:
        """Not known before it is built."""
        return None

    def place(self, name: str) -> str:
        """A path below the world's folder."""
        return f"{{data}}/{name}"


def model_identity(name: str, digests: Digests) -> Any:
    """What a base model is: a hub id, or a hash of a folder's files."""
    path = Path(name).expanduser()
    if not path.is_dir():
        return {"hub": name}
    files = sorted(
        {file for glob in (*WEIGHTS, "encoder/*", "run.json") for file in path.glob(glob)}
    )
    return {"files": [[str(f.relative_to(path)), digests.of(f)] for f in files if f.is_file()]}
