"""The real files beside the checkout: every one is read, and counts agree with the manifest."""

import csv
from collections import Counter

import pytest

from xlt.core.tasks.table import INTERMEDIATE, TARGETS, TASKS, Task
from xlt.data import DataRoot, allowed_text, overlaps, training_sets
from xlt.data.check import check_root, plan_check
from xlt.data.readers.choices import read_choices
from xlt.data.readers.pairs import read_pairs
from xlt.data.readers.retrieval import read_tatoeba
from xlt.data.readers.spans import read_spans
from xlt.data.readers.tags import read_tags

XCOPA = Task(name="xcopa", kind="choice", role="user", n_choices=2)
READERS = {"pair": read_pairs, "choice": read_choices, "tag": read_tags, "span": read_spans}
OURS = {
    "anli": TASKS["mnli"], "snli": TASKS["mnli"], "commonsenseqa": TASKS["csqa"], "xcopa": XCOPA,
}  # fmt: skip
# Rows whose gold label is `-` are dropped: rows of the file less what is left.
UNDECIDED = {"snli/snli_1.0/snli_1.0_dev.jsonl.gz": 16}
# The manifest gives no number of examples for these.
UNCOUNTED = {
    "squad/allennlp_fixture_squad.json": ("squad", 5),
    "squad/allennlp_fixture_squad2.json": ("squad2", 6),
    "squad/dev-v2.0-small.json": ("squad2", 14),
    "squad/transformers_fixture_sample.json": ("squad2", 14),
}
NO_EXAMPLES = ("labels/", "LICENSE", "bitext_ntrex/", "raw_layout_samples/", "xtreme_mock_labels/")


@pytest.fixture(scope="module")
def root(shared_data):
    return DataRoot(shared_data)


