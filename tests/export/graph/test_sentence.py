"""Cutting an encoder at block K and pooling give PyTorch's hidden_states[K], pooled."""

import pytest
import torch
from transformers import AutoModel

from xlt.core.errors import ModelError
from xlt.export.graph.sentence import SentenceEncoder, cut_blocks, pool

TYPES = ["xlm-roberta", "bert", "distilbert", "deberta-v2", "modernbert"]


def batch(rows=3, length=11):
    ids = torch.randint(5, 200, (rows, length), generator=torch.Generator().manual_seed(3))
    mask = torch.ones_like(ids)
    mask[0, 4:] = 0
    mask[1, 9:] = 0
    return ids, mask


def hidden_states(model, ids, mask):
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states


@pytest.mark.parametrize(
    ("model_type", "layer"),
    # DeBERTa's own code needs a block
    [(name, 2) for name in TYPES] + [(name, 0) for name in TYPES if name != "deberta-v2"],
)
def test_cut_encoder_gives_the_hidden_state_of_its_last_block(checkpoints, model_type, layer):
    folder = checkpoints(model_type, "embed", blocks=4)
    whole = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    ids, mask = batch()
    expected = hidden_states(whole, ids, mask)[layer]
    before = sum(weight.numel() for weight in whole.parameters())
    cut_blocks(whole, layer, 4)
    assert sum(weight.numel() for weight in whole.parameters()) < before
    with torch.no_grad():
        got = SentenceEncoder(whole, pooling="mean")(ids, mask)
    keep = mask.bool()
    torch.testing.assert_close(got["last_hidden_state"][keep], expected[keep], rtol=0, atol=1e-6)
    for row in range(3):
        mean = expected[row][keep[row]].mean(0)
        vector = got["sentence_embedding"][row]
        torch.testing.assert_close(vector, mean / mean.norm(), rtol=0, atol=1e-6)


def test_cutting_at_the_depth_changes_nothing(checkpoints):
    model = AutoModel.from_pretrained(checkpoints("modernbert", "embed", blocks=4)).eval()
    ids, mask = batch()
    with torch.no_grad():
        before = model(input_ids=ids, attention_mask=mask).last_hidden_state
        cut_blocks(model, 4, 4)
        after = model(input_ids=ids, attention_mask=mask).last_hidden_state
    assert torch.equal(before, after)


def test_blocks_that_cannot_be_found_are_named(checkpoints):
    model = AutoModel.from_pretrained(checkpoints("bert", "embed", blocks=4))
    with pytest.raises(ModelError, match="0 lists of 7 blocks"):
        cut_blocks(model, 2, 7)


def test_pooling_leaves_padding_out():
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert pool(hidden, mask, "mean").tolist() == [[2.0, 3.0]]
    assert pool(hidden, mask, "cls").tolist() == [[1.0, 2.0]]
    assert pool(hidden, mask, "last").tolist() == [[3.0, 4.0]]
    weighted = pool(hidden, mask, "weightedmean")[0].tolist()
    assert weighted == pytest.approx([7 / 3, 10 / 3])


@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "weightedmean"])
def test_padding_on_the_left_gives_the_vectors_of_padding_on_the_right(pooling):
    hidden = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2))
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0]])
    left = torch.stack([hidden[0].roll(2, 0), hidden[1].roll(1, 0)])
    right_side = pool(hidden, mask, pooling)
    assert torch.equal(pool(left, mask.flip(1), pooling), right_side)
    assert torch.equal(right_side[0], pool(hidden[:1, :2], mask[:1, :2], pooling)[0])
