"""Multiple choice: HellaSwag-like endings, Cosmos-like inference, CommonsenseQA-like knowledge.

Wrong choices mirror the right one, and its position is balanced: the choices alone tell nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from xlt.world.draw import Draw, balanced
from xlt.world.language.concepts import TRANSITIVE, class_of, hypernym, nouns_of
from xlt.world.language.events import Event, Facts, Phrase, heads

__all__ = ["Ending", "Inferred", "Known", "endings", "inferred", "known"]


class Ending(NamedTuple):
    """What happened, and four events of which one comes next."""

    before: Event
    endings: tuple[Event, ...]
    label: int


class Inferred(NamedTuple):
    """Events, and the class of a thing in one of them; `label` is the event that has it."""

    context: tuple[Event, ...]
    kind: str
    choices: tuple[int, ...]  # event numbers, in the order of the choices
    label: int


class Known(NamedTuple):
    """An event whose place is asked, and five places; one is where its subject usually is."""

    question: Event
    places: tuple[Phrase, ...]
    label: int


def endings(facts: Facts, draw: Draw, split: str, n: int) -> list[Ending]:
    """What was done is undone next: opposite verb, same object.

    The four endings are both verbs of the pair with both of two objects of one class, so each
    word occurs in two of them.
    """
    found = []
    for label in balanced(draw, range(4), n):
        while True:
            event = facts.event(draw, split, verbs=TRANSITIVE)
            plain = Event(event.subject._replace(adjective=""), event.verb, event.object)
            other = facts.with_sibling(draw, plain, ("object",))
            if other is not None:
                break
        wrong = draw.shuffled([plain, other, facts.flipped(other)])
        order = [*wrong[:label], facts.flipped(plain), *wrong[label:]]
        found.append(Ending(event, tuple(order), label))
    return found


def inferred(facts: Facts, draw: Draw, split: str, n: int) -> list[Inferred]:
    """Four events with things of four classes in four places; where is the one of this class?

    All four places are choices, so knowing the words of the context does not help; the class of
    each noun does. The asked event and the position of its place are drawn independently.
    """
    found = []
    for label in balanced(draw, range(4), n):
        context = _four_events(facts, draw, split)
        target = draw.below(4)
        rest = draw.shuffled([i for i in range(4) if i != target])
        choices = (*rest[:label], target, *rest[label:])
        thing = context[target].object
        kind = hypernym(thing.head) if thing else ""
        found.append(Inferred(context, kind, choices, label))
    return found


def _four_events(facts: Facts, draw: Draw, split: str) -> tuple[Event, ...]:
    places = draw.sample(nouns_of("place"), 4)
    events: list[Event] = []
    classes: set[str] = set()
    words: set[str] = set()
    while len(events) < 4:
        kind = "ORG" if draw.chance(0.2) else "PER"
        event = facts.event(draw, split, verbs=TRANSITIVE, detail=0, subject=facts.name(draw, kind))
        thing = event.object
        if thing is None or thing.kind != "noun":
            continue
        if class_of(thing.head) in classes or words & set(heads(event)):
            continue
        classes.add(class_of(thing.head))
        words |= set(heads(event))
        thing = Phrase(thing.head)
        place = Phrase(places[len(events)])
        events.append(event._replace(object=thing, relation="in", place=place))
    return tuple(draw.shuffled(events))


def known(facts: Facts, draw: Draw, split: str, n: int) -> list[Known]:
    """Where does the subject do it? Each noun is usually in four places; one of five is such."""
    found = []
    everywhere = nouns_of("place")
    for label in balanced(draw, range(5), n):
        while True:
            event = facts.event(draw, split, detail=0)
            if event.subject.head in facts.concepts.found:
                break
        usual = facts.concepts.found[event.subject.head]
        wrong = draw.sample([place for place in everywhere if place not in usual], 4)
        places = [*wrong[:label], draw.pick(usual), *wrong[label:]]
        found.append(Known(event, tuple(Phrase(place) for place in places), label))
    return found
