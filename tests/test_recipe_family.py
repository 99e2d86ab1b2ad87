"""The recipe "A model family" of CONTRIBUTING.md: one row, and a family trains, exports, encodes.

Megatron-BERT has no row: its norm after the last block (`encoder.ln`) is none that the general
rules know, so a cut encoder keeps the norm and misses the parity gate.
"""

import json

import numpy as np
import pytest

from xlt.core.encode.families import FAMILIES, Family
from xlt.core.errors import CheckFailed

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

ROW = Family(final_norm="encoder.ln", mlm_head=("cls",))
WORDS = "la lo mi tu fisa dora peko tumi vadi seko bilu .".split()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny random Megatron-BERT and a tokenizer of whole words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("megatron")
    index = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(index, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]",
             "sep_token": "[SEP]", "tokenizer_class": "PreTrainedTokenizerFast"}  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(names))
    config = transformers.AutoConfig.for_model(
        "megatron-bert", vocab_size=len(index), hidden_size=16, num_hidden_layers=4,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=40, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(5)
    model = transformers.AutoModel.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def root(tmp_path):
    """A data root that trains one tagging target."""
    folder = tmp_path / "data" / "udpos"
    folder.mkdir(parents=True)
    for split, count in (("train", 24), ("dev", 6)):
        blocks = [f"la\tDET\n{WORDS[4 + k % 4]}\tNOUN\n{WORDS[8 + k % 3]}\tVERB\n.\tPUNCT\n"
                  for k in range(count)]  # fmt: skip
        (folder / f"{split}-en.tsv").write_text("\n".join(blocks))
    return folder.parent


def test_family_without_a_row_that_needs_one_is_caught_by_the_gate(checkpoint, tmp_path):
    from xlt.export import export

    assert "megatron-bert" not in FAMILIES
    with pytest.raises(CheckFailed, match="smallest cosine"):
        export(checkpoint, out=tmp_path / "cut", layer=2)


def test_family_is_added_in_one_row(checkpoint, root, tmp_path, monkeypatch):
    import torch

    from xlt.core.encode.encoder import Encoder
    from xlt.core.encode.rows import pad
    from xlt.core.inference.session import Session
    from xlt.core.kinds.table import encode
    from xlt.export import export
    from xlt.train import TrainConfig, fit

    monkeypatch.setitem(FAMILIES, "megatron-bert", ROW)

    encoder = Encoder.load(checkpoint)
    assert (encoder.usable_length, encoder.uses_types) == (40, True)

    run = fit(
        TrainConfig(model=str(checkpoint), data=root, out=tmp_path / "run", target=("udpos",),
                    steps=3, threads=1)
    )  # fmt: skip
    assert run.status == "done"

    export(run.encoder, out=tmp_path / "cut", layer=2)
    texts = ["la fisa vadi .", "mi tumi"]
    feeds = pad(encode(encoder, "embed", texts), encoder.pad_id)
    session = Session(tmp_path / "cut/onnx/model.onnx", device="cpu", threads=1)
    got_ND = session.run(feeds, ["sentence_embedding"])[0]
    model = transformers.AutoModel.from_pretrained(run.encoder).eval()
    with torch.no_grad():
        inputs = {name: torch.from_numpy(value) for name, value in feeds.items()}
        hidden = model(**inputs, output_hidden_states=True).hidden_states[2].numpy()
    for row, mask in enumerate(feeds["attention_mask"].astype(bool)):
        mean = hidden[row][mask].mean(0)
        np.testing.assert_allclose(got_ND[row], mean / np.linalg.norm(mean), atol=1e-5)
