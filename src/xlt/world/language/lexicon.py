"""The constructed languages: how they are related, their sound changes, roots, suffixes, script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xlt.world.draw import Draw
from xlt.world.language.concepts import CLASS_SIZES, NAMES, all_concepts

__all__ = ["LANGUAGES", "LanguageSpec", "Lexicon", "build_lexicons", "languages_json"]

CONSONANTS = "bdfghklmnprstvz"
VOWELS = "aeiou"
CLOSING = "nsrlmk"
SUFFIXES = ("many", "past", "object", "in", "near", "not", "the")
SOUND_CHANGES = ("pb", "td", "kg", "sz", "lr", "vf", "ou", "ei", "h")
CYRILLIC = str.maketrans(
    "bdfghklmnprstvzaeiouBDFGHKLMNPRSTVZAEIOU",
    "бдфгхклмнпрствзаеиоуБДФГХКЛМНПРСТВЗАЕИОУ",
)


@dataclass(frozen=True, kw_only=True)
class LanguageSpec:
    """One language: its relations and its grammar.

    Attributes:
        order: SVO, SOV or VSO.
        adjective_first: whether adjectives stand before the noun.
        cognates: chance that a root is the English one, sound changes applied.
        inherited: chance that another root comes from the family.
        adapted_names: share of names that undergo the sound changes.
    """

    code: str
    name: str
    family: str
    branch: str
    order: str
    adjective_first: bool
    script: str = "Latn"
    cognates: float = 0.0
    inherited: float = 0.6
    adapted_names: float = 0.0


# English plays the first member of the Alder family; the third members exist in medium worlds.
LANGUAGES: tuple[LanguageSpec, ...] = (
    LanguageSpec(
        code="en", name="World English", family="Alder", branch="West Alder",
        order="SVO", adjective_first=True, cognates=1.0,
    ),
    LanguageSpec(
        code="qaa", name="Alderan", family="Alder", branch="West Alder",
        order="SVO", adjective_first=False, cognates=0.5, inherited=0.2,
    ),
    LanguageSpec(
        code="qab", name="Aldish", family="Alder", branch="East Alder",
        order="SVO", adjective_first=True, cognates=0.35, inherited=0.3,
    ),
    LanguageSpec(
        code="qba", name="Birchan", family="Birch", branch="North Birch",
        order="SOV", adjective_first=True, cognates=0.12, adapted_names=0.3,
    ),
    LanguageSpec(
        code="qbb", name="Birchish", family="Birch", branch="South Birch",
        order="SOV", adjective_first=True, cognates=0.08, adapted_names=0.3,
    ),
    LanguageSpec(
        code="qca", name="Cedaran", family="Cedar", branch="Upper Cedar",
        order="VSO", adjective_first=False, script="Cyrl", cognates=0.05,
    ),
    LanguageSpec(
        code="qcb", name="Cedarish", family="Cedar", branch="Lower Cedar",
        order="VSO", adjective_first=False, script="Cyrl", cognates=0.05,
    ),
    LanguageSpec(
        code="qac", name="Aldenic", family="Alder", branch="East Alder",
        order="SVO", adjective_first=False, cognates=0.3, inherited=0.3,
    ),
    LanguageSpec(
        code="qbc", name="Birchenic", family="Birch", branch="South Birch",
        order="SOV", adjective_first=False, cognates=0.05, adapted_names=0.5,
    ),
    LanguageSpec(
        code="qcc", name="Cedarenic", family="Cedar", branch="Upper Cedar",
        order="VSO", adjective_first=True, script="Cyrl", cognates=0.02,
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """A language's word for every concept and name, and its affixes; no two are alike."""

    roots: dict[str, str]
    names: dict[str, str]
    affixes: dict[str, str]


def build_lexicons(seed: int, languages: tuple[LanguageSpec, ...]) -> dict[str, Lexicon]:
    """Draw the lexicons of a world: family roots first, then each language from them.

    A language's words depend on the seed and its own record only, not on the others present.
    """
    ancestors = {
        family: _ancestor(Draw(seed, "family", family)) for family in ("Alder", "Birch", "Cedar")
    }
    names = _names(Draw(seed, "names"))
    return {spec.code: _lexicon(seed, spec, ancestors, names) for spec in languages}


