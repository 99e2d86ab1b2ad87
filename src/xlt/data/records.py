"""What a data root yields: which files a set has, and the set itself once it is read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import sha256_bytes, sha256_file
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.examples import Bitext, Example, Question, Tagged

__all__ = [
    "DataSet",
    "FileSet",
    "Rows",
    "all_or_none",
    "file_digest",
    "is_row_number",
    "placeholder",
    "without_gold",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSet:
    """The files of one task, language and split.

    Attributes:
        paths: files to read, in the order in which their examples are joined.
        labels: a file beside them that holds the labels of a label-free test set.
        mixed: whether the files hold several languages; only rows of `lang` are taken.
        mapped: whether a user task's columns apply.
        parts: for sets that join several data sets (anli+), the name of each path's part.
    """

    task: str
    lang: str
    split: str
    paths: tuple[Path, ...]
    labels: Path | None = None
    mixed: bool = False
    mapped: bool = False
    parts: tuple[str, ...] = ()

    def digest(self) -> str:
        """SHA-256 over the bytes of every file of the set."""
        return file_digest((*self.paths, self.labels) if self.labels else self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a reader returns: examples (or one bitext) and remarks about what it did."""

    examples: tuple[Example, ...] = ()
    bitext: Bitext | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DataSet:
    """One task, language and split, read whole.

    Attributes:
        examples: in file order; empty for retrieval tasks.
        bitext: the two collections of a retrieval task; None otherwise.
        labelled: whether real labels are there. Placeholders are removed, never scored.
        paths: every file that was read, label files included.
        sha256: of those files' bytes (a part of a set has its own).
        notes: what a reader did or found: dropped rows, placeholders, where labels come from.
    """

    task: str
    lang: str
    split: str
    examples: tuple[Example, ...]
    bitext: Bitext | None = None
    labelled: bool
    paths: tuple[Path, ...]
    sha256: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        labels = "labelled" if self.labelled else "no labels"
        return f"DataSet({self.task} {self.split} {self.lang}, {len(self)} items, {labels})"

    def __len__(self) -> int:
        """Number of examples; of foreign sentences for retrieval."""
        return len(self.examples) if self.bitext is None else len(self.bitext.foreign)

    def part(self, name: str, keep: Iterable[Example], note: str = "") -> DataSet:
        """The set with only the examples `keep`; `name` tells its hash apart."""
        digest = sha256_bytes(f"{self.sha256} {name}".encode())
        notes = (*self.notes, note) if note else self.notes
        return dataclasses.replace(self, examples=tuple(keep), sha256=digest, notes=notes)


def file_digest(paths: Iterable[Path]) -> str:
    """SHA-256 of one file's bytes; of the files' digests, in order, when there are several."""
    digests = [sha256_file(path) for path in paths]
    return digests[0] if len(digests) == 1 else sha256_bytes("".join(digests).encode())


# class of an example -> the field of its gold part
GOLD_FIELDS = {kind.record: kind.gold_field for kind in KINDS.values() if kind.gold_field}


def _gold(example: Example) -> Any:
    field = GOLD_FIELDS.get(type(example))
    return getattr(example, field) if field else None


def without_gold(examples: Iterable[Example]) -> tuple[Example, ...]:
    """The same examples with their gold parts removed."""
    return tuple(
        dataclasses.replace(example, **{GOLD_FIELDS[type(example)]: None})  # type: ignore[arg-type]
        if type(example) in GOLD_FIELDS
        else example
        for example in examples
    )


def placeholder(examples: tuple[Example, ...]) -> bool:
    """Whether the labels carry nothing: two or more examples, all of them labelled alike.

    Preprocessed test files come with one constant label, one constant tag, or no answers or
    only empty ones; two questions with the same answer are nothing unusual.
    """
    if len(examples) < 2 or any(_gold(example) is None for example in examples):
        return False
    if isinstance(examples[0], Question):
        return not any(answer.text for example in examples for answer in _gold(example))
    seen: set[Any] = set()
    for example in examples:
        seen.update(example.tags or () if isinstance(example, Tagged) else [_gold(example)])
        if len(seen) > 1:
            return False
    return True


def all_or_none(
    examples: tuple[Example, ...], where: Callable[[int], str], what: str = "label"
) -> bool:
    """Whether the examples are labelled; a mixture is an error.

    Args:
        examples: of one set.
        what: the name of a label, for the message.
        where: names the place of the example with a number.

    Raises:
        DataError: some examples have a label and others have none.
    """
    missing = [index for index, example in enumerate(examples) if _gold(example) is None]
    if missing and len(missing) < len(examples):
        raise DataError(
            f"{where(missing[0])}: no {what}, while other rows have one "
            f"({len(missing)} of {len(examples)} have none)",
            "give every row one, or none",
        )
    return not missing


ROW_NUMBER = re.compile(r"\D{0,12}\d{0,7}(#\d+)?")


def is_row_number(name: str) -> bool:
    """Whether an id only counts rows (`17`, `test-s3`), so that equal ids mean nothing."""
    return ROW_NUMBER.fullmatch(name) is not None
