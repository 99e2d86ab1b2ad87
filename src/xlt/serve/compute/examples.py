"""Made-up items of any kind, for warm-up and for checks of a model's health."""

from __future__ import annotations

from xlt.core.kinds.base import Item, ProbeText
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.table import Task

__all__ = ["example_item"]

WORDS = "the river runs past seven old houses and a mill before it meets the sea again".split()


def example_item(task: Task) -> Item:
    """An item of two texts of eight words each, or of one of sixteen, as the kind has it."""
    first, second = " ".join(WORDS[:8]), " ".join(WORDS[8:])
    whole = " ".join(WORDS)
    texts = ProbeText(
        id="0",
        text=whole if KINDS[task.kind].vectors else first,
        other=second,
        question=second,
        words=tuple(WORDS),
        choices=(second,) * (task.n_choices or 2),
    )
    return KINDS[task.kind].probe(texts)