def languages_json(languages: tuple[LanguageSpec, ...]) -> list[dict[str, Any]]:
    """Records for a data root's `languages.json`; the family of English plays Indo-European."""
    return [
        {
            "code": spec.code,
            "iso639_3": _three_letters(spec),
            "tatoeba": _three_letters(spec),
            "name": f"{spec.name} (constructed)",
            "family": spec.family,
            "branch": spec.branch,
            "script": spec.script,
            "indo_european": spec.family == "Alder",
            "constructed": True,
        }
        for spec in languages
    ]


def _three_letters(spec: LanguageSpec) -> str:
    return "eng" if spec.code == "en" else spec.code


def _syllables(draw: Draw, count: int) -> str:
    return "".join(draw.pick(CONSONANTS) + draw.pick(VOWELS) for _ in range(count))


def _root(draw: Draw) -> str:
    root = _syllables(draw, 2 if draw.chance(0.7) else 3)
    return root + (draw.pick(CLOSING) if draw.chance(0.4) else "")


def _affix(draw: Draw) -> str:
    return draw.pick(VOWELS) + draw.pick(CLOSING) if draw.chance(0.5) else _syllables(draw, 1)


def _fresh(draw: Draw, taken: set[str], make: Any = _root) -> str:
    while True:
        word: str = make(draw)
        if word not in taken:
            return word


def _ancestor(draw: Draw) -> dict[str, str]:
    """Words of a family's common ancestor, by concept and by affix."""
    words: dict[str, str] = {}
    taken: set[str] = set()
    for concept in all_concepts():
        words[concept] = _fresh(draw, taken)
        taken.add(words[concept])
    for affix in SUFFIXES:
        words[f"-{affix}"] = _fresh(draw, taken, _affix)
        taken.add(words[f"-{affix}"])
    return words


def _names(draw: Draw) -> dict[str, str]:
    names: dict[str, str] = {}
    taken: set[str] = set()
    for name in NAMES:
        names[name] = _fresh(draw, taken)
        taken.add(names[name])
    return names


def _changed(word: str, changes: list[str]) -> str:
    for change in changes:
        word = word.replace(change[0], change[1:])
    return word


def _forms(key: str, root: str, order: str, affixes: dict[str, str]) -> set[str]:
    """Every form that a word can take, so that no two words ever look alike."""
    kind = key.partition(".")[0]
    cases = ("", affixes["object"], affixes["in"], affixes["near"]) if order == "SOV" else ("",)
    if kind == "name":
        return {root + case for case in cases}
    if kind == "do":
        past = root + affixes["past"]
        return {past, past + affixes["not"]} if order == "SOV" else {past}
    if kind in CLASS_SIZES or kind == "kind":
        starts = ("", affixes["the"]) if order == "VSO" else ("",)
        numbers = ("", affixes["many"])
        return {a + root + n + case for a in starts for n in numbers for case in cases}
    if kind in ("who", "what"):
        return {root + case for case in cases[:2]}
    return {root}


def _lexicon(
    seed: int, spec: LanguageSpec, ancestors: dict[str, dict[str, str]], names: dict[str, str]
) -> Lexicon:
    draw = Draw(seed, "language", spec.code)
    english, family = ancestors["Alder"], ancestors[spec.family]
    changes = [] if spec.code == "en" else draw.sample(SOUND_CHANGES, 3)

    def inherited(key: str) -> str:
        if draw.chance(spec.cognates):
            return _changed(english[key], changes)
        return _changed(family[key], changes) if draw.chance(spec.inherited) else ""

    affixes: dict[str, str] = {}
    for affix in SUFFIXES:
        found = inherited(f"-{affix}")
        while not found or found in affixes.values():
            found = _affix(draw)
        affixes[affix] = found

    taken: set[str] = set()

    def settle(key: str, word: str) -> str:
        """The word, or a new root when one of its forms is taken; its forms are now taken."""
        while not word or _forms(key, word, spec.order, affixes) & taken:
            word = _root(draw)
        taken.update(_forms(key, word, spec.order, affixes))
        return word

    roots = {concept: settle(concept, inherited(concept)) for concept in all_concepts()}
    local: dict[str, str] = {}
    for key, name in names.items():
        adapt = draw.chance(spec.adapted_names)
        spelled = _changed(name, changes) if adapt else name
        local[key] = settle(key, spelled).capitalize()
    if spec.script == "Cyrl":
        roots, local, affixes = (
            {key: text.translate(CYRILLIC) for key, text in words.items()}
            for words in (roots, local, affixes)
        )
    return Lexicon(roots=roots, names=local, affixes=affixes)
