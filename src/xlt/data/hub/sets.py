"""Which hub data sets make up each task, and how their rows become files of a data root."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xlt.core.tasks.languages import Language
from xlt.core.tasks.table import UPOS, Task
from xlt.data.hub.english import english_units
from xlt.data.hub.unit import SPLITS, XTREME, Record, Unit, clean, dump, question, unit_of_rows
from xlt.data.readers.columns import map_row
from xlt.data.readers.rows import Row
from xlt.data.readers.spans import TYDIQA_NAMES
from xlt.data.root import DataRoot
from xlt.data.usertask import UserTask

__all__ = ["units_of"]

PANX_TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
NO_DEV = frozenset({"kk", "th", "tl", "yo"})


def units_of(tasks: Sequence[Task], root: DataRoot, codes: set[str]) -> list[Unit]:
    """Everything to fetch for tasks and languages; each hub split once."""
    found: dict[tuple[str, str, str], Unit] = {}
    for task in tasks:
        languages = [root.languages[code] for code in task.languages if code in codes]
        user = root.user_tasks.get(task.name)
        if user is not None:
            units = list(_user(user, languages))
        elif task.role == "target":
            units = list(TARGET_SETS[task.name](task, languages))
        else:
            # English, whatever the languages: this is what trains
            units = list(english_units(task.name))
        for unit in units:
            key = (unit.dataset, unit.config, unit.split)
            known = found.get(key)
            names = (*known.tasks, *unit.tasks) if known else unit.tasks
            found[key] = Unit(
                tasks=tuple(dict.fromkeys(names)),
                dataset=unit.dataset,
                config=unit.config,
                split=unit.split,
                files=unit.files,
                convert=unit.convert,
            )
    return list(found.values())


def _xnli(task: Task, languages: Sequence[Language]) -> Iterator[Unit]:
    for split in ("dev", "test"):

        def convert(row: Mapping[str, Any], split: str = split) -> Iterator[tuple[str, str]]:
            yield (
                f"xnli/{split}-{row['language']}.jsonl",
                dump(
                    sentence1=row["sentence1"],
                    sentence2=row["sentence2"],
                    gold_label=row["gold_label"],
                ),
            )

        files = tuple(f"xnli/{split}-{lang.code}.jsonl" for lang in languages)
        if files:
            yield Unit(
                tasks=("xnli",),
                dataset=XTREME,
                config="XNLI",
                split=SPLITS[split],
                files=files,
                convert=convert,
            )


def _splits(lang: Language, *, dev: bool = True) -> tuple[str, ...]:
    """English has a train split to learn from, the others are only evaluated on."""
    return (*(("train",) if lang.code == "en" else ()), *(("dev",) if dev else ()), "test")


def _pawsx(task: Task, languages: Sequence[Language]) -> Iterator[Unit]:
    def record(row: Mapping[str, Any]) -> dict[str, Any]:
        return {key: row[key] for key in ("sentence1", "sentence2", "label")}

    for lang in languages:
        for split in _splits(lang):
            path = f"pawsx/{split}-{lang.code}.jsonl"
            yield unit_of_rows("pawsx", f"PAWS-X.{lang.code}", split, path, record)


def _tagged(column: str, names: Sequence[str]) -> Record:
    def record(row: Mapping[str, Any]) -> dict[str, Any]:
        tags = [names[tag] if isinstance(tag, int) else tag for tag in row[column]]
        return {"tokens": row["tokens"], "tags": tags}

    return record


def _udpos(task: Task, languages: Sequence[Language]) -> Iterator[Unit]:
    for lang in languages:
        for split in _splits(lang, dev=lang.code not in NO_DEV):
            path = f"udpos/{split}-{lang.code}.jsonl"
            yield unit_of_rows(
                "udpos", f"udpos.{lang.name}", split, path, _tagged("pos_tags", UPOS)
            )


def _panx(task: Task, languages: Sequence[Language]) -> Iterator[Unit]:
    for lang in languages:
        for split in _splits(lang):
            path = f"panx/{split}-{lang.code}.jsonl"
            yield unit_of_rows(
                "panx", f"PAN-X.{lang.code}", split, path, _tagged("ner_tags", PANX_TAGS)
            )


def _xquad(task: Task, languages: Sequence[Language]) -> Iterator[Unit]:
    for lang in languages:
        path = f"xquad/xquad.{lang.code}.json"
        yield unit_of_rows("xquad", f"XQuAD.{lang.code}", "dev", path, question)


def _mlqa(task: Task, languages: Sequence[Language]) -> Iterator[Unit]:
    for lang in languages:
        for split in ("dev", "test"):
            code = lang.code
            path = f"mlqa/MLQA_V1/{split}/{split}-context-{code}-question-{code}.json"
            yield unit_of_rows("mlqa", f"MLQA.{code}.{code}", split, path, question)


def _tydiqa(task: Task, languages: Sequence[Language]) -> Iterator[Unit]:
    for split, hub_split in (("train", "train"), ("dev", "validation")):

        def path(code: str, split: str = split) -> str:
            return f"tydiqa/tydiqa-goldp-v1.1-{split}/tydiqa.goldp.{code}.{split}.json"

        def convert(
            row: Mapping[str, Any], path: Callable[[str], str] = path
        ) -> Iterator[tuple[str, str]]:
            code = TYDIQA_NAMES.get(str(row["id"]).partition("-")[0])
            if code is not None:
                yield path(code), dump(**question(row))

        codes = [lang.code for lang in languages if split == "dev" or lang.code == "en"]
        if codes:
            yield Unit(
                tasks=("tydiqa",),
                dataset=XTREME,
                config="tydiqa",
                split=hub_split,
                files=tuple(path(code) for code in codes),
                convert=convert,
            )


def _bucc(task: Task, languages: Sequence[Language]) -> Iterator[Unit]:
    for lang in languages:
        for split in ("dev", "test"):
            base = f"bucc2018/{lang.code}-en.{split}"

            def convert(
                row: Mapping[str, Any], base: str = base, code: str = lang.code
            ) -> Iterator[tuple[str, str]]:
                sides = [
                    (str(row["source_lang"]), clean(row["source_sentence"])),
                    (str(row["target_lang"]), clean(row["target_sentence"])),
                ]
                (english, english_text), (foreign, text) = sorted(
                    sides, key=lambda side: not side[0].startswith("en-")
                )
                yield f"{base}.{code}", f"{foreign}\t{text}"
                yield f"{base}.en", f"{english}\t{english_text}"
                yield f"{base}.gold", f"{foreign}\t{english}"

            yield Unit(
                tasks=("bucc2018",),
                dataset=XTREME,
                config=f"bucc18.{lang.code}",
                split=SPLITS[split],
                files=(f"{base}.{lang.code}", f"{base}.en", f"{base}.gold"),
                convert=convert,
            )


def _tatoeba(task: Task, languages: Sequence[Language]) -> Iterator[Unit]:
    for lang in languages:
        base = f"tatoeba/tatoeba.{lang.tatoeba}-eng"

        def convert(
            row: Mapping[str, Any], base: str = base, side: str = lang.tatoeba
        ) -> Iterator[tuple[str, str]]:
            yield f"{base}.{side}", clean(row["source_sentence"])
            yield f"{base}.eng", clean(row["target_sentence"])

        yield Unit(
            tasks=("tatoeba",),
            dataset=XTREME,
            config=f"tatoeba.{lang.tatoeba}",
            split="validation",
            files=(f"{base}.{lang.tatoeba}", f"{base}.eng"),
            convert=convert,
        )


TARGET_SETS: dict[str, Callable[[Task, Sequence[Language]], Iterator[Unit]]] = {
    "xnli": _xnli,
    "pawsx": _pawsx,
    "udpos": _udpos,
    "panx": _panx,
    "xquad": _xquad,
    "mlqa": _mlqa,
    "tydiqa": _tydiqa,
    "bucc2018": _bucc,
    "tatoeba": _tatoeba,
}


def _user(user: UserTask, languages: Sequence[Language]) -> Iterator[Unit]:
    """A user task's hub data set: one config a language, or one with a language column."""
    if user.hub is None:
        return
    name = user.task.name
    several = "{lang}" in user.hub.config
    groups = [[lang] for lang in languages] if several else [list(languages)]
    if not several and "language" not in user.columns:
        groups = [[lang for lang in languages if lang.code == "en"]]
    for split, hub_split in user.hub.splits.items():
        for group in groups:
            if not group or (several and split == "train" and group[0].code != "en"):
                continue

            def convert(
                row: Mapping[str, Any], split: str = split, code: str = group[0].code
            ) -> Iterator[tuple[str, str]]:
                fields = dict(map_row(Path(name), Row(0, row), user).fields)
                lang = fields.pop("language", code)
                yield f"{name}/{split}-{lang}.jsonl", dump(**fields)

            yield Unit(
                tasks=(name,),
                dataset=user.hub.name,
                config=user.hub.config.format(lang=group[0].code),
                split=hub_split,
                files=tuple(f"{name}/{split}-{lang.code}.jsonl" for lang in group),
                convert=convert,
            )
