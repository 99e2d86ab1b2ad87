"""Questions whose answer is a noun phrase of the context: SQuAD, XQuAD, MLQA, TyDiQA, SQuAD 2.

The asked phrase is a uniform draw among all noun phrases of the context, so its place, its
length and its sentence say nothing; only matching the question with an event does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from xlt.world.draw import Draw
from xlt.world.language.concepts import TRANSITIVE
from xlt.world.language.events import Event, Facts, heads
from xlt.world.language.grammar import Grammar, find, text_of

__all__ = ["STYLES", "Asked", "Reading", "Style", "read_aloud", "readings"]


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a data set asks.

    Attributes:
        events: in a context.
        same_verb: how often two events share their verb, told apart by who or what.
        keep: how often the question repeats the time, the manner and the adjectives.
        general: how often a noun of the question is replaced by its hypernym.
        parallel: whether all languages have the same questions.
    """

    events: int = 2
    same_verb: float = 0.0
    keep: float = 0.5
    general: float = 0.0
    parallel: bool = True


STYLES = {
    "xquad": Style(same_verb=0.25),
    "mlqa": Style(events=3, keep=1.0),
    "tydiqa": Style(keep=0.0, general=0.5, parallel=False),
}


class Reading(NamedTuple):
    """A context of events and a question about a role of one of them (-1: of none)."""

    context: tuple[Event, ...]
    question: Event
    target: int
    role: str


class Asked(NamedTuple):
    """A reading in words; `candidates` are (start, text) of all noun phrases of the context."""

    context: str
    question: str
    answer: str
    start: int
    candidates: tuple[tuple[int, str], ...]


def readings(
    facts: Facts, draw: Draw, split: str, n: int, style: Style, *, unanswerable: float = 0.0
) -> list[Reading]:
    """Draw questions with contexts, all events of a split.

    A share of `unanswerable` of them asks about an event that the context does not tell: the
    context's event has the opposite verb, or another subject or object, than the asked one.
    """
    lost = draw.shuffled([i < round(n * unanswerable) for i in range(n)])
    return [_reading(facts, draw, split, style, is_lost) for is_lost in lost]


def _reading(facts: Facts, draw: Draw, split: str, style: Style, lost: bool) -> Reading:
    while True:
        context = _context(facts, draw, split, style)
        spots = [(i, role) for i, event in enumerate(context) for role in event.phrases]
        target, role = draw.pick(spots)
        question = _question(facts, draw, context[target], role, style)
        if lost:
            other = _another_event(facts, draw, context[target], role)
            if other is None or set(heads(other)) & _heads_but(context, target):
                continue
            context = (*context[:target], other, *context[target + 1 :])
            return Reading(context, question, -1, role)
        return Reading(context, question, target, role)


def _heads_but(context: tuple[Event, ...], target: int) -> set[str]:
    return {h for i, event in enumerate(context) if i != target for h in heads(event)}


def _context(facts: Facts, draw: Draw, split: str, style: Style) -> tuple[Event, ...]:
    """Events of which no two share a noun or name; verbs differ unless both have objects."""
    while True:
        events: list[Event] = []
        shared = draw.chance(style.same_verb)
        while len(events) < style.events:
            verbs = ((events[0].pair,) if events else TRANSITIVE) if shared else ()
            event = facts.event(draw, split, verbs=verbs, detail=0.8)
            told = {word for other in events for word in heads(other)}
            if told & set(heads(event)):
                if shared:
                    break
                continue
            if not shared and any(event.pair == other.pair for other in events):
                continue
            events.append(event._replace(verb=events[0].verb) if shared and events else event)
        if len(events) == style.events:
            return tuple(events)


def _question(facts: Facts, draw: Draw, event: Event, role: str, style: Style) -> Event:
    """The event as the question tells it: fewer details, perhaps a hypernym."""
    if not draw.chance(style.keep):
        event = event._replace(time="", manner="", front="")
        if role != "place":
            event = event._replace(place=None, relation="")
        for name, phrase in event.phrases.items():
            event = event.with_phrase(name, phrase._replace(adjective=""))
    if event.front not in event.fronts or draw.chance(0.5):
        event = event._replace(front=draw.pick(event.fronts))
    others = [name for name in event.phrases if name not in (role, "place")]
    if others and draw.chance(style.general):
        event = facts.general(event, draw.pick(others)) or event
    return event


def _another_event(facts: Facts, draw: Draw, event: Event, role: str) -> Event | None:
    """A near miss of an event, about which the question for `role` has no answer."""
    if draw.chance(0.5):
        return facts.flipped(event)
    others = tuple(name for name in ("subject", "object") if name != role)
    return facts.with_sibling(draw, event, others)


def read_aloud(grammar: Grammar, reading: Reading) -> Asked:
    """The context, question, answer and candidates in a language."""
    sentences = [grammar.sentence(event) for event in reading.context]
    candidates: list[tuple[int, str]] = []
    answer, start = "", -1
    offset = 0
    for i, (event, parts) in enumerate(zip(reading.context, sentences, strict=True)):
        for role in event.phrases:
            at, text = find(parts, role)
            candidates.append((offset + at, text))
            if (i, role) == (reading.target, reading.role):
                answer, start = text, offset + at
        offset += len(text_of(parts)) + 1
    return Asked(
        context=" ".join(text_of(parts) for parts in sentences),
        question=text_of(grammar.sentence(reading.question, ask=reading.role)),
        answer=answer,
        start=start,
        candidates=tuple(sorted(candidates)),
    )
