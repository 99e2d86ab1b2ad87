"""Masked LM on text: which tokens, how often which language, and nothing by the cut."""

import numpy as np
import pytest

from xlt.core.encode.encoder import Encoder
from xlt.train.finetune.masking import TextOrder, mask_rows
from xlt.train.loop.batches import IGNORE


@pytest.fixture
def encoder(models_of):
    return Encoder.load(models_of("xlm-roberta"), max_length=48)


def rows(encoder, count):
    rng = np.random.default_rng(4)
    words = encoder.tokenise(["la lo mi tu fisa dora peko tumi gala riso mafu vadi seko"])
    (ids,) = words.values()
    return [encoder.row(k, list(rng.choice(ids, rng.integers(3, 30)))) for k in range(count)]


def test_of_all_tokens_15_percent_are_chosen_and_most_of_them_masked(encoder):
    given = rows(encoder, 4000)
    whole = [row.ids for row in given]
    (part,) = mask_rows(encoder, given, tokens=10**9, part_cost=10**9, seed=3)
    chosen = part.targets != IGNORE
    ids, attention = part.feeds["input_ids"], part.feeds["attention_mask"]
    order = sorted(range(len(whole)), key=lambda k: -len(whole[k]))
    before = np.full_like(ids, encoder.pad_id)
    for row, k in zip(before, order, strict=True):
        row[: len(whole[k])] = whole[k]
    assert (part.targets[chosen] == before[chosen]).all()
    assert (ids[~chosen] == before[~chosen]).all()
    special = np.isin(before, [*encoder.special_ids, encoder.pad_id])
    assert not (chosen & special).any()
    words = ((attention == 1) & ~special).sum()
    assert chosen.sum() / words == pytest.approx(0.15, abs=0.01)
    masked = (ids == encoder.mask_id) & chosen
    kept = (ids == before) & chosen
    assert masked.sum() / chosen.sum() == pytest.approx(0.8, abs=0.02)
    # a tenth stays, and so does what is replaced by itself
    assert kept.sum() / chosen.sum() == pytest.approx(0.1, abs=0.02)
    assert part.weight == chosen.sum() and part.examples == 4000


def test_what_is_masked_does_not_depend_on_the_cut(encoder):
    """A step's loss was another one when it was cut into other parts."""
    given = rows(encoder, 24)
    found = []
    for tokens in (40, 200, 10**6):
        parts = mask_rows(encoder, given, tokens=tokens, part_cost=1, seed=9)
        seen = {}
        for part in parts:
            for ids, targets in zip(part.feeds["input_ids"], part.targets, strict=True):
                places = np.flatnonzero(targets != IGNORE)
                kept = ids[ids != encoder.pad_id]
                if len(places):
                    seen[(*kept, -1, *places)] = tuple(targets[places])
        assert sum(part.weight for part in parts) == sum(map(len, seen.values()))
        found.append(seen)
    assert found[0] == found[1] == found[2]


def test_a_step_without_a_draw_has_one_label_all_the_same(encoder):
    for seed in range(40):
        parts = mask_rows(encoder, rows(encoder, 1), tokens=64, part_cost=48, seed=seed)
        assert [part.weight >= 1 for part in parts] == [True]


def test_languages_are_seen_by_the_power_of_their_size():
    sizes = np.array([10_000, 1000, 100])
    langs = np.repeat(np.arange(3), sizes)
    order = TextOrder(np.full(len(langs), 7), langs, 16, seed=2)
    drawn = np.concatenate([order.batch(step) for step in range(order.steps_per_epoch)])
    got = np.bincount(langs[drawn], minlength=3) / len(drawn)
    expected = sizes**0.3 / (sizes**0.3).sum()
    assert got == pytest.approx(expected, abs=0.001)
    assert len(drawn) == len(langs)
