"""Unlabelled text: documents of one language, and translated pairs for parallel text.

Only events of the train split are told here, so a corpus never holds a test sentence.
"""

from __future__ import annotations

from xlt.world.draw import Draw
from xlt.world.language.concepts import KINDS_OF_NAME, names_of
from xlt.world.language.events import Event, Facts, heads
from xlt.world.language.grammar import Grammar, Part, text_of

__all__ = ["Saying", "document", "parallel_saying", "say"]

# One thing said, in no language yet: an event, a question, a bare phrase or a description.
Saying = tuple[str, Event]

# Every second name of each kind occurs in no translated pair, only in text of its own language:
# parallel corpora never have all names.
UNTRANSLATED = frozenset(
    name
    for kind in KINDS_OF_NAME
    for ambiguous in (False, True)
    for name in names_of(kind, ambiguous=ambiguous)[1::2]
)


def say(grammar: Grammar, sayings: list[Saying]) -> str:
    """The sayings in a language, joined by spaces."""
    return " ".join(text_of(_parts(grammar, kind, event)) for kind, event in sayings)


def _parts(grammar: Grammar, kind: str, event: Event) -> list[Part]:
    way, _, role = kind.partition(":")
    if way == "tell":
        return grammar.sentence(event)
    if way == "ask":
        return grammar.sentence(event, ask=role)
    phrase = event.phrases[role]
    if way == "describe":
        bare = phrase._replace(adjective="", number="", definite=True)
        return grammar.state(bare, phrase.adjective)
    case = {"object": "object", "place": event.relation}.get(role, "")
    tokens = [Part(role, grammar.phrase(phrase, case))]
    if way == "answer":
        return [*tokens, *grammar.sentence(event)[-1:]]
    return tokens


def document(facts: Facts, draw: Draw) -> list[Saying]:
    """One to two events, then restatements, descriptions, and a question with its answer.

    The last two teach a reader that a text may say one thing twice, in parts: what question
    answering and inference need.
    """
    first = facts.event(draw, "train", negation=0.12)
    events = [first]
    if draw.chance(0.6):
        subject = first.subject._replace(adjective="") if draw.chance(0.3) else None
        second = facts.event(draw, "train", negation=0.12, subject=subject)
        if second.pair != first.pair:
            events.append(second)
    said: list[Saying] = [("tell", event) for event in events]
    if draw.chance(0.4):
        said.append(("tell", restated(facts, draw, draw.pick(events))))
    if draw.chance(0.2):
        said.extend(_description(draw.pick(events)))
    if draw.chance(0.5):
        said.extend(_question_and_answer(facts, draw, draw.pick(events)))
    return said


def restated(facts: Facts, draw: Draw, event: Event) -> Event:
    """A part of what an event says, perhaps with a hypernym."""
    if draw.chance(0.5):
        event = event._replace(time="")
    if draw.chance(0.5):
        event = event._replace(manner="")
    if draw.chance(0.6):
        event = event._replace(place=None, relation="")
    if draw.chance(0.7):
        for role, phrase in event.phrases.items():
            event = event.with_phrase(role, phrase._replace(adjective=""))
    if draw.chance(0.4):
        event = facts.general(event, draw.pick(("subject", "object"))) or event
    return event._replace(front=draw.pick(event.fronts))


def _description(event: Event) -> list[Saying]:
    return [
        (f"describe:{role}", event)
        for role, phrase in event.phrases.items()
        if phrase.adjective and not phrase.number
    ][:1]


def _question_and_answer(facts: Facts, draw: Draw, event: Event) -> list[Saying]:
    role = draw.pick([*event.phrases])
    asked = event._replace(time="", manner="", front="")
    if role != "place":
        asked = asked._replace(place=None, relation="")
    return [(f"ask:{role}", asked), (f"answer:{role}", event)]


def parallel_saying(facts: Facts, draw: Draw) -> list[Saying]:
    """What one translated pair says: a short phrase, a sentence, or a sentence with a question."""
    event = facts.event(draw, "train", negation=0.12)
    while not UNTRANSLATED.isdisjoint(heads(event)):
        event = facts.event(draw, "train", negation=0.12)
    way = draw.random()
    if way < 0.25:
        role = draw.pick([*event.phrases])
        return [(f"name:{role}", event)]
    if way < 0.35:
        short = Event(event.subject, event.verb, event.object, negated=event.negated)
        return [("tell", short)]
    if way < 0.40:
        return _description(event) or [("tell", event)]
    if way < 0.75:
        return [("tell", event)]
    if way < 0.85:
        return _question_and_answer(facts, draw, event)[:1]
    return [("tell", event), *_question_and_answer(facts, draw, event)]
