"""Fused blocks: what the plain graph computes, alone and padded, in fp32 and in fp16."""

import numpy as np
import onnx
import pytest

from xlt.core.inference.session import Session
from xlt.core.kinds.table import KINDS
from xlt.export.checkpoint.reading import read_checkpoint
from xlt.export.checkpoint.weights import load_model
from xlt.export.graph.convert import convert
from xlt.export.graph.fp16 import halve
from xlt.export.graph.fused import OPSET, fuse
from xlt.export.graph.saving import save_graph
from xlt.export.graph.sentence import SentenceEncoder

FUSED = {"Attention", "SkipLayerNormalization"}


@pytest.fixture(scope="module")
def graphs(checkpoints, tmp_path_factory):
    """graphs(model_type, kind, ...) -> (fp32 file, input names)."""
    made = {}

    def get(model_type, kind="embed", **settings):
        if (model_type, kind, *settings) not in made:
            path = tmp_path_factory.mktemp("graph") / "model.onnx"
            model = load_model(read_checkpoint(checkpoints(model_type, kind, **settings)))
            if kind == "embed":
                model = SentenceEncoder(model, pooling="mean")
            names = ["input_ids", "attention_mask"] + ["token_type_ids"] * (model_type == "bert")
            convert(model, path, kind=KINDS[kind], inputs=names, model_type=model_type)
            made[model_type, kind, *settings] = path, names
        return made[model_type, kind, *settings]

    return get


def padded(names, *lengths, pad_to=0):
    rng = np.random.default_rng(len(lengths))
    ids = np.ones((len(lengths), max(pad_to, *lengths)), np.int64)
    mask = np.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = rng.integers(5, 300, length)
        mask[row, :length] = 1
    found = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: found[name] for name in names}


def fused(path, tmp_path):
    model = onnx.load(str(path))
    blocks = fuse(model)
    save_graph(model, tmp_path / "fused.onnx")
    return tmp_path / "fused.onnx", blocks, {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("model_type", ["xlm-roberta", "bert", "distilbert", "electra"])
def test_fused_blocks_compute_the_same_whatever_the_padding(graphs, tmp_path, model_type):
    path, names = graphs(model_type)
    target, blocks, kinds = fused(path, tmp_path)
    assert blocks == 3
    assert kinds >= FUSED
    assert "Softmax" not in kinds
    feeds = padded(names, 5, 17, 31, 2, pad_to=40)
    outputs = ["last_hidden_state", "sentence_embedding"]
    exact = Session(path, device="cpu", threads=1).run(feeds, outputs)
    got = Session(target, device="cpu", threads=1).run(feeds, outputs)
    real = feeds["attention_mask"] == 1
    assert np.abs(exact[0] - got[0])[real].max() < 2e-5
    assert np.abs(exact[1] - got[1]).max() < 1e-5


@pytest.mark.parametrize("model_type", ["modernbert", "deberta-v2", "mpnet"])
def test_blocks_with_more_than_a_mask_are_left_alone(graphs, tmp_path, model_type):
    path, _ = graphs(model_type)
    target, blocks, kinds = fused(path, tmp_path)
    assert blocks == 0
    assert not kinds & FUSED
    assert len(onnx.load(str(target)).graph.node) == len(onnx.load(str(path)).graph.node)


def test_choices_and_an_activation_of_another_kind(graphs, tmp_path):
    path, names = graphs("xlm-roberta", "choice", hidden_act="gelu_new")
    target, blocks, kinds = fused(path, tmp_path)
    assert blocks == 3
    assert "BiasGelu" not in kinds
    feeds = {name: a.reshape(2, 2, -1) for name, a in padded(names, 12, 7, 9, 12).items()}
    (exact,) = Session(path, device="cpu", threads=1).run(feeds, ["logits"])
    (got,) = Session(target, device="cpu", threads=1).run(feeds, ["logits"])
    assert np.abs(exact - got).max() < 1e-5


def test_half_precision_is_fused_unless_rows_may_be_padded_on_the_left(graphs, tmp_path):
    path, names = graphs("bert")
    assert halve(path, tmp_path / "half.onnx") == 3
    assert halve(path, tmp_path / "plain.onnx", fused=False) == 0
    half = onnx.load(str(tmp_path / "half.onnx"))
    assert {entry.version for entry in half.opset_import if entry.domain == ""} == {OPSET}
    feeds = padded(names, 5, 17, 31)
    (exact,) = Session(path, device="cpu", threads=1).run(feeds, ["sentence_embedding"])
    for name in ("half", "plain"):
        session = Session(tmp_path / f"{name}.onnx", device="cpu", threads=1)
        (got,) = session.run(feeds, ["sentence_embedding"])
        assert (exact * got).sum(1).min() > 0.9999
