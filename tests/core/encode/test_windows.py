"""Context windows, offsets and answer positions of question answering."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.windows import (
    answer_positions,
    best_window,
    split_pieces,
    windows,
)
from xlt.core.kinds.table import encode
from xlt.core.tasks.examples import Answer, Question

FAMILIES = ["bert", "xlm-roberta", "roberta", "deberta-v2", "modernbert"]
CONTEXT = (
    "  The river began in the north,\nran past Ofen and  Tisch; 狗睡在桌子底下。"
    " ½ ﬁne cafe\u0301 👩‍👩‍👧 end. "
)


def question(context, text="where did it begin?"):
    return Question(id="q", question=text, context=context)


def context_ids(row):
    return row.ids[row.offsets[:, 0] >= 0].tolist()


@given(n=st.integers(0, 300), size=st.integers(1, 60), stride=st.integers(1, 60))
def test_windows_cover_every_token_and_end_with_the_context(n, size, stride):
    spans = windows(n, size, stride)
    assert set(range(n)) == {token for start, stop in spans for token in range(start, stop)}
    assert all(stop - start <= size for start, stop in spans)
    assert spans[-1][1] == n
    assert all(stop < n for _, stop in spans[:-1])
    assert [start for start, _ in spans] == [i * min(stride, size) for i in range(len(spans))]


@given(n=st.integers(1, 80), size=st.integers(2, 30), stride=st.integers(1, 30))
def test_best_window_is_the_one_with_most_context(n, size, stride):
    spans = windows(n, size, stride)

    def score(window, token):
        start, stop = spans[window]
        if not start <= token < stop:
            return -1.0
        return min(token - start, stop - 1 - token) + 0.01 * (stop - start)

    expected = [max(range(len(spans)), key=lambda w, t=t: score(w, t)) for t in range(n)]
    assert best_window(spans, n).tolist() == expected


@given(st.lists(st.integers(1, 9), max_size=50), st.integers(9, 30))
def test_pieces_are_full_and_hold_every_word_once(counts, limit):
    pieces = split_pieces(counts, limit)
    assert [word for start, stop in pieces for word in range(start, stop)] == list(
        range(len(counts))
    )
    for (start, stop), after in zip(pieces, [*pieces[1:], None], strict=True):
        assert sum(counts[start:stop]) <= limit
        if after is not None:
            assert sum(counts[start:stop]) + counts[after[0]] > limit


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_point_at_their_own_text_in_the_original_context(model_folders, family):
    encoder = Encoder.load(model_folders[family])
    (row,) = encode(encoder, "span", [question(CONTEXT)])
    inside = row.offsets[row.offsets[:, 0] >= 0]
    assert row.best_context.tolist() == (row.offsets[:, 0] >= 0).tolist()
    assert (np.diff(inside[:, 0]) >= 0).all()
    assert inside.min() >= 0
    assert inside.max() <= len(CONTEXT)
    pieces = [CONTEXT[start:stop] for start, stop in inside.tolist()]
    assert all(piece == piece.strip() for piece in pieces)
    covered = {place for start, stop in inside.tolist() for place in range(start, stop)}
    missing = {CONTEXT[i] for i in range(len(CONTEXT)) if i not in covered}
    assert all(char.isspace() for char in missing), missing


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_hold_the_whole_question_and_overlap(model_folders, family):
    encoder = Encoder.load(model_folders[family], max_length=200)
    context = "the cat sat on the mat and the dog sat on the cat. " * 30
    rows = encode(encoder, "span", [question("short"), question(context), question(context)])
    assert [row.item for row in rows][:2] == [0, 1]
    mine = [row for row in rows if row.item == 1]
    assert len(mine) > 2
    alone = encoder.tokenizer.encode(context, add_special_tokens=False).ids
    first = next(i for i in range(mine[0].width) if mine[0].offsets[i, 0] >= 0)
    seen = []
    for number, row in enumerate(mine):
        assert row.width <= 200
        assert row.ids[:first].tolist() == mine[0].ids[:first].tolist()
        assert context_ids(row) == alone[number * 128 : number * 128 + len(context_ids(row))]
        seen.extend(np.flatnonzero(row.best_context) - first + number * 128)
    assert sorted(seen) == list(range(len(alone)))
    assert [row.ids.tolist() for row in rows if row.item == 2] == [row.ids.tolist() for row in mine]


def test_one_window_is_the_pair_that_transformers_makes(model_folders):
    transformers = pytest.importorskip("transformers")
    for family in FAMILIES:
        reference = transformers.AutoTokenizer.from_pretrained(model_folders[family])
        (row,) = encode(Encoder.load(model_folders[family]), "span", [question(CONTEXT)])
        assert row.ids.tolist() == reference("where did it begin?", CONTEXT)["input_ids"]


def test_long_questions_keep_their_first_64_tokens(model_folders):
    encoder = Encoder.load(model_folders["bert"], max_length=384)
    (row,) = encode(encoder, "span", [question("the mat", "cat " * 100)])
    assert row.truncated
    assert (row.offsets[:, 0] < 0).sum() == 64 + 3
    (row,) = encode(encoder, "span", [question("the mat", "cat " * 10)])
    assert not row.truncated


def test_empty_context_is_one_window_without_positions(model_folders):
    encoder = Encoder.load(model_folders["xlm-roberta"])
    (row,) = encode(encoder, "span", [question("")])
    assert (row.offsets == -1).all()
    assert not row.best_context.any()
    assert answer_positions(row, Answer(text="a", start=0)) == (0, 0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "text",
    [
        "The",
        "river began",
        "in the north",
        "Ofen and  Tisch",
        "狗睡在",
        "底下",
        "½ ﬁne",
        "end.",
        " river ",
        "The river began in the north,",
    ],
)
def test_answer_positions_give_the_answer_back(model_folders, family, text):
    (row,) = encode(Encoder.load(model_folders[family]), "span", [question(CONTEXT)])
    first, last = answer_positions(row, Answer(text=text, start=CONTEXT.index(text)))
    found = CONTEXT[row.offsets[first, 0] : row.offsets[last, 1]]
    assert found == found.strip()
    assert text.strip() in found
    begin = CONTEXT.index(text) + text.index(text.strip())
    assert row.offsets[first, 0] <= begin < row.offsets[first, 1]
    end = begin + len(text.strip())
    assert row.offsets[last, 0] < end <= row.offsets[last, 1]


def test_answers_outside_the_window_count_as_none(model_folders):
    encoder = Encoder.load(model_folders["bert"], max_length=64)
    context = "the cat sat on the mat. " * 20 + "a fox jumps." + " the dog sat." * 20
    answer = Answer(text="a fox jumps", start=context.index("a fox"))
    rows = encode(encoder, "span", [question(context)])
    hits = 0
    for row in rows:
        first, last = answer_positions(row, answer)
        whole = row.offsets[row.offsets[:, 0] >= 0]
        inside = whole[0, 0] <= answer.start and whole[-1, 1] >= answer.start + len(answer.text)
        assert ((first, last) != (0, 0)) == inside
        if inside:
            hits += 1
            assert context[row.offsets[first, 0] : row.offsets[last, 1]] == "a fox jumps"
    assert 0 < hits < len(rows)
    assert answer_positions(rows[0], None) == (0, 0)
    assert answer_positions(rows[0], Answer(text="  ", start=0)) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab猫狗 \n\u3000éﬁ👩\u0301", max_size=40), st.data())
def test_any_slice_of_the_context_is_found_again(model_folders, context, data):
    start = data.draw(st.integers(0, len(context)))
    stop = data.draw(st.integers(start, len(context)))
    for family in ("xlm-roberta", "roberta"):
        (row,) = encode(Encoder.load(model_folders[family]), "span", [question(context)])
        first, last = answer_positions(row, Answer(text=context[start:stop], start=start))
        if (first, last) != (0, 0):
            found = context[row.offsets[first, 0] : row.offsets[last, 1]]
            assert context[start:stop].strip() in found
