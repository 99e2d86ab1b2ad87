"""A data root: a folder with the files of many tasks, found by their published names."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from xlt.core.errors import DataError, UsageError, did_you_mean
from xlt.core.tasks.languages import Language, load_languages
from xlt.core.tasks.table import TASKS, Task
from xlt.data.layouts import PARTS, Layout, cross_layout, fill, layouts_of, matches, user_layouts
from xlt.data.readers.labels import find_labels
from xlt.data.readers.reading import READERS, languages_inside, read_files
from xlt.data.readers.rows import bad_row, lines
from xlt.data.records import DataSet, FileSet
from xlt.data.usertask import UserTask

__all__ = ["SPLITS", "DataRoot"]

SPLITS = ("train", "dev", "test")
SHOWN_PATHS = 6
TRANSLATED = "translated"


class DataRoot:
    """A folder in XTREME's download layout, with the intermediate tasks' original files.

    Args:
        path: the folder. `tasks/*.yaml` in it are task files.
        task_files: more task files.
        carried: tasks that bundles bring along; a task file of the same name goes before.

    Attributes:
        tasks: every task by name, user tasks included.

    Raises:
        DataError: no such folder, or its `languages.json` is wrong.
        UsageError: mistakes in a task file.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        task_files: Iterable[Path] = (),
        carried: Iterable[UserTask] = (),
    ) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise DataError(
                f"data root {self.path} is not a folder",
                "give --data ROOT; `xlt world --out ROOT` makes one offline",
            )
        self.languages: dict[str, Language] = load_languages(self.path)
        self.user_tasks = {
            **{user.task.name: user for user in carried},
            **_user_tasks([*sorted(self.path.glob("tasks/*.yaml")), *task_files]),
        }
        self.tasks: dict[str, Task] = {
            **TASKS,
            **{name: user.task for name, user in self.user_tasks.items()},
        }
        self._inside: dict[Path, frozenset[str]] = {}

    def find(self, task: Task, lang: str, split: str) -> FileSet | None:
        """The files of a set, without reading them; None when there are none.

        Args:
            task: any task but mlm.
            lang: a code of `languages`.
            split: train, dev, test, or translated (`translated/<lang>/<task>/train.*`).
        """
        language = self._language(lang)
        _known_split(split)
        if split == TRANSLATED:
            found = sorted((self.path / TRANSLATED / lang / task.name).glob("train.*"))
            return _file_set(task, lang, split, found[:1]) if found else None
        if task.parts:
            if split == "test":  # the parts have their own
                return None
            return self._find_parts(task, language, split)
        for layout in self._layouts(task):
            files = self._find_layout(layout, task, language, split)
            if files is not None:
                labels = find_labels(self.path, task, lang) if split == "test" else None
                return dataclasses.replace(files, labels=labels)
        return None

    def crosses(self, task: Task) -> bool:
        """Whether a task's questions also come in other languages than their contexts (MLQA)."""
        return cross_layout(task.name, "en") is not None

    def cross(self, task: Task, split: str) -> dict[tuple[str, str], FileSet]:
        """(language of the context, of the question) -> the file, for pairs of two languages.

        Args:
            task: a task whose questions come in several languages (MLQA); others have no pairs.
            split: dev or test.
        """
        _known_split(split)
        found = {}
        for context, question in itertools.permutations(task.languages, 2):
            layout = cross_layout(task.name, question)
            if layout is not None and context in self.languages:
                files = self._find_layout(layout, task, self.languages[context], split)
                if files is not None:
                    found[context, question] = files
        return found

    def tried(self, task: Task, lang: str, split: str) -> list[str]:
        """The paths that `find` looks for, relative to the root, for messages."""
        language = self._language(lang)
        _known_split(split)
        if split == TRANSLATED:
            return [f"{TRANSLATED}/{lang}/{task.name}/train.*"]
        layouts = (
            [layout for part in task.parts for layout in PARTS[part]]
            if task.parts
            else self._layouts(task)
        )
        spellings = [fill(layout, language, split) for layout in layouts]
        by_rank = itertools.zip_longest(*spellings)  # the first spelling of every layout first
        return [globs[0] for rank in by_rank for globs in rank if globs is not None]

    def langs(self, task: Task, split: str) -> list[str]:
        """Codes of the languages that have files, the task's official order first."""
        codes = dict.fromkeys((*task.languages, *self.languages))
        return [
            code
            for code in codes
            if code in self.languages and self.find(task, code, split) is not None
        ]

    def read(self, task: Task, lang: str, split: str, *, file: Path | None = None) -> DataSet:
        """Read one set whole.

        Args:
            task: any task but mlm.
            lang: a code of `languages`.
            split: train, dev, test, or translated.
            file: read this file instead; its layout is recognised from name and content.

        Raises:
            DataError: no such files (the paths tried are named), or they are not what they say.
        """
        if file is not None:
            if task.kind not in READERS:
                raise UsageError(
                    f"task {task.name} cannot be read from one file",
                    "tasks of kind pair, choice, tag and span can",
                )
            if not file.is_file():
                raise DataError(f"{file}: no such file", "check the path")
            user = self.user_tasks.get(task.name)
            found: FileSet | None = dataclasses.replace(
                _file_set(task, lang, split, [file]), mapped=bool(user and user.columns)
            )
        else:
            found = self.find(task, lang, split)
        if found is None:
            raise self._missing(task, lang, split)
        return read_files(found, task, self.user_tasks.get(task.name))

    def text_langs(self) -> list[str]:
        """Languages with monolingual text, `text/<lang>.txt`."""
        return [code for code in self.languages if matches(self.path, f"text/{code}.txt")]

    def text(self, lang: str) -> Iterator[str]:
        """The lines of `text/<lang>.txt[.gz]` that are not blank."""
        found = matches(self.path, f"text/{lang}.txt")
        if not found:
            raise DataError(f"no text/{lang}.txt in {self.path}", "add it, plain or gzip")
        return (line.strip() for line in lines(found[0]) if line.strip())

    def parallel_langs(self) -> list[str]:
        """Languages with text parallel to English, `parallel/en-<lang>.tsv`."""
        return [code for code in self.languages if matches(self.path, f"parallel/en-{code}.tsv")]

    def parallel(self, lang: str) -> Iterator[tuple[str, str]]:
        """(English, lang) sentence pairs of `parallel/en-<lang>.tsv[.gz]`."""
        found = matches(self.path, f"parallel/en-{lang}.tsv")
        if not found:
            raise DataError(f"no parallel/en-{lang}.tsv in {self.path}", "add it, plain or gzip")
        return _pairs(found[0])

    def _language(self, lang: str) -> Language:
        if lang not in self.languages:
            raise UsageError(
                f"unknown language {lang!r}{did_you_mean(lang, self.languages)}",
                "`xlt langs` lists them; languages.json of the data root adds one",
            )
        return self.languages[lang]

    def _layouts(self, task: Task) -> tuple[Layout, ...]:
        """Where a task's files may lie; a user task's own patterns first."""
        user = self.user_tasks.get(task.name)
        own = user_layouts(user) if user else ()
        return (*own, *layouts_of(task.name))

    def _find_layout(
        self, layout: Layout, task: Task, language: Language, split: str
    ) -> FileSet | None:
        for globs in fill(layout, language, split):
            sides = [matches(self.path, glob, join=layout.join) for glob in globs]
            needed = sides[:-1] if layout.optional else sides
            if not all(needed):
                continue
            paths = [path for side in sides for path in side]
            if layout.mixed and language.code not in self._languages_inside(paths, task):
                continue
            files = _file_set(task, language.code, split, paths)
            return dataclasses.replace(files, mixed=layout.mixed, mapped=layout.mapped)
        return None

    def _find_parts(self, task: Task, language: Language, split: str) -> FileSet | None:
        """The parts of a task (of anli+: three rounds of ANLI, MNLI, SNLI) that the root has."""
        paths: list[Path] = []
        parts: list[str] = []
        for part in task.parts:
            for layout in PARTS[part]:
                files = self._find_layout(layout, task, language, split)
                if files is not None:
                    paths.extend(files.paths)
                    parts.extend([part] * len(files.paths))
                    break
        if not paths:
            return None
        files = _file_set(task, language.code, split, paths)
        return dataclasses.replace(files, parts=tuple(parts))

    def _languages_inside(self, paths: Sequence[Path], task: Task) -> frozenset[str]:
        """Languages of files that hold several; read once."""
        for path in paths:
            if path not in self._inside:
                user = self.user_tasks.get(task.name)
                self._inside[path] = languages_inside(path, task, user)
        return frozenset[str]().union(*(self._inside[path] for path in paths))

    def _missing(self, task: Task, lang: str, split: str) -> DataError:
        tried = self.tried(task, lang, split)
        if not tried:
            return DataError(
                f"{task.name} has no {split} split for {lang!r}",
                "see `xlt data check --data ROOT` for what is there",
            )
        shown = ", ".join(tried[:SHOWN_PATHS])
        if len(tried) > SHOWN_PATHS:
            shown += f" and {len(tried) - SHOWN_PATHS} other spellings (docs/data.md)"
        other = f"; or give --train-split {task.name}=FILE" if split == "train" else ""
        return DataError(
            f"no {split} split of task {task.name} for {lang!r} in {self.path}",
            f"tried {shown}, plain and .gz{other}",
        )


def _file_set(task: Task, lang: str, split: str, paths: Sequence[Path]) -> FileSet:
    return FileSet(task=task.name, lang=lang, split=split, paths=tuple(paths))


def _known_split(split: str) -> None:
    if split not in {*SPLITS, TRANSLATED}:
        raise UsageError(f"unknown split {split!r}{did_you_mean(split, SPLITS)}", "train dev test")


def _user_tasks(files: Sequence[Path]) -> dict[str, UserTask]:
    """The tasks of task files; pyyaml is needed only when there are any."""
    if not files:
        return {}
    from xlt.data.taskfile import load_task_files

    return load_task_files(files)


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines(path), start=1):
        fields = line.split("\t")
        if len(fields) != 2:
            raise bad_row(
                path, number, f"{len(fields)} columns, expected 2", "English TAB other language"
            )
        if all(field.strip() for field in fields):
            yield fields[0].strip(), fields[1].strip()
