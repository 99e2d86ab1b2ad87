"""Gold labels as numbers, each against what the row says in words."""

import pytest

from xlt.core.encode.encoder import Encoder
from xlt.core.tasks.examples import Answer, Choice, Pair, Question, Tagged
from xlt.core.tasks.table import TASKS
from xlt.train.finetune.kinds import encode_labelled
from xlt.train.loop.batches import IGNORE


@pytest.fixture
def encoder(models_of):
    return Encoder.load(models_of("bert"), max_length=10)


def tokens(encoder, row):
    return [encoder.tokenizer.id_to_token(int(token)) for token in row.ids]


def test_every_word_of_a_long_sentence_has_its_own_tag(encoder):
    """Ten places hold eight words: three pieces, each with the tags of its own words."""
    words = ("la", "fisa", "vadi", "lo", "dora", "seko", "mi", "peko", "bilu", "tu", "tumi", "nata",
             "la", "rono", "gala", "vadi", "lo", "riso", ".")  # fmt: skip
    kind = {"la": "DET", "lo": "DET", "mi": "DET", "tu": "DET", ".": "PUNCT", "rono": "ADJ"}
    verbs = {"vadi", "seko", "bilu", "nata"}
    tags = tuple(kind.get(word, "VERB" if word in verbs else "NOUN") for word in words)
    task = TASKS["udpos"]
    data = encode_labelled(encoder, task, [Tagged(id="1", words=words, tags=tags)])
    assert len(data.rows) == 3
    said = []
    for row, target in zip(data.rows, data.targets, strict=True):
        for token, label in zip(tokens(encoder, row), target, strict=True):
            if label == IGNORE:
                assert token in {"[CLS]", "[SEP]"}
            else:
                said.append((token, task.labels[label]))
    assert said == list(zip(words, tags, strict=True))


def test_classes_are_numbered_as_the_task_names_them(encoder):
    task = TASKS["xnli"]
    pairs = [
        Pair(id=label, text_a="la fisa", text_b="vadi", label=label) for label in task.labels[::-1]
    ]
    targets = encode_labelled(encoder, task, pairs).targets
    assert [task.labels[int(target)] for target in targets] == [one.id for one in pairs]


def test_a_choice_is_the_number_of_the_right_candidate(encoder):
    items = [
        Choice(id=str(n), prompt="la fisa", choices=("vadi", "seko", "nata"), label=n)
        for n in (2, 0, 1)
    ]
    targets = encode_labelled(encoder, TASKS["hellaswag"], items).targets
    assert [int(target) for target in targets] == [2, 0, 1]


def test_a_span_is_the_first_and_last_token_of_the_answer_or_the_first_token(encoder):
    context = "la fisa vadi lo bilu tumi gala dora seko mi peko"
    answer = Answer(text="dora seko", start=context.index("dora"))
    item = Question(id="1", question="who", context=context, answers=(answer,))
    data = encode_labelled(encoder, TASKS["squad"], [item])
    found = []
    for row, (first, last) in zip(data.rows, data.targets, strict=True):
        found.append(" ".join(tokens(encoder, row)[first : last + 1]))
    assert len(found) > 1 and set(found) == {"dora seko", "[CLS]"}
    assert found[0] == "[CLS]", "the first window ends before the answer"
