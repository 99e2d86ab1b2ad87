"""Tiny bundles whose answers follow from their words, and a data root for all nine tasks.

Every model is a table lookup: a word decides the label, the tag, the answer or the vector, so
that every score in these tests can be counted by hand.
"""

import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from xlt.core.artifacts.bundle import write_manifest
from xlt.core.tasks.table import TASKS

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
# word -> class
NLI = {"yes": "entailment", "maybe": "neutral", "no": "contradiction"}
SAME = {"same": "1", "other": "0"}
UPOS = {"dog": "NOUN", "hund": "NOUN", "mbwa": "NOUN", "runs": "VERB", "läuft": "VERB",
        "the": "DET", "der": "DET", ".": "PUNCT"}  # fmt: skip
NER = {"Bonn": "B-LOC", "Ada": "B-PER", "Byron": "I-PER", "in": "O", "lives": "O"}
ANSWERS = ["forty", "Rhein", "zehn"]
# word -> concept; the Swahili moon and tree are mixed up
CONCEPTS = {"cat": 0, "katze": 0, "paka": 0, "tree": 1, "baum": 1, "mti": 2, "moon": 2,
            "mond": 2, "mwezi": 1, "rain": 3, "regen": 3, "mvua": 3, "salt": 4, "salz": 4,
            "iron": 5, "eisen": 5, "sand": 6, "staub": 6}  # fmt: skip
WORDS = [*SPECIALS, "x", "where", "is", *NLI, *SAME, *UPOS, *NER, *ANSWERS, *CONCEPTS]


def write_tokenizer(folder):
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )  # fmt: skip
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    settings = {**names, "model_input_names": ["input_ids", "attention_mask"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps(names))
    config = {"model_type": "bert", "max_position_embeddings": 64, "pad_token_id": 0}
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": len(WORDS)}))


def table_of(classes, names):
    """(V, C) float32: ten where a word stands for a class."""
    table = np.zeros((len(WORDS), len(names)), np.float32)
    for word, name in classes.items():
        table[WORDS.index(word), names.index(name)] = 10
    return table


def write_onnx(path, table_VC, kind):
    """Gather a table; sum over the tokens for pair and embed, normalise for embed."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"])]
    constants = {"table": table_VC}
    outputs = {"logits": ["B", "L", "C"]}
    if kind in {"pair", "embed"}:
        constants |= {"last": np.array([-1], np.int64), "tokens": np.array([1], np.int64)}
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["mask_BL1"]),
            helper.make_node("Mul", ["rows", "mask_BL1"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "tokens"], ["summed"], keepdims=0),
        ]
    if kind == "pair":
        nodes.append(helper.make_node("Identity", ["summed"], ["logits"]))
        outputs = {"logits": ["B", "C"]}
    elif kind == "tag":
        nodes.append(helper.make_node("Identity", ["rows"], ["logits"]))
    elif kind == "choice":
        constants |= {"last": np.array([-1], np.int64)}
        nodes.append(helper.make_node("Squeeze", ["rows", "last"], ["scores"]))
        nodes.append(helper.make_node("ReduceSum", ["scores", "last"], ["logits"], keepdims=0))
        outputs = {"logits": ["B", "N"]}
    elif kind == "span":
        constants["last"] = np.array([-1], np.int64)
        nodes.append(helper.make_node("Squeeze", ["rows", "last"], ["start_logits"]))
        nodes.append(helper.make_node("Identity", ["start_logits"], ["end_logits"]))
        outputs = {"start_logits": ["B", "L"], "end_logits": ["B", "L"]}
    elif kind == "embed":
        nodes.append(
            helper.make_node("LpNormalization", ["summed"], ["sentence_embedding"], axis=-1, p=2)
        )
        outputs = {"sentence_embedding": ["B", "D"]}
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64, ["B", "N", "L"] if kind == "choice" else ["B", "L"]
        )
        for name in ("input_ids", "attention_mask")
    ]
    graph = helper.make_graph(
        nodes,
        "lookup",
        inputs,
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def tables():
    """Task -> its lookup table."""
    answers = np.zeros((len(WORDS), 1), np.float32)
    answers[[WORDS.index(word) for word in ANSWERS]] = 10
    vectors = np.full((len(WORDS), 8), 0.02, np.float32)
    vectors[: len(SPECIALS)] = 0
    for word, concept in CONCEPTS.items():
        vectors[WORDS.index(word), concept] = 1
    vectors[WORDS.index("staub"), 7] = 0.5  # near sand, but less than equal words are
    return {
        "xnli": table_of(NLI, TASKS["xnli"].labels),
        "pawsx": table_of(SAME, TASKS["pawsx"].labels),
        "udpos": table_of(UPOS, TASKS["udpos"].labels),
        "panx": table_of(NER, TASKS["panx"].labels),
        "xquad": answers,
        "tydiqa": answers,
        "hellaswag": answers,
        "tatoeba": vectors,
    }


def write_bundle(folder, task, *, name=None, answers=None, table=None, **fields):
    """A bundle for one of the tasks of `tables`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    record = fields.pop("record", None) or TASKS[task]
    write_onnx(folder / "onnx" / "model.onnx", tables()[task] if table is None else table,
               record.kind)  # fmt: skip
    write_manifest(
        folder,
        {
            "name": name or folder.name,
            "task": record.to_json(),
            "answers": answers or [task],
            "max_length": 32,
            "pooling": "mean" if record.kind == "embed" else None,
            "layer": None,
            "layers": 1,
            "variants": {"fp32": {"file": "onnx/model.onnx", "files": ["onnx/model.onnx"]}},
            "trained_on": {
                "declared": True,
                "tasks": [task],
                "languages": ["de", "en"],
                "data": [{"task": task, "lang": "en"}, {"task": "text", "lang": "de"}],
            },
            "lineage": {},
            "parity": {},
            **fields,
        },
    )
    return folder


def write_all_bundles(folder):
    for task, answers in (("xnli", None), ("pawsx", None), ("panx", None), ("tydiqa", None),
                          ("xquad", ["xquad", "mlqa"])):  # fmt: skip
        write_bundle(folder / task, task, answers=answers)
    write_bundle(folder / "udpos", "udpos", baseline={"label": "NOUN"})
    write_bundle(folder / "encoder", "tatoeba", answers=["bucc2018", "tatoeba"])
    return folder


def squad(*questions):
    """SQuAD JSON of (id, context, answer) triples; an answer of None is left out."""
    paragraphs = [
        {
            "context": context,
            "qas": [
                {
                    "id": name,
                    "question": "where is x",
                    "answers": []
                    if answer is None
                    else [{"text": answer, "answer_start": context.index(answer)}],
                }
            ],
        }
        for name, context, answer in questions
    ]
    return json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]})


