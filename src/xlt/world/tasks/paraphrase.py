"""Pairs that share their words: PAWS-like sentences, QQP-like questions, and planted effects."""

from __future__ import annotations

from typing import NamedTuple

from xlt.world.draw import Draw, balanced
from xlt.world.language.concepts import ADJECTIVES, BUSINESS, SOCIAL, TIMES, TRANSITIVE
from xlt.world.language.events import Event, Facts, swappable, swapped

__all__ = ["Planted", "Rewording", "Twin", "planted", "question_pairs", "rewordings"]


class Rewording(NamedTuple):
    """Two sentences of the same words; `same` when they say the same thing."""

    first: Event
    second: Event
    same: bool


class Twin(NamedTuple):
    """Two questions (event, asked role); `same` when one answer answers both."""

    first: tuple[Event, str]
    second: tuple[Event, str]
    same: bool


class Planted(NamedTuple):
    """A rewording, and whether its first sentence is the one that begins with the time or place."""

    first: Event
    second: Event
    same: bool
    fronted: bool


def rewordings(facts: Facts, draw: Draw, split: str, n: int) -> list[Rewording]:
    """Draw PAWS-like pairs, balanced: word order always differs, and the roles in half of them.

    Either the two noun phrases or their adjectives are exchanged. Which of the two readings
    comes first, or is told twice, is left to chance, so no single sentence tells the label.
    """
    found = []
    for same in balanced(draw, (True, False), n):
        one, other = _readings(facts, draw, split)
        fronts = draw.sample(one.fronts, 2)
        second = one if same else other
        found.append(
            Rewording(one._replace(front=fronts[0]), second._replace(front=fronts[1]), same)
        )
    return found


def planted(facts: Facts, draw: Draw, split: str, n: int) -> list[Planted]:
    """Rewordings of which meaning and order vary independently: a quarter of each combination.

    One sentence begins with its time or place and the other one does not.
    """
    found = []
    cells = [(same, fronted) for same in (True, False) for fronted in (True, False)]
    for same, fronted in balanced(draw, cells, n):
        one, other = _readings(facts, draw, split)
        fronts = ["", draw.pick(one.fronts[1:])]
        first = one._replace(front=fronts[fronted])
        second = (one if same else other)._replace(front=fronts[not fronted])
        found.append(Planted(first, second, same, fronted))
    return found


def _readings(facts: Facts, draw: Draw, split: str) -> tuple[Event, Event]:
    """Two events of the same words with two word orders each, in random order."""
    while True:
        event = facts.event(draw, split, verbs=SOCIAL + BUSINESS, detail=1.3)
        if len(event.fronts) < 2:
            continue
        if draw.chance(0.6):
            if swappable(event) and event.subject != event.object:
                pair = [event, swapped(event)]
                break
        else:
            pair = _adjectives_exchanged(draw, event)
            if pair:
                break
    one, other = draw.shuffled(pair)
    return one, other


def _adjectives_exchanged(draw: Draw, event: Event) -> list[Event]:
    subject, target = event.subject, event.object
    if target is None or subject.kind != "noun" or target.kind != "noun":
        return []
    left, right = (pair + draw.pick("+-") for pair in draw.sample(ADJECTIVES, 2))
    return [
        event._replace(subject=subject._replace(adjective=a), object=target._replace(adjective=b))
        for a, b in ((left, right), (right, left))
    ]


def question_pairs(facts: Facts, draw: Draw, split: str, n: int) -> list[Twin]:
    """Draw QQP-like pairs, balanced: duplicates ask for the same role of the same core event.

    Time, place, manner and word order vary freely in both classes. Of two questions that are no
    duplicates, one has the opposite verb, another noun or name, the roles exchanged, or asks
    for another role.
    """
    found = []
    for same in balanced(draw, (True, False), n):
        event = facts.event(draw, split, verbs=TRANSITIVE)
        role = draw.pick(("subject", "object"))
        varied = event
        while varied == event:
            varied = _varied(facts, draw, event)
        second = (varied, role) if same else _other_question(facts, draw, varied, role)
        found.append(Twin((event, role), second, same))
    return found


def _other_question(facts: Facts, draw: Draw, event: Event, role: str) -> tuple[Event, str]:
    """Another question of nearly the same words; how it differs depends on the event alone."""
    other = "object" if role == "subject" else "subject"
    ways = [(facts.flipped(event), role), (event, other)]
    if swappable(event):
        ways.append((swapped(event), other))
    if sibling := facts.with_sibling(draw, event, (other,)):
        ways.append((sibling, role))
    return draw.pick(ways)


def _varied(facts: Facts, draw: Draw, event: Event) -> Event:
    """The same core with its circumstances told anew."""
    event = event._replace(front="")
    if draw.chance(0.5):
        event = event._replace(time=draw.pick(TIMES) if draw.chance(0.4) else "")
    if draw.chance(0.3):
        event = event._replace(manner=facts.manner(draw, event.pair) if draw.chance(0.4) else "")
    if draw.chance(0.3):
        event = event._replace(place=None, relation="")
        event = facts.placed(draw, event) if draw.chance(0.45) else event
    return event._replace(front=draw.pick(event.fronts) if draw.chance(0.5) else "")
