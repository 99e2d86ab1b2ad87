"""Tiny tokenizers of every family and tiny ONNX bundles of every kind, made here from nothing."""

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "the cat sat on the mat and the dog sat on the cat",
    "a quick brown fox jumps over the lazy dog, doesn't it?",
    "where did the river begin? it began in the hills of the north.",
    "der Hund schläft unter dem Tisch, die Katze wärmt sich am Ofen.",
    "собака спит под столом, а кошка греется у печки.",
    "狗睡在桌子底下。猫在火炉旁取暖。",
    "الكلب ينام تحت الطاولة",
    "หมานอนอยู่ใต้โต๊ะ",
    "unbelievable internationalisation of wonderful counterexamples 1984 2026",
]
BERT = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
ROBERTA = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}


def template(names, *, double, types):
    sep, second = f"{names['sep']}", ":1" if types else ""
    middle = f"{sep} {sep}" if double else sep
    specials = list(names.values())
    return processors.TemplateProcessing(
        single=f"{names['cls']} $A {sep}",
        pair=f"{names['cls']} $A {middle} $B{second} {sep}{second}",
        special_tokens=[(names[key], specials.index(names[key])) for key in ("cls", "sep")],
    )


def wordpiece(names):
    tokenizer = Tokenizer(models.WordPiece(unk_token=names["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=list(names.values()), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def unigram(names):
    """Built from counts: the library's Unigram trainer gives another vocabulary every time."""
    counts = Counter()
    for text in TEXTS:
        for word in text.split():
            marked = "▁" + word
            counts.update(marked[i : i + n] for n in (1, 2, 3, 5) for i in range(len(marked)))
            counts[marked] += 1
    letters = sorted(piece for piece in counts if len(piece) == 1)
    longer = sorted((p for p in counts if len(p) > 1 and counts[p] > 1), key=lambda p: -counts[p])
    pieces = [(name, 0.0) for name in names.values()]
    pieces += [(piece, -10.0) for piece in letters]
    pieces += [(piece, -9.0 + len(piece) / 10) for piece in longer]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=list(names).index("unk")))
    tokenizer.add_special_tokens(list(names.values()))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(" {2,}", " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def byte_level(names):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(names.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


# family -> tokenizer, special tokens, double separator, types, tokenizer class, config
FAMILIES = {
    "bert": (wordpiece, BERT, False, True, "BertTokenizerFast",
             {"max_position_embeddings": 512, "type_vocab_size": 2, "pad_token_id": 0}),
    "distilbert": (wordpiece, BERT, False, False, "DistilBertTokenizerFast",
                   {"max_position_embeddings": 512, "pad_token_id": 0}),
    "xlm-roberta": (unigram, ROBERTA, True, False, "XLMRobertaTokenizerFast",
                    {"max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}),
    "roberta": (byte_level, ROBERTA, True, False, "RobertaTokenizerFast",
                {"max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}),
    "deberta-v2": (unigram, BERT, False, True, "PreTrainedTokenizerFast",
                   {"max_position_embeddings": 512, "type_vocab_size": 0, "pad_token_id": 0}),
    "modernbert": (byte_level, BERT, False, False, "PreTrainedTokenizerFast",
                   {"max_position_embeddings": 8192, "pad_token_id": 0}),
}  # fmt: skip


def write_model_folder(folder, family, **config):
    """A tokenizer and a config.json of one family, with changes to the config."""
    train, names, double, types, cls, settings = FAMILIES[family]
    tokenizer = train(names)
    tokenizer.post_processor = template(names, double=double, types=types)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {f"{key}_token": text for key, text in names.items()}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": cls, "do_lower_case": False, **named})
    )
    (folder / "special_tokens_map.json").write_text(json.dumps(named))
    values = {"model_type": family, "vocab_size": tokenizer.get_vocab_size(), **settings, **config}
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory):
    """family -> folder with its tokenizer; do not write into them."""
    root = tmp_path_factory.mktemp("families")
    return {family: write_model_folder(root / family, family) for family in FAMILIES}


@pytest.fixture
def model_folder(tmp_path):
    """Write a folder of one family with a changed config: model_folder("roberta", x=1)."""

    def write(family, **config):
        return write_model_folder(tmp_path / family, family, **config)

    return write


@pytest.fixture(scope="session")
def texts():
    """A few sentences in several scripts."""
    return tuple(TEXTS)


WIDTH = 16
INPUTS = ("input_ids", "attention_mask")
LABELS = ("no", "maybe", "yes")


def write_graph(path, kind, vocab_size, *, outputs=None, n_classes=3, types=False, seed=7):
    """One attention block over random embeddings and a head: small, deterministic, torch-free."""
    rng = np.random.default_rng(seed)
    weights, nodes = [], []

    def weight(name, array):
        weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def random(name, *shape):
        return weight(name, rng.normal(size=shape).astype(np.float32))

    lead = ["batch", "choices"] if kind == "choice" else ["batch"]
    hidden = node("Gather", [random("table", vocab_size, WIDTH), "input_ids"], "embedded")
    if types:
        kinds = node("Gather", [random("types", 2, WIDTH), "token_type_ids"], "typed")
        hidden = node("Add", [hidden, kinds], "both")
    swap = [*range(len(lead)), len(lead) + 1, len(lead)]
    turned = node("Transpose", [hidden], "turned", perm=swap)
    scores = node("MatMul", [hidden, turned], "similar")
    scores = node("Mul", [scores, weight("small", np.float32(0.02))], "scores")
    real = node("Cast", ["attention_mask"], "real", to=TensorProto.FLOAT)
    axis = weight("axis", np.array([len(lead)], np.int64))
    row = node("Unsqueeze", [real, axis], "row")
    none = node("Sub", [weight("one", np.float32(1)), row], "none")
    bias = node("Mul", [none, weight("big", np.float32(-1e9))], "bias")
    attention = node("Softmax", [node("Add", [scores, bias], "biased")], "attention", axis=-1)
    last = node("MatMul", [attention, hidden], "last_hidden_state")
    first = weight("first", np.int64(0))
    pooled = node("Gather", [last, first], "pooled", axis=len(lead))
    if kind == "pair":
        node("MatMul", [pooled, random("head", WIDTH, n_classes)], "logits")
    elif kind == "choice":
        wide = node("MatMul", [pooled, random("head", WIDTH, 1)], "wide")
        node("Squeeze", [wide, weight("end", np.array([-1], np.int64))], "logits")
    elif kind == "tag":
        node("MatMul", [last, random("head", WIDTH, n_classes)], "logits")
    elif kind == "span":
        for name in ("start_logits", "end_logits"):
            wide = node("MatMul", [last, random(f"head_{name}", WIDTH, 1)], f"wide_{name}")
            node("Squeeze", [wide, weight(f"end_{name}", np.array([-1], np.int64))], name)
    else:
        node("Identity", [pooled], "sentence_embedding")
    known = {
        "pair": ["logits"],
        "choice": ["logits"],
        "tag": ["logits"],
        "span": ["start_logits", "end_logits"],
        "embed": ["last_hidden_state", "sentence_embedding"],
    }
    names = [*INPUTS, "token_type_ids"] if types else INPUTS
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.INT64, [*lead, "length"]) for n in names],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in outputs or known[kind]
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


TASK_OF = {"pair": "xnli", "choice": "csqa", "tag": "udpos", "span": "xquad", "embed": "tatoeba"}


def write_bundle(
    folder, kind, *, family="xlm-roberta", max_length=64, outputs=None, types=False, seed=7,
    **changes,
):  # fmt: skip
    """A bundle of one kind; `changes` go into the manifest, `task` changes into the task."""
    from xlt.core.artifacts.bundle import write_manifest
    from xlt.core.tasks.table import TASKS

    write_model_folder(folder, family)
    vocab_size = json.loads((folder / "config.json").read_text())["vocab_size"]
    task = TASKS[TASK_OF[kind]].to_json() | {"max_length": max_length}
    if kind in {"pair", "tag"}:
        task["labels"] = LABELS
    task |= changes.pop("task", {})
    write_graph(folder / "onnx/model.onnx", kind, vocab_size, outputs=outputs, types=types,
                seed=seed)  # fmt: skip
    fields = {
        "name": folder.name,
        "task": task,
        "answers": [task["name"]],
        "max_length": max_length,
        "pooling": "cls" if kind == "embed" else None,
        "layer": None,
        "variants": {"fp32": {"file": "onnx/model.onnx", "files": ["onnx/model.onnx"]}},
    }
    write_manifest(folder, fields | changes)
    return folder


@pytest.fixture
def make_bundle(tmp_path):
    """Write a tiny bundle: make_bundle("tag", max_length=32) -> its folder."""

    def make(kind, *, name=None, **changes):
        return write_bundle(tmp_path / (name or kind), kind, **changes)

    return make


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """kind -> folder of a tiny bundle; do not write into them."""
    root = tmp_path_factory.mktemp("bundles")
    return {kind: write_bundle(root / kind, kind) for kind in TASK_OF}


@pytest.fixture(scope="session")
def graphs():
    """The writers of tiny ONNX files, for tests that need a special one."""
    return SimpleNamespace(write=write_graph, labels=LABELS, width=WIDTH)
