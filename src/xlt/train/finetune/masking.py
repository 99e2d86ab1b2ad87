"""Masked LM on text beside, or in place of, labelled tasks.

15 % of the tokens are chosen; of these 80 % become the mask, 10 % another token, 10 % stay
(Devlin et al. 2019). Small languages are seen more often than their share of the text: by its
power of 0.3 (Conneau et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row, pad
from xlt.core.errors import DataError, ModelError
from xlt.core.tasks.examples import Sentence
from xlt.train.loop.batches import IGNORE, Order, cut_parts
from xlt.train.loop.loop import Micro
from xlt.train.plan.phases import Part
from xlt.train.seeds import derive

__all__ = ["TextOrder", "mask_rows", "text_rows"]

CHOSEN, MASKED, REPLACED = 0.15, 0.8, 0.1
LANGUAGE_POWER = 0.3


class TextOrder(Order):
    """Step number -> rows of text; languages by a power of their size.

    Args:
        lengths: tokens of every row (N,).
        langs: number of the language of every row (N,), ascending.
        batch_size: rows of a step.
        seed: decides the order.
    """

    def __init__(self, lengths: np.ndarray, langs: np.ndarray, batch_size: int, seed: int) -> None:
        super().__init__(lengths, batch_size, seed)
        self.langs = langs

    def _permutation(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng(derive(self.seed, "text", epoch))
        found_K, sizes_K = np.unique(self.langs, return_counts=True)
        share_K = sizes_K**LANGUAGE_POWER
        count_K = np.maximum(1, np.round(len(self.langs) * share_K / share_K.sum())).astype(int)
        drawn = []
        for lang, size, count in zip(found_K, sizes_K, count_K, strict=True):
            first = int(np.searchsorted(self.langs, lang))
            passes = [rng.permutation(size) for _ in range(-(-count // size))]
            drawn.append(first + np.concatenate(passes)[:count])
        order_N = rng.permutation(np.concatenate(drawn))
        return np.resize(order_N, len(self.langs))


def text_rows(encoder: Encoder, part: Part) -> tuple[list[Row], np.ndarray]:
    """Texts as rows that fit, long ones cut into several, and the language number of each (N,).

    Raises:
        DataError: no text has a token.
        ModelError: the tokenizer has no mask.
    """
    if encoder.mask_id is None:
        raise ModelError("masked LM needs a mask token, and the tokenizer has none", "leave it out")
    room = encoder.max_length - encoder.single.added
    rows: list[Row] = []
    langs: list[int] = []
    for number, train in enumerate(part.trains):
        texts = [one.text for one in train.examples if isinstance(one, Sentence)]
        ids = encoder.tokenise(texts)
        for index, text in enumerate(texts):
            for start in range(0, len(ids[text]), room):
                rows.append(encoder.row(index, ids[text][start : start + room]))
                langs.append(number)
    if not rows:
        raise DataError("masked LM: the texts hold no token", "give other text")
    return rows, np.array(langs, np.int64)


def mask_rows(
    encoder: Encoder, rows: Sequence[Row], *, tokens: int, part_cost: int, seed: int
) -> list[Micro]:
    """Mask a step's rows and cut them into padded parts; a pure function of the arguments.

    What is masked does not depend on the cut.
    """
    rng = np.random.default_rng(seed)
    assert encoder.mask_id is not None
    special = sorted({*encoder.special_ids, encoder.pad_id, encoder.mask_id})
    usual_V = np.setdiff1d(np.arange(encoder.vocab_size), special)
    feeds = pad(rows, encoder.pad_id)
    ids_BL = feeds["input_ids"]
    open_BL = (feeds["attention_mask"] == 1) & ~np.isin(ids_BL, special)
    draw_BL = np.where(open_BL, rng.random(ids_BL.shape), 2.0)
    chosen_BL = draw_BL < CHOSEN
    if not chosen_BL.any():
        chosen_BL.ravel()[int(np.argmin(draw_BL))] = True
    fate_BL = rng.random(ids_BL.shape)
    other_BL = usual_V[rng.integers(len(usual_V), size=ids_BL.shape)]
    targets_BL = np.where(chosen_BL, ids_BL, IGNORE)
    ids_BL = np.where(chosen_BL & (fate_BL < MASKED), encoder.mask_id, ids_BL)
    swapped_BL = chosen_BL & (fate_BL >= MASKED) & (fate_BL < MASKED + REPLACED)
    whole = {**feeds, "input_ids": np.where(swapped_BL, other_BL, ids_BL)}
    lengths = [row.ids.size for row in rows]
    found = []
    for places in cut_parts(lengths, max_tokens=tokens, part_cost=part_cost):
        width = max(lengths[k] for k in places)
        targets = targets_BL[places, :width]
        weight = int((targets != IGNORE).sum())
        if weight:
            cut = {name: value_BL[places, :width] for name, value_BL in whole.items()}
            found.append(Micro(feeds=cut, targets=targets, weight=weight, examples=len(places)))
    return found
