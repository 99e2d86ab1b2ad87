"""Training on the embeddings that occur gives the weights of training on all, bit for bit."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModel, BertConfig, BertForMaskedLM

from xlt.core.encode.rows import Row
from xlt.train import TrainConfig, fit
from xlt.train.finetune import phase as phases
from xlt.train.loop import products
from xlt.train.loop.vocabulary import clip_gradients, cut_vocabulary

EXTRA = 700  # rows that no text can reach


pytestmark = pytest.mark.usefixtures("silent")


@pytest.fixture(scope="module")
def wide(models_of, tmp_path_factory):
    """Make the tokenizer of a family stand before an encoder with many more rows."""

    def make(family):
        folder = tmp_path_factory.mktemp(f"wide-{family}")
        shutil.copytree(models_of(family), folder, dirs_exist_ok=True)
        (folder / "model.safetensors").unlink()
        config = AutoConfig.from_pretrained(folder)
        config.vocab_size += EXTRA
        torch.manual_seed(3)
        AutoModel.from_config(config).save_pretrained(folder)
        return folder

    return make


def train(model, root, out, **changes):
    settings = {
        "intermediate": ("mnli",), "target": ("udpos", "xquad"), "epochs": 4.0, "lr": 3e-3,
        "batch_size": 8, "max_length": 48, "threads": 1, "eval_every": 9, **changes,
    }  # fmt: skip
    return fit(TrainConfig(model=str(model), data=root, out=out, **settings))


def assert_same_weights(one, other):
    for part in ("phases/1-mnli", "encoder", "targets/udpos", "targets/xquad"):
        a, b = (load_file(out / part / "model.safetensors") for out in (one, other))
        assert a.keys() == b.keys()
        assert [name for name in a if not torch.equal(a[name], b[name])] == [], part


@pytest.mark.parametrize("family", ["xlm-roberta", "bert", "distilbert"])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_all_weights_equal_those_of_the_whole_table(
    family, decay, wide, root, tmp_path, monkeypatch
):
    model = wide(family)
    cuts = []
    true_cut = phases.cut_vocabulary

    def watched(*arguments):
        cuts.append(true_cut(*arguments))
        return cuts[-1]

    monkeypatch.setattr(phases, "cut_vocabulary", watched)
    train(model, root, tmp_path / "cut", weight_decay=decay)
    assert len(cuts) == 3
    for cut in cuts:
        assert cut is not None and cut.rows - len(cut.kept_K) >= EXTRA
    monkeypatch.setattr(phases, "cut_vocabulary", lambda *_: None)
    train(model, root, tmp_path / "whole", weight_decay=decay)
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")
    rows = load_file(tmp_path / "cut/encoder/model.safetensors")
    name = next(name for name in rows if name.endswith("word_embeddings.weight"))
    start = load_file(model / "model.safetensors")
    before = start[next(key for key in start if key.endswith("word_embeddings.weight"))]
    moved = not torch.equal(rows[name][-EXTRA:], before[-EXTRA:])
    assert moved == bool(decay)
    config = json.loads((tmp_path / "cut/targets/udpos/config.json").read_text())
    assert config["vocab_size"] == len(before)


def test_weights_equal_those_of_the_whole_table_with_onednns_products_too(
    wide, root, tmp_path, monkeypatch
):
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "LEAST_WIDTH", 8)
    model = wide("xlm-roberta")
    train(model, root, tmp_path / "cut", target=("udpos",), epochs=1.0)
    measured = json.loads((tmp_path / "cut/measured.json").read_text())
    assert "onednn_layers" in json.dumps(measured)
    monkeypatch.setattr(phases, "cut_vocabulary", lambda *_: None)
    train(model, root, tmp_path / "whole", target=("udpos",), epochs=1.0)
    for part in ("phases/1-mnli", "targets/udpos"):
        one, other = (
            load_file(tmp_path / out / part / "model.safetensors") for out in ("cut", "whole")
        )
        assert [name for name in one if not torch.equal(one[name], other[name])] == [], part


def rows_of(*lists):
    return [Row(item=i, ids=np.array(ids, np.int32)) for i, ids in enumerate(lists)]


def bert(**changes):
    config = BertConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=16, **changes,
    )  # fmt: skip
    torch.manual_seed(0)
    return config


def test_ids_are_counted_among_the_rows_that_are_kept():
    model = AutoModel.from_config(bert())
    before = model.get_input_embeddings().weight.detach().clone()
    cut = cut_vocabulary(model, rows_of([3, 40], [7]), [2])
    assert cut.kept_K.tolist() == [0, 2, 3, 7, 40]  # padding is kept as well
    assert [row.ids.tolist() for row in cut.translate(rows_of([3, 40], [7]))] == [[2, 4], [3]]
    assert torch.equal(model.get_input_embeddings().weight, before[[0, 2, 3, 7, 40]])
    assert model.get_input_embeddings().padding_idx == 0 and model.config.vocab_size == 5
    cut.restore(before.clone())
    assert torch.equal(model.get_input_embeddings().weight, before)
    assert model.get_input_embeddings().padding_idx == 0 and model.config.vocab_size == 50


def test_a_token_that_was_not_announced_is_refused():
    cut = cut_vocabulary(AutoModel.from_config(bert()), rows_of([3, 40]), [])
    with pytest.raises(ValueError, match="token 41 is not among"):
        cut.translate(rows_of([3, 41]))


def test_low_padding_keeps_its_id_for_models_that_count_positions_from_it():
    model = AutoModel.from_config(bert(pad_token_id=5))
    cut = cut_vocabulary(model, rows_of([30]), [])
    assert cut.kept_K.tolist() == [0, 1, 2, 3, 4, 5, 30] and cut.place(5) == 5


def test_a_tied_masked_lm_keeps_its_whole_table():
    assert cut_vocabulary(BertForMaskedLM(bert()), rows_of([3]), []) is None


def test_absent_rows_are_decayed_step_by_step():
    model = AutoModel.from_config(bert())
    before = model.get_input_embeddings().weight.detach().clone()
    cut = cut_vocabulary(model, rows_of([3]), [])
    cut.restore(before.clone(), [1 - 1e-3, 1 - 5e-4])
    after = model.get_input_embeddings().weight
    expected = before.clone().mul_(1 - 1e-3).mul_(1 - 5e-4)
    absent = [i for i in range(50) if i not in {0, 3}]
    assert torch.equal(after[absent], expected[absent])
    assert torch.equal(after[[0, 3]], before[[0, 3]])


def test_clipping_is_that_of_one_norm_over_all_gradients():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Embedding(30, 6), nn.Linear(6, 4))
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter) * 3
    expected = [p.grad.clone() for p in model.parameters()]
    flat = torch.cat([g.double().flatten() for g in expected])
    norm = clip_gradients(model, 1.0)
    assert norm == pytest.approx(float(flat.norm()), rel=1e-6)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient / (norm + 1e-6))
    small = [p.grad.clone() for p in model.parameters()]
    assert clip_gradients(model, 5.0) == pytest.approx(1.0, rel=1e-5)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), small, strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_gives_no_finite_norm(bad):
    model = nn.Embedding(3, 2)
    model.weight.grad = torch.zeros(3, 2)
    model.weight.grad[1, 1] = bad
    assert not np.isfinite(clip_gradients(model, 1.0))
