"""Sentences for POS tags, name tags and CCG categories; the gold tags come with the rendering."""

from __future__ import annotations

from typing import NamedTuple

from xlt.world.draw import Draw
from xlt.world.language.events import Event, Facts, Phrase
from xlt.world.language.grammar import Grammar, Token, tokens_of

__all__ = ["Heading", "tagged", "tagging_events", "tagging_names"]


class Heading(NamedTuple):
    """A list of names, as in titles: no sentence, no verb to tell the kind."""

    names: tuple[Phrase, ...]


Said = Event | Heading | tuple[Event, str]


def tagging_events(facts: Facts, draw: Draw, split: str, n: int) -> list[Said]:
    """Statements, one in six of them denied, and one question (event, asked role) in six."""
    found: list[Said] = []
    for _ in range(n):
        event = facts.event(draw, split, negation=0.2)
        if draw.chance(1 / 6):
            found.append((event, draw.pick([*event.phrases])))
        else:
            found.append(event)
    return found


def tagging_names(facts: Facts, draw: Draw, split: str, n: int) -> list[Said]:
    """Statements with at least one name; three in ten items are headings of 2 or 3 names.

    In a statement the verb or the relation tells the kind of an ambiguous name; headings have
    no ambiguous first names.
    """
    found: list[Said] = []
    while len(found) < n:
        if draw.chance(0.3):
            found.append(_heading(facts, draw, split))
            continue
        event = facts.event(draw, split, detail=1.2)
        if any(phrase.kind != "noun" for phrase in event.phrases.values()):
            found.append(event)
    return found


def _heading(facts: Facts, draw: Draw, split: str) -> Heading:
    while True:
        kind = draw.pick(("PER", "LOC", "ORG"))
        names = [facts.name(draw, kind, 0.0) for _ in range(2 + draw.below(2))]
        words = [word for name in names for word in (name.head, name.second) if word]
        if len(set(words)) == len(words) and facts.split_of_core(*words) == split:
            return Heading(tuple(names))


def tagged(grammar: Grammar, said: Said) -> list[Token]:
    """The tokens of one item in a language."""
    if isinstance(said, Heading):
        return tokens_of(grammar.listing(list(said.names)))
    if isinstance(said, Event):
        return tokens_of(grammar.sentence(said))
    event, role = said
    return tokens_of(grammar.sentence(event, ask=role))
