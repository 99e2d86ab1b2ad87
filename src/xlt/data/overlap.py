"""Which items of a train or dev set occur in a test set: by id, by text, by shared context.

Texts are compared without case, spaces and punctuation, as hashes. Ids that only count rows and
texts of a few letters (`Thanks .`) say nothing and are left out.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from xlt.core.kinds.embed import EMBED
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.examples import Bitext, Choice, Example, Pair, Question, Tagged
from xlt.core.tasks.table import Task
from xlt.data.layouts import matches
from xlt.data.records import DataSet, file_digest, is_row_number
from xlt.data.root import DataRoot

__all__ = [
    "Overlap",
    "TestKeys",
    "index_of",
    "keys_of",
    "overlap_table",
    "overlaps",
    "parallel_overlaps",
    "parallel_set",
    "test_index",
]

NOISE = re.compile(
    r"[\s!-/:-@\[-`{-~\u00a0-\u00bf\u200b-\u200f\u2010-\u206f\u3000-\u303f\uff00-\uff0f"
    r"\u060c\u061b\u061f\u06d4\u0964\u0965]+"
)
KIND_OF = {kind.record: name for name, kind in KINDS.items() if kind.gold_field}
LEAST_BYTES = 30
INCIDENTAL_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What identifies one item: hashes of its text and context, and its id where it means one."""

    name: str | None
    text: bytes | None
    context: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestKeys:
    """The keys of one test set."""

    task: str
    source: str | None
    lang: str
    items: int
    names: frozenset[str]
    texts: frozenset[bytes]
    contexts: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Items that a train or dev set shares with one test set.

    Attributes:
        task: of the train or dev set.
        test_task: of the test set.
        items: items of the first set that the test set holds, by any key.
        by_id: of these, the ones with the same id; `by_text` and `by_context` likewise.
        of: number of items of the test set.
        incidental: a few equal texts, no ids and no contexts, between a task's own official
            train or dev split and its test: a property of the benchmark, reported, not blocked.
    """

    task: str
    lang: str
    split: str
    test_task: str
    test_lang: str
    items: int
    by_id: int
    by_text: int
    by_context: int
    of: int
    incidental: bool

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)


def plain(text: str) -> str:
    """The text without case, spaces and punctuation."""
    return NOISE.sub("", text.casefold())


def digest(*texts: str, least: int = LEAST_BYTES) -> bytes | None:
    """A hash of plain texts; None when they have fewer than `least` bytes."""
    joined = "\x1f".join(plain(text) for text in texts).encode()
    if len(joined) < least:
        return None
    return hashlib.blake2b(joined, digest_size=8).digest()


def keys_of(example: Example, *, least: int = LEAST_BYTES) -> Keys:
    """The keys of one example; texts below `least` bytes have none."""
    context = None
    if isinstance(example, Pair):
        text = digest(example.text_a, example.text_b or "", least=least)
    elif isinstance(example, Choice):
        text = digest(example.prompt, *example.choices, least=least)
    elif isinstance(example, Tagged):
        text = digest("".join(example.words), least=least)
    elif isinstance(example, Question):
        text, context = (
            digest(example.question, example.context, least=least),
            digest(example.context, least=least),
        )
    else:
        text = digest(example.text, least=least)
    return Keys(name=None if is_row_number(example.id) else example.id, text=text, context=context)


@functools.lru_cache(maxsize=8)
def test_index(root: DataRoot, kind: str) -> tuple[TestKeys, ...]:
    """The keys of every test set of a kind that the root has."""
    return tuple(
        index_of(task, lang, root.read(task, lang, "test"))
        for task in root.tasks.values()
        if task.kind == kind
        for lang in root.langs(task, "test")
    )


def index_of(task: Task, lang: str, data: DataSet) -> TestKeys:
    """The keys of one test set; of a bitext, those of its gold pairs."""
    examples = data.examples if data.bitext is None else gold_pairs(data.bitext)
    keys = [keys_of(example) for example in examples]
    return TestKeys(
        task=task.name,
        source=task.source,
        lang=lang,
        items=len(keys),
        names=frozenset(key.name for key in keys if key.name is not None),
        texts=frozenset(key.text for key in keys if key.text is not None),
        contexts=frozenset(key.context for key in keys if key.context is not None),
    )


def overlap_table(data: DataSet, tests: Iterable[TestKeys]) -> list[Overlap]:
    """Every overlap of a train or dev set with the test sets, incidental ones included."""
    tests = list(tests)
    names = frozenset[str]().union(*(test.names for test in tests))
    hashes = frozenset[bytes]().union(*(test.texts | test.contexts for test in tests))
    keys = [
        key
        for key in map(keys_of, data.examples)
        if key.name in names or key.text in hashes or key.context in hashes
    ]
    found: list[Overlap] = []
    for test in tests:
        by_id = by_text = by_context = items = 0
        for key in keys:
            hits = (key.name in test.names, key.text in test.texts, key.context in test.contexts)
            by_id, by_text, by_context = by_id + hits[0], by_text + hits[1], by_context + hits[2]
            items += any(hits)
        if items:
            own = data.task in {test.task, test.source}
            few = items < INCIDENTAL_SHARE * test.items
            found.append(
                Overlap(
                    task=data.task,
                    lang=data.lang,
                    split=data.split,
                    test_task=test.task,
                    test_lang=test.lang,
                    items=items,
                    by_id=by_id,
                    by_text=by_text,
                    by_context=by_context,
                    of=test.items,
                    incidental=own and few and not by_id and not by_context,
                )
            )
    return found


def gold_pairs(bitext: Bitext) -> tuple[Pair, ...]:
    """The pairs of sentences that translate each other."""
    foreign = {one.id: one.text for one in bitext.foreign}
    english = {one.id: one.text for one in bitext.english}
    return tuple(
        Pair(id=str(number), text_a=english[right], text_b=foreign[left])
        for number, (left, right) in enumerate(bitext.gold or ())
    )


def parallel_set(root: DataRoot, lang: str) -> DataSet:
    """`parallel/en-<lang>.tsv` as a set of pairs, to compare it with retrieval test sets."""
    paths = tuple(matches(root.path, f"parallel/en-{lang}.tsv"))
    return DataSet(
        task="parallel",
        lang=lang,
        split="train",
        examples=tuple(
            Pair(id=str(number), text_a=english, text_b=other)
            for number, (english, other) in enumerate(root.parallel(lang))
        ),
        labelled=False,
        paths=paths,
        sha256=file_digest(paths),
    )


def parallel_overlaps(root: DataRoot, lang: str) -> list[Overlap]:
    """Gold pairs of retrieval test sets that stand in `parallel/en-<lang>.tsv`."""
    return overlap_table(parallel_set(root, lang), test_index(root, EMBED.name))


def overlaps(root: DataRoot, train: DataSet) -> list[Overlap]:
    """Overlaps of a train or dev set with the root's test sets that need the user's consent.

    Raises:
        DataError: a test file is not what its name says.
    """
    if not train.examples:
        return []
    table = overlap_table(train, test_index(root, KIND_OF[type(train.examples[0])]))
    return [overlap for overlap in table if not overlap.incidental]
