"""Inference pairs: the hypothesis is drawn first, then a premise of the wanted label and length.

So the label says nothing about the hypothesis, nor about how long either sentence is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xlt.world.draw import Draw, balanced
from xlt.world.language.concepts import ADJECTIVES, MANNERS, TIMES, hypernym, nouns_of, opposite
from xlt.world.language.events import Event, Facts, Phrase, heads, swappable, swapped

__all__ = ["LABELS", "Inference", "artefact", "inferences", "relation"]

LABELS = ("entailment", "neutral", "contradiction")


class Inference(NamedTuple):
    """A premise of one sentence (or two, for the ANLI-like set), a hypothesis and the label."""

    premise: tuple[Event, ...]
    hypothesis: Event
    label: str


def relation(premise: Event, hypothesis: Event) -> str:
    """The label that the rules give a premise (never denied) and a hypothesis.

    A premise covers a claim when it says all of it, perhaps with a noun for its hypernym and
    with more details. Opposites exclude each other. A hypothesis that is covered is entailed;
    one that would be covered if one verb, adjective or manner of the premise were its opposite
    is contradicted; all else is neutral. A denied hypothesis is contradicted by a premise that
    covers what is denied, and entailed by one with the opposite verb.
    """
    if premise.negated:
        raise ValueError("premises are never denied in this world")
    claim = hypothesis._replace(negated=False)
    covered = covers(premise, claim)
    undone = covers(premise._replace(verb=opposite(premise.verb)), claim)
    if hypothesis.negated:
        return "contradiction" if covered else "entailment" if undone else "neutral"
    if covered:
        return "entailment"
    excluded = undone or any(covers(other, claim) for other in _with_an_opposite(premise))
    return "contradiction" if excluded else "neutral"


def covers(premise: Event, claim: Event) -> bool:
    """Whether the premise says everything that the claim says."""
    return (
        premise.verb == claim.verb
        and _says(premise.subject, claim.subject)
        and _says(premise.object, claim.object)
        and (claim.place is None or premise.relation == claim.relation)
        and _says(premise.place, claim.place)
        and claim.time in ("", premise.time)
        and claim.manner in ("", premise.manner)
    )


def _says(phrase: Phrase | None, claim: Phrase | None) -> bool:
    if claim is None:
        return True
    if phrase is None:
        return False
    same = phrase.head == claim.head or hypernym(phrase.head) == claim.head
    detail = claim.adjective in ("", phrase.adjective)
    return same and detail and phrase.second == claim.second and phrase.number == claim.number


def _with_an_opposite(event: Event) -> Iterator[Event]:
    if event.manner:
        yield event._replace(manner=opposite(event.manner))
    for role, phrase in event.phrases.items():
        if phrase.adjective:
            other = phrase._replace(adjective=opposite(phrase.adjective))
            yield event.with_phrase(role, other)


def artefact(hypothesis: Event) -> str:
    """The label that a hypothesis alone suggests, by the artefacts of crowd-sourced inference data.

    Denial for a contradiction, added detail for a neutral pair (Gururangan et al. 2018). Here
    hypotheses are drawn before their labels, so that it is right once in three times.
    """
    if hypothesis.negated:
        return "contradiction"
    return "neutral" if hypothesis.time or hypothesis.manner or hypothesis.place else "entailment"


def inferences(
    facts: Facts, draw: Draw, split: str, n: int, *, extra: int = 3, sentences: int = 1
) -> list[Inference]:
    """Draw `n` pairs, the labels exactly balanced.

    Args:
        facts: the world.
        draw: the stream of randomness.
        split: train, dev or test; premise and hypothesis both belong to it.
        n: how many.
        extra: the premise has 1 to `extra` details more than the hypothesis.
        sentences: of the premise; the second one is about something else.
    """
    found = []
    for label in balanced(draw, LABELS, n):
        while True:
            hypothesis = _hypothesis(facts, draw, split)
            premises = _premises(facts, draw, hypothesis, 1 + draw.below(extra))
            if premises is not None:
                break
        told = [premises[label]]
        if sentences == 2:
            told = draw.shuffled([*told, _elsewhere(facts, draw, split, told[0])])
        found.append(Inference(tuple(told), hypothesis, label))
    return found


def _hypothesis(facts: Facts, draw: Draw, split: str) -> Event:
    event = facts.event(draw, split, detail=0.7, negation=0.25)
    if draw.chance(0.35):
        role = draw.pick(("subject", "object"))
        event = facts.general(event, role) or event
    return event


def _premises(facts: Facts, draw: Draw, hypothesis: Event, extra: int) -> dict[str, Event] | None:
    """One premise for each label, all of one length in English; None when one cannot be had.

    They share their added details; each then has a word or two exchanged for others.
    """
    base = hypothesis._replace(negated=False)
    for _ in range(extra):
        base = _add_detail(facts, draw, base)
    base = base._replace(front=draw.pick(base.fronts) if draw.chance(0.5) else "")
    special = _special(facts, draw, base)
    premises = {}
    for label in LABELS:
        positive = label if not hypothesis.negated else _DENIED[label]
        premise = _edited(facts, draw, special, base, hypothesis, positive)
        if premise is None or relation(premise, hypothesis) != label:
            return None
        premises[label] = premise
    return premises


# What a premise must be to the claim for its denial to have the label.
_DENIED = {"entailment": "undone", "neutral": "neutral", "contradiction": "entailment"}


def _edited(
    facts: Facts, draw: Draw, special: Event, base: Event, hypothesis: Event, aim: str
) -> Event | None:
    if aim == "entailment":
        return special
    if aim == "undone":
        return facts.flipped(special)
    if aim == "contradiction":
        claimed = [facts.flipped(special)]
        if hypothesis.manner:
            claimed.append(special._replace(manner=opposite(special.manner)))
        for role, phrase in hypothesis.phrases.items():
            if phrase.adjective:
                other = special.phrases[role]._replace(adjective=opposite(phrase.adjective))
                claimed.append(special.with_phrase(role, other))
        return draw.pick(claimed)
    return _neutral(facts, draw, special, base, hypothesis)


def _neutral(
    facts: Facts, draw: Draw, special: Event, base: Event, hypothesis: Event
) -> Event | None:
    """Exchange something that the hypothesis claims for something else of the same length."""
    ways = draw.shuffled(("sibling", "sibling", "swap", "general", "detail", "detail", "move"))
    for way in ways:
        changed: Event | None = None
        if way == "sibling":
            changed = facts.with_sibling(draw, special, ("subject", "object"))
        elif way == "swap" and swappable(special):
            changed = swapped(special)
        elif way == "general":
            changed = facts.general(base, draw.pick(("subject", "object")))
        elif way == "detail":
            changed = _another_detail(facts, draw, special, hypothesis)
        elif way == "move":
            changed = _moved(facts, draw, special, hypothesis)
        if changed is not None and relation(changed, hypothesis) == "neutral":
            return changed
    return None


def _another_detail(facts: Facts, draw: Draw, event: Event, hypothesis: Event) -> Event | None:
    """A claimed time, place, manner or adjective replaced by another that is not an opposite."""
    ways = [role for role, phrase in hypothesis.phrases.items() if phrase.adjective]
    ways += [slot for slot in ("time", "manner", "place") if getattr(hypothesis, slot)]
    if not ways:
        return None
    way = draw.pick(ways)
    if way == "time":
        return event._replace(time=draw.pick([t for t in TIMES if t != event.time]))
    if way == "manner":
        pairs = [pair for pair in MANNERS if pair != event.manner[:-1]]
        return event._replace(manner=draw.pick(pairs) + draw.pick("+-"))
    if way == "place" and event.place is not None:
        if event.place.kind == "noun":
            others = [p for p in nouns_of("place") if p != event.place.head]
            return event._replace(place=event.place._replace(head=draw.pick(others)))
        other = facts.sibling(draw, event.place)
        clash = {other.head, other.second} & set(heads(event, but="place"))
        return None if clash else event._replace(place=other)
    phrase = event.phrases[way]
    pairs = [pair for pair in ADJECTIVES if pair != phrase.adjective[:-1]]
    return event.with_phrase(way, phrase._replace(adjective=draw.pick(pairs) + draw.pick("+-")))


def _moved(facts: Facts, draw: Draw, event: Event, hypothesis: Event) -> Event | None:
    """A claimed word dropped, and an unclaimed one of the same length told instead."""
    if hypothesis.time and not event.manner:
        front = "" if event.front == "time" else event.front
        return event._replace(time="", manner=facts.manner(draw, event.pair), front=front)
    if hypothesis.manner and not event.time:
        return event._replace(time=draw.pick(TIMES), manner="")
    if event.object is None or not (event.subject.kind == event.object.kind == "noun"):
        return None
    subject, target = event.subject, event.object
    if hypothesis.subject.adjective and not target.adjective:
        described = facts.described(draw, target)
        return event._replace(subject=subject._replace(adjective=""), object=described)
    if hypothesis.object and hypothesis.object.adjective and not subject.adjective:
        described = facts.described(draw, subject)
        return event._replace(subject=described, object=target._replace(adjective=""))
    return None


def _special(facts: Facts, draw: Draw, event: Event) -> Event:
    """Hypernyms replaced by nouns of their class, most often and where the split allows it."""
    split = facts.split_of(event)
    for role in ("subject", "object"):
        phrase = event.phrases.get(role)
        if phrase is None or not phrase.head.startswith("kind.") or draw.chance(0.3):
            continue
        nouns = draw.shuffled(nouns_of(phrase.head.partition(".")[2]))
        for noun in nouns:
            changed = event.with_phrase(role, phrase._replace(head=noun))
            if noun not in heads(event) and facts.split_of(changed) == split:
                event = changed
                break
    return event


def _add_detail(facts: Facts, draw: Draw, event: Event) -> Event:
    """Tell one detail more, if there is one left to tell."""
    ways = [slot for slot in ("time", "manner", "place") if not getattr(event, slot)]
    ways += [
        role
        for role, phrase in event.phrases.items()
        if role != "place" and phrase.kind == "noun" and not phrase.adjective
    ]
    if not ways:
        return event
    way = draw.pick(ways)
    if way == "time":
        return event._replace(time=draw.pick(TIMES))
    if way == "manner":
        return event._replace(manner=facts.manner(draw, event.pair))
    if way == "place":
        return facts.placed(draw, event)
    return event.with_phrase(way, facts.described(draw, event.phrases[way]))


def _elsewhere(facts: Facts, draw: Draw, split: str, event: Event) -> Event:
    """An event about other things, as the other sentence of a premise."""
    while True:
        other = facts.event(draw, split, detail=0.5)
        if other.pair != event.pair and not set(heads(other)) & set(heads(event)):
            return other
