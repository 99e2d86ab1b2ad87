"""Kind `span`: the part of a context that answers a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row
from xlt.core.encode.windows import best_window, windows
from xlt.core.kinds.base import FloatArray, Item, Kind, Outputs, ProbeText, softmax
from xlt.core.kinds.items import check_texts, only
from xlt.core.tasks.examples import Question
from xlt.core.tasks.table import Task

__all__ = ["SPAN", "Span"]

QUESTION_TOKENS = 64  # XTREME's max_query_length
STRIDE = 128  # XTREME's doc_stride
N_BEST = 20  # starts, ends and answers that are looked at (run_squad's n_best_size)
LONGEST_ANSWER = 30  # sub-words (run_squad's max_answer_length)
QUESTIONS_AT_ONCE = 128  # a question has several long rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An answer: `context[start:end] == text`, in code points; "" when there is none.

    Attributes:
        score: start logit + end logit.
        probability: softmax of the scores over the n best answers (and no answer).
        n_best: up to 20 answers with different texts, best first; theirs are empty.
        null_score: score of "no answer" for tasks that allow it (SQuAD 2); None otherwise.
    """

    text: str
    start: int
    end: int
    score: float
    probability: float = 1.0
    n_best: tuple[Span, ...] = ()
    null_score: float | None = None


def _encode(encoder: Encoder, items: Sequence[Item]) -> list[Row]:
    """Question and context windows, with offsets into the context."""
    questions = only(items, Question)
    for index, item in enumerate(questions):
        check_texts(index, item, (item.question, item.context))
    asked = encoder.tokenise(item.question for item in questions)
    contexts = encoder.tokenise_with_offsets(item.context for item in questions)
    layout = encoder.pair
    longest = min(QUESTION_TOKENS, (encoder.max_length - layout.added) // 2)
    rows = []
    for index, item in enumerate(questions):
        question = asked[item.question][:longest]
        ids, offsets = contexts[item.context]
        before = len(layout.before) + len(question) + len(layout.between)
        spans = windows(len(ids), encoder.max_length - layout.added - len(question), STRIDE)
        best = best_window(spans, len(ids))
        for number, (start, stop) in enumerate(spans):
            row = encoder.row(index, question, ids[start:stop])
            here = slice(before, before + stop - start)
            places = np.full((row.width, 2), -1, np.int32)
            places[here] = offsets[start:stop]
            flags = np.zeros(row.width, np.bool_)
            flags[here] = best[start:stop] == number
            cut = len(question) < len(asked[item.question])
            rows.append(replace(row, offsets=places, best_context=flags, truncated=cut))
    return rows


def _cut(row: Row, arrays: Outputs) -> Outputs:
    """Both logits of each token (L,)."""
    return {name: arrays[name][: row.width] for name in SPAN.outputs}


def _decode(
    task: Task, name: str, item: Item, rows: Sequence[Row], outputs: Sequence[Outputs]
) -> Span:
    """The best answer over all windows, as run_squad finds it, but cut out by offsets.

    Ties: higher score, then earlier start, then earlier end.
    """
    assert isinstance(item, Question)
    found = [_candidates(row, output) for row, output in zip(rows, outputs, strict=True)]
    score, start, end = (np.concatenate(parts) for parts in zip(*found, strict=True))
    answers: dict[str, tuple[float, int, int]] = {}
    for place in np.lexsort((end, start, -score)):
        piece = item.context[start[place] : end[place]]
        text = piece.strip()
        if text and text not in answers:
            first = int(start[place]) + piece.index(text)
            answers[text] = float(score[place]), first, first + len(text)
            if len(answers) == N_BEST:
                break
    null_score = None
    if task.null_answer:
        null_score = min(
            float(output["start_logits"][0]) + float(output["end_logits"][0]) for output in outputs
        )
    scores = [value for value, _, _ in answers.values()]
    if null_score is not None or not scores:
        scores.append(null_score or 0.0)
    shares = softmax(np.array(scores)).tolist()
    n_best = tuple(
        Span(text=text, start=first, end=last, score=value, probability=share)
        for (text, (value, first, last)), share in zip(answers.items(), shares, strict=False)
    )
    if n_best and (null_score is None or null_score <= n_best[0].score):
        return replace(n_best[0], n_best=n_best, null_score=null_score)
    return Span(
        text="",
        start=0,
        end=0,
        score=scores[-1],
        probability=shares[-1],
        n_best=n_best,
        null_score=null_score,
    )


def _candidates(
    row: Row, output: Outputs
) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
    """Score, start and end (code points) of the valid pairs of a window's best starts and ends."""
    assert row.offsets is not None
    assert row.best_context is not None
    starts = np.argsort(-output["start_logits"], kind="stable")[:N_BEST]
    ends = np.argsort(-output["end_logits"], kind="stable")[:N_BEST]
    starts = starts[row.best_context[starts]]
    ends = ends[row.offsets[ends, 0] >= 0]
    length = ends[None, :] - starts[:, None] + 1
    one, two = np.nonzero((length >= 1) & (length <= LONGEST_ANSWER))
    first, last = starts[one], ends[two]
    score = output["start_logits"][first].astype(np.float64) + output["end_logits"][last]
    return score, row.offsets[first, 0].astype(np.int64), row.offsets[last, 1].astype(np.int64)


def _gold(examples: Sequence[Question]) -> list[tuple[str, list[str]]]:
    # pairs, not a mapping: two questions with one id both count, as in the official script
    return [(one.id, [answer.text for answer in one.answers or ()]) for one in examples]


def _answers(examples: Sequence[Question], predictions: Sequence[Span]) -> dict[str, str]:
    """One answer an id, as the official file has it: that of the last question of the id."""
    return {one.id: span.text for one, span in zip(examples, predictions, strict=True)}


def _probe(texts: ProbeText) -> Question:
    return Question(id=texts.id, question=texts.question, context=texts.text)


SPAN = Kind(
    name="span",
    record=Question,
    gold_field="answers",
    form="answers",
    metric="squad",
    max_length=384,
    written='("question", "context") or {"question": ..., "context": ...}',
    positions=("question", "context"),
    columns=("question", "context", "answers", "answer_text", "answer_start", "id", "language"),
    required=("question", "context"),
    auto_model="AutoModelForQuestionAnswering",
    onnx_task="question-answering",
    outputs=("start_logits", "end_logits"),
    null_answer=True,
    keyed=True,
    dev_of_source=True,
    n_outputs=2,
    items_at_once=QUESTIONS_AT_ONCE,
    encode=_encode,
    cut=_cut,
    decode=_decode,
    gold=_gold,
    answers=_answers,
    probe=_probe,
)
