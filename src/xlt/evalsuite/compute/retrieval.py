"""Retrieval cells: BUCC 2018 by margin mining, Tatoeba by nearest neighbours."""

from __future__ import annotations

from xlt.core.metrics.table import measure
from xlt.core.retrieval import mining
from xlt.core.retrieval.tatoeba import english_order, tatoeba, tatoeba_reverse
from xlt.core.show.terminal import Tick
from xlt.core.tasks.examples import Bitext
from xlt.data import DataSet
from xlt.evalsuite.compute.cells import Outcome
from xlt.evalsuite.compute.predict import UNLABELLED
from xlt.evalsuite.compute.vectors import TextVectors

__all__ = ["MARGIN", "NEIGHBOURS", "NO_THRESHOLD", "mine_and_score", "search_and_score"]

MARGIN = "ratio"
NEIGHBOURS = 4
NO_THRESHOLD = "no dev set for the threshold: no predictions, only the F1 tuned on what it scores"


def mine_and_score(
    data: DataSet, tuning: DataSet | None, vectors: TextVectors, tick: Tick
) -> Outcome:
    """BUCC: mine pairs, cut at the threshold that is best on dev, score against gold.

    The F1 at the best threshold of the evaluated gold itself is optimistic and has its own name,
    `f1_<split>_tuned`; without a dev set it is all there is.

    Args:
        data: the collection to mine.
        tuning: the dev collection; None where the root has none, or when `data` is dev.
        vectors: encodes the texts.
        tick: told the number of texts encoded.
    """
    flags: tuple[str, ...] = ()
    metrics: dict[str, float] = {}
    predictions: list[mining.Pair] | None = None
    found, gold = _mine(data, vectors, tick), _bitext(data).gold
    if tuning is not None and _bitext(tuning).gold is not None:
        on_dev = mining.best_threshold(_mine(tuning, vectors, tick), _bitext(tuning).gold or ())
        predictions = mining.extract(found, on_dev.value)
        metrics["threshold"] = on_dev.value
        if gold is not None:
            metrics |= measure("bucc", gold, predictions, data.lang)
    else:
        flags = (NO_THRESHOLD,)
    if gold is None:
        flags = (*flags, UNLABELLED if predictions is not None else "unlabelled")
    else:
        best = mining.best_threshold(found, gold)
        tuned = {"f1": best.f1, "precision": best.precision, "recall": best.recall}
        metrics |= {f"{name}_{data.split}_tuned": value for name, value in tuned.items()}
        metrics[f"threshold_{data.split}_tuned"] = best.value
    return Outcome(n=len(data), metrics=metrics, flags=flags, predictions=predictions)


def search_and_score(
    data: DataSet, vectors: TextVectors, tick: Tick, *, both_directions: bool
) -> Outcome:
    """Tatoeba: the nearest foreign sentence of each English one, scored by its line number.

    Args:
        data: aligned by line where it has gold.
        vectors: encodes the texts.
        tick: told the number of texts encoded.
        both_directions: also score the nearest English sentence of each foreign one, under the
            name `accuracy_from_foreign`, which no official average contains.
    """
    bitext = _bitext(data)
    english = [sentence.text for sentence in bitext.english]
    foreign_ND = vectors.embed([sentence.text for sentence in bitext.foreign], tick)
    english_ND = vectors.embed(english, tick)
    lines = tatoeba(foreign_ND, english_ND, english)
    predictions = [bitext.foreign[line].id for line in lines]
    if bitext.gold is None:
        return Outcome(n=len(data), metrics={}, flags=(UNLABELLED,), predictions=predictions)
    right = {english_id: foreign_id for foreign_id, english_id in bitext.gold}
    gold = [right[bitext.english[line].id] for line in english_order(english)]
    metrics = measure("tatoeba", gold, predictions, data.lang)
    if both_directions:
        back = [bitext.english[j].id for j in tatoeba_reverse(foreign_ND, english_ND)]
        wanted = dict(bitext.gold)
        gold = [wanted[sentence.id] for sentence in bitext.foreign]
        reverse = measure("tatoeba", gold, back, data.lang)
        metrics["accuracy_from_foreign"] = reverse["accuracy"]
    return Outcome(n=len(data), metrics=metrics, predictions=predictions)


def _mine(data: DataSet, vectors: TextVectors, tick: Tick) -> dict[mining.Pair, float]:
    """(foreign id, English id) -> margin score, best first."""
    bitext = _bitext(data)
    texts_x = [sentence.text for sentence in bitext.foreign]
    texts_y = [sentence.text for sentence in bitext.english]
    found = mining.candidates(
        vectors.embed(texts_x, tick),
        vectors.embed(texts_y, tick),
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


def _bitext(data: DataSet) -> Bitext:
    assert data.bitext is not None, "a retrieval task reads as a bitext"
    return data.bitext
