"""The one table of tasks: one frozen record a task.

Train, export, eval, serve and the reports read these records; nothing else describes a task.
Behaviour branches on the kind only. Language lists and label sets: XTREME's evaluate.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from xlt.core.errors import UsageError, did_you_mean

__all__ = [
    "GROUPS",
    "INTERMEDIATE",
    "TARGETS",
    "TASKS",
    "XTREME",
    "KindName",
    "ProtocolName",
    "Task",
    "get_task",
    "parse_tasks",
]


KindName = Literal["pair", "choice", "tag", "span", "embed", "mlm"]
ProtocolName = Literal["search", "mine"]
XTREME = "xtreme"
# Fields that records of the first version lack.
ADDED = frozenset({"protocol", "suite", "parts"})
PROTOCOL_OF_METRIC = {"tatoeba": "search", "bucc": "mine"}  # in records of the first version


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task.

    Attributes:
        kind: decides how it is encoded, decoded, scored, trained and served (`core.kinds`).
        protocol: how a retrieval task matches sentences; None for the other kinds.
        role: "target", "intermediate", or "user" (from a task file).
        suite: the benchmark that averages it with others: "xtreme", a name of the user's own, or
            None. Only XTREME's targets enter XTREME's averages.
        group: the group of its suite; None otherwise.
        languages: codes that the official benchmark scores, in its order.
        labels: class or tag names in the order of the logits; () for choice, span, embed, mlm.
        metric: key of `METRICS`.
        source: the task whose English train split trains this one; None when nothing trains it.
        parts: the data sets that are joined to make it (anli+); () for a single one.
        extension: of prediction and label files in the official layout.
        max_length: tokens in one model input, special tokens included.
        n_choices: candidates of a choice task, 0 where the items differ in it; 0 otherwise.
        null_answer: whether questions may have no answer (SQuAD 2).
    """

    name: str
    kind: KindName
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
    protocol: ProtocolName | None = None
    suite: str | None = None
    parts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A plain dict; `Task.from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Task:
        """Read what `to_json` wrote (lists become tuples), now or by an earlier version.

        Raises:
            TypeError: a field is unknown, or one that every version wrote is missing.
        """
        fixed: dict[str, Any] = {
            key: tuple(item) if isinstance(item, list) else item for key, item in value.items()
        }
        known = TASKS.get(fixed.get("name", ""))
        unsaid: dict[str, Any] = {
            "protocol": PROTOCOL_OF_METRIC.get(fixed.get("metric", "")),
            "suite": XTREME if fixed.get("role") == "target" else None,
            "parts": known.parts if known else (),
        }
        return cls(**unsaid | fixed)

    def identity(self) -> dict[str, Any]:
        """The fields that content keys are made of: those of the first version.

        What was added since decides where data are found and what is averaged, not what a model
        answers; so the keys of older bundles, cells and exports still hold.
        """
        return {name: value for name, value in asdict(self).items() if name not in ADDED}

    def with_labels(self, labels: Iterable[str]) -> Task:
        """The same task with its label set resolved (CCG's supertags come from the data)."""
        return replace(self, labels=tuple(labels))


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NLI = ("entailment", "neutral", "contradiction")
ANLI_PLUS = ("anli-r1", "anli-r2", "anli-r3", "mnli", "snli")

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
        suite=XTREME,
        group="classification",
        labels=NLI,
        source="mnli",
        languages=_names("ar bg de el en es fr hi ru sw th tr ur vi zh"),
    ),
    Task(
        name="pawsx",
        kind="pair",
        role="target",
        suite=XTREME,
        group="classification",
        labels=("0", "1"),
        source="pawsx",
        languages=_names("de en es fr ja ko zh"),
    ),
    Task(
        name="udpos",
        kind="tag",
        role="target",
        suite=XTREME,
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
        suite=XTREME,
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
        suite=XTREME,
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
        suite=XTREME,
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
        suite=XTREME,
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
        suite=XTREME,
        group="retrieval",
        protocol="mine",
        metric="bucc",
        max_length=512,
        languages=_names("de fr ru zh"),
    ),
    Task(
        name="tatoeba",
        kind="embed",
        role="target",
        suite=XTREME,
        group="retrieval",
        protocol="search",
        metric="tatoeba",
        max_length=512,
        languages=tuple(c for c in _PANX if c not in {"en", "ms", "my", "yo"}),
    ),
    Task(name="anli+", kind="pair", labels=NLI, source="anli+", parts=ANLI_PLUS),
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
TARGETS: tuple[str, ...] = tuple(t.name for t in _ALL_TASKS if t.suite == XTREME)
INTERMEDIATE: tuple[str, ...] = tuple(
    t.name for t in _ALL_TASKS if t.role == "intermediate" and t.metric != "none"
)
GROUPS: dict[str, tuple[str, ...]] = {
    str(group): tuple(t.name for t in _ALL_TASKS if t.suite == XTREME and t.group == group)
    for group in dict.fromkeys(t.group for t in _ALL_TASKS if t.suite == XTREME)
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
