"""Where the files of a task lie in a data root: official downloads and the original archives.

A pattern is relative to the root. `{lang}`, `{iso}` (Tatoeba's code), `{iso3}` (ISO 639-3) and
`{split}` are filled in, `<a|b>` stands for one of several spellings, `*` matches within a name.
Every file may also be gzipped. Layouts are tried in order: those with labels first, since
XTREME's preprocessing strips the labels of its test files.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xlt.core.tasks.languages import Language
from xlt.data.usertask import UserTask

__all__ = [
    "LAYOUTS",
    "PARTS",
    "Layout",
    "cross_layout",
    "expand",
    "layouts_of",
    "matches",
    "user_layouts",
]

LANGUAGE_PLACES = ("{lang}", "{iso}", "{iso3}")
CHOICE = re.compile(r"<([^<>]*)>")
SAME = "train=train dev=dev test=test"
HELD_OUT = "dev=dev test=test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One way in which a task's files are stored.

    Attributes:
        patterns: all must be found; several are the sides of a bitext.
        names: `split=name` words, what `{split}` is called; other splits do not occur.
        english: the layout exists for English only.
        mixed: one file holds several languages.
        join: all matches belong together; otherwise the first match is the file.
        optional: the last pattern may be absent (the gold pairs of a bitext).
        mapped: the files have a user task's own columns.
    """

    patterns: tuple[str, ...]
    names: str = SAME
    english: bool = False
    mixed: bool = False
    join: bool = False
    optional: bool = False
    mapped: bool = False

    def name_of(self, split: str) -> str | None:
        """What this layout calls a split; None when it has no such split."""
        return dict(word.split("=") for word in self.names.split()).get(split)


def _one(pattern: str, names: str = SAME, **flags: bool) -> Layout:
    return Layout(patterns=(pattern,), names=names, **flags)


def _english(pattern: str, names: str = SAME) -> Layout:
    return Layout(patterns=(pattern,), names=names, english=True)


MLQA = "<mlqa/|><MLQA_V1/|><{{split}}/|>{{split}}-context-{{lang}}-question-{question}.json"
_ANLI = "<anli/anli_v0.1|anli/anli_v1.0|anli|anli_v0.1|anli_v1.0>"

# Data sets that tasks join (`Task.parts`), by the name of the part.
PARTS: dict[str, tuple[Layout, ...]] = {
    **{
        f"anli-r{k}": (
            _english(f"{_ANLI}/R{k}/{{split}}.jsonl"),
            _english(f"<anli/|><anli_annot_v0.2/|>ANLI_analysis_r{k}_{{split}}.csv"),
        )
        for k in (1, 2, 3)
    },
    "mnli": (
        _english(
            "<mnli/|multinli/|multi_nli/|><multinli_1.0/|>multinli_1.0_{split}.<jsonl|txt>",
            "train=train dev=dev_matched",
        ),
        _english(
            "<glue/|><MNLI|mnli>/{split}.tsv", "train=train dev=dev_matched test=test_matched"
        ),
        _english("<mnli|multinli>/{split}.<jsonl|tsv>"),
        _english("<xnli/|><XNLI-MT-1.0/|><multinli/|>multinli.train.en.tsv", "train=train"),
        _english("xnli/train-en.tsv", "train=train"),
    ),
    "snli": (
        _english("<snli/|><snli_1.0/|>snli_1.0_{split}.<jsonl|txt>"),
        _english("snli/{split}.<jsonl|tsv>"),
    ),
}

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "xnli": (
        _one("<xnli/|><XNLI-1.0/|>xnli.{split}.<tsv|jsonl>", HELD_OUT, mixed=True),
        _one("xnli/{split}-{lang}.<tsv|jsonl>"),
        _one("xnli/genre_labelled/{lang}.genre.{split}.tsv", HELD_OUT),
    ),
    "pawsx": (
        _one(
            "<pawsx/x-final|paws-x/x-final|x-final|pawsx|paws-x>/{lang}/{split}.tsv",
            "train=<train|translated_train> dev=dev_2k test=test_2k",
        ),
        _one("<pawsx|paws-x>/{split}-{lang}.<tsv|jsonl>"),
    ),
    "udpos": (
        _one("udpos/{lang}_*-ud-{split}.conllu", join=True),
        _one("<udpos/|><ud-treebanks-v*/|>UD_*/{lang}_*-ud-{split}.conllu", join=True),
        _one("udpos/<xtreme_format/|>{split}-{lang}.<tsv|jsonl>"),
    ),
    "panx": (
        _one("<panx|wikiann>/{lang}/{split}"),
        _one("<panx|wikiann>/{split}-{lang}.<tsv|jsonl>"),
    ),
    "xquad": (_one("<xquad/|>xquad.{lang}.json", "test=test"),),
    "mlqa": (_one(MLQA.format(question="{lang}"), HELD_OUT),),
    "tydiqa": (
        _one(
            "<tydiqa/|><tydiqa-goldp-v1.1-{split}/|>tydiqa<.goldp|>.{lang}.{split}.json",
            "train=train test=dev",
        ),
        _one("<tydiqa/|>tydiqa-goldp-v1.1-{split}.json", "train=train test=dev", mixed=True),
    ),
    "bucc2018": (
        Layout(
            patterns=tuple(
                f"<bucc2018/|bucc/><{{lang}}-en/|>{{lang}}-en.{{split}}.{side}"
                for side in ("{lang}", "en", "gold")
            ),
            names="dev=<dev|sample> test=<test|training>",
            optional=True,
        ),
    ),
    "tatoeba": (
        Layout(
            patterns=tuple(
                f"tatoeba/<v1/|>tatoeba.{{iso}}-eng.{side}" for side in ("{iso}", "eng")
            ),
            names="test=test",
        ),
        Layout(
            patterns=tuple(f"tatoeba/<tatoeba.|>{{lang}}-en.{side}" for side in ("{lang}", "en")),
            names="test=test",
        ),
    ),
    "mnli": PARTS["mnli"],
    "qqp": (_english("<glue/|><QQP|qqp>/{split}.<tsv|jsonl>"),),
    "squad": (_english("<squad/|>{split}-v1.1.json", "train=train dev=dev"),),
    "squad2": (_english("<squad2|squad_v2|squad>/{split}-v2.0.json", "train=train dev=dev"),),
    "hellaswag": (
        _english("hellaswag/<data/|>hellaswag_{split}.jsonl", "train=train dev=val test=test"),
        _english("hellaswag/{split}.jsonl", "train=train dev=<dev|val> test=test"),
    ),
    "ccg": (_english("<ccg|ccgbank>/<ccg.|>{split}.<tsv|txt>"),),
    "cosmosqa": (
        _english(
            "<cosmosqa|cosmos_qa>/<data/|>{split}.<csv|jsonl>",
            "train=train dev=<valid|dev> test=<test|test_no_label>",
        ),
    ),
    "csqa": (
        _english(
            "<commonsenseqa|commonsense_qa|csqa>/<data/|>{split}.jsonl",
            "train=train_rand_split dev=dev_rand_split test=test_rand_split<_no_answers|>",
        ),
        _english("<commonsenseqa|commonsense_qa|csqa>/{split}.jsonl"),
    ),
}

