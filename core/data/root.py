"""A data root: a folder with the files of many tasks, found by their published names."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from xlt.data.choices import read_choices
from xlt.data.labels import find_labels, with_labels
from xlt.data.layouts import PARTS, Layout, fill, layouts_of, matches
from xlt.data.pairs import read_pairs, row_languages
from xlt.data.records import (
    DataSet,
    FileSet,
    Rows,
    all_or_none,
    placeholder,
    without_gold,
)
from xlt.data.retrieval import read_bucc, read_tatoeba
from xlt.data.rows import bad_row, lines
from xlt.data.spans import read_spans, span_languages
from xlt.data.tags import read_tags
from xlt.errors import DataError, UsageError, did_you_mean
from xlt.examples import Example
from xlt.languages import Language, load_languages
from xlt.tasks import Task

__all__ = ["SPLITS", "DataRoot"]

SPLITS = ("train", "dev", "test")
SHOWN_PATHS = 6
TRANSLATED = "translated"
READERS = {"pair": read_pairs, "choice": read_choices, "tag": read_tags, "span": read_spans}


class DataRoot:
    """A folder in XTREME's download layout, with the intermediate tasks' original files.

    Args:
        path: the folder.

    Raises:
        DataError: no such folder, or its `languages.json` is wrong.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise DataError(
                f"data root {self.path} is no folder",
                "give --data ROOT; `xlt world --out ROOT` makes one offline",
            )
        self.languages: dict[str, Language] = load_languages(self.path)
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
        if task.name == "anli+":
            if split == "test":
                return None
            return self._find_parts(task, language, split)
        for layout in layouts_of(task.name):
            files = self._find_layout(layout, task, language, split)
            if files is not None:
                labels = find_labels(self.path, task, lang) if split == "test" else None
                return dataclasses.replace(files, labels=labels)
        return None

    def tried(self, task: Task, lang: str, split: str) -> list[str]:
        """The paths that `find` looks for, relative to the root, for messages."""
        language = self._language(lang)
        _known_split(split)
        if split == TRANSLATED:
            return [f"{TRANSLATED}/{lang}/{task.name}/train.*"]
        layouts = (
            [layout for part in PARTS.values() for layout in part]
            if task.name == "anli+"
            else layouts_of(task.name)
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
            found: FileSet | None = _file_set(task, lang, split, [file])
        else:
            found = self.find(task, lang, split)
        if found is None:
            raise self._missing(task, lang, split)
        rows = self._rows(found, task)
        if found.labels is not None and not _labelled(rows, split):
            rows = with_labels(rows, found, found.labels, task)
        elif found.labels is not None:
            found = dataclasses.replace(found, labels=None)
        notes = rows.notes
        labelled = _labelled(rows, split)
        examples = rows.examples
        if split == "test" and not labelled:
            constant = rows.bitext is None and all_or_none(examples, str)
            why = "only placeholder labels" if constant else "no labels"
            notes = (*notes, f"{why}: the test set can be predicted, not scored")
            examples = without_gold(examples)
        return DataSet(
            task=task.name,
            lang=lang,
            split=split,
            examples=examples,
            bitext=rows.bitext,
            labelled=labelled,
            paths=(*found.paths, found.labels) if found.labels else found.paths,
            sha256=found.digest(),
            notes=notes,
        )

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

    def _find_layout(
        self, layout: Layout, task: Task, language: Language, split: str
    ) -> FileSet | None:
        for globs in fill(layout, language, split):
            sides = [matches(self.path, glob, join=layout.join) for glob in globs]
            needed = sides[:-1] if layout.optional else sides
            if not all(needed):
                continue
            paths = [path for side in sides for path in side]
            if layout.mixed and language.code not in self._languages_inside(paths[0], task):
                continue
            files = _file_set(task, language.code, split, paths)
            return dataclasses.replace(files, mixed=layout.mixed)
        return None

    def _find_parts(self, task: Task, language: Language, split: str) -> FileSet | None:
        """anli+: the parts (three rounds of ANLI, MNLI, SNLI) that the root has."""
        paths: list[Path] = []
        parts: list[str] = []
        for part, layouts in PARTS.items():
            for layout in layouts:
                files = self._find_layout(layout, task, language, split)
                if files is not None:
                    paths.extend(files.paths)
                    parts.extend([part] * len(files.paths))
                    break
        if not paths:
            return None
        files = _file_set(task, language.code, split, paths)
        return dataclasses.replace(files, parts=tuple(parts))

    def _languages_inside(self, path: Path, task: Task) -> frozenset[str]:
        """Languages of a file that holds several; read once."""
        if path not in self._inside:
            self._inside[path] = languages_inside(path, task)
        return self._inside[path]

    def _rows(self, files: FileSet, task: Task) -> Rows:
        if task.kind == "embed":
            return _bitext_rows(files, task)
        if task.kind not in READERS:
            raise UsageError(
                f"task {task.name} has no data files", "its text comes from text/ and parallel/"
            )
        read = READERS[task.kind]
        if len(files.paths) == 1 and not files.parts:
            return read(files.paths[0], task, files.lang)
        examples: list[Example] = []
        notes: list[str] = []
        names = files.parts or tuple(path.name for path in files.paths)
        for name, path in zip(names, files.paths, strict=True):
            rows = read(path, task, files.lang)
            notes.extend(rows.notes)
            examples.extend(
                dataclasses.replace(one, id=f"{name}:{one.id}") if files.parts else one
                for one in rows.examples
            )
        if files.parts:
            absent = [part for part in PARTS if part not in files.parts]
            notes.append("joined: " + ", ".join(files.parts))
            if absent:
                notes.append("absent: " + ", ".join(absent))
        all_or_none(tuple(examples), lambda index: f"example {examples[index].id}")
        return Rows(examples=tuple(examples), notes=tuple(notes))

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


def languages_inside(path: Path, task: Task) -> frozenset[str]:
    """Which languages the rows of one file hold (a language column, or TyDiQA's ids)."""
    return span_languages(path) if task.kind == "span" else row_languages(path)


def _file_set(task: Task, lang: str, split: str, paths: Sequence[Path]) -> FileSet:
    return FileSet(task=task.name, lang=lang, split=split, paths=tuple(paths))


def _known_split(split: str) -> None:
    if split not in {*SPLITS, TRANSLATED}:
        raise UsageError(f"unknown split {split!r}{did_you_mean(split, SPLITS)}", "train dev test")


def _bitext_rows(files: FileSet, task: Task) -> Rows:
    if task.metric == "bucc":
        gold = files.paths[2] if len(files.paths) > 2 else None
        return read_bucc(files.paths[0], files.paths[1], gold)
    return read_tatoeba(files.paths[0], files.paths[1])


def _labelled(rows: Rows, split: str) -> bool:
    """Whether there are labels; in a test set, labels that mean something."""
    if rows.bitext is not None:
        return rows.bitext.gold is not None
    if not all_or_none(rows.examples, str):
        return False
    return split != "test" or not placeholder(rows.examples)


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines(path), start=1):
        fields = line.split("\t")
        if len(fields) != 2:
            raise bad_row(
                path, number, f"{len(fields)} columns, expected 2", "English TAB other language"
            )
        if all(field.strip() for field in fields):
            yield fields[0].strip(), fields[1].strip()
