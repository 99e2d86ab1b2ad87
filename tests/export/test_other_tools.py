"""The same folder opens in sentence-transformers, optimum and plain ONNX Runtime."""

import numpy as np
import onnxruntime
import pytest
import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoTokenizer

import xlt
from xlt.export import export

CLASSES = {
    "pair": ("ForSequenceClassification", ("logits",)),
    "choice": ("ForMultipleChoice", ("logits",)),
    "tag": ("ForTokenClassification", ("logits",)),
    "span": ("ForQuestionAnswering", ("start_logits", "end_logits")),
}
TASK_OF = {"pair": None, "choice": "csqa", "tag": None, "span": "xquad"}
TEXTS = ["The ferry is late.", "Паром опаздывает, и никто не ждёт.", "船晚点了。"]


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.filterwarnings("ignore")  # of the other tools, not ours
def test_optimum_opens_the_bundle(checkpoints, tmp_path, kind):
    import optimum.onnxruntime

    folder = checkpoints("distilbert" if kind == "span" else "xlm-roberta", kind)
    export(folder, out=tmp_path / "b", task=TASK_OF[kind])
    suffix, outputs = CLASSES[kind]
    ours = getattr(optimum.onnxruntime, f"ORTModel{suffix}").from_pretrained(
        tmp_path / "b", subfolder="onnx", local_files_only=True
    )
    theirs = getattr(transformers, f"AutoModel{suffix}").from_pretrained(folder).eval()
    batch = AutoTokenizer.from_pretrained(tmp_path / "b")(TEXTS, padding=True, return_tensors="pt")
    if kind == "choice":
        batch = {name: value[None] for name, value in batch.items()}
    with torch.no_grad():
        expected = theirs(**batch)
    got = ours(**batch)
    for name in outputs:
        torch.testing.assert_close(got[name], expected[name], rtol=0, atol=1e-4)
    assert ours.config.id2label == theirs.config.id2label


@pytest.mark.filterwarnings("ignore")
def test_transformers_pipeline_tags_with_the_bundle(checkpoints, tmp_path):
    from optimum.onnxruntime import ORTModelForTokenClassification

    folder = checkpoints(kind="tag")
    export(folder, out=tmp_path / "b")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "b")
    ours = ORTModelForTokenClassification.from_pretrained(tmp_path / "b", subfolder="onnx")
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(folder)
    found = [
        transformers.pipeline("token-classification", model=model, tokenizer=tokenizer)(TEXTS[0])
        for model in (ours, theirs)
    ]
    assert [item["entity"] for item in found[0]] == [item["entity"] for item in found[1]]
    assert found[0]


@pytest.mark.parametrize(("pooling", "model_type"), [("mean", "xlm-roberta"), ("last", "bert")])
@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_gives_the_same_vectors(checkpoints, tmp_path, pooling, model_type):
    from sentence_transformers import SentenceTransformer

    folder = checkpoints(model_type, "embed", blocks=4)
    export(folder, out=tmp_path / "e", layer=2, pooling=pooling)
    model = SentenceTransformer(str(tmp_path / "e"), backend="onnx", device="cpu")
    assert model.max_seq_length == 128
    found = model.encode(TEXTS)

    tokens = Tokenizer.from_file(str(tmp_path / "e" / "tokenizer.json"))
    session = onnxruntime.InferenceSession(str(tmp_path / "e" / "onnx" / "model.onnx"))
    for text, vector in zip(TEXTS, found, strict=True):
        ids = np.array([tokens.encode(text).ids])
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        feeds["token_type_ids"] = np.zeros_like(ids)
        feeds = {node.name: feeds[node.name] for node in session.get_inputs()}
        plain = session.run(["sentence_embedding"], feeds)[0][0]
        assert np.abs(plain - vector).max() < 1e-5
        assert np.linalg.norm(plain) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("labels", [("entailment", "neutral", "contradiction"),
                                    ("CONTRADICTION", "ENTAILMENT", "NEUTRAL")])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_classes_are_those_of_transformers_pipeline_in_any_order_of_labels(
    checkpoints, tmp_path, labels
):
    folder = checkpoints(labels=labels)
    [made] = export(folder, out=tmp_path / "b")
    pipeline = transformers.pipeline("text-classification", model=str(folder))
    pairs = [(a, b) for a in TEXTS for b in TEXTS]
    theirs = pipeline([{"text": a, "text_pair": b} for a, b in pairs])
    ours = xlt.open(made.path).predict(pairs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.label == other["label"].lower()
        assert max(one.probabilities) == pytest.approx(other["score"], abs=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_tags_are_those_of_transformers_pipeline(checkpoints, tmp_path):
    folder = checkpoints(kind="tag")
    [made] = export(folder, out=tmp_path / "b")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pipeline = transformers.pipeline(
        "token-classification", model=str(folder), tokenizer=tokenizer,
        aggregation_strategy="none", ignore_labels=[],
    )  # fmt: skip
    for text in ("The ferry is late .", "seven old houses stand beside the river"):
        found = {item["start"]: item["entity"] for item in pipeline(text)}
        words = text.split()
        [ours] = xlt.open(made.path).predict([words])
        starts, place = [], 0
        for word in words:
            place = text.index(word, place)
            starts.append(place)
            place += len(word)
        # the pipeline's first piece of a word starts at the word, or at the blank before it
        theirs = [found.get(start - 1, found.get(start)) for start in starts]
        assert list(ours.tags) == theirs


@pytest.mark.filterwarnings("ignore")
def test_answers_are_those_of_transformers_pipeline(checkpoints, tmp_path):
    folder = checkpoints(kind="span")
    [made] = export(folder, out=tmp_path / "b", task="xquad")
    context = "The ferry leaves Hamburg at noon and reaches the island before night."
    pipeline = transformers.pipeline("question-answering", model=str(folder))
    for question in ("Where does the ferry start?", "When does it leave?", "What is reached?"):
        theirs = pipeline(
            question=question, context=context, max_answer_len=30, align_to_words=False
        )
        [ours] = xlt.open(made.path).predict([(question, context)])
        assert ours.text == theirs["answer"].strip()


def test_the_ten_lines_of_the_documents_give_the_vectors(
    checkpoints, tmp_path, project, monkeypatch
):
    [made] = export(checkpoints(kind="embed"), out=tmp_path / "bundle")
    page = (project / "docs/export.md").read_text()
    [block] = [part for part in page.split("```python\n") if "onnxruntime.Inf" in part]
    code = block.partition("```")[0]
    assert len([line for line in code.splitlines() if line]) == 10
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    expected = xlt.open(made.path).encode(["ein Satz", "a sentence"])
    assert np.abs(names["vectors"] - expected).max() < 1e-5
