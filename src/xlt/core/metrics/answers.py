"""Exact match and token F1 of answers: SQuAD v1.1, SQuAD v2.0, and MLQA with its own rules.

Best gold answer for each of the two, a question without a prediction counts as wrong. Two
questions of one id are both scored, with the one prediction of that id, as the scripts do.
"""

from __future__ import annotations

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from xlt.core.errors import DataError
from xlt.core.metrics.counts import Counts, Scores

__all__ = [
    "mlqa_counts",
    "normalise_mlqa",
    "normalise_squad",
    "qa_scores",
    "squad2_counts",
    "squad2_scores",
    "squad_counts",
]

Gold = Mapping[str, Sequence[str]] | Sequence[tuple[str, Sequence[str]]]
Predicted = Mapping[str, str]

ASCII_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))
ENGLISH_ARTICLES = re.compile(r"\b(a|an|the)\b")
MLQA_ARTICLES = {
    "en": ENGLISH_ARTICLES,
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "ar": re.compile("\u0627\u0644"),  # alef-lam wherever it stands, inside words too
}
HAN_CHARACTER = re.compile("([\u4e00-\u9fa5])")


@cache
def _all_punctuation() -> dict[int, None]:
    marks = (i for i in range(sys.maxunicode) if unicodedata.category(chr(i)).startswith("P"))
    return dict.fromkeys(marks) | ASCII_PUNCTUATION


def normalise_squad(text: str) -> str:
    """Lower case, without ASCII punctuation and English articles, single spaces.

    The same for every language: XQuAD and TyDiQA are scored so. Source: SQuAD v1.1's script.
    """
    bare = text.lower().translate(ASCII_PUNCTUATION)
    return " ".join(ENGLISH_ARTICLES.sub(" ", bare).split())


def normalise_mlqa(text: str, lang: str) -> str:
    """Lower case, without Unicode punctuation and the language's articles, single spaces.

    Chinese characters are tokens of their own. Languages that MLQA does not have keep their
    articles; the official script stops there. Source: MLQA's script.
    """
    bare = text.lower().translate(_all_punctuation())
    if lang in MLQA_ARTICLES:
        bare = MLQA_ARTICLES[lang].sub(" ", bare)
    if lang == "zh":
        bare = HAN_CHARACTER.sub(r" \1 ", bare)
    return " ".join(bare.split())


def _overlap_f1(gold: str, predicted: str) -> float:
    """F1 of the two bags of tokens; 0 when they share none, so also when both are empty."""
    gold_tokens, predicted_tokens = gold.split(), predicted.split()
    shared = sum((Counter(gold_tokens) & Counter(predicted_tokens)).values())
    if shared == 0:
        return 0.0
    return 2 * shared / (len(gold_tokens) + len(predicted_tokens))


def _best(answers: Iterable[str], predicted: str) -> tuple[float, float]:
    """Exact match and F1, each with the gold answer that suits it best; all are normalised."""
    scores = [(float(a == predicted), _overlap_f1(a, predicted)) for a in answers]
    return max(em for em, _ in scores), max(f1 for _, f1 in scores)


def _questions(gold: Gold, predicted: Predicted) -> list[tuple[str, Sequence[str]]]:
    """(id, gold answers) of every question, in order; ids may repeat."""
    questions = list(gold.items() if isinstance(gold, Mapping) else gold)
    if not questions:
        raise DataError("there are no questions to score", "the label file may be empty")
    for key, _ in questions:
        if key in predicted and not isinstance(predicted[key], str):
            raise DataError(
                f"the prediction for question {key!r} is {predicted[key]!r}, not a text",
                "a prediction is one string",
            )
    return questions


def _counts(gold: Gold, predicted: Predicted, normalise: Callable[[str], str]) -> Counts:
    rows = []
    for key, answers in _questions(gold, predicted):
        if not answers:
            raise DataError(
                f"question {key!r} has no gold answer",
                "labels without answers cannot be scored; SQuAD v2.0 has its own metric, squad2",
            )
        if key in predicted:
            best = _best(map(normalise, answers), normalise(predicted[key]))
            rows.append((*best, 1.0))
        else:
            rows.append((0.0, 0.0, 1.0))
    return np.array(rows)


def squad_counts(gold: Gold, predicted: Predicted, lang: str) -> Counts:
    """One row (exact match, F1, 1) a question, by the rules of SQuAD v1.1.

    Raises:
        DataError: no questions, a question without gold answers, a prediction that is not a text.
    """
    return _counts(gold, predicted, normalise_squad)


def mlqa_counts(gold: Gold, predicted: Predicted, lang: str) -> Counts:
    """One row (exact match, F1, 1) a question; `lang` is the language of the answers."""
    return _counts(gold, predicted, lambda text: normalise_mlqa(text, lang))


def qa_scores(sums: Counts) -> Scores:
    """Mean exact match and F1 from (exact match, F1, questions)."""
    total = sums[..., 2]
    return {"exact_match": 100 * sums[..., 0] / total, "f1": 100 * sums[..., 1] / total}


def squad2_counts(gold: Gold, predicted: Predicted, lang: str) -> Counts:
    """One row (exact match, F1, 1) a question, twice: answerable, then unanswerable ones.

    The empty text means "no answer". It scores 1 on a question without gold answers, any other
    text 0. A question is answerable when its list of gold answers is not empty, whatever the
    answers are worth after normalisation. Source: SQuAD v2.0's script, except that a question
    without a prediction counts as wrong; the script leaves it out of the total.

    Raises:
        DataError: no questions, or a prediction that is not a text.
    """
    questions = _questions(gold, predicted)
    counts_N6 = np.zeros((len(questions), 6))
    for row, (key, answers) in enumerate(questions):
        wanted = [text for text in map(normalise_squad, answers) if text]
        first = 0 if answers else 3
        counts_N6[row, first + 2] = 1
        if key not in predicted:
            continue
        guess = normalise_squad(predicted[key])
        best = _best(wanted, guess) if wanted else (float(not guess), float(not guess))
        counts_N6[row, first : first + 2] = best
    return counts_N6


def squad2_scores(sums: Counts) -> Scores:
    """Mean exact match and F1 over all questions, and over the two kinds (NaN without any)."""
    answerable, unanswerable = sums[..., :3], sums[..., 3:]
    with np.errstate(invalid="ignore"):
        with_answer, without = qa_scores(answerable), qa_scores(unanswerable)
    return {
        **qa_scores(answerable + unanswerable),
        "has_answer_exact_match": with_answer["exact_match"],
        "has_answer_f1": with_answer["f1"],
        "no_answer_accuracy": without["exact_match"],
    }
