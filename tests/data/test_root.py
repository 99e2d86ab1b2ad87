"""Finding files in a data root: layouts, splits, languages, labels beside, clear errors."""

import gzip
import hashlib
import json

import pytest

from xlt.core.errors import DataError, UsageError
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot

QUESTION = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "A red cat.",
                    "qas": [
                        {"id": "english--1-0", "question": "Who?",
                         "answers": [{"text": "cat", "answer_start": 6}]},
                    ],
                }
            ]
        }
    ]
}  # fmt: skip
TAGGED = "A\tDET\ncat\tNOUN\n\n"
ENTITIES = "Rio\tB-LOC\nis\tO\n\n"
CONLLU = "1\tA\t_\tDET\t_\t_\t2\tdep\t_\t_\n2\tcat\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n"
PAIR = "a\tb\tneutral\nc\td\tentailment\n"
PAWS = "id\tsentence1\tsentence2\tlabel\n1\ta\tb\t0\n2\tc\td\t1\n"


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text if isinstance(text, str) else json.dumps(text)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path.write_text(content, newline="")
    return path


NLI_ROW = {"sentence1": "a", "sentence2": "b", "gold_label": "neutral", "pairID": "p"}
CHOICE_ROW = {"ind": 1, "ctx_a": "a", "ctx_b": "b", "endings": list("wxyz"), "label": 0}
COSMOS = "id,context,question,answer0,answer1,answer2,answer3,label\nq,c,?,1,2,3,4,0\n"
CSQA_ROW = {
    "id": "c", "question": "?", "choices": {"label": list("ABCDE"), "text": list("vwxyz")},
    "answerKey": "A",
}  # fmt: skip
# (task, language, split, files that make it up)
LAYOUTS = [
    ("xnli", "de", "dev", {"xnli/dev-de.tsv": PAIR}),
    ("xnli", "de", "test", {"xnli/test-de.tsv.gz": PAIR}),
    ("xnli", "en", "train", {"xnli/train-en.tsv": PAIR}),
    ("pawsx", "ko", "test", {"pawsx/x-final/ko/test_2k.tsv": PAWS}),
    ("pawsx", "en", "train", {"paws-x/x-final/en/train.tsv": PAWS}),
    ("pawsx", "ja", "dev", {"pawsx/dev-ja.tsv": "a\tb\t0\n"}),
    ("udpos", "tl", "test", {"udpos/tl_trg-ud-test.conllu": CONLLU}),
    ("udpos", "tl", "test",
     {"udpos/ud-treebanks-v2.5/UD_Tagalog-TRG/tl_trg-ud-test.conllu": CONLLU}),
    ("udpos", "en", "train", {"udpos/xtreme_format/train-en.tsv.gz": TAGGED}),
    ("udpos", "en", "dev", {"udpos/dev-en.tsv": TAGGED}),
    ("panx", "my", "test", {"panx/my/test": ENTITIES}),
    ("panx", "my", "dev", {"panx/dev-my.tsv": ENTITIES}),
    ("xquad", "th", "test", {"xquad/xquad.th.json": QUESTION}),
    ("mlqa", "hi", "test", {"mlqa/MLQA_V1/test/test-context-hi-question-hi.json": QUESTION}),
    ("mlqa", "hi", "dev", {"mlqa/dev-context-hi-question-hi.json.gz": QUESTION}),
    ("tydiqa", "en", "test", {"tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.en.dev.json": QUESTION}),
    ("tydiqa", "en", "train", {"tydiqa/tydiqa-goldp-v1.1-train/tydiqa.en.train.json": QUESTION}),
    ("tydiqa", "en", "test", {"tydiqa/tydiqa-goldp-v1.1-dev.json": QUESTION}),
    ("bucc2018", "fr", "test",
     {"bucc2018/fr-en.test.fr": "fr-1\tun\n", "bucc2018/fr-en.test.en": "en-1\tone\n",
      "bucc2018/fr-en.test.gold": "fr-1\ten-1\n"}),
    ("bucc2018", "fr", "dev",
     {"bucc2018/fr-en/fr-en.sample.fr": "fr-1\tun\n",
      "bucc2018/fr-en/fr-en.sample.en": "en-1\to\n"}),
    ("tatoeba", "zh", "test",
     {"tatoeba/tatoeba.cmn-eng.cmn": "二\n一\n三\n", "tatoeba/tatoeba.cmn-eng.eng": "2\n1\n3\n"}),
    ("tatoeba", "zh", "test",
     {"tatoeba/zh-en.zh": "二\n一\n三\n", "tatoeba/zh-en.en": "2\n1\n3\n"}),
    ("mnli", "en", "train",
     {"xnli/multinli.train.en.tsv": "premise\thypo\tlabel\na\tb\tneutral\n"}),
    ("mnli", "en", "dev", {"multinli_1.0/multinli_1.0_dev_matched.jsonl": NLI_ROW}),
    ("mnli", "en", "train", {"xnli/train-en.tsv": PAIR}),
    ("qqp", "en", "dev",
     {"glue/QQP/dev.tsv": "id\tquestion1\tquestion2\tis_duplicate\n1\ta\tb\t1\n"}),
    ("anli+", "en", "dev", {"anli/anli_v0.1/R2/dev.jsonl": {**NLI_ROW, "gold_label": "e"}}),
    ("squad", "en", "train", {"squad/train-v1.1.json": QUESTION}),
    ("squad2", "en", "dev", {"squad_v2/dev-v2.0.json": QUESTION}),
    ("hellaswag", "en", "dev", {"hellaswag/hellaswag_val.jsonl": CHOICE_ROW}),
    ("ccg", "en", "train", {"ccg/train.txt": "A|DT cat|N\n"}),
    ("cosmosqa", "en", "dev", {"cosmosqa/data/valid.csv.gz": COSMOS}),
    ("csqa", "en", "train", {"commonsenseqa/train_rand_split.jsonl": CSQA_ROW}),
]  # fmt: skip


