"""Notes what is wrong with a study file, by line, and goes on reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from xlt.core.errors import UsageError, did_you_mean
from xlt.core.tasks.languages import CODE, LANGUAGES, parse_langs
from xlt.core.tasks.table import INTERMEDIATE, TASKS
from xlt.study.file.flags import FLAGS
from xlt.study.file.tree import Node

__all__ = ["Checker"]


class Checker:
    """A list of mistakes that grows while the parts of a file are read.

    Attributes:
        mistakes: (1-based line, what is wrong).
    """

    def __init__(self, mistakes: Iterable[tuple[int, str]] = ()) -> None:
        self.mistakes = list(mistakes)

    def wrong(self, node: Node, text: str) -> None:
        """Note a mistake."""
        self.mistakes.append((node.line, text))

    def mapping(self, node: Node, what: str) -> None:
        """A mapping is needed (nothing at all counts as an empty one)."""
        if node.value is not None and not isinstance(node.value, dict):
            self.wrong(node, f"{what}: a mapping of names to values is needed")

    def known_fields(self, node: Node, known: Iterable[str], what: str) -> None:
        """Every name in a mapping has to be one of these."""
        known = list(known)
        for name, value in node.fields.items():
            if name not in known:
                near = did_you_mean(name, known) or f"; known: {', '.join(known)}"
                self.wrong(value, f"{what} {name!r} is not known{near}")

    def known_flags(self, node: Node, what: str, known: Iterable[str] = FLAGS) -> None:
        """Every name in a mapping has to be a flag that may stand there."""
        for name, value in node.fields.items():
            if spelled(name) not in known:
                self.wrong(value, f"{what} {name!r} is not known{did_you_mean(name, known)}")

    def flags(self, node: Node, read: Callable[[str, Node], Any]) -> dict[str, Any]:
        """The flags of a mapping that are given, as words of a command line."""
        found = {}
        for name, value in node.fields.items():
            if spelled(name) in FLAGS:
                try:
                    word = read(spelled(name), value)
                except ValueError as error:
                    self.wrong(value, f"{name}: {error}")
                    continue
                if word is not None:
                    found[spelled(name)] = word
        return found

    def text(self, node: Node | None) -> str | None:
        """A text, or None."""
        if node is None or node.value is None:
            return None
        if isinstance(node.value, dict | list):
            self.wrong(node, "a text is needed")
            return None
        return str(node.value)

    def texts(self, node: Node | None) -> tuple[str, ...]:
        """A list of texts; one text stands for a list of it."""
        if node is None:
            return ()
        if isinstance(node.value, dict):
            self.wrong(node, "a list of names is needed")
            return ()
        return tuple(str(item.value) for item in node.items)

    def number(self, node: Node | None, default: int) -> int:
        """A whole number, 1 or more."""
        if node is None:
            return default
        if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < 1:
            self.wrong(node, f"{node.plain()!r} is not a whole number of 1 or more")
            return default
        return node.value

    def languages(self, node: Node, text: str) -> None:
        """A selection of languages has to be in the grammar of `--langs`."""
        words = [word.strip().removeprefix("-") for word in text.split(",")]
        words = [word for word in words if ":" not in word and not CODE.fullmatch(word)]
        try:
            if words:  # codes and families are looked for in the data
                parse_langs(",".join(words), LANGUAGES, LANGUAGES)
        except UsageError as error:
            self.wrong(node, f"estimand: languages: {error.message} (or 'transfer')")

    def tasks_of_arms(self, node: Node | None, *, open_ended: bool) -> None:
        """Intermediate and joint tasks have to be known, unless task files may add some."""
        for name, arm in node.fields.items() if node is not None else ():
            for field in ("intermediate", "joint"):
                for item in arm.fields[field].items if field in arm.fields else ():
                    for task in str(item.value).split(","):
                        if task not in {*TASKS, "all"} and not open_ended:
                            near = did_you_mean(task, INTERMEDIATE)
                            self.wrong(item, f"arm {name}: task {task!r} is not known{near}")

    def targets_of_arms(self, node: Node | None, targets: Sequence[str]) -> None:
        """An arm may leave out targets of the study, not add any."""
        for name, arm in node.fields.items() if node is not None else ():
            for item in arm.fields["targets"].items if "targets" in arm.fields else ():
                if item.value not in targets:
                    near = did_you_mean(str(item.value), targets)
                    self.wrong(item, f"arm {name}: {item.value!r} is no target of the study{near}")

    def splits_of_tasks(self, node: Node | None, heads: Iterable[str], *, open_ended: bool) -> None:
        """Tasks with a split of their own have to be known; a scale may leave them out."""
        given = node.fields.get("split") if node is not None else None
        for task, one in given.fields.items() if given is not None else ():
            if task not in {*TASKS, *heads} and not open_ended:
                self.wrong(
                    one, f"evaluation: split: task {task!r} is not known{did_you_mean(task, TASKS)}"
                )


def spelled(name: str) -> str:
    """A flag's name as the records have it."""
    return name.replace("-", "_")
