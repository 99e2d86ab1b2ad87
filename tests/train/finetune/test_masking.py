"""Masked LM: what is asked for is what was chosen, and what it was before."""

import numpy as np
import pytest

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import pad
from xlt.train.finetune.masking import mask_rows
from xlt.train.loop.batches import IGNORE


@pytest.fixture
def encoder(models_of):
    return Encoder.load(models_of("bert"), max_length=48)


@pytest.fixture
def rows(encoder):
    words = "fisa dora peko tumi gala riso mafu vadi seko bilu nata rono".split()
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(words, rng.integers(8, 30))) for _ in range(400)]
    ids = encoder.tokenise(texts)
    return [encoder.row(place, ids[text]) for place, text in enumerate(texts)]


def masked(encoder, rows, seed=5):
    (part,) = mask_rows(encoder, rows, tokens=10**6, part_cost=10**6, seed=seed)
    return part


def test_the_chosen_tokens_are_asked_for_and_no_others(encoder, rows):
    part = masked(encoder, rows)
    longest_first = sorted(rows, key=lambda row: -row.width)
    before = pad(longest_first, encoder.pad_id)
    after_BL, asked_BL = part.feeds["input_ids"], part.targets != IGNORE
    true_BL, real_BL = before["input_ids"], before["attention_mask"] == 1
    special_BL = np.isin(true_BL, sorted({*encoder.special_ids, encoder.pad_id}))
    assert (part.targets[asked_BL] == true_BL[asked_BL]).all()
    assert not (asked_BL & special_BL).any()
    assert (after_BL == true_BL)[~asked_BL].all(), "what is not asked for is left as it is"
    assert part.weight == asked_BL.sum() and part.examples == len(rows)
    share = asked_BL.sum() / (real_BL & ~special_BL).sum()
    assert share == pytest.approx(0.15, abs=0.02)
    fate = (after_BL == encoder.mask_id)[asked_BL].mean(), (after_BL == true_BL)[asked_BL].mean()
    assert fate[0] == pytest.approx(0.8, abs=0.05) and fate[1] == pytest.approx(0.1, abs=0.05)


def test_masks_are_drawn_by_the_seed(encoder, rows):
    one, same, other = (masked(encoder, rows, seed).targets for seed in (5, 5, 6))
    assert (one == same).all() and (one != other).any()
