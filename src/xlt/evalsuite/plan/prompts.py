"""Which prompt of a bundle stands before the texts of a retrieval task.

The tasks match sentences of two languages with each other, so both sides get the same one.
E5's model cards ask for "query: " on both sides of such symmetric tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import UsageError, did_you_mean
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.table import Task

__all__ = ["NONE", "SYMMETRIC", "Prompt", "choose_prompt", "parse_prompts", "prompted"]

NONE = "none"
SYMMETRIC = "query"
DEFAULT = "default_prompt_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt of a bundle, and the rule that chose it.

    Attributes:
        name: among the bundle's prompts; None for none.
        text: what stands before every text of both sides; "" for nothing.
        rule: asked, task, default, symmetric or none.
    """

    name: str | None
    text: str
    rule: str

    def to_json(self) -> dict[str, str | None]:
        """As results.json has it."""
        return {"name": self.name, "text": self.text, "rule": self.rule}


def parse_prompts(texts: Sequence[str]) -> dict[str, str]:
    """Read `NAME` (of all tasks, under the key "") and `TASK=NAME` entries, comma lists allowed.

    Raises:
        UsageError: an entry is malformed, or one task is given two prompts.
    """
    asked: dict[str, str] = {}
    mistakes = []
    for piece in (part.strip() for text in texts for part in text.split(",")):
        if not piece:
            continue
        task, equals, name = (word.strip() for word in piece.rpartition("="))
        if not name or (equals and not task):
            mistakes.append(f"--prompt {piece!r} is neither NAME nor TASK=NAME")
        elif asked.setdefault(task, name) != name:
            of = task or "all tasks"
            mistakes.append(f"--prompt gives {of} both {asked[task]} and {name}")
    if mistakes:
        raise UsageError.all_of(mistakes, "for example --prompt query, or --prompt tatoeba=none")
    return asked


def choose_prompt(bundle: Bundle, task: Task, asked: Mapping[str, str]) -> Prompt | None:
    """The prompt of a task: what is asked, one of its name, the default, "query", or none.

    Args:
        bundle: answers the task.
        task: which.
        asked: what `parse_prompts` read.

    Returns:
        None for tasks that compare no vectors.

    Raises:
        UsageError: the bundle has no prompt of the name that is asked.
    """
    if kind_of(task).matching is None:
        return None
    known: Mapping[str, str] = bundle.manifest.get("prompts") or {}
    wanted = asked.get(task.name, asked.get(""))
    if wanted == NONE:
        return Prompt(name=None, text="", rule="asked")
    if wanted is not None and wanted not in known:
        raise UsageError(
            f"--prompt {wanted}: bundle {bundle.name}, which answers {task.name}, has "
            + (f"the prompts {', '.join(known)}" if known else "no prompts")
            + did_you_mean(wanted, known),
            "name one of them, or none",
        )
    for name, rule in (
        (wanted, "asked"),
        (task.name, "task"),
        (bundle.manifest.get(DEFAULT), "default"),
        (SYMMETRIC, "symmetric"),
    ):
        if name is not None and name in known:
            return Prompt(name=name, text=known[name], rule=rule)
    return Prompt(name=None, text="", rule="none")


def prompted(bundle: Bundle, prompt: Prompt | None) -> Bundle:
    """The bundle with that prompt as its default; its key stays, as the files do."""
    if prompt is None or bundle.manifest.get(DEFAULT) == prompt.name:
        return bundle
    return replace(bundle, manifest={**bundle.manifest, DEFAULT: prompt.name})
