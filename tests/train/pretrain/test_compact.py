"""The compact encoder: its tokenizer, closed-form embeddings, masks, and phase 0 as a whole."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from xlt.core.encode.encoder import Encoder
from xlt.core.errors import DataError
from xlt.core.kinds.table import encode
from xlt.data import DataRoot
from xlt.train import TrainConfig, fit
from xlt.train.loop.batches import IGNORE
from xlt.train.pretrain.compact import SPECIAL, read_corpus, train_tokenizer
from xlt.train.pretrain.embeddings import closed_form
from xlt.train.pretrain.objectives import (
    BATCH_TOKENS,
    MASK,
    ROW_TOKENS,
    Stream,
    _masked,
    _rows,
    tokenise,
)

TEXTS = ["la fisa vadi lo peko .", "mi dora seko tu gala .", "ａｂ １２ 犬が好き", "не виси, пора"]


pytestmark = pytest.mark.usefixtures("silent")


def compact(root, out, **changes):
    return TrainConfig(
        model="compact", data=root, out=out, vocab_size=300, threads=1,
        **{"target": (), "pretrain_steps": 6, **changes},
    )  # fmt: skip


SCRIPT = """
import sys
from pathlib import Path
from xlt.train.pretrain.compact import train_tokenizer
texts = [f"w{k % 37}x {chr(0x4e00 + k)} {chr(0x4e00 + k * 7 % 900)}" for k in range(900)]
train_tokenizer(texts, 400, Path(sys.argv[1]), 514)
"""


def test_tokenizer_is_the_same_in_every_process(tmp_path):
    for name, seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, tmp_path / name], check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
    files = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()}


def test_tokenizer_reads_alike_in_transformers_and_here(root, tmp_path):
    run = fit(compact(root, tmp_path, pretrain=()))
    theirs = AutoTokenizer.from_pretrained(run.encoder)
    ours = Encoder.load(run.encoder)
    text = "la fisa, vadi lo peko."
    rows = encode(ours, "pair", [text])
    assert rows[0].ids.tolist() == theirs(text).input_ids
    assert theirs("la", "lo").input_ids[:1] == [0]
    assert theirs.convert_ids_to_tokens(theirs("la", "lo").input_ids).count("</s>") == 3
    assert (ours.pad_id, ours.mask_id, ours.usable_length) == (1, 4, 512)


def test_special_tokens_have_xlm_r_places(tmp_path):
    tokenizer = train_tokenizer(TEXTS, 300, tmp_path, 514)
    assert [tokenizer.token_to_id(name) for name in SPECIAL] == [0, 1, 2, 3, 4]
    assert tokenizer.encode("☃").tokens[1:-1][-1] == "<unk>"


def nearest_translations(root, tmp_path, **changes):
    corpus = read_corpus(DataRoot(root), parallel=True)
    texts = [text for lines in corpus.texts.values() for text in lines]
    tokenizer = train_tokenizer(texts, 300, tmp_path, 514)
    tokens = tokenise(corpus, tokenizer)
    pairs = changes.get("pairs", tokens.pairs)
    table_VD = closed_form(
        tokens.texts, pairs, vocabulary=tokens.vocabulary, width=16, norm=0.5,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    names = ["fisa", "dora", "peko", "tumi", "vadi", "seko", "bilu", "rono", "liva", "kemo"]
    here = [tokenizer.token_to_id(f"▁{name}") for name in names]
    there = [tokenizer.token_to_id(f"▁{name[::-1]}") for name in names]
    assert None not in here + there
    similar = table_VD[here] @ table_VD[there].T
    return table_VD, float((similar.argmax(1) == np.arange(len(names))).mean())


def test_closed_form_puts_words_near_their_translations(root, tmp_path):
    table_VD, hits = nearest_translations(root, tmp_path)
    assert table_VD.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(table_VD, axis=1), 0.5, rtol=1e-5)
    assert hits >= 0.8
    _, without = nearest_translations(root, tmp_path, pairs={})
    assert without < hits


def test_closed_form_of_fewer_tokens_than_dimensions():
    texts = {"en": [np.array([5, 6, 5, 6], np.int32)]}
    table = closed_form(texts, {}, vocabulary=8, width=16, norm=1.0, rng=np.random.default_rng(0))
    assert table.shape == (8, 16) and np.isfinite(table).all()


def test_tokens_of_no_pair_lie_near_their_neighbours_and_apart_from_each_other():
    rng = np.random.default_rng(5)
    word, other = rng.permuted(np.tile(np.arange(5, 25), (300, 1)), axis=1)[:, :6].T[:2]
    pairs = {"de": [(np.array([a, b]), np.array([a + 20, b + 20]))
                    for a, b in zip(word, other, strict=True)]}  # fmt: skip
    # 50 and 51 stand in texts only, always beside 5 and 6, and beside 7 and 8.
    texts = {"en": [np.array([5, 50, 6]), np.array([7, 51, 8])] * 20 + [a for a, _ in pairs["de"]]}
    table_VD = closed_form(texts, pairs, vocabulary=60, width=16, norm=1.0, rng=rng)
    similar = table_VD @ table_VD.T
    assert similar[50, [5, 6]].mean() > similar[50, [7, 8]].mean() + 0.1
    assert similar[51, [7, 8]].mean() > similar[51, [5, 6]].mean() + 0.1
    assert similar[50, 51] < 0.7
    assert [int(np.argmax(similar[25:45, k])) + 25 for k in range(5, 25)] == list(range(25, 45))


def test_stream_is_a_pure_function_and_fills_its_batches():
    rng = np.random.default_rng(0)
    rows = {
        lang: [(np.ones(n, np.int32),) for n in rng.integers(3, 40, size)]
        for lang, size in (("en", 300), ("de", 30))
    }
    stream, again = Stream(rows, 7), Stream(rows, 7)
    later = [again.batch(k).tolist() for k in (130, 64, 3)]
    assert later == [stream.batch(k).tolist() for k in (130, 64, 3)]
    assert Stream(rows, 8).batch(3).tolist() != stream.batch(3).tolist()
    tokens = [int(stream.lengths[stream.batch(k)].sum()) for k in range(64)]
    assert 0.8 * BATCH_TOKENS < np.mean(tokens) < 1.2 * BATCH_TOKENS
    german = np.mean([(stream.batch(k) >= 300).mean() for k in range(64)])
    assert 0.15 < german < 0.4, "small languages are seen more often than their share"


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=6),
    share=st.sampled_from([0.01, 0.25, 1.0]),
    seed=st.integers(0, 99),
)
def test_masks_touch_only_words_and_targets_keep_the_truth(sizes, share, seed):
    rows = [(np.full(a, 10, np.int32), np.full(b, 11, np.int32)) for a, b in sizes]
    rng = np.random.default_rng(seed)
    micro = _masked(rows, [(share, 0.0)] * len(rows), (0.85, 0.1), 50, rng)
    ids, targets = micro.feeds["input_ids"], micro.targets
    chosen = targets != IGNORE
    assert micro.weight == chosen.sum() >= 1
    assert set(targets[chosen].tolist()) <= {10, 11}
    assert not (ids[~chosen] == MASK).any()
    for row, (a, b) in zip(np.where(chosen, targets, ids), sizes, strict=True):
        real = [0, *[10] * a, 2, 2, *[11] * b, 2]
        assert row.tolist() == real + [1] * (len(row) - len(real))
    for row, (a, b) in zip(micro.feeds["token_type_ids"], sizes, strict=True):
        assert row.tolist() == [0] * (a + 2) + [1] * (b + 2) + [0] * (len(row) - a - b - 4)
    if share == 1.0:
        assert (targets == 10).sum() == sum(a for a, _ in sizes)


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_rows_hold_each_text_in_order_as_one_part_or_two(lengths, seed):
    texts = [np.arange(n, dtype=np.int32) for n in lengths]
    rows = _rows({"en": texts}, seed)["en"]
    assert np.concatenate([part for row in rows for part in row]).tolist() == [
        int(token) for text in texts for token in text
    ]
    assert all(len(row) in (1, 2) and all(map(len, row)) for row in rows)
    assert all(sum(len(part) + 2 for part in row) <= ROW_TOKENS for row in rows)


def test_half_of_the_rows_are_two_texts():
    rows = _rows({"en": [np.arange(20, dtype=np.int32)] * 1000}, 3)["en"]
    assert 400 < sum(len(row) == 2 for row in rows) < 600


def test_most_masks_of_a_pair_are_on_one_side(root):
    from xlt.train.pretrain.objectives import _pairs, _tlm

    pairs = {"de": [(np.full(20, 10, np.int32), np.full(20, 11, np.int32))] * 50}
    micro = _tlm(Stream(_pairs(pairs), 1), 0, 50)
    a, b = (micro.targets == 10).sum(1) / 20, (micro.targets == 11).sum(1) / 20
    assert 0.4 < np.maximum(a, b).mean() < 0.65 and np.minimum(a, b).mean() < 0.2


def test_phase_0_learns_and_transformers_opens_it(root, tmp_path):
    run = fit(compact(root, tmp_path, pretrain=("svd", "mlm", "tlm"), pretrain_steps=60))
    entry = run.record["lineage"]["phases"][0]
    assert entry["tasks"] == ["svd", "mlm", "tlm"] and entry["steps"] == 60
    model, report = AutoModelForMaskedLM.from_pretrained(
        tmp_path / entry["path"], output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    unigram = -np.log(1 / 30)
    assert entry["loss"] < unigram
    assert {d["task"] for d in run.record["lineage"]["data"]} == {"text", "parallel"}
    assert model.config.xlt_compact


@pytest.mark.parametrize("parts", [("svd",), ("mlm",), ("svd", "mlm"), ("tlm",), ()])
def test_each_part_can_be_left_out(parts, root, tmp_path):
    run = fit(compact(root, tmp_path, pretrain=parts, pretrain_steps=2 if parts else None))
    phases = run.record["lineage"]["phases"]
    assert [phase["tasks"] for phase in phases] == ([list(parts)] if parts else [])
    assert (phases[0]["steps"] if parts else 0) == (2 if {"mlm", "tlm"} & set(parts) else 0)


def test_default_takes_parallel_text_where_there_is_some(root, tmp_path):
    import shutil

    shutil.copytree(root, tmp_path / "data")
    shutil.rmtree(tmp_path / "data/parallel")
    shutil.rmtree(tmp_path / "data/text")
    run = fit(compact(tmp_path / "data", tmp_path / "run", pretrain_steps=1, target=("udpos",)))
    lineage = run.record["lineage"]
    assert lineage["phases"][0]["tasks"] == ["svd", "mlm"]
    assert "no text/" in lineage["notes"]["text"][0]
    assert "train:udpos:en" in lineage["notes"]["text"][1]
    with pytest.raises(DataError, match="no parallel text"):
        fit(compact(tmp_path / "data", tmp_path / "other", pretrain=("tlm",)))
    assert not (tmp_path / "other").exists()


def test_root_without_any_text_is_exit_3(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="no text to make"):
        fit(compact(tmp_path / "data", tmp_path / "run"))


def test_run_of_a_compact_encoder_keeps_its_defaults(root, tmp_path):
    base = fit(compact(root, tmp_path / "base"))
    run = fit(
        TrainConfig(
            model=str(base.path), data=root, out=tmp_path / "run", target=("pawsx",), threads=1,
            epochs=1.0,
        )
    )  # fmt: skip
    hyper = run.record["targets"]["pawsx"]["hyper"]
    assert hyper["batch_tokens"] == 768 and hyper["lr"] == 3e-4
    before = load_file(base.path / "encoder/model.safetensors")
    after = load_file(run.targets["pawsx"] / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    frozen = torch.equal(before[name], after[f"bert.{name}"])
    assert frozen == (f"bert.{name}" in hyper["frozen"])
