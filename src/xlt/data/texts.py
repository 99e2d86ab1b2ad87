"""Text that tokenizers and pretraining may read, and where it comes from.

Monolingual and parallel text and English train splits; for a language without `text/<lang>.txt`,
unlabelled dev text. Never a test set, and never two versions of one dev set as parallel text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xlt.core.kinds.table import kind_of
from xlt.core.tasks.examples import Choice, Example, Pair, Question, Tagged
from xlt.core.tasks.languages import Language
from xlt.core.tasks.table import TARGETS, TASKS
from xlt.data.root import DataRoot

__all__ = ["TextSource", "allowed_text", "example_texts", "text_sources"]

UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Thai", "Mymr", "Laoo", "Khmr"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSource:
    """One source of text: kind is text, parallel, train (English) or dev (unlabelled)."""

    kind: str
    lang: str
    task: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.task or ''}{':' if self.task else ''}{self.lang}"


def text_sources(root: DataRoot, langs: Iterable[str] | None = None) -> list[TextSource]:
    """What `allowed_text` reads, in its order, for the record of a run.

    Args:
        root: the data root.
        langs: languages to read; None for all.
    """
    wanted = set(root.languages if langs is None else langs)
    monolingual = [lang for lang in root.text_langs() if lang in wanted]
    sources = [TextSource(kind="text", lang=lang) for lang in monolingual]
    sources += [
        TextSource(kind="parallel", lang=lang) for lang in root.parallel_langs() if lang in wanted
    ]
    if "en" in wanted:
        seen: set[object] = set()
        for task in TASKS.values():
            files = root.find(task, "en", "train") if not kind_of(task).untrained else None
            if files is not None and not seen.issuperset(files.paths):
                seen.update(files.paths)
                sources.append(TextSource(kind="train", lang="en", task=task.name))
    for name in TARGETS:
        if kind_of(TASKS[name]).vectors:
            continue
        sources += [
            TextSource(kind="dev", lang=lang, task=name)
            for lang in root.langs(TASKS[name], "dev")
            if lang in wanted and lang not in monolingual
        ]
    return sources


def allowed_text(root: DataRoot, langs: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
    """(lang, text) of every text that tokenizers and pretraining may read.

    Args:
        root: the data root.
        langs: languages to read; None for all.

    Raises:
        DataError: a file is not what its name says.
    """
    for source in text_sources(root, langs):
        if source.kind == "text":
            yield from ((source.lang, text) for text in root.text(source.lang))
        elif source.kind == "parallel":
            for english, other in root.parallel(source.lang):
                yield "en", english
                yield source.lang, other
        else:
            data = root.read(TASKS[str(source.task)], source.lang, source.kind)
            language = root.languages[source.lang]
            for text in example_texts(data.examples, language):
                yield source.lang, text


def example_texts(examples: Iterable[Example], language: Language) -> Iterator[str]:
    """The texts of examples, a shared context once, labels left out."""
    contexts: set[str] = set()
    space = "" if language.script in UNSPACED else " "
    for example in examples:
        if isinstance(example, Pair):
            yield example.text_a
            if example.text_b is not None:
                yield example.text_b
        elif isinstance(example, Choice):
            yield example.prompt
            yield from example.choices
        elif isinstance(example, Tagged):
            yield space.join(example.words)
        elif isinstance(example, Question):
            yield example.question
            if example.context not in contexts:
                contexts.add(example.context)
                yield example.context
        else:
            yield example.text
