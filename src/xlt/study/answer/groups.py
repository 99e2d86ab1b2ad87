"""Groups of languages: those that count for transfer, families, and units that are independent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xlt.core.errors import UsageError
from xlt.core.tasks.languages import Language, parse_langs
from xlt.study.answer.folder import Axes
from xlt.study.answer.scores import Place, Scores

__all__ = [
    "INDO_EUROPEAN", "OTHERS", "common_places", "group_of", "langs_of", "members", "places_of",
    "seen_langs", "tasks_of", "unit_of",
]  # fmt: skip

INDO_EUROPEAN, OTHERS = "indo-european", "non-indo-european"


def places_of(
    scores: Scores,
    arms: Sequence[str],
    axes: Axes,
    tasks: Iterable[str],
    languages: str = "transfer",
    *,
    seen: bool = False,
) -> list[Place]:
    """(task, language) pairs that all of these arms have and that count.

    Args:
        scores: of the study.
        arms: that are compared.
        axes: the further axes.
        tasks: that count.
        languages: `transfer`, every language but English; else as `--langs` takes it.
        seen: take the languages that the training of one of the arms saw, instead of the others.
    """
    found = []
    for task in tasks:
        langs = members(scores, scores.langs(arms, axes, task), languages)
        saw = seen_langs(scores, arms, task)
        if languages == "transfer":
            langs = [lang for lang in langs if (lang in saw) == seen]
        found += [(task, lang) for lang in langs]
    return found


def members(scores: Scores, langs: Sequence[str], languages: str) -> list[str]:
    """Those of `langs` that a selection names."""
    if languages == "transfer":
        return [lang for lang in langs if lang != "en"]
    if not langs:
        return []
    table = {code: _language(code, scores.languages[code]) for code in langs}
    try:
        return parse_langs(languages, table, langs)
    except UsageError:
        return []


def seen_langs(scores: Scores, arms: Iterable[str], task: str) -> set[str]:
    """Languages other than English of which an arm's training saw this task."""
    wanted = set(arms)
    return {
        lang for arm, name, lang in scores.seen if arm in wanted and name == task and lang != "en"
    }


def unit_of(scores: Scores, lang: str) -> str:
    """The branch of an Indo-European language, the family of another.

    Languages of one unit are related: they are no independent witnesses of what relatedness does.
    """
    about = scores.languages[lang]
    return str((about.get("branch") if about["indo_european"] else "") or about["family"])


def group_of(scores: Scores, lang: str, between: Sequence[str]) -> str | None:
    """The one of the groups that a language belongs to."""
    found = [name for name in between if members(scores, [lang], name)]
    return found[0] if len(found) == 1 else None


def _language(code: str, about: Mapping[str, Any]) -> Language:
    return Language(
        code=code, iso639_3=code, tatoeba=code, name=str(about["name"]),
        family=str(about["family"]), branch=str(about.get("branch") or about["family"]),
        script=str(about["script"]), indo_european=bool(about["indo_european"]),
        constructed=bool(about.get("constructed", False)),
    )  # fmt: skip


def common_places(
    scores: Scores,
    arms: Sequence[str],
    axes: Sequence[Axes],
    tasks: Sequence[str],
    languages: str,
    *,
    seen: bool = False,
) -> list[Place]:
    """Places that count under every combination of the axes."""
    sets = [places_of(scores, arms, one, tasks, languages, seen=seen) for one in axes]
    return [place for place in sets[0] if all(place in one for one in sets)] if sets else []


def tasks_of(places: Sequence[Place]) -> tuple[str, ...]:
    """The tasks of places, each once."""
    return tuple(dict.fromkeys(task for task, _ in places))


def langs_of(places: Sequence[Place]) -> tuple[str, ...]:
    """The languages of places, each once."""
    return tuple(dict.fromkeys(lang for _, lang in places))
