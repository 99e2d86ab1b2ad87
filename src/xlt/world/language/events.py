"""Abstract events, the meaning of every sentence, and the split that each of them belongs to.

An event's core (verb pair, subject, object) decides its split by a hash, so train, dev and
test can never say the same thing, in any language, task or text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from xlt.world.draw import Draw
from xlt.world.language.concepts import (
    ADJECTIVES,
    BUSINESS,
    MANNERS,
    NUMBERS,
    SOCIAL,
    TIMES,
    TRANSITIVE,
    Concepts,
    class_of,
    doable,
    hypernym,
    names_of,
    nouns_of,
    opposite,
)

__all__ = ["SPLITS", "Event", "Facts", "Phrase", "heads", "meaning", "swappable", "swapped"]

SPLITS = ("train", "dev", "test")
ACTORS = ("PER",) * 7 + ("ORG",) * 3 + ("person",) * 6 + ("animal",) * 4


class Phrase(NamedTuple):
    """A noun phrase: a noun with its details, or a name of one or two words."""

    head: str  # noun, hypernym or name
    kind: str = "noun"  # or PER, LOC, ORG
    second: str = ""  # second word of a name
    adjective: str = ""
    number: str = ""  # "" one, "many", a number concept, or digits
    definite: bool = True


class Event(NamedTuple):
    """Who did what to whom, where, when and how; `front` moves the time or the place first."""

    subject: Phrase
    verb: str
    object: Phrase | None = None
    relation: str = ""  # in, near
    place: Phrase | None = None
    time: str = ""
    manner: str = ""
    negated: bool = False
    front: str = ""

    @property
    def pair(self) -> str:
        """The pair of opposites that the verb belongs to."""
        return self.verb[:-1]

    @property
    def phrases(self) -> dict[str, Phrase]:
        """The noun phrases by role: subject, object, place."""
        roles = {"subject": self.subject, "object": self.object, "place": self.place}
        return {role: phrase for role, phrase in roles.items() if phrase is not None}

    def with_phrase(self, role: str, phrase: Phrase) -> Event:
        """The event with another phrase in a role."""
        if role == "subject":
            return self._replace(subject=phrase)
        return self._replace(object=phrase) if role == "object" else self._replace(place=phrase)

    @property
    def fronts(self) -> list[str]:
        """The word orders that the event allows."""
        return ["", *(["time"] if self.time else []), *(["place"] if self.place else [])]


def heads(event: Event, *, but: str = "") -> list[str]:
    """All nouns and name words of an event's phrases, those of one role left out if asked."""
    return [
        word
        for role, phrase in event.phrases.items()
        for word in (phrase.head, phrase.second)
        if word and role != but
    ]


def meaning(event: Event) -> tuple[object, ...]:
    """What an event says in every language: no word order, no definiteness."""
    plain = [p and p._replace(definite=True) for p in (event.subject, event.object, event.place)]
    return (*plain, event.verb, event.relation, event.time, event.manner, event.negated)


def swappable(event: Event) -> bool:
    """Whether subject and object may change places and still make sense."""
    if event.object is None:
        return False
    both_organisations = event.subject.kind == event.object.kind == "ORG"
    return event.pair in SOCIAL or (event.pair in BUSINESS and both_organisations)


