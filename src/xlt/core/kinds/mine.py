"""Protocol `mine` of kind `embed`: find the pairs that translate each other (BUCC 2018).

Pairs are scored by margin and cut at the threshold that is best on the dev collection.
"""

from __future__ import annotations

from dataclasses import replace

from xlt.core.kinds.base import Embed, Matched, Matching
from xlt.core.kinds.embed import EMBED
from xlt.core.retrieval import mining
from xlt.core.tasks.examples import Bitext

__all__ = ["MARGIN", "MINE", "NEIGHBOURS"]

MARGIN = "ratio"
NEIGHBOURS = 4


def _match(bitext: Bitext, tuning: Bitext | None, embed: Embed, both: bool) -> Matched:
    """Pairs above the threshold of the dev collection; none without a dev collection with gold."""
    found, gold = _scores(bitext, embed), bitext.gold
    on_dev, predictions = None, None
    if tuning is not None and tuning.gold is not None:
        on_dev = mining.best_threshold(_scores(tuning, embed), tuning.gold)
        predictions = mining.extract(found, on_dev.value)
    return Matched(
        predictions=predictions,
        gold=gold,
        on_dev=on_dev,
        tuned=None if gold is None else mining.best_threshold(found, gold),
    )


def _scores(bitext: Bitext, embed: Embed) -> dict[mining.Pair, float]:
    """(foreign id, English id) -> margin score, best first."""
    texts_x = [sentence.text for sentence in bitext.foreign]
    texts_y = [sentence.text for sentence in bitext.english]
    found = mining.candidates(
        embed(texts_x),
        embed(texts_y),
        texts_x=texts_x,
        texts_y=texts_y,
        k=NEIGHBOURS,
        margin=MARGIN,
    )
    return mining.pair_scores(
        found,
        ids_x=[sentence.id for sentence in bitext.foreign],
        ids_y=[sentence.id for sentence in bitext.english],
        texts_x=texts_x,
        texts_y=texts_y,
    )


MINE = replace(
    EMBED,
    protocol="mine",
    form="pairs",
    metric="bucc",
    matching=Matching(
        match=_match, tuned=True, settings={"margin": MARGIN, "neighbours": NEIGHBOURS}
    ),
)
