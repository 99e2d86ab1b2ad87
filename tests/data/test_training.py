"""What is trained on and selected on: no test item in selection, overlaps found, text allowed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.core.errors import DataError, UsageError
from xlt.core.tasks.table import TASKS
from xlt.data import (
    DataRoot,
    allowed_text,
    overlaps,
    parallel_overlaps,
    text_sources,
    training_sets,
)

LONG = "a sentence that is long enough to mean something, number {}"


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text), newline="")
    return path


def squad(*paragraphs):
    """paragraphs: (context, [question id ...]); the answer is the context's first word."""
    return {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": context,
                        "qas": [
                            {
                                "id": name,
                                "question": f"What is it about {name}?",
                                "answers": [{"text": context.split()[0], "answer_start": 0}],
                            }
                            for name in names
                        ],
                    }
                    for context, names in paragraphs
                ]
            }
        ]
    }


def hexes(*numbers):
    return [f"{number:024x}abc" for number in numbers]


@pytest.fixture
def qa_root(tmp_path):
    train = [(f"Train{i} " + LONG.format(i), hexes(100 + i)) for i in range(5)]
    dev = [
        ("Shared0 " + LONG.format(0), hexes(0, 1)),  # XQuAD has question 0 and this context
        ("Other2 " + LONG.format(2), hexes(2)),  # XQuAD has question 2, translated
        ("Free3 " + LONG.format(3), hexes(3, 4)),
    ]
    put(tmp_path, "squad/train-v1.1.json", squad(*train))
    put(tmp_path, "squad/dev-v1.1.json", squad(*dev))
    put(tmp_path, "xquad/xquad.en.json", squad(("Shared0 " + LONG.format(0), hexes(0))))
    put(tmp_path, "xquad/xquad.de.json", squad(("Zwei " + LONG.format(9), hexes(2))))
    return DataRoot(tmp_path)


@pytest.mark.parametrize("task", ["squad", "xquad", "mlqa"])
def test_squad_dev_loses_every_question_whose_id_or_context_is_in_xquad(qa_root, task):
    training = training_sets(qa_root, TASKS[task], seed=1)
    assert [one.id for one in training.dev.examples] == hexes(3, 4)
    assert len(training.train) == 5
    assert training.train.task == "squad"
    assert any("3 of 5 dev examples" in note for note in training.notes)


def test_parallel_copies_are_found_by_id_and_by_context(qa_root):
    dev = qa_root.read(TASKS["squad"], "en", "dev")
    found = {one.test_lang: one for one in overlaps(qa_root, dev)}
    assert set(found) == {"en", "de"}
    assert (found["en"].by_id, found["en"].by_context, found["en"].items) == (1, 2, 2)
    assert (found["de"].by_id, found["de"].by_text, found["de"].items) == (1, 0, 1)
    assert overlaps(qa_root, qa_root.read(TASKS["squad"], "en", "train")) == []


def test_training_on_the_test_set_is_an_overlap_and_leaves_no_dev(qa_root):
    file = qa_root.path / "xquad/xquad.en.json"
    training = training_sets(qa_root, TASKS["squad"], seed=1, train_file=file)
    (one,) = overlaps(qa_root, training.train)
    assert (one.test_task, one.items, one.incidental) == ("xquad", 1, False)


def test_tydiqa_holds_out_whole_contexts_of_its_english_train(tmp_path):
    paragraphs = [(f"C{i} " + LONG.format(i), [f"english--{i}-{k}" for k in range(3)])
                  for i in range(40)]  # fmt: skip
    name = "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.en.train.json"
    put(tmp_path, name, squad(*paragraphs))
    root = DataRoot(tmp_path)
    training = training_sets(root, TASKS["tydiqa"], seed=3)
    inside = {one.context for one in training.dev.examples}
    outside = {one.context for one in training.train.examples}
    assert not inside & outside
    assert len(training.dev) == 12
    assert len(training.dev) + len(training.train) == 120
    again = training_sets(root, TASKS["tydiqa"], seed=3)
    assert again.dev == training.dev
    other = training_sets(root, TASKS["tydiqa"], seed=4)
    assert other.dev.examples != training.dev.examples
    assert len({training.dev.sha256, other.dev.sha256, training.train.sha256}) == 3


def tagged(*sentences):
    return "\n".join("".join(f"{word}\tNOUN\n" for word in s.split()) for s in sentences)


