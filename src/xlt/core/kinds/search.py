"""Protocol `search` of kind `embed`: each English sentence asks for its translation (Tatoeba).

Source: XTREME's evaluate_retrieval.py; plain nearest neighbours, no margin.
"""

from __future__ import annotations

from dataclasses import replace

from xlt.core.kinds.base import Embed, Matched, Matching
from xlt.core.kinds.embed import EMBED
from xlt.core.retrieval.tatoeba import english_order, tatoeba, tatoeba_reverse
from xlt.core.tasks.examples import Bitext

__all__ = ["SEARCH"]


def _match(bitext: Bitext, tuning: Bitext | None, embed: Embed, both: bool) -> Matched:
    """The nearest foreign sentence of each English one, by its id; queries sorted by text.

    `both`: also the nearest English sentence of each foreign one.
    """
    english = [sentence.text for sentence in bitext.english]
    foreign_ND = embed([sentence.text for sentence in bitext.foreign])
    english_ND = embed(english)
    lines = tatoeba(foreign_ND, english_ND, english)
    predictions = [bitext.foreign[line].id for line in lines]
    if bitext.gold is None:
        return Matched(predictions=predictions, gold=None)
    right = {english_id: foreign_id for foreign_id, english_id in bitext.gold}
    gold = [right[bitext.english[line].id] for line in english_order(english)]
    if not both:
        return Matched(predictions=predictions, gold=gold)
    wanted = dict(bitext.gold)
    back = [bitext.english[j].id for j in tatoeba_reverse(foreign_ND, english_ND)]
    return Matched(
        predictions=predictions,
        gold=gold,
        backwards=([wanted[sentence.id] for sentence in bitext.foreign], back),
    )


SEARCH = replace(
    EMBED,
    protocol="search",
    form="matches",
    metric="tatoeba",
    matching=Matching(match=_match, two_way=True),
)
