"""From an event to a sentence of a language: word forms, word order, and every word's gold tags."""

from __future__ import annotations

from typing import NamedTuple

from xlt.world.language.concepts import ANIMATE, class_of
from xlt.world.language.events import Event, Phrase
from xlt.world.language.lexicon import LanguageSpec, Lexicon

__all__ = ["Grammar", "Part", "Token", "find", "text_of", "tokens_of"]


class Token(NamedTuple):
    """A word as written, its UPOS tag, IOB2 name tag and CCG category (of English)."""

    text: str
    pos: str
    ner: str = "O"
    category: str = "N"


class Part(NamedTuple):
    """Words that belong together; `role` names what they do in the sentence."""

    role: str
    tokens: tuple[Token, ...]


VERB_MODIFIER = "(S\\NP)\\(S\\NP)"
STOP = Part("stop", (Token(".", "PUNCT", category="."),))
MARK = Part("stop", (Token("?", "PUNCT", category="."),))
COMMA = Part("stop", (Token(",", "PUNCT", category=","),))


def tokens_of(parts: list[Part]) -> list[Token]:
    """All tokens in order."""
    return [token for part in parts for token in part.tokens]


def text_of(parts: list[Part]) -> str:
    """The sentence: words and punctuation with one space between."""
    return " ".join(token.text for part in parts for token in part.tokens)


def find(parts: list[Part], role: str) -> tuple[int, str]:
    """Where a part's text starts in `text_of(parts)`, in code points, and that text."""
    start = 0
    for part in parts:
        text = text_of([part])
        if part.role == role:
            return start, text
        start += len(text) + 1 if text else 0
    raise ValueError(f"no part {role!r} among {[part.role for part in parts]}")


