"""The one table of tasks: one frozen record a task, one row a kind.

Train, export, eval, serve and the reports read these records; nothing else describes a task.
Behaviour branches on the kind only. Language lists and label sets: XTREME's evaluate.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from xlt.core.errors import UsageError, did_you_mean

__all__ = [
    "GROUPS",
    "INTERMEDIATE",
    "KINDS",
    "TARGETS",
    "TASKS",
    "Kind",
    "Task",
    "get_task",
    "parse_tasks",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How tasks of one shape are trained, exported and served.

    Attributes:
        auto_model: transformers' Auto class for the head; None when there is no head.
        onnx_task: optimum's task name; None when the kind is not exported.
        outputs: names of the ONNX outputs that decoding needs.
        routes: HTTP routes that serve it.
    """

    name: str
    auto_model: str | None
    onnx_task: str | None
    outputs: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="pair",
            auto_model="AutoModelForSequenceClassification",
            onnx_task="text-classification",
            outputs=("logits",),
            routes=("/v1/classify",),
        ),
        Kind(
            name="choice",
            auto_model="AutoModelForMultipleChoice",
            onnx_task="multiple-choice",
            outputs=("logits",),
            routes=("/v1/choose",),
        ),
        Kind(
            name="tag",
            auto_model="AutoModelForTokenClassification",
            onnx_task="token-classification",
            outputs=("logits",),
            routes=("/v1/tag",),
        ),
        Kind(
            name="span",
            auto_model="AutoModelForQuestionAnswering",
            onnx_task="question-answering",
            outputs=("start_logits", "end_logits"),
            routes=("/v1/answer",),
        ),
        Kind(
            name="embed",
            auto_model=None,
            onnx_task="feature-extraction",
            outputs=("sentence_embedding",),
            routes=("/v1/embeddings", "/v1/similarity", "/v1/rerank", "/v1/bitext"),
        ),
        Kind(name="mlm", auto_model="AutoModelForMaskedLM", onnx_task=None),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task.

    Attributes:
        kind: key of `KINDS`.
        role: "target" (XTREME), "intermediate", or "user" (from a task file).
        group: XTREME's group of a target; None otherwise.
        languages: codes that the official benchmark scores, in its order.
        labels: class or tag names in the order of the logits; () for choice, span, embed, mlm.
        metric: key of `METRICS`: accuracy, tag_f1, squad, mlqa, bucc, tatoeba, none.
        source: the task whose English train split trains this one; None when nothing trains it.
        extension: of prediction and label files in the official layout.
        max_length: tokens in one model input, special tokens included.
        n_choices: candidates of a choice task; 0 otherwise.
        null_answer: whether questions may have no answer (SQuAD 2).
    """

    name: str
    kind: str
    role: str = "intermediate"
    group: str | None = None
    languages: tuple[str, ...] = ("en",)
    labels: tuple[str, ...] = ()
    metric: str = "accuracy"
    source: str | None = None
    extension: str = "tsv"
    max_length: int = 128
    n_choices: int = 0
    null_answer: bool = False

    def to_json(self) -> dict[str, Any]:
        """A plain dict; `Task.from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Task:
        """Read what `to_json` wrote (lists become tuples)."""
        fixed: dict[str, Any] = {
            key: tuple(item) if isinstance(item, list) else item for key, item in value.items()
        }
        return cls(**fixed)

    def with_labels(self, labels: Iterable[str]) -> Task:
        """The same task with its label set resolved (CCG's supertags come from the data)."""
        return replace(self, labels=tuple(labels))


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NLI = ("entailment", "neutral", "contradiction")

UPOS = _names("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X")
IOB = ("B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O")
_PANX = _names(
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja ka ko th "
    "sw yo my zh kk tr et fi hu"
)
_ALL_TASKS = (
    Task(
        name="xnli",
        kind="pair",
        role="target",
        group="classification",
        labels=NLI,
        source="mnli",
        languages=_names("ar bg de el en es fr hi ru sw th tr ur vi zh"),
    ),
    Task(
        name="pawsx",
        kind="pair",
        role="target",
        group="classification",
        labels=("0", "1"),
        source="pawsx",
        languages=_names("de en es fr ja ko zh"),
    ),
    Task(
        name="udpos",
        kind="tag",
        role="target",
        group="tagging",
        labels=UPOS,
        metric="tag_f1",
        source="udpos",
        languages=_names(
            "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl "
            "tr ur vi yo zh"
        ),
    ),
    Task(
        name="panx",
        kind="tag",
        role="target",
        group="tagging",
        labels=IOB,
        metric="tag_f1",
        source="panx",
        languages=_PANX,
    ),
    Task(
        name="xquad",
        kind="span",
        role="target",
        group="qa",
        metric="squad",
        source="squad",
        extension="json",
        max_length=384,
        languages=_names("en es de el ru tr ar vi th zh hi"),
    ),
    Task(
        name="mlqa",
        kind="span",
        role="target",
        group="qa",
        metric="mlqa",
        source="squad",
        extension="json",
        max_length=384,
        languages=_names("en es de ar hi vi zh"),
    ),
    Task(
        name="tydiqa",
        kind="span",
        role="target",
        group="qa",
        metric="squad",
        source="tydiqa",
        extension="json",
        max_length=384,
        languages=_names("en ar bn fi id ko ru sw te"),
    ),
    Task(
        name="bucc2018",
        kind="embed",
        role="target",
        group="retrieval",
        metric="bucc",
        max_length=512,
        languages=_names("de fr ru zh"),
    ),
    Task(
        name="tatoeba",
        kind="embed",
        role="target",
        group="retrieval",
        metric="tatoeba",
        max_length=512,
        languages=tuple(c for c in _PANX if c not in {"en", "ms", "my", "yo"}),
    ),
    Task(name="anli+", kind="pair", labels=NLI, source="anli+"),
    Task(name="mnli", kind="pair", labels=NLI, source="mnli"),
    Task(name="qqp", kind="pair", labels=("not_duplicate", "duplicate"), source="qqp"),
    Task(
        name="squad",
        kind="span",
        metric="squad",
        source="squad",
        extension="json",
        max_length=384,
    ),
    Task(
        name="squad2",
        kind="span",
        metric="squad2",
        source="squad2",
        extension="json",
        max_length=384,
        null_answer=True,
    ),
    Task(name="hellaswag", kind="choice", source="hellaswag", n_choices=4),
    Task(name="ccg", kind="tag", source="ccg", metric="token_accuracy"),
    Task(name="cosmosqa", kind="choice", source="cosmosqa", n_choices=4, max_length=256),
    Task(name="csqa", kind="choice", source="csqa", n_choices=5),
    Task(name="mlm", kind="mlm", metric="none", source="mlm"),
)

TASKS: dict[str, Task] = {task.name: task for task in _ALL_TASKS}
TARGETS: tuple[str, ...] = tuple(t.name for t in _ALL_TASKS if t.role == "target")
INTERMEDIATE: tuple[str, ...] = tuple(
    t.name for t in _ALL_TASKS if t.role == "intermediate" and t.kind != "mlm"
)
GROUPS: dict[str, tuple[str, ...]] = {
    "classification": ("pawsx", "xnli"),
    "tagging": ("udpos", "panx"),
    "qa": ("xquad", "mlqa", "tydiqa"),
    "retrieval": ("bucc2018", "tatoeba"),
}


def get_task(name: str, extra: dict[str, Task] | None = None) -> Task:
    """The task called `name`, user tasks (`extra`) included.

    Raises:
        UsageError: no such task; the nearest name is suggested.
    """
    known = {**TASKS, **(extra or {})}
    if name not in known:
        raise UsageError(
            f"unknown task {name!r}{did_you_mean(name, known)}",
            "known: " + " ".join(known),
        )
    return known[name]


def parse_tasks(
    text: str, *, all_means: Iterable[str] = TARGETS, extra: dict[str, Task] | None = None
) -> list[Task]:
    """Tasks of a comma list; `all` stands for `all_means`. All unknown names are reported."""
    names: list[str] = []
    for part in (piece.strip() for piece in text.split(",")):
        if part:
            names.extend(all_means if part == "all" else [part])
    known = {**TASKS, **(extra or {})}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError.all_of(
            [f"unknown task {name!r}{did_you_mean(name, known)}" for name in unknown]
            or ["no task named"],
            "known: " + " ".join(known),
        )
    return [known[name] for name in dict.fromkeys(names)]
