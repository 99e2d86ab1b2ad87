"""Files of plain sentences: the languages, Tatoeba, BUCC 2018, monolingual and parallel text."""

from __future__ import annotations

from xlt.world.build import World, sentence
from xlt.world.files.formats import Folder
from xlt.world.language.lexicon import languages_json
from xlt.world.language.text import document, parallel_saying, say
from xlt.world.tasks.retrieval import distinct_events, mine, side

__all__ = ["write_languages", "write_retrieval", "write_text"]


def write_languages(world: World, folder: Folder) -> None:
    """`languages.json`."""
    folder.json("languages.json", languages_json(world.specs), indent=1)


def write_retrieval(world: World, folder: Folder) -> None:
    """Tatoeba (test) and BUCC 2018 (dev and test, each with gold pairs)."""
    facts, size = world.facts, world.size
    n = size.test["tatoeba"]
    events = distinct_events(facts, world.draw("tatoeba"), "test", n, set())
    english = [sentence(world.english, event) for event in events]
    for code in world.foreign:
        name = f"tatoeba/tatoeba.{code}-eng"
        folder.lines(f"{name}.{code}", (sentence(world.grammars[code], e) for e in events))
        folder.lines(f"{name}.eng", english)
    for split, share in (("dev", 2), ("test", 1)):
        counts = [count // share for count in size.bucc]
        for code in world.foreign:
            draw = world.draw("bucc2018", split, code)
            problem = mine(facts, draw, split, *counts)
            collections = {
                lang: side(world.grammars[lang], draw, problem.common + own)
                for lang, own in ((code, problem.foreign_only), ("en", problem.english_only))
            }
            name = f"bucc2018/{code}-en.{split}"
            for lang, sentences in collections.items():
                folder.tsv(f"{name}.{lang}", sorted(sentences))
            ids = [[i for i, _ in collections[lang][: counts[0]]] for lang in (code, "en")]
            folder.tsv(f"{name}.gold", sorted(zip(*ids, strict=True)))


def write_text(world: World, folder: Folder) -> None:
    """Monolingual documents of every language, and pairs of each with English."""
    facts, size = world.facts, world.size
    for code, grammar in world.grammars.items():
        draw = world.draw("text", code)
        documents = (say(grammar, document(facts, draw)) for _ in range(size.documents))
        folder.lines(f"text/{code}.txt.gz", documents)
    for code in world.foreign:
        draw = world.draw("parallel", code)
        sayings = [parallel_saying(facts, draw) for _ in range(size.pairs)]
        pairs = ((say(world.english, said), say(world.grammars[code], said)) for said in sayings)
        folder.tsv(f"parallel/en-{code}.tsv.gz", pairs)