@pytest.mark.parametrize(("task", "lang", "split", "files"), LAYOUTS)
def test_every_layout_is_found_and_read(tmp_path, task, lang, split, files):
    paths = {put(tmp_path, name, text) for name, text in files.items()}
    root = DataRoot(tmp_path)
    found = root.find(TASKS[task], lang, split)
    assert set(found.paths) == paths
    data = root.read(TASKS[task], lang, split)
    assert len(data) > 0
    assert (data.task, data.lang, data.split) == (task, lang, split)
    assert set(data.paths) == paths
    assert root.langs(TASKS[task], split) == [lang]


def test_an_empty_root_has_nothing(tmp_path):
    root = DataRoot(tmp_path)
    for task in TASKS.values():
        for split in ("train", "dev", "test"):
            assert root.langs(task, split) == []
            assert root.find(task, "en", split) is None


def test_a_root_that_is_no_folder(tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        DataRoot(tmp_path / "nowhere")


def test_a_missing_split_names_task_split_and_paths(tmp_path):
    with pytest.raises(DataError) as caught:
        DataRoot(tmp_path).read(TASKS["squad"], "en", "train")
    assert "no train split of task squad for 'en'" in caught.value.message
    assert str(tmp_path) in caught.value.message
    assert "squad/train-v1.1.json" in caught.value.hint
    assert "--train-split squad=FILE" in caught.value.hint


def test_a_missing_split_with_many_spellings_names_each_layout_once(tmp_path):
    with pytest.raises(DataError) as caught:
        DataRoot(tmp_path).read(TASKS["mnli"], "en", "train")
    for part in ("multinli_1.0_train.jsonl", "glue/MNLI/train.tsv", "xnli/train-en.tsv", "other"):
        assert part in caught.value.hint
    assert len(DataRoot(tmp_path).tried(TASKS["mnli"], "en", "train")) > 10


def test_a_split_that_a_task_does_not_have(tmp_path):
    with pytest.raises(DataError, match="tatoeba has no train split"):
        DataRoot(tmp_path).read(TASKS["tatoeba"], "de", "train")


def test_unknown_language_and_split(tmp_path):
    root = DataRoot(tmp_path)
    with pytest.raises(UsageError, match="unknown language 'swa'; did you mean 'sw'"):
        root.find(TASKS["xnli"], "swa", "dev")
    with pytest.raises(UsageError, match="unknown split 'tset'; did you mean 'test'"):
        root.find(TASKS["xnli"], "sw", "tset")


def test_all_treebanks_of_a_language_are_joined_in_the_order_of_their_names(tmp_path):
    put(tmp_path, "udpos/de_zzz-ud-test.conllu", CONLLU.replace("cat", "last"))
    put(tmp_path, "udpos/de_aaa-ud-test.conllu.gz", CONLLU.replace("cat", "first"))
    put(tmp_path, "udpos/el_gdt-ud-test.conllu", CONLLU)
    data = DataRoot(tmp_path).read(TASKS["udpos"], "de", "test")
    assert [one.words[1] for one in data.examples] == ["first", "last"]
    assert len(data.paths) == 2


def test_a_plain_file_and_its_gzipped_copy_are_one(tmp_path):
    put(tmp_path, "udpos/de_aaa-ud-test.conllu", CONLLU)
    put(tmp_path, "udpos/de_aaa-ud-test.conllu.gz", CONLLU)
    assert len(DataRoot(tmp_path).read(TASKS["udpos"], "de", "test")) == 1


def test_official_order_first_then_other_languages(tmp_path):
    for lang in ("ro", "zh", "en", "es"):
        put(tmp_path, f"xquad/xquad.{lang}.json", QUESTION)
    assert DataRoot(tmp_path).langs(TASKS["xquad"], "test") == ["en", "es", "zh", "ro"]


def test_a_language_of_the_roots_own(tmp_path):
    record = {"code": "qaa", "name": "A", "family": "B", "branch": "C", "script": "Latn"}
    put(tmp_path, "languages.json", [record])
    put(tmp_path, "xnli/dev-qaa.tsv", PAIR)
    assert DataRoot(tmp_path).langs(TASKS["xnli"], "dev") == ["qaa"]


def test_labelled_raw_files_come_before_label_free_ones(tmp_path):
    put(tmp_path, "pawsx/test-de.tsv", "a\tb\nc\td\n")
    put(tmp_path, "pawsx/x-final/de/test_2k.tsv", PAWS)
    data = DataRoot(tmp_path).read(TASKS["pawsx"], "de", "test")
    assert data.labelled
    assert data.paths[0].name == "test_2k.tsv"


def test_one_label_file_serves_every_language_of_xnli_only(tmp_path):
    put(tmp_path, "xnli/test-de.tsv", "a\tb\nc\td\n")
    put(tmp_path, "xnli/labels/test-all-languages.tsv", "neutral\nentailment\n")
    put(tmp_path, "pawsx/test-de.tsv", "a\tb\nc\td\n")
    put(tmp_path, "pawsx/labels/test-all-languages.tsv", "0\n1\n")
    root = DataRoot(tmp_path)
    xnli = root.read(TASKS["xnli"], "de", "test")
    assert [one.label for one in xnli.examples] == ["neutral", "entailment"]
    assert xnli.labelled
    assert len(xnli.paths) == 2
    assert xnli.notes == ("labels from test-all-languages.tsv",)
    assert not root.read(TASKS["pawsx"], "de", "test").labelled


LABELS = [
    ("pawsx", "test-de.tsv", {"pawsx/test-de.tsv": "a\tb\nc\td\n"}, "0\n1\n"),
    ("panx", "test-de.tsv", {"panx/test-de.tsv": "a\nb\n\nc\n"}, "O\nB-PER\n\nO\n"),
    ("tydiqa", "test-en.json",
     {"tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.en.dev.json":
      json.dumps(QUESTION).replace('"cat"', '""')}, QUESTION),
    ("tatoeba", "test-de.tsv",
     {"tatoeba/de-en.de": "zwei\neins\ndrei\n", "tatoeba/de-en.en": "One\nThree\nTwo\n"},
     "1\n2\n0\n"),
    ("bucc2018", "test-de.tsv",
     {"bucc2018/de-en.test.de": "de-1\teins\n", "bucc2018/de-en.test.en": "en-1\tone\n"},
     "de-1\ten-1\n"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "name", "files", "labels"), LABELS)
def test_official_label_folders_label_the_test_set(tmp_path, task, name, files, labels):
    for file, text in files.items():
        put(tmp_path, file, text)
    lang = name[5:7]
    assert not DataRoot(tmp_path).read(TASKS[task], lang, "test").labelled
    put(tmp_path, f"labels/{task}/{name}", labels)
    data = DataRoot(tmp_path).read(TASKS[task], lang, "test")
    assert data.labelled
    assert data.paths[-1].name == name


def test_the_gold_of_a_sorted_tatoeba_copy_follows_the_sorted_side(tmp_path):
    put(tmp_path, "tatoeba/de-en.de", "zwei\neins\ndrei\n")
    put(tmp_path, "tatoeba/de-en.en", "One\nThree\nTwo\n")
    put(tmp_path, "labels/tatoeba/test-de.tsv", "1\n2\n0\n")
    gold = DataRoot(tmp_path).read(TASKS["tatoeba"], "de", "test").bitext.gold
    assert gold == (("1", "0"), ("2", "1"), ("0", "2"))


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        ("0\n", "has 1 lines"),
        ("0\n2\n", "line 2: label '2' is not in the set"),
        ("", "empty"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, labels, part):
    put(tmp_path, "pawsx/test-de.tsv", "a\tb\nc\td\n")
    put(tmp_path, "labels/pawsx/test-de.tsv", labels)
    with pytest.raises(DataError, match=part):
        DataRoot(tmp_path).read(TASKS["pawsx"], "de", "test")


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        ("O\n\nO\n", "has 1 words in sentence 1"),
        ("O\nO\n", "has 1 sentences"),
        ("O\nB-DOG\n\nO\n", "sentence 1: tag 'B-DOG'"),
    ],
)
def test_tag_labels_that_do_not_fit(tmp_path, labels, part):
    put(tmp_path, "panx/test-de.tsv", "a\nb\n\nc\n")
    put(tmp_path, "labels/panx/test-de.tsv", labels)
    with pytest.raises(DataError, match=part):
        DataRoot(tmp_path).read(TASKS["panx"], "de", "test")


