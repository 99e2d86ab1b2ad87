"""The record that describes a kind of task; each kind's module makes one.

Behaviour that differs between kinds is an attribute or a function of this record, or a row of a
stage's table that is keyed by the kind's name. Nothing else compares names of kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row
from xlt.core.retrieval.mining import Threshold
from xlt.core.tasks.examples import Bitext, Example
from xlt.core.tasks.table import KindName, ProtocolName, Task

__all__ = [
    "Embed",
    "Item",
    "Kind",
    "Matched",
    "Matching",
    "Outputs",
    "ProbeText",
    "Vector",
    "no_form",
    "softmax",
]

FloatArray = NDArray[np.float64]
Vector = NDArray[np.float32]
Outputs = Mapping[str, Vector]  # of one row, padding removed
Item = Example | str
Embed = Callable[[Sequence[str]], Vector]
ITEMS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeText:
    """Texts of which any kind can make one item, for warm-up and for the parity gate.

    Attributes:
        text: a single text, the first of a pair, a prompt, or a context.
        other: the second text of a pair.
        question: a question about `text`.
        words: `text` as words.
        choices: candidates that follow `text`.
    """

    id: str
    text: str
    other: str
    question: str
    words: tuple[str, ...]
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Sentences of two collections that were matched.

    Attributes:
        predictions: in the form of the protocol's official file; None where none could be made.
        gold: in the same form and order; None without gold.
        backwards: the opposite direction as (gold, predictions); None unless it was asked for.
        on_dev: the cut that was chosen on the dev collection.
        tuned: the best cut on the evaluated gold itself, which is optimistic.
    """

    predictions: Any
    gold: Any
    backwards: tuple[Any, Any] | None = None
    on_dev: Threshold | None = None
    tuned: Threshold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How a protocol of kind embed turns vectors into predictions.

    Attributes:
        match: (bitext, dev bitext or None, texts to vectors, whether both directions are asked
            for) -> what was matched.
        tuned: whether a threshold is chosen on the dev collection.
        two_way: whether the opposite direction can be asked for.
        settings: what the predictions depend on besides vectors and texts.
    """

    match: Callable[[Bitext, Bitext | None, Embed, bool], Matched]
    tuned: bool = False
    two_way: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


def no_form(*args: Any) -> Any:
    """Stands where a kind has nothing of the sort: no head to decode, no labels to compare."""
    raise NotImplementedError("this kind of task has no answers of its own")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How tasks of one shape are encoded, decoded, scored, trained and exported.

    Attributes:
        name: what records, bundles and task files call it.
        protocol: for retrieval, the way of matching; None for the other kinds.
        record: the class of its items.
        gold_field: the field of `record` that holds the gold part; None without one.
        form: the form of gold and predictions: key of `FORMATS`, and `Metric.form` of the metrics
            that can score it; "" when nothing is predicted.
        metric: the default metric.
        max_length: the default number of tokens of an input.
        written: how its items are written in plain Python, for messages and documents.
        positions: fields that the parts of a tuple fill; () when a tuple is no item.
        aliases: names of the HTTP bodies -> fields of `record`.
        of_text: an item of one string; None where a string is no item.
        of_list: an item of a list; None where `positions` says what a list holds.
        columns: what a task file can map; `required` what it must map when it maps anything.
        auto_model: transformers' Auto class for the head; None when there is no head.
        onnx_task: optimum's task name; None when the kind is not exported.
        outputs: names of the ONNX outputs that decoding needs.
        classes: whether the logits are named by the task's `labels`.
        least_labels: labels that a task file must name.
        choices: whether an item brings candidates, whose number is the task's `n_choices`.
        null_answer: whether a task may allow "no answer".
        vectors: whether the answer is a vector of the encoder itself.
        untrained: why no head is trained for it; "" when one is.
        keyed: whether predictions are found by the id of the item, not by its place.
        dev_of_source: whether models are selected on the dev set of the task that trains them, of
            which test sets hold translations (SQuAD and XQuAD).
        n_outputs: width of the head where labels do not give it; None for the model's default.
            items_at_once: items given to the engine together: enough for full batches of equal
            lengths, few enough to bound memory. Predictions do not depend on it.
        encode: (encoder, items) -> rows, in item order.
        cut: (row, the row's part of a batch of outputs) -> what `decode` takes, padding removed.
        decode: (task, the item's name, item, its rows, their outputs) -> prediction.
        gold: examples -> gold in the kind's form.
        answers: (examples, predictions) -> predictions in the kind's form.
        constant: (gold, label) -> predictions that are always `label`; None without classes.
        probe: texts -> an item.
        matching: for retrieval, how vectors become predictions.
    """

    name: KindName
    protocol: ProtocolName | None = None
    record: type[Example]
    gold_field: str | None = None
    form: str = ""
    metric: str = "none"
    max_length: int = 128
    written: str = ""
    positions: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    of_text: Callable[[str], Item] | None = None
    of_list: Callable[[Sequence[Any]], Example] | None = None
    columns: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    auto_model: str | None = None
    onnx_task: str | None = None
    outputs: tuple[str, ...] = ()
    classes: bool = False
    least_labels: int = 0
    choices: bool = False
    null_answer: bool = False
    vectors: bool = False
    untrained: str = ""
    keyed: bool = False
    dev_of_source: bool = False
    n_outputs: int | None = None
    items_at_once: int = ITEMS_AT_ONCE
    encode: Callable[[Encoder, Sequence[Item]], list[Row]]
    cut: Callable[[Row, Outputs], Outputs] = no_form
    decode: Callable[[Task, str, Item, Sequence[Row], Sequence[Outputs]], Any] = no_form
    gold: Callable[[Sequence[Any]], Any] = no_form
    answers: Callable[[Sequence[Any], Sequence[Any]], Any] = no_form
    constant: Callable[[Any, str], Any] | None = None
    probe: Callable[[ProbeText], Example]
    matching: Matching | None = None


def softmax(logits: NDArray[Any]) -> FloatArray:
    """Probabilities over the last axis, in float64, safe for large logits."""
    values = logits.astype(np.float64)
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    shares: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return shares
