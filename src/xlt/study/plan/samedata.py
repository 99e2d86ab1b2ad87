"""Which intermediate data hold a target's own training data: by task record and by hashed text.

Such an arm is not transfer from another task: it runs, and is marked.
"""

from __future__ import annotations

from collections.abc import Iterable

from xlt.core.files import sha256_json
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.table import TASKS
from xlt.data.overlap import keys_of
from xlt.study.plan.sources import Digests, Source, WorldSource

__all__ = ["SameData", "data_sets"]

# Tasks whose published training data contain those of another task as a part.
CONTAINS = {"squad2": ("squad",)}  # SQuAD 2.0 = SQuAD 1.1 and unanswerable questions
# Of a target's training items, found again in the intermediate data; fewer are coincidence.
LEAST_SHARE = 0.01


def data_sets(task: str) -> frozenset[str]:
    """Names of the data sets that a task's training data consist of."""
    record = TASKS.get(task)
    own = {record.source or task, *record.parts} if record is not None else {task}
    return frozenset(own | {part for name in own for part in CONTAINS.get(name, ())})


class SameData:
    """Compares training data, each pair of sets once.

    Args:
        source: the data; a world that is not built yet is known by its records alone.
        digests: remembers what was compared.
    """

    def __init__(self, source: Source | WorldSource, digests: Digests) -> None:
        self._source, self._digests = source, digests

    def seen(self, tasks: Iterable[str], target: str, replaced: Iterable[str] = ()) -> bool:
        """Whether training on `tasks` shows the training data of `target`.

        Args:
            tasks: intermediate and joint tasks of an arm.
            target: what is scored.
            replaced: tasks that are trained on another file than their own; not looked at.
        """
        record = self._source.task(target)
        if KINDS[record.kind].vectors:  # nothing trains it
            return False
        own = record.source or target
        return any(
            own in data_sets(task) or self._share(task, own) >= LEAST_SHARE
            for task in tasks
            if task not in set(replaced)
        )

    def _share(self, task: str, own: str) -> float:
        """Share of a target's training items whose text or id occurs in a task's."""
        if isinstance(self._source, WorldSource) or "mlm" in (task, own):
            return 0.0
        if self._source.task(task).kind != self._source.task(own).kind:
            return 0.0
        hashes = [self._source.training([name]) for name in (task, own)]
        key = f"shared:{sha256_json(hashes)}"
        return self._digests.note(key, lambda: self._compare(task, own))

    def _compare(self, task: str, own: str) -> float:
        there = {keys_of(example).text for example in self._source.examples(task)} - {None}
        wanted = [keys_of(example).text for example in self._source.examples(own)]
        return sum(text in there for text in wanted) / len(wanted) if wanted else 0.0
