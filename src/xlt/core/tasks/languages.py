"""The languages: codes, family, branch, script; and the grammar of `--langs`.

Families follow XTREME's README; Basque and Korean, isolates there, are families of one here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError, did_you_mean
from xlt.core.files import read_json

__all__ = ["LANGUAGES", "Language", "load_languages", "parse_langs"]

TABLE = Path(__file__).with_name("languages.json")
CODE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
SCRIPT = re.compile(r"[A-Z][a-z]{3}")
INDO_EUROPEAN = "Indo-European"
GRAMMAR = (
    "all | en,sw | family:Uralic | branch:Romance | script:Arab | indo-european | "
    "non-indo-european; exclude with -th or -family:Uralic"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language.

    Attributes:
        code: XTREME's two-letter code, or a private one such as `qaa`.
        iso639_3: three-letter code.
        tatoeba: the three-letter code in the names of Tatoeba's files.
        script: ISO 15924 code of the script of the data sets (Latn, Arab, Hans ...).
        constructed: whether it is invented, as the languages of the embedded benchmark are.
    """

    code: str
    iso639_3: str
    tatoeba: str
    name: str
    family: str
    branch: str
    script: str
    indo_european: bool
    constructed: bool = False


FLAGS = ("indo_european", "constructed")
FIELDS = tuple(field.name for field in fields(Language))


def _table() -> dict[str, Language]:
    records = json.loads(TABLE.read_text(encoding="utf-8"))
    return {record["code"]: Language(**record) for record in records}


LANGUAGES: dict[str, Language] = _table()


def load_languages(root: Path | None) -> dict[str, Language]:
    """The table, with the languages that `languages.json` of a data root adds or overrides.

    A record needs `code` and `name`; a new language also `family`, `branch` and `script`.
    `iso639_3` defaults to the code, `tatoeba` to `iso639_3`, `indo_european` to what the family
    says.

    Raises:
        DataError: the file is not a list of such records; all mistakes are named.
    """
    path = root / "languages.json" if root is not None else None
    if path is None or not path.is_file():
        return dict(LANGUAGES)
    records = read_json(path)
    if not isinstance(records, list):
        raise DataError(f"{path}: a list of languages is needed", "fields: " + ", ".join(FIELDS))
    languages = dict(LANGUAGES)
    mistakes: list[str] = []
    seen: set[str] = set()
    for number, record in enumerate(records, start=1):
        place = f"record {number}"
        if not isinstance(record, dict):
            mistakes.append(f"{place} is {record!r}, not an object")
            continue
        code = record.get("code")
        if isinstance(code, str):
            place = f"record {number} ({code})"
            if code in seen:
                mistakes.append(f"{place}: the code occurs twice")
            seen.add(code)
        known = languages.get(code) if isinstance(code, str) else None
        full = _complete(record, known)
        wrong = _mistakes(record, full)
        mistakes.extend(f"{place}: {mistake}" for mistake in wrong)
        if not wrong:
            languages[full["code"]] = Language(**full)
    if mistakes:
        raise DataError(f"{path}: " + "; ".join(mistakes), "fields: " + ", ".join(FIELDS))
    return languages


def _complete(record: Mapping[str, Any], known: Language | None) -> dict[str, Any]:
    """The record with its defaults filled in."""
    full: dict[str, Any] = {**(asdict(known) if known else {}), **record}
    full.setdefault("iso639_3", full.get("code"))
    full.setdefault("tatoeba", full["iso639_3"])
    full.setdefault("indo_european", full.get("family") == INDO_EUROPEAN)
    full.setdefault("constructed", False)
    return full


def _mistakes(record: Mapping[str, Any], full: Mapping[str, Any]) -> list[str]:
    wrong = [
        f"unknown field {name!r}{did_you_mean(name, FIELDS)}"
        for name in record
        if name not in FIELDS
    ]
    for name in FIELDS:
        value = full.get(name)
        if name in FLAGS:
            if not isinstance(value, bool):
                wrong.append(f"{name} is {value!r}, true or false is needed")
        elif not isinstance(value, str) or not value.strip():
            wrong.append(f"{name} is {value!r}, a text is needed")
        elif name == "code" and not CODE.fullmatch(value):
            wrong.append(f"code {value!r} is not like 'sw', 'qaa' or 'zh-Hant'")
        elif name == "script" and not SCRIPT.fullmatch(value):
            wrong.append(f"script {value!r} is no ISO 15924 code like 'Latn'")
    return wrong


def parse_langs(text: str, languages: Mapping[str, Language], among: Iterable[str]) -> list[str]:
    """The codes that a `--langs` value selects, in the order of `among`.

    Args:
        text: comma list of `all`, codes, `family:`, `branch:`, `script:`, `indo-european`,
            `non-indo-european`; a leading `-` excludes. Exclusions alone start from all.
        languages: every known language, by code.
        among: codes to choose from (those that the data have).

    Raises:
        UsageError: an unknown name (the nearest is suggested), or nothing is selected.
    """
    choices = list(dict.fromkeys(among))
    parts = [part.strip() for part in text.split(",") if part.strip()]
    chosen: set[str] = set()
    excluded: set[str] = set()
    mistakes: list[str] = []
    for part in parts:
        minus = part.startswith("-")
        try:
            picked = _select(part.removeprefix("-"), languages, choices)
        except UsageError as error:
            mistakes.append(error.message)
        else:
            (excluded if minus else chosen).update(picked)
    if mistakes:
        raise UsageError.all_of(mistakes, GRAMMAR)
    if parts and all(part.startswith("-") for part in parts):
        chosen.update(choices)
    selected = [code for code in choices if code in chosen and code not in excluded]
    if not selected:
        raise UsageError(
            f"--langs {text!r} selects no language",
            "there are: " + (" ".join(choices) if choices else "none"),
        )
    return selected


def _select(part: str, languages: Mapping[str, Language], choices: Iterable[str]) -> set[str]:
    """Codes that one word of the grammar stands for."""
    known = {code: languages[code] for code in choices if code in languages}
    if part == "all":
        return set(choices)
    if part in {"indo-european", "non-indo-european"}:
        return {c for c, lang in known.items() if lang.indo_european == (part[0] == "i")}
    attribute, colon, value = part.partition(":")
    if colon:
        return _by_attribute(attribute, value.strip(), languages, known)
    if part in languages or part in set(choices):
        return {part}
    by_name = {lang.name.lower(): lang for lang in languages.values()}
    if part.lower() in by_name:
        lang = by_name[part.lower()]
        raise UsageError(f"unknown language {part!r}; did you mean {lang.code!r}?", GRAMMAR)
    words = [*languages, "all", "indo-european", "non-indo-european"]
    raise UsageError(f"unknown language {part!r}{did_you_mean(part, words)}", GRAMMAR)


def _by_attribute(
    attribute: str, value: str, languages: Mapping[str, Language], known: Mapping[str, Language]
) -> set[str]:
    readers: dict[str, Callable[[Language], str]] = {
        "family": lambda lang: lang.family,
        "branch": lambda lang: lang.branch,
        "script": lambda lang: lang.script,
    }
    if attribute not in readers:
        raise UsageError(
            f"unknown selector {attribute!r}{did_you_mean(attribute, readers)}", GRAMMAR
        )
    read = readers[attribute]
    values = {read(lang).lower(): read(lang) for lang in languages.values()}
    if value.lower() not in values:
        near = did_you_mean(value, values.values())
        raise UsageError(f"unknown {attribute} {value!r}{near}", GRAMMAR)
    return {code for code, lang in known.items() if read(lang).lower() == value.lower()}
