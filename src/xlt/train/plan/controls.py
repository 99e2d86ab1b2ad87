"""Controls: trainings that stand in for an intermediate task, to tell what its labels add.

`mlm`: English masked LM on the task's inputs. `shuffled`: the task with its labels dealt out
anew. `fake`: tell the task's texts from made-up ones (after Chang and Lu 2021, where such a task
helped, too; theirs are sampled from a language model, ours from bigrams of the same texts).
`longer` has no phase at all: the targets are trained for as many steps more.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xlt.core.errors import DataError
from xlt.core.tasks.examples import Answer, Choice, Example, Pair, Question, Sentence, Tagged
from xlt.core.tasks.languages import load_languages
from xlt.core.tasks.table import TASKS, Task
from xlt.data import DataSet
from xlt.data.texts import example_texts
from xlt.train.plan.phases import Part

__all__ = ["REAL_OR_FAKE", "control_part"]

REAL_OR_FAKE = Task(
    name="real-or-fake", kind="pair", labels=("real", "fake"), source="real-or-fake"
)
HELD_OUT = 0.1
MOST_WORDS = 100


def control_part(control: str, part: Part, seed: int) -> Part:
    """What stands in for a task.

    Args:
        control: mlm, shuffled, fake, or longer (the task as it is: it is counted, not trained).
        part: the task with its data.
        seed: decides labels and made-up texts.
    """
    if control == "mlm":
        return _masked(part)
    if control == "shuffled":
        return _shuffled(part, np.random.default_rng(seed))
    if control == "fake":
        return _fake(part, np.random.default_rng(seed))
    return part


def _masked(part: Part) -> Part:
    """Masked LM on the English inputs of the task."""
    train = part.trains[0]
    texts = _texts(train)
    examples = [Sentence(id=str(n), text=text) for n, text in enumerate(texts)]
    note = f"control mlm: masked LM on {len(texts)} texts of {part.name}, without its labels"
    texts_only = train.part("control mlm", examples, note)
    return replace(
        part,
        task=TASKS["mlm"],
        trains=(replace(texts_only, task="text", labelled=False),),
        dev=None,
        selects=False,
    )


def _shuffled(part: Part, rng: np.random.Generator) -> Part:
    """The same inputs and the same labels, in another order; no dev set can select."""
    trains = []
    for train in part.trains:
        note = f"control shuffled: the labels of {train.task} {train.lang} are dealt out anew"
        examples = _dealt(train.examples, rng)
        trains.append(train.part("control shuffled", examples, note))
    return replace(part, trains=tuple(trains), dev=None, selects=False)


def _dealt(examples: Sequence[Example], rng: np.random.Generator) -> list[Example]:
    first = examples[0]
    if isinstance(first, Pair):
        labels = [one.label for one in examples if isinstance(one, Pair)]
        order = rng.permutation(len(labels))
        return [_with(one, label=labels[k]) for one, k in zip(examples, order, strict=True)]
    if isinstance(first, Tagged):
        tags = [tag for one in examples if isinstance(one, Tagged) for tag in one.tags or ()]
        dealt = iter([tags[k] for k in rng.permutation(len(tags))])
        return [
            _with(one, tags=tuple(next(dealt) for _ in one.words))
            for one in examples
            if isinstance(one, Tagged)
        ]
    found: list[Example] = []
    for one in examples:
        if isinstance(one, Choice):
            found.append(_with(one, label=int(rng.integers(len(one.choices)))))
        elif isinstance(one, Question):
            found.append(_with(one, answers=_elsewhere(one, rng)))
    return found


def _with(example: Example, **changes: object) -> Example:
    return dataclasses.replace(example, **changes)  # type: ignore[arg-type]


def _elsewhere(question: Question, rng: np.random.Generator) -> tuple[Answer, ...] | None:
    """Another place of the context as the answer, as many words long."""
    if not question.answers:
        return question.answers
    count = max(1, len(question.answers[0].text.split()))
    starts = [k for k in range(len(question.context)) if _begins_word(question.context, k)]
    at = int(rng.integers(max(1, len(starts) - count + 1)))
    start = starts[at] if starts else 0
    text = " ".join(question.context[start:].split()[:count])
    if not question.context.startswith(text, start):  # words apart by more than one space
        text = question.context[start:].split()[0]
    return (Answer(text=text, start=start),)


def _begins_word(text: str, at: int) -> bool:
    return not text[at].isspace() and (at == 0 or text[at - 1].isspace())


def _fake(part: Part, rng: np.random.Generator) -> Part:
    """Texts of the task, half of them replaced by made-up ones; a tenth is the dev set.

    Raises:
        DataError: too few texts.
    """
    train = part.trains[0]
    texts = list(dict.fromkeys(text for text in _texts(train) if len(text.split()) > 1))
    wanted = min(len(texts), part.size)
    if wanted < 4:
        raise DataError(
            f"control fake: {part.name} has {len(texts)} texts", "at least 4 are needed"
        )
    real = [texts[k] for k in np.sort(rng.permutation(len(texts))[:wanted])]
    followers: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        words = text.split()
        for word, following in zip(["", *words], [*words, ""], strict=True):
            followers[word].append(following)
    is_fake = rng.permutation(wanted) < wanted // 2
    examples = [
        Pair(
            id=f"f{n}",
            text_a=_walk(followers, rng) if fake else text,
            label="fake" if fake else "real",
        )
        for n, (text, fake) in enumerate(zip(real, is_fake, strict=True))
    ]
    held = max(1, round(HELD_OUT * wanted))
    train = replace(train, task=REAL_OR_FAKE.name)
    note = f"control fake: {wanted} texts of {part.name}, half of them made up; {held} are dev"
    return replace(
        part,
        task=replace(REAL_OR_FAKE, max_length=part.task.max_length),
        trains=(train.part("control fake", examples[held:], note),),
        dev=replace(train.part("control fake, dev", examples[:held]), split="dev"),
    )


def _walk(followers: dict[str, list[str]], rng: np.random.Generator) -> str:
    """A text whose neighbours have stood beside each other."""
    words: list[str] = []
    word = ""
    while len(words) < MOST_WORDS:
        choices = followers[word]
        word = choices[int(rng.integers(len(choices)))]
        if not word:
            break
        words.append(word)
    return " ".join(words)


def _texts(train: DataSet) -> list[str]:
    return list(example_texts(train.examples, load_languages(None)["en"]))
