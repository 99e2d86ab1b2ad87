"""A world: its facts, its languages, and how much of it is written."""

from __future__ import annotations

from dataclasses import dataclass

from xlt.world.draw import Draw
from xlt.world.language.concepts import draw_concepts
from xlt.world.language.events import Event, Facts
from xlt.world.language.grammar import Grammar, text_of
from xlt.world.language.lexicon import LANGUAGES, LanguageSpec, build_lexicons
from xlt.world.sizes import Size

__all__ = ["World", "make_world", "sentence"]


@dataclass(frozen=True, kw_only=True)
class World:
    """One world: its facts, its languages with their grammars, and how much is written."""

    seed: int
    size: Size
    facts: Facts
    grammars: dict[str, Grammar]

    def draw(self, *key: object) -> Draw:
        """The stream of randomness of one file set."""
        return Draw(self.seed, *key)

    @property
    def english(self) -> Grammar:
        """The grammar of the language that plays English."""
        return self.grammars["en"]

    @property
    def specs(self) -> tuple[LanguageSpec, ...]:
        """The languages of this world, English first."""
        return tuple(grammar.spec for grammar in self.grammars.values())

    @property
    def foreign(self) -> list[str]:
        """The codes of all languages but English."""
        return [code for code in self.grammars if code != "en"]


def make_world(size: Size, seed: int) -> World:
    """Draw the concepts and the languages of a world."""
    specs = LANGUAGES[: size.languages]
    lexicons = build_lexicons(seed, specs)
    return World(
        seed=seed,
        size=size,
        facts=Facts(seed=seed, concepts=draw_concepts(Draw(seed, "concepts"))),
        grammars={spec.code: Grammar(spec, lexicons[spec.code]) for spec in specs},
    )


def sentence(grammar: Grammar, event: Event, ask: str = "") -> str:
    """An event in a language, as a statement or a question for a role."""
    return text_of(grammar.sentence(event, ask))