# Tasks whose questions also come in other languages than their contexts.
CROSS = {"mlqa": MLQA}


def cross_layout(task: str, question: str) -> Layout | None:
    """Where a task's contexts with questions of another language lie; None without such files."""
    return _one(CROSS[task].format(question=question), HELD_OUT) if task in CROSS else None


def layouts_of(task: str) -> tuple[Layout, ...]:
    """The layouts of a task; of a plain folder named after it when it has none of its own."""
    if task in LAYOUTS:
        return LAYOUTS[task]
    return (_one(f"{task}/{{split}}-{{lang}}.<jsonl|tsv|csv|json|conllu>"),)


def user_layouts(user: UserTask) -> tuple[Layout, ...]:
    """The file patterns of a task file: in the data root, else beside the task file.

    A pattern without `{lang}` holds the languages of its language column, else English.
    """
    found: list[Layout] = []
    for split, given in user.files.items():
        sides = (given,) if isinstance(given, str) else given
        named = any(place in sides[0] for place in LANGUAGE_PLACES)
        found.extend(
            Layout(
                patterns=patterns,
                names=f"{split}={split}",
                join=len(sides) == 1,
                mapped=bool(user.columns) and len(sides) == 1,
                mixed=not named and "language" in user.columns,
                english=not named and "language" not in user.columns,
            )
            for patterns in (tuple(sides), tuple(str(user.folder / side) for side in sides))
        )
    return tuple(found)


def expand(pattern: str) -> list[str]:
    """All spellings of a pattern: `a<b|c>` gives `ab` and `ac`."""
    pieces = CHOICE.split(pattern)
    options = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    return ["".join(chosen) for chosen in itertools.product(*options)]


def fill(layout: Layout, language: Language, split: str) -> list[tuple[str, ...]]:
    """The globs of a layout, one tuple a spelling, or none when the layout lacks the split."""
    name = layout.name_of(split)
    if name is None or (layout.english and language.code != "en"):
        return []
    if len(layout.patterns) > 1 and language.code == "en":  # it is the other side of a bitext
        return []
    values: Mapping[str, str] = {
        "lang": language.code,
        "iso": language.tatoeba,
        "iso3": language.iso639_3,
        "split": name,
    }
    spelled = [expand(pattern.format(**values)) for pattern in layout.patterns]
    most = max(map(len, spelled))
    # a side of one spelling goes with each of the other's
    return list(zip(*(one * most if len(one) == 1 else one for one in spelled), strict=True))


def matches(root: Path, glob: str, *, join: bool = False) -> list[Path]:
    """Files of a root that a glob names, plain or gzip, in the order of their names."""
    found: list[Path] = []
    if Path(glob).is_absolute():
        root, glob = Path("/"), str(Path(glob).relative_to("/"))
    for name in (glob, f"{glob}.gz"):
        if "*" in name:
            found.extend(path for path in root.glob(name) if path.is_file())
        elif (root / name).is_file():
            found.append(root / name)
        if found and not join:
            return sorted(found)[:1]
    plain: dict[str, Path] = {}
    for path in sorted(found, key=lambda path: (str(path).removesuffix(".gz"), path.suffix)):
        plain.setdefault(str(path).removesuffix(".gz"), path)
    return list(plain.values())
