"""Fetching from a miniature local copy of the hub, with made-up rows for every config."""

import hashlib
import json

import pytest

from xlt.core.errors import DataError, PartlyDone, UsageError
from xlt.core.tasks.table import INTERMEDIATE, TARGETS, TASKS
from xlt.data import DataRoot, training_sets
from xlt.data.check import check_root, plan_check
from xlt.data.hub.fetch import fetch

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("datasets")

XTREME = "google/xtreme"
ANSWERS = {"text": ["cat"], "answer_start": [6]}


def question(name, answers=ANSWERS):
    return {"id": name, "title": "T", "context": "A red cat.", "question": "Who?",
            "answers": answers}  # fmt: skip


def put(hub, dataset, config, split, rows):
    path = hub / dataset / config / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def nli(labels):
    return [{"premise": f"p{i}", "hypothesis": "h\ttab", "label": label, "idx": i}
            for i, label in enumerate(labels)]  # fmt: skip


def pair(a, label):
    return {"sentence1": a, "sentence2": 'say "so"', "label": label}


def tagged(column, tags):
    return [{"tokens": [f"w{i}" for i, _ in enumerate(tags)], column: tags}]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The configs and columns of google/xtreme and of the intermediate tasks, for en, de, te."""
    hub = tmp_path_factory.mktemp("hub")
    for split in ("validation", "test"):
        rows = [
            {"language": lang, "sentence1": f"{lang} a", "sentence2": "b", "gold_label": label}
            for lang in ("ar", "de", "en")
            for label in ("neutral", "entailment")
        ]
        put(hub, XTREME, "XNLI", split, rows)
        for lang in ("en", "de"):
            put(hub, XTREME, f"PAWS-X.{lang}", split, [pair("x", "0"), pair("y", "1")])
            put(hub, XTREME, f"MLQA.{lang}.{lang}", split, [question(f"{lang}{split}")])
            put(hub, XTREME, f"PAN-X.{lang}", split, tagged("ner_tags", [0, 1, 6]))
            name = {"en": "English", "de": "German"}[lang]
            put(hub, XTREME, f"udpos.{name}", split, tagged("pos_tags", [6, 7, 15]))
        gold = [
            {"source_sentence": "eins\tzwei", "target_sentence": "one", "source_lang": "de-01",
             "target_lang": "en-07"},
            {"source_sentence": "drei", "target_sentence": "three", "source_lang": "de-02",
             "target_lang": "en-09"},
        ]  # fmt: skip
        put(hub, XTREME, "bucc18.de", split, gold)
    put(hub, XTREME, "PAWS-X.en", "train", [pair("t", "1"), pair("u", "0")])
    put(hub, XTREME, "PAN-X.en", "train", tagged("ner_tags", [3, 4]))
    put(hub, XTREME, "udpos.English", "train", tagged("pos_tags", [0, 16]))
    for lang in ("en", "de"):
        put(hub, XTREME, f"XQuAD.{lang}", "validation", [question("q1"), question("q2")])
    for split in ("train", "validation"):
        rows = [question(f"{name}--{split}-{i}") for name in ("english", "telugu") for i in (1, 2)]
        put(hub, XTREME, "tydiqa", split, rows)
    aligned = [
        {"source_sentence": f"{i} eins\n", "target_sentence": f"{9 - i} one\n",
         "source_lang": "?", "target_lang": "eng"}
        for i in range(3)
    ]  # fmt: skip
    put(hub, XTREME, "tatoeba.deu", "validation", aligned)
    for split in ("train", "validation_matched"):
        put(hub, "nyu-mll/glue", "mnli", split, nli([0, 1, 2]))
    for split in ("train", "validation"):
        asked = [{"question1": "a?", "question2": "b?", "label": i, "idx": i} for i in (0, 1)]
        put(hub, "nyu-mll/glue", "qqp", split, asked)
        put(hub, "stanfordnlp/snli", "plain_text", split, nli([0, -1, 2]))
        put(hub, "rajpurkar/squad", "plain_text", split, [question("s1")])
        put(hub, "rajpurkar/squad_v2", "squad_v2", split,
            [question("s1"), question("s2", {"text": [], "answer_start": []})])  # fmt: skip
        put(hub, "Rowan/hellaswag", "default", split,
            [{"ind": 4, "activity_label": "x", "ctx_a": "A man", "ctx_b": "he", "ctx": "",
              "endings": list("wxyz"), "source_id": "s", "split": split,
              "label": "2"}])  # fmt: skip
        put(hub, "allenai/cosmos_qa", "default", split,
            [{"id": "c", "context": "C.", "question": "Q?", "label": 3,
              **{f"answer{k}": str(k) for k in range(4)}}])  # fmt: skip
        put(hub, "tau/commonsense_qa", "default", split,
            [{"id": "k", "question": "Q?", "question_concept": "q", "answerKey": "B",
              "choices": {"label": list("ABCDE"), "text": list("vwxyz")}}])  # fmt: skip
    for k in (1, 2, 3):
        for split in ("train", "dev"):
            row = {"uid": f"u{k}", "premise": "p", "hypothesis": "h", "label": 2, "reason": ""}
            put(hub, "facebook/anli", "plain_text", f"{split}_r{k}", [row])
    return hub


def test_every_task_comes_in_the_layout_that_readers_know(tmp_path, hub):
    files = fetch(tmp_path / "root", langs="en,de", hub=str(hub))
    assert all(one.fresh for one in files)
    root = DataRoot(tmp_path / "root")
    for name in (*TARGETS, *INTERMEDIATE):
        if name == "ccg":
            continue
        task = TASKS[name]
        splits = [split for split in ("train", "dev", "test") if root.langs(task, split)]
        assert splits, name
        for split in splits:
            for lang in root.langs(task, split):
                data = root.read(task, lang, split)
                assert data.labelled, (name, split, lang)
                if task.kind in {"pair", "choice", "tag", "span"} and split == "train":
                    assert training_sets(root, task, seed=1).train.examples


@pytest.fixture
def fetched(tmp_path, hub):
    def run(tasks, langs="en,de", **more):
        fetch(tmp_path / "root", tasks=tasks, langs=langs, hub=str(hub), **more)
        return DataRoot(tmp_path / "root")

    return run


def test_class_numbers_become_names_in_the_official_order(fetched):
    root = fetched("mnli,panx,udpos,qqp")
    assert [one.label for one in root.read(TASKS["mnli"], "en", "train").examples] == [
        "entailment", "neutral", "contradiction",
    ]  # fmt: skip
    assert root.read(TASKS["panx"], "de", "test").examples[0].tags == ("O", "B-PER", "I-LOC")
    assert root.read(TASKS["udpos"], "de", "test").examples[0].tags == ("INTJ", "NOUN", "VERB")
    assert root.read(TASKS["qqp"], "en", "dev").examples[1].label == "duplicate"


def test_texts_survive_tabs_and_quotes(fetched):
    root = fetched("mnli,pawsx,bucc2018")
    assert root.read(TASKS["mnli"], "en", "dev").examples[0].text_b == "h\ttab"
    assert root.read(TASKS["pawsx"], "de", "test").examples[0].text_b == 'say "so"'
    bitext = root.read(TASKS["bucc2018"], "de", "test").bitext
    assert (bitext.foreign[0].id, bitext.foreign[0].text) == ("de-01", "eins zwei")
    assert bitext.gold == (("de-01", "en-07"), ("de-02", "en-09"))


def test_tatoeba_loses_its_line_ends_and_keeps_its_order(fetched):
    bitext = fetched("tatoeba").read(TASKS["tatoeba"], "de", "test").bitext
    assert [one.text for one in bitext.english] == ["9 one", "8 one", "7 one"]
    assert bitext.gold == (("0", "0"), ("1", "1"), ("2", "2"))


def test_tydiqa_is_split_by_language_and_trains_on_english_only(fetched):
    root = fetched("tydiqa", "en,te")
    assert root.langs(TASKS["tydiqa"], "train") == ["en"]
    assert root.langs(TASKS["tydiqa"], "test") == ["en", "te"]
    assert len(root.read(TASKS["tydiqa"], "te", "test")) == 2


def test_anli_plus_joins_three_rounds_mnli_and_snli_without_undecided_rows(fetched):
    data = fetched("anli+").read(TASKS["anli+"], "en", "train")
    assert len(data) == 3 + 3 + 2
    assert any("1 rows without a majority label" in note for note in data.notes)


def test_what_trains_a_target_comes_with_it(fetched):
    root = fetched("xquad,xnli", "de")
    assert root.langs(TASKS["squad"], "train") == ["en"]
    assert root.langs(TASKS["mnli"], "train") == ["en"]
    assert root.langs(TASKS["xnli"], "test") == ["de"]


def test_finished_files_are_kept_and_changed_ones_fetched_again(tmp_path, hub):
    arguments = {"tasks": "qqp,squad", "langs": "en", "hub": str(hub)}
    path = tmp_path / "root"
    first = fetch(path, **arguments)
    recorded = json.loads((path / "fetched.json").read_text())["files"]
    for one in first:
        assert recorded[one.path]["sha256"] == one.sha256
        assert hashlib.sha256((path / one.path).read_bytes()).hexdigest() == one.sha256
    assert recorded["qqp/train.jsonl"]["dataset"] == "nyu-mll/glue"
    assert not any(one.fresh for one in fetch(path, **arguments))
    (path / "qqp/dev.jsonl").write_text("spoiled")
    (path / "squad/train-v1.1.json").unlink()
    again = {one.path for one in fetch(path, **arguments) if one.fresh}
    assert again == {"qqp/dev.jsonl", "squad/train-v1.1.json"}
    assert all(one.fresh for one in fetch(path, force=True, **arguments))


def test_a_failed_set_leaves_the_others_and_a_second_run_continues(tmp_path, hub):
    path = tmp_path / "root"
    with pytest.raises(PartlyDone, match=r"1 of 4 sets failed.*XQuAD\.el"):
        fetch(path, tasks="xquad", langs="en,el", hub=str(hub))
    assert (path / "squad/train-v1.1.json").is_file()
    assert not (path / "xquad/xquad.el.json").exists()
    assert fetch(path, tasks="xquad", langs="en", hub=str(hub))


def test_nothing_to_fetch_is_a_data_error(tmp_path, hub):
    with pytest.raises(DataError, match="nothing could be fetched"):
        fetch(tmp_path / "root", tasks="tatoeba", langs="fr", hub=str(hub))


def test_a_damaged_parquet_file(tmp_path, hub):
    broken = tmp_path / "hub"
    put(broken, "nyu-mll/glue", "qqp", "train", [{"a": 1}]).write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="nyu-mll/glue qqp train"):
        fetch(tmp_path / "root", tasks="qqp", hub=str(broken))


def test_a_copy_with_other_columns(tmp_path):
    other = tmp_path / "hub"
    for split in ("train", "validation"):
        put(other, "nyu-mll/glue", "qqp", split, [{"q1": "a", "q2": "b", "label": 1}])
    with pytest.raises(DataError, match="no column 'question1'"):
        fetch(tmp_path / "root", tasks="qqp", hub=str(other))


def test_a_file_in_the_place_of_the_root(tmp_path, hub):
    (tmp_path / "root").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        fetch(tmp_path / "root", tasks="qqp", hub=str(hub))


def test_ccg_is_not_on_the_hub(tmp_path, hub):
    with pytest.raises(UsageError, match=r"not on the hub.*ccg"):
        fetch(tmp_path / "root", tasks="ccg", hub=str(hub))


def test_check_names_copies_that_differ_from_the_official_data(tmp_path, hub):
    fetch(tmp_path / "root", tasks="bucc2018,udpos,pawsx,qqp", langs="en,de", hub=str(hub))
    root = DataRoot(tmp_path / "root")
    tasks = [TASKS[name] for name in ("bucc2018", "udpos", "pawsx", "qqp")]
    plan = plan_check(root, tasks, ["en", "de"])
    warnings = check_root(root, tasks, ["en", "de"], plan).warnings
    assert [text.partition(":")[0] for text in warnings] == ["bucc2018", "udpos", "pawsx"]


def test_a_user_task_from_the_hub(tmp_path):
    hub = tmp_path / "hub"
    for lang in ("en", "sw"):
        for split in ("train", "test"):
            rows = [{"claim": f"{lang} {split}", "side": side} for side in (0, 1)]
            put(hub, "org/stance", f"v1_{lang}", split, rows)
    text = (
        "name: stance\nkind: pair\nlabels: [against, for]\nlanguages: [en, sw]\n"
        "hub: {name: org/stance, config: 'v1_{lang}', splits: {train: train, test: test}}\n"
        "columns: {text_a: claim, label: side}\n"
    )
    file = tmp_path / "stance.yaml"
    file.write_text(text)
    fetch(tmp_path / "root", tasks="stance", task_files=[file], hub=str(hub))
    root = DataRoot(tmp_path / "root", task_files=[file])
    task = root.tasks["stance"]
    assert root.langs(task, "train") == ["en"]
    assert root.langs(task, "test") == ["en", "sw"]
    assert [(one.text_a, one.label) for one in root.read(task, "sw", "test").examples] == [
        ("sw test", "against"), ("sw test", "for"),
    ]  # fmt: skip