def test_dev_sentences_that_occur_in_the_test_set_are_left_out_even_short_ones(tmp_path):
    put(tmp_path, "udpos/train-en.tsv", tagged("one", "two"))
    put(tmp_path, "udpos/dev-en.tsv", tagged("Thanks", LONG.format(1), "fine today"))
    test = tagged("thanks", LONG.format(1)).replace("thanks\tNOUN", "thanks\tVERB")
    put(tmp_path, "udpos/test-en.tsv", test)
    training = training_sets(DataRoot(tmp_path), TASKS["udpos"], seed=1)
    assert [one.words for one in training.dev.examples] == [("fine", "today")]


def test_short_texts_and_row_numbers_are_no_overlap(tmp_path):
    put(tmp_path, "udpos/train-en.tsv", tagged("Thanks .", "Yes"))
    put(tmp_path, "udpos/test-en.tsv", "Thanks\tNOUN\n.\tPUNCT\n\nYes\tINTJ\n")
    root = DataRoot(tmp_path)
    assert overlaps(root, root.read(TASKS["udpos"], "en", "train")) == []


def test_a_few_equal_texts_of_one_benchmark_are_incidental_a_copy_is_not(tmp_path):
    texts = [LONG.format(i) for i in range(20)]
    put(tmp_path, "udpos/test-en.tsv", tagged(*texts).replace("a\tNOUN", "a\tDET"))
    put(tmp_path, "udpos/train-en.tsv", tagged(texts[0], "something else"))
    root = DataRoot(tmp_path)
    assert overlaps(root, root.read(TASKS["udpos"], "en", "train")) == []
    put(tmp_path, "udpos/train-en.tsv", tagged(*texts[:10]))
    (one,) = overlaps(DataRoot(tmp_path), root.read(TASKS["udpos"], "en", "train"))
    assert (one.items, one.of, one.by_text) == (10, 20, 10)


def test_overlap_ignores_case_spaces_and_punctuation(tmp_path):
    put(tmp_path, "pawsx/train-en.tsv", f"{LONG.format(1)}\tIt is so, really .\t1\n")
    test = f"{LONG.format(1).upper()} !\tIt  is so -- really\t0\nother\tpair\t1\n"
    put(tmp_path, "pawsx/test-en.tsv", test)
    root = DataRoot(tmp_path)
    (one,) = overlaps(root, root.read(TASKS["pawsx"], "en", "train"))
    assert (one.test_task, one.items, one.of) == ("pawsx", 1, 2)


def test_gold_pairs_of_a_retrieval_test_inside_parallel_text(tmp_path):
    put(tmp_path, "tatoeba/tatoeba.deu-eng.deu", "Zwei lange Worte hier\nEins\nDrei und mehr\n")
    put(tmp_path, "tatoeba/tatoeba.deu-eng.eng", "Two long words here\nOne\nThree and more\n")
    put(tmp_path, "parallel/en-de.tsv", "Two long words here .\tzwei lange Worte hier\n"
        "One\tEins\nThree and more\tetwas ganz anderes als zuvor\n")  # fmt: skip
    (one,) = parallel_overlaps(DataRoot(tmp_path), "de")
    assert (one.test_task, one.items, one.by_text, one.of) == ("tatoeba", 1, 1, 3)
    assert not one.incidental


def test_without_a_dev_file_a_seeded_tenth_is_held_out_with_a_note(tmp_path):
    rows = "".join(f"premise {i}\thypothesis {i}\tneutral\n" for i in range(50))
    put(tmp_path, "xnli/train-en.tsv", rows)
    training = training_sets(DataRoot(tmp_path), TASKS["xnli"], seed=1)
    assert (len(training.train), len(training.dev)) == (45, 5)
    assert "held-out part of train, 5 of 50" in " ".join(training.notes)


def test_xnli_trains_on_mnli_and_selects_on_its_own_english_dev(tmp_path):
    put(tmp_path, "xnli/multinli.train.en.tsv", "premise\thypo\tlabel\na\tb\tneutral\n")
    put(tmp_path, "multinli_1.0/multinli_1.0_dev_matched.txt", "sentence1\tsentence2\tgold_label\n"
        "m\tn\tneutral\n")  # fmt: skip
    put(tmp_path, "xnli/dev-en.tsv", "c\td\tentailment\n")
    root = DataRoot(tmp_path)
    training = training_sets(root, TASKS["xnli"], seed=1)
    assert (training.train.task, training.dev.task) == ("mnli", "xnli")
    assert training_sets(root, TASKS["mnli"], seed=1).dev.task == "mnli"


def test_a_train_file_of_ones_own_is_noted_and_shares_nothing_with_dev(tmp_path):
    put(tmp_path, "xnli/dev-en.tsv", "a\tb\tneutral\nc\td\tentailment\n")
    mine = put(tmp_path, "mine.tsv", "a\tb\tneutral\ne\tf\tcontradiction\n")
    training = training_sets(DataRoot(tmp_path), TASKS["xnli"], seed=1, train_file=mine)
    assert len(training.train) == 2
    assert [one.text_a for one in training.dev.examples] == ["c"]
    assert "not the standard train split" in training.notes[0]


