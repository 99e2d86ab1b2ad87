"""What the world is about: concepts, names, and who does what to which things, and where.

The preferences make a language's word statistics mirror those of every other language; the
strict rules (what a verb takes, who acts) are what some tasks ask for.
"""

from __future__ import annotations

from dataclasses import dataclass

from xlt.world.draw import Draw

__all__ = [
    "ANIMATE",
    "CLASS_SIZES",
    "KINDS_OF_NAME",
    "NAMES",
    "THINGS",
    "Concepts",
    "all_concepts",
    "class_of",
    "draw_concepts",
    "hypernym",
    "names_of",
    "opposite",
]

CLASS_SIZES = {
    "person": 14,
    "animal": 12,
    "food": 10,
    "tool": 10,
    "vehicle": 8,
    "garment": 8,
    "place": 12,
}
ANIMATE = ("person", "animal")
THINGS = ("food", "tool", "vehicle", "garment")

# Pairs of opposite verbs. Social verbs join two animate beings; the others take things.
SOCIAL = tuple(f"do.{i}" for i in range(4))
PERSONAL = tuple(f"do.{i}" for i in range(4, 7))
BUSINESS = tuple(f"do.{i}" for i in range(7, 10))  # the only verbs of organisations
TRANSITIVE = SOCIAL + PERSONAL + BUSINESS
INTRANSITIVE = tuple(f"do.{i}" for i in range(10, 14))

ADJECTIVES = tuple(f"quality.{i}" for i in range(9))  # pairs of opposites too
MANNERS = tuple(f"manner.{i}" for i in range(3))
TIMES = tuple(f"time.{i}" for i in range(5))
NUMBERS = tuple(f"number.{i}" for i in range(8))
FUNCTION_WORDS = ("the", "a", "not", "and", "who", "what", "where", "is", "in", "near", "then")

# Names are no concepts: every language uses the same ones, some adapt them.
NAME_COUNTS = {"PER": 40, "LOC": 25, "ORG": 20, "any": 20}  # "any": the context tells the type
KINDS_OF_NAME = ("PER", "LOC", "ORG")


def _name_lists() -> dict[str, tuple[str, ...]]:
    lists, first = {}, 0
    for kind, count in NAME_COUNTS.items():
        lists[kind] = tuple(f"name.{i}" for i in range(first, first + count))
        first += count
    return lists


_NAMES_BY_KIND = _name_lists()
NAMES = tuple(name for names in _NAMES_BY_KIND.values() for name in names)


def names_of(kind: str, *, ambiguous: bool) -> tuple[str, ...]:
    """Names of a kind (PER, LOC, ORG), or those that may be of any kind."""
    return _NAMES_BY_KIND["any" if ambiguous else kind]


_NOUNS = {name: tuple(f"{name}.{i}" for i in range(n)) for name, n in CLASS_SIZES.items()}


def nouns_of(name: str) -> tuple[str, ...]:
    """The nouns of a class."""
    return _NOUNS[name]


def class_of(noun: str) -> str:
    """The class of a noun or of a hypernym: `animal` of `animal.3` and of `kind.animal`."""
    first, _, rest = noun.partition(".")
    return rest if first == "kind" else first


def hypernym(noun: str) -> str:
    """The word for all nouns of a class; places and names have none (empty)."""
    name = noun.partition(".")[0]
    return f"kind.{name}" if name in CLASS_SIZES and name != "place" else ""


def opposite(word: str) -> str:
    """The other word of a pair of opposites (verbs, adjectives, manners)."""
    return word[:-1] + ("-" if word[-1] == "+" else "+")


def all_concepts() -> tuple[str, ...]:
    """Every concept that a language has a root for, in a fixed order."""
    nouns = [noun for name in CLASS_SIZES for noun in nouns_of(name)]
    kinds = [f"kind.{name}" for name in CLASS_SIZES if name != "place"]
    pairs = [p + sign for p in TRANSITIVE + INTRANSITIVE + ADJECTIVES + MANNERS for sign in "+-"]
    return (*nouns, *kinds, *pairs, *TIMES, *NUMBERS, *FUNCTION_WORDS)


@dataclass(frozen=True, kw_only=True)
class Concepts:
    """The facts of one world.

    Attributes:
        takes: verb pair -> the two classes of its objects (no other noun is ever its object).
        does: animate noun -> verb pairs it prefers.
        found: animate noun -> the four places where it usually is.
        looks: noun -> adjective pairs it prefers.
        manners: verb pair -> the two manner pairs it goes with.
    """

    takes: dict[str, tuple[str, ...]]
    does: dict[str, tuple[str, ...]]
    found: dict[str, tuple[str, ...]]
    looks: dict[str, tuple[str, ...]]
    manners: dict[str, tuple[str, ...]]


def draw_concepts(draw: Draw) -> Concepts:
    """Draw the facts of a world; every place is preferred by equally many nouns, to within one."""
    two_kinds = [(a, b) for i, a in enumerate(THINGS) for b in THINGS[i + 1 :]]
    takes: dict[str, tuple[str, ...]] = dict.fromkeys(SOCIAL, ANIMATE)
    takes.update(zip(PERSONAL + BUSINESS, draw.shuffled(two_kinds), strict=True))
    animate = [noun for name in ANIMATE for noun in nouns_of(name)]
    does = {
        noun: tuple(draw.sample(doable(noun), 6 if class_of(noun) == "person" else 4))
        for noun in animate
    }
    found: dict[str, tuple[str, ...]] = {}
    deck: list[str] = []
    for noun in animate:
        deck = deck or draw.shuffled(nouns_of("place"))
        found[noun], deck = tuple(deck[:4]), deck[4:]
    looks = {
        noun: tuple(draw.sample(ADJECTIVES, 4)) for name in CLASS_SIZES for noun in nouns_of(name)
    }
    manners = {pair: tuple(draw.sample(MANNERS, 2)) for pair in TRANSITIVE + INTRANSITIVE}
    return Concepts(takes=takes, does=does, found=found, looks=looks, manners=manners)


def doable(actor: str) -> tuple[str, ...]:
    """Verb pairs that an actor (a noun, or a kind of name) can be the subject of."""
    if actor == "ORG":
        return BUSINESS
    if actor == "PER":
        return SOCIAL + PERSONAL + INTRANSITIVE
    if class_of(actor) == "animal":
        return SOCIAL + INTRANSITIVE
    return TRANSITIVE + INTRANSITIVE
