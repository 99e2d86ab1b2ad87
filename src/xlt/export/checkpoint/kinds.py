"""What export knows of each kind of task: one row a kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xlt.core.kinds.embed import SENTENCE, TOKEN_VECTORS
from xlt.core.tasks.table import KindName

__all__ = ["EXPORTED", "Exporting"]

BATCH = {0: "batch_size"}
LENGTH = {**BATCH, 1: "sequence_length"}
CHOICES = {**BATCH, 1: "num_choices"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """How checkpoints of a kind are recognised, converted and described.

    Attributes:
        heads: endings of transformers' class names that have this kind's head, or none.
        axes: output of the graph -> its dynamic axes.
        inputs: dynamic axes of the inputs.
        per_token: whether outputs are compared at tokens only, not at padding.
        own_metric: the metric of a task that only its checkpoint describes.
        pipeline: the hub's name of the task; None where it has none.
        library: what opens the bundle first of all.
        ort_class: optimum's class that opens it.
        snippet: what the model card asks, in the plain forms of `Engine`.
        purpose: what the model card says it is for.
    """

    heads: tuple[str, ...]
    axes: Mapping[str, Mapping[int, str]]
    inputs: Mapping[int, str] = field(default_factory=lambda: LENGTH)
    per_token: bool = False
    own_metric: str = "accuracy"
    pipeline: str | None = None
    library: str = "transformers"
    ort_class: str
    snippet: str
    purpose: str = ""


EXPORTED: dict[KindName, Exporting] = {
    "pair": Exporting(
        heads=("ForSequenceClassification",),
        axes={"logits": BATCH},
        pipeline="text-classification",
        ort_class="ORTModelForSequenceClassification",
        snippet='("The shop is closed on Sundays.", "You can buy bread there today.")',
        purpose="putting a text or a pair of texts into one of its classes",
    ),
    "choice": Exporting(
        heads=("ForMultipleChoice",),
        axes={"logits": CHOICES},
        inputs={**CHOICES, 2: "sequence_length"},
        ort_class="ORTModelForMultipleChoice",
        snippet='("The street is wet, because", ["it has rained", "it is Monday"])',
        purpose="picking the likeliest of a few continuations",
    ),
    "tag": Exporting(
        heads=("ForTokenClassification",),
        axes={"logits": LENGTH},
        per_token=True,
        own_metric="token_accuracy",
        pipeline="token-classification",
        ort_class="ORTModelForTokenClassification",
        snippet='"The ferry leaves Hamburg at noon."',
        purpose="tagging the words of a sentence",
    ),
    "span": Exporting(
        heads=("ForQuestionAnswering",),
        axes={"start_logits": LENGTH, "end_logits": LENGTH},
        per_token=True,
        pipeline="question-answering",
        ort_class="ORTModelForQuestionAnswering",
        snippet='("Where does the ferry start?", "The ferry leaves Hamburg at noon.")',
        purpose="finding the answer to a question in a given text",
    ),
    "embed": Exporting(
        heads=("ForMaskedLM", "ForPreTraining", "Model"),
        axes={SENTENCE: BATCH, TOKEN_VECTORS[0]: LENGTH},
        pipeline="sentence-similarity",
        library="sentence-transformers",
        ort_class="ORTModelForFeatureExtraction",
        snippet='["The ferry is late.", "Die Fähre hat Verspätung."]',
        purpose="comparing sentences within and across languages, and finding translations",
    ),
}
