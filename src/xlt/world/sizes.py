"""How much of everything a world of each size holds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SIZES", "Size"]


@dataclass(frozen=True, kw_only=True)
class Size:
    """Numbers of items.

    Attributes:
        languages: how many of the languages are there, English included.
        train: English training items by task.
        dev: items of a dev set, English and other languages alike.
        test: items of a test set by task, per language.
        translated: languages that have translated training data.
        documents: monolingual texts per language.
        pairs: parallel texts per language.
        bucc: (gold pairs, near-duplicates a side, random sentences a side) of the test set; the
            dev set has half of each.
        planted: items of each planted training set of paraphrases.
        inference: items of each planted training set of inference pairs.
    """

    languages: int
    train: dict[str, int]
    dev: int
    test: dict[str, int]
    translated: tuple[str, ...]
    documents: int
    pairs: int
    bucc: tuple[int, int, int]
    planted: int
    inference: int


def _size(
    *, languages: int, train: str, dev: int, test: str, translated: str, documents: int,
    pairs: int, bucc: tuple[int, int, int], planted: int, inference: int,
) -> Size:  # fmt: skip
    return Size(
        languages=languages,
        train=_numbers(train),
        dev=dev,
        test=_numbers(test),
        translated=tuple(translated.split()),
        documents=documents,
        pairs=pairs,
        bucc=bucc,
        planted=planted,
        inference=inference,
    )


def _numbers(text: str) -> dict[str, int]:
    return {name: int(number) for name, number in (item.split("=") for item in text.split())}


SIZES: dict[str, Size] = {
    "tiny": _size(
        languages=7,
        train="mnli=150 anli=30 snli=60 qqp=80 pawsx=80 udpos=80 panx=80 squad=100 tydiqa=80 "
        "squad2=60 hellaswag=60 ccg=60 cosmosqa=60 csqa=60",
        dev=30,
        test="xnli=30 pawsx=30 udpos=30 panx=30 xquad=30 mlqa=30 tydiqa=30 tatoeba=30",
        translated="qaa qca",
        documents=120,
        pairs=100,
        bucc=(16, 16, 16),
        planted=40,
        inference=60,
    ),
    "small": _size(
        languages=7,
        train="mnli=9000 anli=900 snli=3000 qqp=4000 pawsx=16000 udpos=3000 panx=3000 squad=10000 "
        "tydiqa=4000 squad2=4000 hellaswag=3000 ccg=2000 cosmosqa=3000 csqa=3000",
        dev=300,
        test="xnli=399 pawsx=300 udpos=300 panx=300 xquad=250 mlqa=250 tydiqa=250 tatoeba=300",
        translated="qaa qba qca",
        documents=4000,
        pairs=1000,
        bucc=(200, 200, 200),
        planted=16000,
        inference=8000,
    ),
    "medium": _size(
        languages=10,
        train="mnli=30000 anli=6000 snli=10000 qqp=15000 pawsx=24000 udpos=6000 panx=8000 "
        "squad=30000 tydiqa=10000 squad2=15000 hellaswag=10000 ccg=6000 cosmosqa=10000 csqa=6000",
        dev=600,
        test="xnli=900 pawsx=800 udpos=600 panx=800 xquad=600 mlqa=600 tydiqa=600 tatoeba=800",
        translated="qaa qba qca",
        documents=20000,
        pairs=4000,
        bucc=(800, 800, 800),
        planted=24000,
        inference=12000,
    ),
}