class Grammar:
    """Renders events in one language."""

    def __init__(self, spec: LanguageSpec, lexicon: Lexicon) -> None:
        self.spec = spec
        self.lexicon = lexicon
        self.suffixing = spec.order == "SOV"  # cases and negation are suffixes, no articles
        self._phrases: dict[tuple[Phrase, str], tuple[Token, ...]] = {}

    def word(self, concept: str, pos: str, category: str = "N") -> Token:
        """The bare form of a concept."""
        return Token(self.lexicon.roots[concept], pos, category=category)

    def phrase(self, phrase: Phrase, case: str = "") -> tuple[Token, ...]:
        """A noun phrase; `case` (object, in, near) shows only in suffixing languages."""
        key = (phrase, case if self.suffixing else "")
        if key not in self._phrases:
            build = self._noun if phrase.kind == "noun" else self._name
            ending = self.lexicon.affixes[case] if key[1] else ""
            self._phrases[key] = build(phrase, ending)
        return self._phrases[key]

    def _name(self, phrase: Phrase, ending: str) -> tuple[Token, ...]:
        words = [self.lexicon.names[n] for n in (phrase.head, phrase.second) if n]
        words[-1] += ending
        return tuple(
            Token(word, "PROPN", f"{'I' if i else 'B'}-{phrase.kind}", "N" if last else "N/N")
            for i, word in enumerate(words)
            for last in (i == len(words) - 1,)
        )

    def _noun(self, phrase: Phrase, ending: str) -> tuple[Token, ...]:
        affixes = self.lexicon.affixes
        noun = self.lexicon.roots[phrase.head] + (affixes["many"] if phrase.number else "")
        prefixing = self.spec.order == "VSO"
        article = ""
        if prefixing and phrase.definite:
            noun = affixes["the"] + noun
        elif self.spec.order == "SVO":
            article = "the" if phrase.definite else "" if phrase.number else "a"
        tokens: list[Token] = []
        if article:
            tokens.append(self.word(article, "DET", "NP/N"))
        if phrase.number.isdigit():
            tokens.append(Token(phrase.number, "NUM", category="N/N" if article else "NP/N"))
        elif phrase.number not in ("", "many"):
            tokens.append(self.word(phrase.number, "NUM", "N/N" if article else "NP/N"))
        named = Token(noun + ending, "NOUN")
        if not phrase.adjective:
            return (*tokens, named)
        adjective = self.word(phrase.adjective, "ADJ", "N/N")
        first = self.spec.adjective_first
        return (*tokens, *((adjective, named) if first else (named, adjective)))

    def place(self, event: Event, *, front: bool) -> list[Part]:
        """Where it happened; the noun phrase is a part of its own, so that it can be an answer."""
        if event.place is None:
            return []
        tokens = self.phrase(event.place, event.relation)
        if self.suffixing:
            return [Part("place", tokens)]
        category = "(S/S)/NP" if front else f"({VERB_MODIFIER})/NP"
        return [
            Part("relation", (self.word(event.relation, "ADP", category),)),
            Part("place", tokens),
        ]

    def sentence(self, event: Event, ask: str = "") -> list[Part]:
        """An event as a statement, or as a question for one of its roles.

        Args:
            event: what happened.
            ask: "" for a statement; subject, object or place.
        """
        front_time, front_place = event.front == "time", event.front == "place" and ask != "place"
        time = manner = subject = target = None
        if event.time:
            category = "S/S" if front_time else VERB_MODIFIER
            time = Part("time", (self.word(event.time, "ADV", category),))
        if event.manner:
            manner = Part("manner", (self.word(event.manner, "ADV", VERB_MODIFIER),))
        if event.object:
            target = Part("object", self.phrase(event.object, "object"))
        subject = Part("subject", self.phrase(event.subject))
        place = self.place(event, front=front_place)
        if ask == "subject":
            subject = self.asked(event.subject, "subject", "S/(S\\NP)")
        elif ask == "object" and event.object:
            target = self.asked(event.object, "object", "S/(S/NP)")
        elif ask == "place":
            place = [Part("place", (self.word("where", "ADV", "S/S"),))]
        verb = self.verb(event, bool(event.object) and ask != "object")
        order = self._order(event, ask, subject, verb, target, manner, place, time)
        return [*order, MARK if ask else STOP]

    def _order(
        self, event: Event, ask: str, subject: Part, verb: Part, target: Part | None,
        manner: Part | None, place: list[Part], time: Part | None,
    ) -> list[Part]:  # fmt: skip
        """The parts as the language lines them up."""
        first: list[Part | None] = []
        if event.front == "time":
            first, time = [time], None
        elif event.front == "place" and ask != "place":
            first, place = [*place], []
        if self.spec.order == "SVO" and ask in ("object", "place"):
            asked = [target] if ask == "object" else [*place]
            first = [*asked, *first]
            target, place = (None, place) if ask == "object" else (target, [])
        rest: dict[str, list[Part | None]] = {
            "SVO": [subject, verb, target, manner, *place, time],
            "SOV": [subject, time, *place, target, manner, verb],
            "VSO": [verb, manner, subject, target, *place, time],
        }
        return [part for part in [*first, *rest[self.spec.order]] if part is not None]

    def asked(self, phrase: Phrase, role: str, category: str) -> Part:
        """The question word that stands for a phrase: who for the animate and names, what else."""
        person = phrase.kind != "noun" or class_of(phrase.head) in ANIMATE
        word = self.word("who" if person else "what", "PRON", category)
        if self.suffixing and role == "object":
            word = word._replace(text=word.text + self.lexicon.affixes["object"])
        return Part(role, (word,))

    def verb(self, event: Event, transitive: bool) -> Part:
        """The verb in the past, with its negation."""
        form = self.lexicon.roots[event.verb] + self.lexicon.affixes["past"]
        category = "(S\\NP)/NP" if transitive else "S\\NP"
        if self.suffixing:
            form += self.lexicon.affixes["not"] if event.negated else ""
            return Part("verb", (Token(form, "VERB", category=category),))
        verb = Token(form, "VERB", category=category)
        denial = (self.word("not", "PART", "(S\\NP)/(S\\NP)"),) if event.negated else ()
        return Part("verb", (*denial, verb))

    def state(self, phrase: Phrase, quality: str) -> list[Part]:
        """A description: `the N is ADJ .`."""
        subject = Part("subject", self.phrase(phrase))
        copula = Part("verb", (self.word("is", "AUX", "(S\\NP)/(S\\NP)"),))
        said = Part("quality", (self.word(quality, "ADJ", "S\\NP"),))
        orders = {
            "SVO": [subject, copula, said],
            "SOV": [subject, said, copula],
            "VSO": [copula, subject, said],
        }
        return [*orders[self.spec.order], STOP]

    def where_is(self, phrase: Phrase) -> list[Part]:
        """A question for a place: `where is the N ?`."""
        where = Part("place", (self.word("where", "ADV", "S/S"),))
        copula = Part("verb", (self.word("is", "AUX", "(S\\NP)/(S\\NP)"),))
        subject = Part("subject", self.phrase(phrase))
        if self.suffixing:
            return [subject, where, copula, MARK]
        return [where, copula, subject, MARK]

    def listing(self, phrases: list[Phrase]) -> list[Part]:
        """`A , B and C`: a heading of names, no sentence."""
        parts: list[Part] = []
        for i, phrase in enumerate(phrases):
            if i:
                last = i == len(phrases) - 1
                joint = Part("and", (self.word("and", "CCONJ", "conj"),))
                parts.append(joint if last else COMMA)
            parts.append(Part(f"item{i}", self.phrase(phrase)))
        return parts