@pytest.fixture(scope="module")
def manifest(shared_data):
    with (shared_data / "MANIFEST.tsv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_file_has_as_many_examples_as_the_manifest_says(shared_data, manifest):
    seen = Counter()
    for row in manifest:
        name = row["path"]
        path = shared_data / name
        if any(part in name for part in NO_EXAMPLES) or name in UNCOUNTED:
            continue
        if row["task"] == "tatoeba":
            if not name.endswith(".eng"):
                read = read_tatoeba(path, path.with_suffix(".eng"))
                assert len(read.bitext.foreign) == int(row["examples"]), name
            seen["tatoeba"] += 1
            continue
        task = OURS.get(row["task"]) or TASKS[row["task"]]
        lang = row["language"].partition("/")[0]
        read = READERS[task.kind](path, task, lang)
        assert len(read.examples) == int(row["examples"]) - UNDECIDED.get(name, 0), name
        repeated = len(read.examples) - len({one.id for one in read.examples})
        assert not repeated or "tydiqa-goldp-v1.1-train" in name, name
        seen[row["task"]] += 1
    assert seen["udpos"] == 27
    assert seen["panx"] == 30
    assert sum(seen.values()) == 194


@pytest.mark.parametrize(("name", "expected"), UNCOUNTED.items())
def test_squad_excerpts(shared_data, name, expected):
    task, count = expected
    assert len(read_spans(shared_data / name, TASKS[task]).examples) == count


def test_squad2_excerpts_have_unanswerable_questions(shared_data):
    read = read_spans(shared_data / "squad/transformers_fixture_sample.json", TASKS["squad2"])
    assert 0 < sum(one.answers == () for one in read.examples) < 14


@pytest.mark.parametrize(
    ("name", "task", "lang", "count"),
    [
        ("anli/anli_v0.1/R1/train.jsonl", "mnli", "en", 3),
        ("commonsense_qa/train_rand_split.jsonl", "csqa", "en", 5),
        ("commonsense_qa/test_rand_split_no_answers.jsonl", "csqa", "en", 2),
        ("glue/MNLI/train.tsv", "mnli", "en", 3),
        ("glue/MNLI/dev_mismatched.tsv", "mnli", "en", 2),
        ("glue/MNLI/test_matched.tsv", "mnli", "en", 1),
        ("hellaswag/hellaswag_test.jsonl", "hellaswag", "en", 2),
        ("multi_nli/multinli_1.0/multinli_1.0_train.txt", "mnli", "en", 4),
        ("multi_nli/multinli_1.0/multinli_1.0_train.jsonl", "mnli", "en", 5),
        ("panx/ar/dev", "panx", "ar", 1),
        ("paws-x/x-final/zh/translated_train.tsv", "pawsx", "zh", 4),
        ("snli/snli_1.0/snli_1.0_train.txt", "mnli", "en", 3),
        ("squad_v2/dev-v2.0.json", "squad2", "en", 2),
        ("xnli/XNLI-1.0/xnli.dev.tsv", "xnli", "ar", 2),
        ("xnli/XNLI-1.0/xnli.test.jsonl", "xnli", "ar", 2),
    ],
)
def test_samples_of_the_original_archives(shared_data, name, task, lang, count):
    path = shared_data / "raw_layout_samples" / name
    assert len(READERS[TASKS[task].kind](path, TASKS[task], lang).examples) == count


def test_the_samples_are_a_root_of_their_own(shared_data):
    root = DataRoot(shared_data / "raw_layout_samples")
    found = {
        (name, split)
        for name in (*TARGETS, *INTERMEDIATE)
        for split in ("train", "dev", "test")
        for lang in root.langs(TASKS[name], split)
        if len(root.read(TASKS[name], lang, split))
    }
    names = {name for name, _ in found}
    assert names == {"xnli", "pawsx", "panx", "anli+", "mnli", "squad2", "hellaswag", "csqa"}
    assert [len(one.words) for one in root.read(TASKS["panx"], "de", "dev").examples] == [5]


def test_multiword_tokens_are_fused_as_xtreme_does(root):
    german = root.read(TASKS["udpos"], "de", "test")
    words = Counter(word for one in german.examples for word in one.words)
    assert words["zum"] and words["im"]
    tags = {t for one in german.examples for w, t in zip(one.words, one.tags, strict=True)
            if w.lower() in {"zum", "im", "vom"}}  # fmt: skip
    assert tags == {"ADP"}, "preposition and article hang from one noun; ADP comes first"
    marathi = root.read(TASKS["udpos"], "mr", "test")
    assert not any("_" in one.words for one in marathi.examples)
    assert len(marathi) == 47


def test_the_numbers_of_words_follow_the_manifest(root, manifest):
    """Words less the parts of multiword tokens plus the tokens; the manifest counts both."""
    for row in manifest:
        if row["task"] != "udpos" or "multiword" not in row["note"]:
            continue
        listed = int(row["note"].split(", ")[1].split()[0])
        spans = int(row["note"].split(", ")[2].split()[0])
        data = root.read(TASKS["udpos"], row["language"], row["split"])
        words = sum(len(one.words) for one in data.examples)
        assert words <= listed - spans if spans else words == listed, row["path"]


def test_xnli_test_labels_lie_beside(root):
    english, urdu = (root.read(TASKS["xnli"], lang, "test") for lang in ("en", "ur"))
    assert english.labelled and urdu.labelled
    assert [one.label for one in english.examples] == [one.label for one in urdu.examples]
    assert Counter(one.label for one in english.examples) == dict.fromkeys(
        TASKS["xnli"].labels, 1670
    )


def test_xnli_labels_agree_with_the_labelled_urdu_copy(root, shared_data):
    beside = root.read(TASKS["xnli"], "ur", "test").examples
    path = shared_data / "xnli/genre_labelled/ur.genre.test.tsv.gz"
    labelled = read_pairs(path, TASKS["xnli"], "ur").examples
    assert [one.label for one in beside] == [one.label for one in labelled]


def test_pawsx_texts_agree_between_both_layouts(root, shared_data):
    raw = root.read(TASKS["pawsx"], "de", "test")
    plain = read_pairs(shared_data / "pawsx/test-de.tsv.gz", TASKS["pawsx"], "de")
    assert raw.paths[0].name == "test_2k.tsv.gz"
    assert [(one.text_a, one.text_b) for one in raw.examples] == [
        (one.text_a, one.text_b) for one in plain.examples
    ]
    assert raw.labelled
    assert not root.read(TASKS["pawsx"], "fr", "test").labelled


def test_tydiqa_tests_are_label_free_and_answers_lie_at_their_offsets(root):
    assert not root.read(TASKS["tydiqa"], "fi", "test").labelled
    for task, lang, split in (("tydiqa", "en", "train"), ("xquad", "zh", "test"),
                              ("mlqa", "ar", "dev")):  # fmt: skip
        data = root.read(TASKS[task], lang, split)
        assert data.labelled
        for one in data.examples:
            for answer in one.answers:
                end = answer.start + len(answer.text)
                assert one.context[answer.start : end] == answer.text


def test_selection_shares_nothing_with_the_tests(root):
    for name in ("udpos", "panx", "tydiqa"):
        training = training_sets(root, TASKS[name], seed=1)
        assert not overlaps(root, training.dev)
        assert not overlaps(root, training.train)
    tydiqa = training_sets(root, TASKS["tydiqa"], seed=1)
    assert (len(tydiqa.train), len(tydiqa.dev)) == (3326, 370)
    assert not {one.context for one in tydiqa.dev.examples} & {
        one.context for one in tydiqa.train.examples
    }


def test_xquad_overlaps_with_the_squad_excerpt_by_id_in_every_language(root, shared_data):
    path = shared_data / "xquad/xquad.en.json"
    train = root.read(TASKS["squad"], "en", "train", file=path)
    found = overlaps(root, train)
    assert {one.test_lang for one in found} == set(root.langs(TASKS["xquad"], "test"))
    assert all(one.by_id == 1190 for one in found)


def test_allowed_text_covers_the_languages_without_test_text(root):
    texts = list(allowed_text(root, ["el", "ml"]))
    assert {lang for lang, _ in texts} == {"el", "ml"}
    seen = {text for _, text in texts}
    for one in root.read(TASKS["xquad"], "el", "test").examples[:200]:
        assert one.context not in seen


def test_check_reads_everything_and_finds_no_error(root):
    tasks = [TASKS[name] for name in (*TARGETS, *INTERMEDIATE)]
    report = check_root(root, tasks, root.languages, plan_check(root, tasks, root.languages))
    assert report.errors == ()
    assert len(report.sets) == 142
    assert "hi" in report.missing["xnli"]
    by_context = {one.task: one for one in report.sets if one.lang == "ko" and one.overlap}
    assert by_context["tydiqa"].overlap[0].by_context == 9