def test_a_label_file_of_other_questions(tmp_path):
    name = "tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.en.dev.json"
    put(tmp_path, name, json.dumps(QUESTION).replace('"cat"', '""'))
    put(tmp_path, "labels/tydiqa/test-en.json", json.dumps(QUESTION).replace("--1-0", "--2-0"))
    with pytest.raises(DataError, match=r"no answers for 1 questions .*english--1-0"):
        DataRoot(tmp_path).read(TASKS["tydiqa"], "en", "test")


PLACEHOLDERS = [
    ("xnli", "xnli/test-de.tsv", "a\tb\tneutral\nc\td\tneutral\n"),
    ("panx", "panx/test-de.tsv", "a\tO\nb\tO\n\nc\tO\n"),
    ("pawsx", "pawsx/test-de.tsv", "a\tb\t0\nc\td\t0\n"),
]


@pytest.mark.parametrize(("task", "name", "text"), PLACEHOLDERS)
def test_placeholder_labels_are_removed_from_test_sets_only(tmp_path, task, name, text):
    put(tmp_path, name, text)
    put(tmp_path, name.replace("test", "dev"), text)
    root = DataRoot(tmp_path)
    test, dev = (root.read(TASKS[task], "de", split) for split in ("test", "dev"))
    assert not test.labelled
    assert "only placeholder labels" in test.notes[0]
    gold = [getattr(one, "label", None) or getattr(one, "tags", None) for one in test.examples]
    assert gold == [None] * len(test)
    assert dev.labelled