def swapped(event: Event) -> Event:
    """The same event with subject and object exchanged."""
    if event.object is None:
        raise ValueError("an event without an object cannot be swapped")
    return event._replace(subject=event.object, object=event.subject)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A world's concepts and its split of events; draws events that belong to a split."""

    seed: int
    concepts: Concepts

    def split_of(self, event: Event) -> str:
        """`train` (80 %), `dev` (8 %) or `test` (12 %); opposite verbs and swapped roles agree."""
        target = event.object or event.subject
        words = (event.subject.head, event.subject.second, target.head, target.second)
        return self.split_of_core(event.pair, *sorted(words))

    def split_of_core(self, *words: str) -> str:
        """The split of what these words are about."""
        key = "/".join((str(self.seed), *words)).encode()
        percent = int.from_bytes(hashlib.sha256(key).digest()[:8], "big") % 100
        return "train" if percent < 80 else "dev" if percent < 88 else "test"

    def event(
        self,
        draw: Draw,
        split: str,
        *,
        verbs: tuple[str, ...] = (),
        detail: float = 1.0,
        negation: float = 0.0,
        subject: Phrase | None = None,
    ) -> Event:
        """Draw an event of a split.

        Args:
            draw: the stream of randomness.
            split: train, dev or test.
            verbs: verb pairs to choose from; () means any.
            detail: factor on how often time, manner, place and adjectives are told.
            negation: how often the event is denied.
            subject: who acts, when that is given; it must have something to do in this split.
        """
        while True:
            event = self.any_event(draw, verbs, subject)
            if event is not None and self.split_of(event) == split:
                return self.detailed(draw, event, detail, negation)

    def any_event(
        self, draw: Draw, verbs: tuple[str, ...], subject: Phrase | None = None
    ) -> Event | None:
        """Subject, verb and object of any event; None when the subject does none of `verbs`."""
        subject = subject or self.actor(draw)
        possible = doable(subject.kind if subject.kind != "noun" else subject.head)
        likely = self.concepts.does.get(subject.head, possible)
        pool = likely if draw.chance(0.8) else possible
        if verbs:
            pool = tuple(pair for pair in possible if pair in verbs)
        if not pool:
            return None
        pair = draw.pick(pool)
        event = Event(subject, pair + draw.pick("+-"))
        if pair not in TRANSITIVE:
            return event
        target = self.target(draw, pair, subject.kind)
        if {target.head, target.second} & {subject.head, subject.second or subject.head}:
            return None
        return event._replace(object=target)

    def actor(self, draw: Draw) -> Phrase:
        """Who acts: a person's name, an organisation, a person or an animal."""
        kind = draw.pick(ACTORS)
        return self.name(draw, kind) if kind in ("PER", "ORG") else self.noun(draw, kind)

    def target(self, draw: Draw, pair: str, actor: str) -> Phrase:
        """What a verb pair's action is done to."""
        if pair in SOCIAL and draw.chance(0.35):
            return self.name(draw, "PER")
        if pair in BUSINESS and draw.chance(0.5 if actor == "ORG" else 0.15):
            return self.name(draw, "ORG")
        return self.noun(draw, draw.pick(self.concepts.takes[pair]))

    def name(self, draw: Draw, kind: str, ambiguous_share: float = 0.25) -> Phrase:
        """A name; one in four could be of any kind by itself, one in four has two words."""
        ambiguous = draw.chance(ambiguous_share)
        head = draw.pick(names_of(kind, ambiguous=ambiguous))
        second = draw.pick(names_of(kind, ambiguous=not ambiguous)) if draw.chance(0.25) else ""
        return Phrase(head, kind, second)

    def noun(self, draw: Draw, noun_class: str) -> Phrase:
        """A noun of a class with its number, as yet without an adjective."""
        number = ""
        if draw.chance(0.3):
            number = draw.pick(("many", "many", draw.pick(NUMBERS), str(10 + draw.below(90))))
        return Phrase(draw.pick(nouns_of(noun_class)), number=number, definite=draw.chance(0.7))

    def detailed(self, draw: Draw, event: Event, detail: float, negation: float) -> Event:
        """Add adjectives, place, time, manner, negation and a word order at random."""
        subject = self.described(draw, event.subject, 0.4 * detail)
        target = event.object and self.described(draw, event.object, 0.4 * detail)
        event = event._replace(subject=subject, object=target)
        if draw.chance(0.45 * detail):
            event = self.placed(draw, event)
        if draw.chance(0.4 * detail):
            event = event._replace(time=draw.pick(TIMES))
        if draw.chance(0.35 * detail):
            event = event._replace(manner=self.manner(draw, event.pair))
        event = event._replace(negated=draw.chance(negation))
        return event._replace(front=draw.pick(event.fronts) if draw.chance(0.5) else "")

    def described(self, draw: Draw, phrase: Phrase, chance: float = 1.0) -> Phrase:
        """The phrase with an adjective that suits its noun; names get none."""
        if phrase.kind != "noun" or not draw.chance(chance):
            return phrase
        pairs = self.concepts.looks.get(phrase.head, ADJECTIVES)
        pair = draw.pick(pairs if draw.chance(0.8) else ADJECTIVES)
        return phrase._replace(adjective=pair + draw.pick("+-"))

    def placed(self, draw: Draw, event: Event, relation: str = "") -> Event:
        """The event with a place: one that the subject prefers, most often, or a named one."""
        relation = relation or draw.pick(("in", "near"))
        if draw.chance(0.35):
            return event._replace(relation=relation, place=self.name_of_place(draw, event))
        usual = self.concepts.found.get(event.subject.head)
        pool = usual if usual and draw.chance(0.8) else nouns_of("place")
        return event._replace(relation=relation, place=Phrase(draw.pick(pool)))

    def name_of_place(self, draw: Draw, event: Event) -> Phrase:
        """A place name that shares no word with the event's other phrases."""
        while True:
            place = self.name(draw, "LOC")
            if not {place.head, place.second} & set(heads(event)):
                return place

    def manner(self, draw: Draw, pair: str) -> str:
        """How it was done: a manner that goes with the verb, most often."""
        pool = self.concepts.manners[pair] if draw.chance(0.8) else MANNERS
        return draw.pick(pool) + draw.pick("+-")

    def sibling(self, draw: Draw, phrase: Phrase) -> Phrase:
        """Another phrase of the same shape: same class or kind of name, same number of words."""
        if phrase.kind == "noun":
            pool = nouns_of(class_of(phrase.head))
            return phrase._replace(head=draw.pick([n for n in pool if n != phrase.head]))
        while True:
            other = self.name(draw, phrase.kind)
            if bool(other.second) == bool(phrase.second) and other.head != phrase.head:
                return other

    def with_sibling(self, draw: Draw, event: Event, roles: tuple[str, ...]) -> Event | None:
        """The event with one phrase replaced by a sibling, still in its split; None when rare."""
        split = self.split_of(event)
        present = [role for role in roles if role in event.phrases]
        for _ in range(12):
            if not present:
                break
            role = draw.pick(present)
            other = self.sibling(draw, event.phrases[role])
            rest = set(heads(event, but=role))
            changed = event.with_phrase(role, other)
            if not {other.head, other.second} & rest and self.split_of(changed) == split:
                return changed
        return None

    def general(self, event: Event, role: str) -> Event | None:
        """The event with a noun replaced by its hypernym; None where that leaves its split."""
        phrase = event.phrases.get(role)
        if phrase is None or phrase.kind != "noun" or not hypernym(phrase.head):
            return None
        changed = event.with_phrase(role, phrase._replace(head=hypernym(phrase.head)))
        return changed if self.split_of(changed) == self.split_of(event) else None

    def flipped(self, event: Event) -> Event:
        """The event with the opposite verb: always in the same split."""
        return event._replace(verb=opposite(event.verb))
