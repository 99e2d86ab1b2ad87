"""The recipes "A task", "A kind" and "A metric" of CONTRIBUTING.md, each run to its end."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from xlt.core.encode.encoder import Encoder
from xlt.core.inference.answer import answer, gold_of, official_form, score
from xlt.core.kinds.base import Kind
from xlt.core.kinds.choice import Picked
from xlt.core.kinds.items import encode_texts
from xlt.core.kinds.table import KINDS, encode, kind_of
from xlt.core.metrics.averages import summarise
from xlt.core.metrics.official import (
    FORMATS,
    official_path,
    read_labels,
    read_predictions,
    write_predictions,
)
from xlt.core.metrics.score import score_file
from xlt.core.metrics.table import METRICS, Metric, accuracy_counts, measure
from xlt.core.tasks.examples import Sentence
from xlt.core.tasks.table import TARGETS, TASKS, Task
from xlt.data import DataRoot
from xlt.data.training import training_sets

XCOPA = """\
name: xcopa
kind: choice
suite: xcopa
n_choices: 2
languages: [et, sw]
files: {train: "copa/train.jsonl", dev: "copa/dev.jsonl", test: "xcopa/{lang}.jsonl"}
columns: {prompt: premise, choices: [choice1, choice2], label: label, id: idx}
"""


def rows(count, lang="en"):
    return "".join(
        json.dumps({"premise": f"The lamp {n} of {lang} went out.", "choice1": "It was late.",
                    "choice2": f"The wire {n} broke.", "label": n % 2, "idx": n}) + "\n"
        for n in range(count)
    )  # fmt: skip


@pytest.fixture
def root(tmp_path):
    files = {"tasks/xcopa.yaml": XCOPA, "copa/train.jsonl": rows(12),
             "copa/dev.jsonl": rows(4, "d"),
             "xcopa/et.jsonl": rows(4, "et"), "xcopa/sw.jsonl": rows(2, "sw")}  # fmt: skip
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return DataRoot(tmp_path / "root")


def test_a_task_of_a_suite_of_its_own_is_trained_scored_and_kept_out_of_xtremes_averages(
    root, tmp_path
):
    task = root.tasks["xcopa"]
    assert (task.suite, task.role, task.source) == ("xcopa", "user", "xcopa")
    assert "xcopa" not in TARGETS
    assert Task.from_json(task.to_json()) == task

    training = training_sets(root, task, seed=1)
    assert (len(training.train), training.dev and len(training.dev)) == (12, 4)

    scores = {}
    for lang, right in (("et", [0, 1, 1, 1]), ("sw", [0, 1])):
        data = root.read(task, lang, "test")
        picked = [Picked(index=k, probabilities=np.array([0.5, 0.5])) for k in right]
        scores[lang] = score(task, data.examples, picked, lang)["accuracy"]
        labels = official_path(tmp_path / "labels", task, lang)
        found = official_path(tmp_path / "found", task, lang)
        write_predictions(task, labels, gold_of(task, data.examples))
        write_predictions(task, found, official_form(task, data.examples, picked))
        assert score_file(task, lang, found, labels) == {"accuracy": scores[lang]}
    assert scores == {"et": 75, "sw": 100}

    ours = {
        name: {
            metric: dict.fromkeys(TASKS[name].languages, 50.0)
            for metric in METRICS[TASKS[name].metric].headline
        }
        for name in TARGETS
    }
    before = summarise(ours)
    after = summarise({**ours, "xcopa": {"accuracy": scores}}, extra={"xcopa": task})
    assert after["tasks"]["xcopa"]["avg_metric"] == 87.5
    assert after["all_task"] == before["all_task"] == 50
    assert after["groups"] == before["groups"]


def test_a_suite_of_a_users_task_is_not_xtreme(root, tmp_path):
    from xlt.core.errors import UsageError
    from xlt.data.taskfile import load_task_file

    file = tmp_path / "wrong.yaml"
    file.write_text(XCOPA.replace("suite: xcopa", "suite: xtreme"))
    with pytest.raises(UsageError, match=r"line 3: suite is 'xtreme'"):
        load_task_file(file)


# A kind: which word of a text is the first in the alphabet. One record, in one module.
def _decode(task, name, item, rows, outputs):
    words = item.text.split()
    return words[int(np.argmax(outputs[0]["logits"][: len(words)]))]


FIRST_WORD = Kind(
    name="first_word",
    record=Sentence,
    form="labels",
    metric="accuracy",
    outputs=("logits",),
    encode=encode_texts,
    cut=lambda row, arrays: {"logits": arrays["logits"][1 : row.width - 1]},
    decode=_decode,
    gold=lambda examples: [min(one.text.split()) for one in examples],
    answers=lambda examples, predictions: list(predictions),
    probe=lambda texts: Sentence(id=texts.id, text=texts.text),
)


@pytest.fixture
def encoder(tmp_path):
    words = "sea hill fog ash mill".split()
    index = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(index, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )  # fmt: skip
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    config = {"model_type": "bert", "max_position_embeddings": 32}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return Encoder.load(tmp_path)


def test_a_kind_goes_from_text_to_the_official_file_in_one_module_and_one_row_a_stage(
    encoder, tmp_path, monkeypatch
):
    pytest.importorskip("torch")
    pytest.importorskip("optimum")
    from xlt.core.inference.probe import plain_item, probe_items
    from xlt.export.checkpoint.kinds import EXPORTED, Exporting
    from xlt.export.files.card import model_card
    from xlt.serve.routes.kserve.signatures import SIGNATURES, Signature
    from xlt.train.finetune.kinds import TRAINED, Trained, baselines, encode_labelled

    monkeypatch.setitem(KINDS, "first_word", FIRST_WORD)
    task = Task(name="first", kind="first_word")
    items = [Sentence(id="0", text="sea fog hill"), Sentence(id="1", text="mill ash")]
    encoded = encode(encoder, "first_word", items)
    assert [row.width for row in encoded] == [5, 4]

    def run(batch):  # a model that always likes the second word best
        arrays = {"logits": np.array([0, 0.1, 2, 0.3, 0], np.float32)}
        return [kind_of(task).cut(row, arrays) for row in batch]

    found = answer(task, items, encoded, run)
    assert found == ["fog", "ash"]
    assert score(task, items, found, "en") == {"accuracy": 100}
    path = official_path(tmp_path, task, "en")
    write_predictions(task, path, official_form(task, items, found))
    assert path.read_text() == "fog\nash\n"
    assert read_predictions(task, path) == read_labels(task, path) == gold_of(task, items)

    texts = [item.text for _, item in probe_items(task, 8)]
    assert len(texts) > 20
    assert plain_item(task, 4).text

    def target(row, example, task):
        words = example.text.split()
        return np.array(words.index(min(words)))

    monkeypatch.setitem(TRAINED, "first_word", Trained(target=target))
    assert [int(t) for t in encode_labelled(encoder, task, items).targets] == [1, 1]
    assert baselines(task, items, items) == {}

    row = Exporting(heads=("ForFirstWord",), axes={"logits": {0: "batch_size"}},
                    ort_class="ORTModelForFirstWord", snippet='"sea fog"')  # fmt: skip
    monkeypatch.setitem(EXPORTED, "first_word", row)
    checkpoint = SimpleNamespace(public_name="x", model_type="bert", depth=2, graph=None)
    job = SimpleNamespace(
        task=task,
        name="first",
        base="x",
        lineage={},
        card={},
        default_prompt=None,
        checkpoint=checkpoint,
        dev={},
        trained_on={},
        answers=("first",),
        layer=None,
        dimensions=(),
    )
    parity = {"reference": "PyTorch", "rows": 1, "text": "texts", "shapes": [], "max_difference": 0,
              "changed_predictions": 0, "clear_predictions": 1}  # fmt: skip
    card = model_card(job, parity, max_length=32)
    assert 'engine.predict(["sea fog"])' in card
    assert "ORTModelForFirstWord" in card

    signature = Signature(
        inputs={"text": ([-1], True)}, outputs={"word": ("BYTES", [-1])},
        items=lambda texts: [Sentence(id="", text=text) for text in texts["text"].values],
        arrays=lambda predictions, texts: {"word": np.array(predictions, object)},
    )  # fmt: skip
    monkeypatch.setitem(SIGNATURES, "first_word", signature)
    taken = SIGNATURES[task.kind].items({"text": SimpleNamespace(values=["sea fog"])})
    assert taken == [Sentence(id="", text="sea fog")]
    assert SIGNATURES[task.kind].arrays(found, {})["word"].tolist() == ["fog", "ash"]


def test_every_form_of_a_kind_has_a_format_and_a_metric():
    for kind in {**KINDS}.values():
        if kind.form:
            assert METRICS[kind.metric].form == kind.form
            assert kind.form in FORMATS


def test_a_metric_is_one_row(tmp_path, monkeypatch):
    from xlt.data.taskfile import load_task_file

    row = Metric(
        name="error_rate", form="labels", scores=("errors",), headline=("errors",),
        count=accuracy_counts,
        combine=lambda sums: {"errors": 100 - 100 * sums[..., 0] / sums[..., 1]},
    )  # fmt: skip
    monkeypatch.setitem(METRICS, "error_rate", row)
    assert measure("error_rate", ["a", "b", "a", "b"], ["a", "b", "b", "b"], "en") == {"errors": 25}
    file = tmp_path / "t.yaml"
    file.write_text(
        "name: mine\nkind: pair\nlabels: [a, b]\nmetric: error_rate\nfiles: {test: x.tsv}\n"
    )
    task = load_task_file(file).task
    found = summarise({"mine": {"errors": {"en": 25.0}}}, extra={"mine": task})
    assert found["tasks"]["mine"]["avg_metric"] == 25