def test_the_hash_is_the_file_s_and_changes_with_the_labels_beside(tmp_path):
    path = put(tmp_path, "pawsx/test-de.tsv", "a\tb\nc\td\n")
    root = DataRoot(tmp_path)
    before = root.read(TASKS["pawsx"], "de", "test")
    assert before.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    put(tmp_path, "labels/pawsx/test-de.tsv", "0\n1\n")
    after = root.read(TASKS["pawsx"], "de", "test")
    assert after.sha256 != before.sha256
    assert after.sha256 == root.find(TASKS["pawsx"], "de", "test").digest()


def test_anli_plus_names_its_parts_and_what_is_absent(tmp_path):
    put(tmp_path, "anli/anli_v0.1/R1/train.jsonl", {**NLI_ROW, "gold_label": "c", "uid": "u1"})
    put(tmp_path, "snli_1.0/snli_1.0_train.jsonl", {**NLI_ROW, "pairID": "s1"})
    data = DataRoot(tmp_path).read(TASKS["anli+"], "en", "train")
    assert [one.label for one in data.examples] == ["contradiction", "neutral"]
    assert [one.id for one in data.examples] == ["anli-r1:p", "snli:s1"]
    assert "joined: anli-r1, snli" in data.notes
    assert "absent: anli-r2, anli-r3, mnli" in data.notes


