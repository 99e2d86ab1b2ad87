"""A made-up data root and tiny random encoders of five families."""

import json
import os
import random

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModel,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ModernBertConfig,
    XLMRobertaConfig,
)

os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

WORDS = {
    "DET": "la lo mi tu".split(),
    "NOUN": "fisa dora peko tumi gala riso mafu".split(),
    "VERB": "vadi seko bilu nata".split(),
    "ADJ": "rono liva kemo".split(),
    "PUNCT": ["."],
}
FAST = {"epochs": 1.0, "lr": 1e-3, "batch_size": 8, "max_length": 48, "threads": 1}
OTHER = {word: word[::-1] for words in WORDS.values() for word in words}


def sentence(rng):
    tags = ["DET", "NOUN", "VERB", "DET", *rng.choice([[], ["ADJ"]]), "NOUN", "PUNCT"]
    return [(rng.choice(WORDS[tag]), tag) for tag in tags]


def tagged(rng, count):
    blocks = []
    for _ in range(count):
        blocks.append("".join(f"{word}\t{tag}\n" for word, tag in sentence(rng)))
    return "\n".join(blocks)


def words(rng):
    return [word for word, _ in sentence(rng)]


def pairs(rng, count):
    """The label follows from the pair: same words, other words, or `not` in front."""
    rows = []
    for k in range(count):
        first = " ".join(words(rng))
        label = ("entailment", "neutral", "contradiction")[k % 3]
        second = {"entailment": first, "neutral": " ".join(words(rng)),
                  "contradiction": "not " + first}[label]  # fmt: skip
        rows.append(f"{first}\t{second}\t{label}\n")
    return "".join(rows)


def questions(rng, count, name):
    paragraphs = []
    for k in range(count):
        before, after = " ".join(words(rng)), " ".join(words(rng))
        answer = rng.choice(WORDS["NOUN"])
        context = f"{before} {name}{k} {answer} {after}"
        paragraphs.append({"context": context, "qas": [{
            "id": f"{name}-{k}", "question": f"who is {name}{k} ?",
            "answers": [{"text": answer, "answer_start": context.index(f"{k} {answer}")
                         + len(f"{k} ")}]}]})  # fmt: skip
    return json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]})


def choices(rng, count):
    lines = []
    for k in range(count):
        prompt = " ".join(words(rng))
        endings = [" ".join(words(rng)) for _ in range(4)]
        endings[k % 4] = prompt
        lines.append(json.dumps({
            "ind": k, "activity_label": "x", "ctx_a": prompt, "ctx_b": "", "ctx": prompt,
            "endings": endings, "source_id": f"s{k}", "split": "train", "split_type": "indomain",
            "label": k % 4}) + "\n")  # fmt: skip
    return "".join(lines)


@pytest.fixture
def silent(monkeypatch):
    """No notes and no progress; a file asks for it with `usefixtures`."""
    monkeypatch.setattr("xlt.core.show.terminal.QUIET", True)


