"""Examples that a bundle carries for the playground: dev items in the plain form of requests.

Those of constructed languages are invented by us and always carried; others only on request, since
dev text of a data set may not be public.
"""

from __future__ import annotations

from typing import Any

from xlt.core.errors import UsageError
from xlt.core.tasks.examples import Choice, Example, Pair, Question, Tagged
from xlt.core.tasks.table import TASKS, Task
from xlt.data import DataRoot

__all__ = ["carried_examples"]

FEW = 4
PAIRS = 4  # sentences on each side of a retrieval example


def carried_examples(
    root: DataRoot | None, task: Task, answers: tuple[str, ...], wanted: int | None
) -> dict[str, Any] | None:
    """What the manifest's `examples` holds; None for none.

    Args:
        root: the data root.
        task: of the bundle.
        answers: tasks that it answers.
        wanted: `--examples`: how many; None for a few where all languages are constructed.

    Raises:
        UsageError: examples are asked for, and there is no data root.
        DataError: a dev file is damaged.
    """
    if wanted == 0:
        return None
    if root is None:
        if wanted is None:
            return None
        raise UsageError(f"--examples {wanted}: no data root to take them from", "add --data ROOT")
    names = [name for name in ("bucc2018",) if task.kind == "embed"] or list(answers)
    known = [root.tasks.get(name) or TASKS[name] for name in names if name in {*root.tasks, *TASKS}]
    places = [(one, lang) for one in known for lang in root.langs(one, "dev")]
    constructed = bool(places) and all(root.languages[lang].constructed for _, lang in places)
    if not places or (wanted is None and not constructed):
        return None
    places.sort(key=lambda place: place[1] != "en")
    count = FEW if wanted is None else wanted
    items = []
    for turn in range(count):
        one, lang = places[turn % len(places)]
        given = _input(root, one, lang, turn // len(places))
        if given is not None:
            name = root.languages[lang].name
            items.append({"task": one.name, "lang": lang, "language": name, "input": given})
    return {"constructed": constructed, "items": items} if items else None


def _input(root: DataRoot, task: Task, lang: str, place: int) -> dict[str, Any] | None:
    """The `place`th dev item as a request has it; None when there are fewer."""
    data = root.read(task, lang, "dev")
    if data.bitext is None:
        return _plain(data.examples[place]) if place < len(data.examples) else None
    texts = [{one.id: one.text for one in side} for side in (data.bitext.foreign,
                                                            data.bitext.english)]  # fmt: skip
    gold = (data.bitext.gold or ())[PAIRS * place : PAIRS * (place + 1)]
    if not gold:
        return None
    return {
        "sources": [texts[0][foreign] for foreign, _ in gold],
        "targets": sorted(texts[1][english] for _, english in gold),
    }


def _plain(item: Example) -> dict[str, Any] | None:
    if isinstance(item, Pair):
        second = {} if item.text_b is None else {"text_pair": item.text_b}
        return {"text": item.text_a, **second}
    if isinstance(item, Choice):
        return {"prompt": item.prompt, "choices": list(item.choices)}
    if isinstance(item, Tagged):
        return {"words": list(item.words)}
    if isinstance(item, Question):
        return {"question": item.question, "context": item.context}
    return None