def test_translated_training_data(tmp_path):
    put(tmp_path, "translated/de/mnli/train.tsv", PAIR)
    root = DataRoot(tmp_path)
    assert len(root.read(TASKS["mnli"], "de", "translated")) == 2
    assert root.langs(TASKS["mnli"], "translated") == ["de"]
    with pytest.raises(DataError, match="no translated split"):
        root.read(TASKS["mnli"], "ru", "translated")


def test_any_single_file_can_be_read_as_a_split(tmp_path):
    path = put(tmp_path, "mine/anything.jsonl", {**NLI_ROW, "gold_label": "e"})
    data = DataRoot(tmp_path).read(TASKS["mnli"], "en", "train", file=path)
    assert data.examples[0].label == "entailment"
    assert data.paths == (path,)


def test_a_single_file_that_is_not_there_or_for_a_bitext(tmp_path):
    root = DataRoot(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        root.read(TASKS["mnli"], "en", "train", file=tmp_path / "x")
    with pytest.raises(UsageError, match="cannot be read from one file"):
        root.read(TASKS["tatoeba"], "en", "test", file=tmp_path / "x")


def test_text_and_parallel(tmp_path):
    put(tmp_path, "text/sw.txt.gz", "moja\n\n mbili \n")
    put(tmp_path, "parallel/en-sw.tsv", "one\tmoja\n\t\ntwo\tmbili\n")
    root = DataRoot(tmp_path)
    assert root.text_langs() == ["sw"]
    assert list(root.text("sw")) == ["moja", "mbili"]
    assert root.parallel_langs() == ["sw"]
    assert list(root.parallel("sw")) == [("one", "moja"), ("two", "mbili")]


def test_wrong_and_missing_text(tmp_path):
    put(tmp_path, "parallel/en-sw.tsv", "one\tmoja\none\n")
    root = DataRoot(tmp_path)
    with pytest.raises(DataError, match="line 2: 1 columns, expected 2"):
        list(root.parallel("sw"))
    with pytest.raises(DataError, match=r"no text/sw\.txt"):
        root.text("sw")
    with pytest.raises(DataError, match=r"no parallel/en-de\.tsv"):
        root.parallel("de")