@pytest.fixture(scope="session")
def config():
    """(root, model, out, changes) -> a configuration of a training of seconds."""
    from xlt.train import TrainConfig

    def make(root, model, out, **changes):
        return TrainConfig(model=str(model), data=root, out=out, **{**FAST, **changes})

    return make


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Every kind of task, two languages (de is en spelled backwards), text and parallel text."""
    rng = random.Random("a small root")
    folder = tmp_path_factory.mktemp("data")
    files = {
        "udpos/train-en.tsv": tagged(rng, 90),
        "udpos/dev-en.tsv": tagged(rng, 25),
        "pawsx/train-en.tsv": "".join(
            f"{a}\t{a if k % 2 else b}\t{k % 2}\n"
            for k, (a, b) in enumerate(
                (" ".join(words(rng)), " ".join(words(rng))) for _ in range(60)
            )
        ),
        "xnli/train-en.tsv": pairs(rng, 60),
        "xnli/dev-en.tsv": pairs(rng, 21),
        "squad/train-v1.1.json": questions(rng, 40, "a"),
        "squad/dev-v1.1.json": questions(rng, 12, "b"),
        "xquad/xquad.de.json": questions(rng, 5, "c"),
        "hellaswag/hellaswag_train.jsonl": choices(rng, 40),
        "hellaswag/hellaswag_val.jsonl": choices(rng, 12),
    }
    lines = [words(rng) for _ in range(200)]
    files["text/en.txt"] = "".join(" ".join(line) + "\n" for line in lines[:120])
    files["text/de.txt"] = "".join(
        " ".join(OTHER[word] for word in line) + "\n" for line in lines[80:]
    )
    files["parallel/en-de.tsv"] = "".join(
        f"{' '.join(line)}\t{' '.join(OTHER[word] for word in line)}\n" for line in lines[:60]
    )
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


SPECIAL = {
    "xlm-roberta": ("<s>", "<pad>", "</s>", "<unk>"),
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
    "distilbert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
    "deberta-v2": ("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
    "modernbert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
}
FAMILIES = tuple(SPECIAL)


def word_tokenizer(family):
    special = SPECIAL[family]
    known = [*special, *(w for ws in WORDS.values() for w in ws), "not", "who", "is", "?"]
    known += [f"{name}{k}" for name in "abc" for k in range(40)] + ["<mask>"]
    index = {word: place for place, word in enumerate(known)}
    unknown = special[3] if family == "xlm-roberta" else special[1]
    tokenizer = Tokenizer(models.WordLevel(index, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    first, last = ("<s>", "</s>") if family == "xlm-roberta" else ("[CLS]", "[SEP]")
    middle = f"{last} {last}" if family == "xlm-roberta" else last
    second = ":1" if family == "bert" else ""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {middle} $B{second} {last}{second}",
        special_tokens=[(first, index[first]), (last, index[last])],
    )
    names = {"bos_token": first, "eos_token": last, "cls_token": first, "sep_token": last,
             "unk_token": unknown, "mask_token": "<mask>",
             "pad_token": "<pad>" if first == "<s>" else "[PAD]",
             "tokenizer_class": "PreTrainedTokenizerFast"}  # fmt: skip
    return tokenizer, names


def tiny(family, size):
    """A configuration of 2 layers and width 16."""
    if family == "distilbert":
        return DistilBertConfig(
            vocab_size=size, dim=16, n_layers=2, n_heads=2, hidden_dim=32,
            max_position_embeddings=80,
        )  # fmt: skip
    usual = {
        "vocab_size": size, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 32, "max_position_embeddings": 80, "pad_token_id": 0,
    }  # fmt: skip
    if family == "deberta-v2":  # as mDeBERTa-v3: relative positions, no absolute ones
        return DebertaV2Config(
            **usual, type_vocab_size=0, relative_attention=True, position_buckets=16,
            pos_att_type=["p2c", "c2p"], position_biased_input=False, share_att_key=True,
            norm_rel_ebd="layer_norm", pooler_hidden_size=16,
        )  # fmt: skip
    if family == "modernbert":  # a global layer, then a local one
        return ModernBertConfig(
            **usual, global_attn_every_n_layers=2, local_attention=8, bos_token_id=2,
            eos_token_id=3, cls_token_id=2, sep_token_id=3, reference_compile=False,
        )  # fmt: skip
    if family == "bert":
        return BertConfig(**usual, type_vocab_size=2)
    return XLMRobertaConfig(**{**usual, "pad_token_id": 1}, type_vocab_size=1)


@pytest.fixture(scope="session")
def models_of(tmp_path_factory):
    """family -> folder of a random encoder: 2 layers, width 16."""
    made = {}

    def make(family):
        if family in made:
            return made[family]
        folder = tmp_path_factory.mktemp(family)
        tokenizer, names = word_tokenizer(family)
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(names))
        size = tokenizer.get_vocab_size()
        config = tiny(family, size)
        torch.manual_seed(7)
        AutoModel.from_config(config).save_pretrained(folder)
        made[family] = folder
        return folder

    return make
