"""Shortcut baselines: majority, lengths, one side alone, position, bags of words.

Each takes the examples that the readers yield and returns percents, so that a test, a table or
a reader can see how far a task is from being answered by a shortcut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from xlt.core.tasks.examples import Choice, Pair, Question

__all__ = ["choice_baselines", "pair_baselines", "question_baselines", "question_words"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Features = Callable[[Pair], list[str]]
LONGEST = 12


def pair_baselines(train: Sequence[Pair], test: Sequence[Pair]) -> dict[str, float]:
    """Accuracy of linear classifiers that see only a part of each pair.

    Args:
        train: labelled pairs to fit on.
        test: labelled pairs to score.

    Returns:
        Percent by name: `majority` (label of most training pairs), `lengths` (of both texts,
        their difference included), `first` and `second` (the words of one text alone), and
        `pair` (the words of both, marked by side, and how many they share).
    """
    labels = sorted({str(pair.label) for pair in train})
    gold_N, wanted_M = (
        np.array([labels.index(str(pair.label)) for pair in pairs]) for pairs in (train, test)
    )
    majority = np.bincount(gold_N).argmax()
    scores = {"majority": 100.0 * float(np.mean(wanted_M == majority))}
    for name, features in FEATURES.items():
        known = sorted({word for pair in train for word in features(pair)})
        index = {word: i for i, word in enumerate(known)}
        x_NF, x_MF = (bag_of(pairs, features, index) for pairs in (train, test))
        guess_M = fit_linear(x_NF, gold_N, len(labels))(x_MF)
        scores[name] = 100.0 * float(np.mean(guess_M == wanted_M))
    return scores


def _sides(pair: Pair) -> tuple[list[str], list[str]]:
    return pair.text_a.split(), (pair.text_b or "").split()


def _lengths(pair: Pair) -> list[str]:
    n, m = (min(len(side), LONGEST) for side in _sides(pair))
    return [f"a{n}", f"b{m}", f"d{n - m}", f"{n}/{m}"]


def _first(pair: Pair) -> list[str]:
    return _sides(pair)[0]


def _second(pair: Pair) -> list[str]:
    return _sides(pair)[1]


def _pair(pair: Pair) -> list[str]:
    one, other = _sides(pair)
    shared = len({*one} & {*other})
    alone = [f"alone{len({*one} - {*other})}", f"alone{len({*other} - {*one})}b"]
    return [*(f"a:{w}" for w in one), *(f"b:{w}" for w in other), f"shared{shared}", *alone]


FEATURES: dict[str, Features] = {
    "lengths": _lengths, "first": _first, "second": _second, "pair": _pair,
}  # fmt: skip


def bag_of(pairs: Sequence[Pair], features: Features, index: dict[str, int]) -> Floats:
    """Which features each pair has: (N, F) of zeros and ones."""
    bag_NF = np.zeros((len(pairs), len(index)), np.float32)
    for row, pair in enumerate(pairs):
        for word in features(pair):
            if word in index:
                bag_NF[row, index[word]] = 1.0
    return bag_NF


def fit_linear(
    x_NF: Floats, y_N: Ints, classes: int, *, steps: int = 100, decay: float = 1e-3
) -> Callable[[Floats], Ints]:
    """Softmax regression by full-batch descent with momentum; returns the classifier."""
    mean_F = x_NF.mean(0)
    centred_NF = x_NF - mean_F
    target_NC = np.eye(classes, dtype=np.float32)[y_N]
    weight_FC = np.zeros((x_NF.shape[1], classes), np.float32)
    bias_C = np.log(target_NC.mean(0) + 1e-9)
    speed_FC = np.zeros_like(weight_FC)
    rate = 4.0 / max(1.0, float((centred_NF**2).sum(1).mean()))
    for _ in range(steps):
        error_NC = softmax(centred_NF @ weight_FC + bias_C) - target_NC
        slope_FC = centred_NF.T @ error_NC / len(y_N) + decay * weight_FC
        speed_FC = 0.9 * speed_FC - rate * slope_FC
        weight_FC = weight_FC + speed_FC
    return lambda z_MF: ((z_MF - mean_F) @ weight_FC + bias_C).argmax(1)


def softmax(z_NC: Floats) -> Floats:
    """Rows that sum to one."""
    exp_NC = np.exp(z_NC - z_NC.max(1, keepdims=True))
    result: Floats = exp_NC / exp_NC.sum(1, keepdims=True)
    return result


def question_baselines(
    questions: Sequence[Question], candidates: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Exact match of picking one candidate of each context without reading.

    Args:
        questions: with answers.
        candidates: the phrases of each question's context that could be an answer, in order.

    Returns:
        Percent by name: `uniform` (expected, any candidate), `longest`, `shortest` (in
        characters), `position 1`, ... and `position last`.
    """
    right: Counter[str] = Counter()
    uniform = 0.0
    most = max(len(found) for found in candidates)
    for question, found in zip(questions, candidates, strict=True):
        gold = question.answers[0].text if question.answers else ""
        uniform += found.count(gold) / len(found)
        picks = {
            "longest": max(found, key=len),
            "shortest": min(found, key=len),
            "position last": found[-1],
            **{f"position {k + 1}": phrase for k, phrase in enumerate(found)},
        }
        right.update(name for name, phrase in picks.items() if phrase == gold)
    names = ["longest", "shortest", *(f"position {k + 1}" for k in range(most)), "position last"]
    n = len(questions)
    return {"uniform": 100.0 * uniform / n, **{name: 100.0 * right[name] / n for name in names}}