# What the models answer is plain from the words; what is wrong on purpose is marked.
FILES = {
    # en 4 of 4, de 2 of 3 (the second), sw 1 of 2
    "xnli/test-en.tsv": "x yes\tx\tentailment\nx no\tx\tcontradiction\nx\tmaybe\tneutral\n"
    "x no\tx\tcontradiction\n",
    "xnli/test-de.tsv": "x yes\tx\tentailment\nx no\tx\tneutral\nx\tmaybe\tneutral\n",
    "xnli/test-sw.tsv": "x yes\tx\tentailment\nx no\tx\tneutral\n",
    # en 2 of 2, de 1 of 2
    "pawsx/test-en.tsv": "x same\tx\t1\nx\tother\t0\n",
    "pawsx/test-de.tsv": "x same\tx\t1\nx\tsame\t0\n",
    # en all right; de: der is wrong: 3 of 4 tokens, 3 of 4 chunks on both sides; sw unlabelled
    "udpos/test-en.tsv": "the\tDET\ndog\tNOUN\nruns\tVERB\n\ndog\tNOUN\nruns\tVERB\n.\tPUNCT\n\n",
    "udpos/test-de.tsv": "der\tPRON\nhund\tNOUN\nläuft\tVERB\n\nhund\tNOUN\n\n",
    "udpos/test-sw.tsv": "mbwa\n\nmbwa\nmbwa\n\n",
    # en: the person and the town; de: 1 of 2 on both sides, the person is a town in gold
    "panx/test-en.tsv": "Ada\tB-PER\nByron\tI-PER\nlives\tO\nin\tO\nBonn\tB-LOC\n\n",
    "panx/test-de.tsv": "Ada\tB-LOC\nByron\tI-LOC\nin\tO\nBonn\tB-LOC\n\n",
    # en 1 of 1; de: one right, one half (F1 2/3, EM 0)
    "xquad/xquad.en.json": squad(("q1", "x forty x", "forty")),
    "xquad/xquad.de.json": squad(("q1", "x Rhein x", "Rhein"), ("q2", "x zehn x", "zehn x")),
    "mlqa/MLQA_V1/test/test-context-en-question-en.json": squad(("m1", "x forty", "forty")),
    "mlqa/MLQA_V1/test/test-context-de-question-de.json": squad(("m1", "x Rhein", "Rhein")),
    "tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.en.dev.json": squad(("t1", "forty x", "forty")),
    "tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.sw.dev.json": squad(
        ("t2", "x zehn", None), ("t3", "forty x", None)
    ),
    # de all four; sw: tree and moon are mixed up, 2 of 4
    "tatoeba/tatoeba.deu-eng.deu": "katze\nbaum\nmond\nregen\n",
    "tatoeba/tatoeba.deu-eng.eng": "cat\ntree\nmoon\nrain\n",
    "tatoeba/tatoeba.swh-eng.swh": "mvua\npaka\nmwezi\nmti\n",
    "tatoeba/tatoeba.swh-eng.eng": "rain\ncat\nmoon\ntree\n",
    # dev: two pairs; test: salz/salt and eisen/iron are gold, staub/sand is found but is not
    "bucc2018/de-en.dev.de": "de-1\tkatze\nde-2\tbaum\nde-3\tsalz\nde-4\tmond\n",
    "bucc2018/de-en.dev.en": "en-1\tcat\nen-2\ttree\nen-3\tiron\nen-4\train\n",
    "bucc2018/de-en.dev.gold": "de-1\ten-1\nde-2\ten-2\n",
    "bucc2018/de-en.test.de": "de-1\tsalz\nde-2\teisen\nde-3\tstaub\nde-4\tmond\n",
    "bucc2018/de-en.test.en": "en-1\tiron\nen-2\tsalt\nen-3\tsand\nen-4\tcat\n",
    "bucc2018/de-en.test.gold": "de-1\ten-2\nde-2\ten-1\n",
}


def write_root(folder, files=None):
    for name, text in (FILES if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def make():
    """The builders of this file: make.bundle, make.bundles, make.root, make.squad, FILES."""
    return SimpleNamespace(
        bundle=write_bundle, bundles=write_all_bundles, root=write_root, squad=squad, files=FILES,
        tables=tables,
    )  # fmt: skip


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """All bundles; do not write into them."""
    return write_all_bundles(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def root(tmp_path):
    """A data root of one's own."""
    return write_root(tmp_path / "root")