def test_training_on_the_dev_file_holds_out_a_part_of_it(tmp_path):
    rows = "".join(f"premise {i}\thypothesis {i}\tneutral\n" for i in range(20))
    file = put(tmp_path, "xnli/dev-en.tsv", rows)
    training = training_sets(DataRoot(tmp_path), TASKS["xnli"], seed=1, train_file=file)
    assert (len(training.train), len(training.dev)) == (18, 2)
    assert not set(training.train.examples) & set(training.dev.examples)


def test_questions_whose_answer_is_nowhere_are_not_trained_on(tmp_path):
    value = squad(*[(f"C{i} " + LONG.format(i), hexes(i)) for i in range(4)])
    value["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["text"] = "absent"
    put(tmp_path, "squad/train-v1.1.json", value)
    training = training_sets(DataRoot(tmp_path), TASKS["squad"], seed=1)
    assert len(training.train) + len(training.dev) == 3
    assert "1 questions whose answer is not in the context" in " ".join(training.notes)


def test_one_example_is_too_few_to_hold_any_out(tmp_path):
    put(tmp_path, "udpos/train-en.tsv", tagged("one"))
    training = training_sets(DataRoot(tmp_path), TASKS["udpos"], seed=1)
    assert training.dev is None
    assert len(training.train) == 1


def test_a_train_file_without_labels(tmp_path):
    put(tmp_path, "pawsx/train-en.tsv", "a\tb\n")
    with pytest.raises(DataError, match="no labels to train on"):
        training_sets(DataRoot(tmp_path), TASKS["pawsx"], seed=1)


@pytest.mark.parametrize("task", ["tatoeba", "bucc2018", "mlm"])
def test_tasks_that_nothing_trains(tmp_path, task):
    with pytest.raises(UsageError, match="no labelled training data"):
        training_sets(DataRoot(tmp_path), TASKS[task], seed=1)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), groups=st.lists(st.integers(1, 4), min_size=2, max_size=30))
def test_held_out_and_rest_are_disjoint_and_whole(tmp_path_factory, seed, groups):
    tmp_path = tmp_path_factory.mktemp("root")
    rows = [
        f"premise {g}\thypothesis {k}\tneutral\n" for g, n in enumerate(groups) for k in range(n)
    ]
    put(tmp_path, "pawsx/train-en.tsv", "".join(rows).replace("neutral", "1"))
    training = training_sets(DataRoot(tmp_path), TASKS["pawsx"], seed=seed)
    inside = {one.text_a for one in training.dev.examples}
    outside = {one.text_a for one in training.train.examples}
    assert inside and outside and not inside & outside
    assert len(training.dev) + len(training.train) == len(rows)
    assert len(training.dev) >= min(len(rows) // 10, 1)


@pytest.fixture
def text_root(tmp_path):
    put(tmp_path, "text/sw.txt", "habari\n")
    put(tmp_path, "parallel/en-sw.tsv", "news\thabari njema\n")
    put(tmp_path, "udpos/train-en.tsv", tagged("train words"))
    put(tmp_path, "udpos/dev-en.tsv", tagged("dev words"))
    put(tmp_path, "udpos/test-en.tsv", tagged("secret test"))
    put(tmp_path, "panx/dev-sw.tsv", "siri\tO\n")
    put(tmp_path, "panx/dev-zh.tsv", "二\tO\n三\tO\n")
    put(tmp_path, "panx/test-zh.tsv", "密\tO\n")
    put(tmp_path, "xquad/xquad.zh.json", squad(("秘密", ["q"])))
    return DataRoot(tmp_path)


def test_allowed_text_never_holds_test_text(text_root):
    text = list(allowed_text(text_root))
    assert ("sw", "habari") in text
    assert ("en", "news") in text
    assert ("sw", "habari njema") in text
    assert ("en", "train words") in text
    assert ("zh", "二三") in text
    joined = " ".join(words for _, words in text)
    assert not any(word in joined for word in ("secret", "密"))
    assert "siri" not in joined, "a language with text of its own needs no dev text"


def test_the_sources_of_text_are_named(text_root):
    assert [str(one) for one in text_sources(text_root)] == [
        "text:sw", "parallel:sw", "train:udpos:en", "dev:udpos:en", "dev:panx:zh",
    ]  # fmt: skip
    assert [str(one) for one in text_sources(text_root, ["zh"])] == ["dev:panx:zh"]
    assert {lang for lang, _ in allowed_text(text_root, ["zh"])} == {"zh"}