def question_words(questions: Sequence[Question], candidates: Sequence[Sequence[str]]) -> float:
    """Exact match of the candidate in the sentence that shares most words with the question.

    Ties go to the first candidate that the question does not contain: what word overlap can do.
    """
    hits = 0
    for question, found in zip(questions, candidates, strict=True):
        asked = {*question.question.split()}
        sentences = [f"{part} ." for part in question.context.split(" . ")]
        overlap = [len(asked & {*sentence.split()}) for sentence in sentences]
        best = sentences[int(np.argmax(overlap))]
        open_ones = [c for c in found if c in best and c not in question.question]
        gold = question.answers[0].text if question.answers else ""
        hits += bool(open_ones) and open_ones[0] == gold
    return 100.0 * hits / len(questions)


def choice_baselines(train: Sequence[Choice], test: Sequence[Choice]) -> dict[str, float]:
    """Accuracy of choosing without understanding.

    Returns:
        Percent by name: `uniform`, `position k`, `longest`, `shortest` (in words), `alone` (a
        linear model of each choice's words, prompt unseen) and `overlap` (the choice that
        shares most words with the prompt).
    """
    n = len(test)
    gold_N = np.array([choice.label for choice in test])
    width = len(test[0].choices)
    scores = {"uniform": 100.0 / width}
    for k in range(width):
        scores[f"position {k + 1}"] = 100.0 * float(np.mean(gold_N == k))
    length_NK = np.array([[len(text.split()) for text in item.choices] for item in test])
    for name, best_N in (("longest", length_NK.max(1)), ("shortest", length_NK.min(1))):
        tied_NK = length_NK == best_N[:, None]
        hit_N = tied_NK[np.arange(n), gold_N] / tied_NK.sum(1)
        scores[name] = 100.0 * float(hit_N.mean())
    scores["alone"] = _choices_alone(train, test)
    hits = 0.0
    for item in test:
        prompt = {*item.prompt.split()}
        shared = [len(prompt & {*text.split()}) for text in item.choices]
        hits += (shared[item.label or 0] == max(shared)) / shared.count(max(shared))
    scores["overlap"] = 100.0 * hits / n
    return scores


def _choices_alone(train: Sequence[Choice], test: Sequence[Choice]) -> float:
    """A linear model of single choices and of how many others share each of its words."""

    def pairs(items: Sequence[Choice]) -> list[Pair]:
        return [
            Pair(
                id="", text_a=text, text_b=" ".join(_shared(item.choices, k)),
                label=str(int(k == item.label)),
            )
            for item in items
            for k, text in enumerate(item.choices)
        ]  # fmt: skip

    def features(pair: Pair) -> list[str]:
        return [*pair.text_a.split(), *(f"#{count}" for count in (pair.text_b or "").split())]

    train_pairs, test_pairs = pairs(train), pairs(test)
    known = sorted({word for pair in train_pairs for word in features(pair)})
    index = {word: i for i, word in enumerate(known)}
    y_N = np.array([int(str(pair.label)) for pair in train_pairs])
    x_NF, x_MF = (bag_of(items, features, index) for items in (train_pairs, test_pairs))
    mean_F = x_NF.mean(0)
    ridge_FF = (x_NF - mean_F).T @ (x_NF - mean_F) + 10.0 * np.eye(len(index))
    weight_F = np.linalg.solve(ridge_FF, (x_NF - mean_F).T @ (y_N - y_N.mean()))
    score_NK = (x_MF @ weight_F).reshape(len(test), -1)
    gold_N = np.array([item.label for item in test])
    return 100.0 * float(np.mean(score_NK.argmax(1) == gold_N))


def _shared(choices: Sequence[str], k: int) -> list[str]:
    """How many of the choices hold each word of one of them, sorted."""
    return sorted(
        str(sum(word in other.split() for other in choices)) for word in choices[k].split()
    )
