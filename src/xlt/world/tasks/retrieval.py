"""Sentences to match across languages: Tatoeba-like sets, BUCC-like ones with distractors."""

from __future__ import annotations

from typing import NamedTuple

from xlt.world.draw import Draw
from xlt.world.language.events import Event, Facts, meaning
from xlt.world.language.grammar import Grammar, text_of

__all__ = ["Mine", "distinct_events", "mine", "side"]


class Mine(NamedTuple):
    """What two collections say: the common events, and what each side alone says."""

    common: tuple[Event, ...]
    foreign_only: tuple[Event, ...]
    english_only: tuple[Event, ...]


def distinct_events(
    facts: Facts, draw: Draw, split: str, n: int, told: set[tuple[object, ...]]
) -> list[Event]:
    """Events that differ from each other, and from all `told`, in every language."""
    found: list[Event] = []
    while len(found) < n:
        event = facts.event(draw, split, detail=1.2)
        if _is_new(event, told):
            found.append(event)
    return found


def _is_new(event: Event, told: set[tuple[object, ...]]) -> bool:
    said = meaning(event)
    if said in told:
        return False
    told.add(said)
    return True


def mine(facts: Facts, draw: Draw, split: str, gold: int, near: int, random: int) -> Mine:
    """Draw a mining problem.

    Args:
        facts: the world.
        draw: the stream of randomness.
        split: dev or test.
        gold: translated pairs.
        near: near-duplicates on each side: one phrase or the verb of a gold event is another.
        random: unrelated sentences on each side.
    """
    told: set[tuple[object, ...]] = set()
    common = distinct_events(facts, draw, split, gold, told)
    sides = []
    for _ in range(2):
        others: list[Event] = []
        while len(others) < near:
            event = _near_duplicate(facts, draw, draw.pick(common))
            if event is not None and _is_new(event, told):
                others.append(event)
        others += distinct_events(facts, draw, split, random, told)
        sides.append(tuple(others))
    return Mine(tuple(common), *sides)


def _near_duplicate(facts: Facts, draw: Draw, event: Event) -> Event | None:
    if draw.chance(0.3):
        return facts.flipped(event)
    return facts.with_sibling(draw, event, ("subject", "object", "place"))


def side(grammar: Grammar, draw: Draw, events: tuple[Event, ...]) -> list[tuple[str, str]]:
    """One collection: (id, sentence) of each event, ids numbered in a random order."""
    number = draw.shuffled(range(1, len(events) + 1))
    code = grammar.spec.code
    return [
        (f"{code}-{i:09d}", text_of(grammar.sentence(event)))
        for i, event in zip(number, events, strict=True)
    ]
