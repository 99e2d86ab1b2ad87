"""A YAML text as plain values that remember their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xlt.core.errors import UsageError
from xlt.core.extras import needs

__all__ = ["Node", "merged", "parse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value of a file.

    Attributes:
        value: a scalar, a dict of name -> Node, or a list of Nodes.
        line: 1-based line where it begins; of the key, for a value that has one.
    """

    value: Any
    line: int

    @property
    def fields(self) -> Mapping[str, Node]:
        """The entries of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; a scalar counts as a list of itself, null as an empty one."""
        if isinstance(self.value, list):
            return self.value
        return [] if self.value is None or isinstance(self.value, dict) else [self]

    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def parse(text: str, name: str) -> tuple[Node, list[tuple[int, str]]]:
    """The tree of a YAML text, and the keys that stand twice in it as (line, what is wrong).

    Raises:
        UsageError: the text is not YAML, or holds no mapping.
        MissingExtra: pyyaml is not installed.
    """
    with needs("study", "to read study files"):
        import yaml
    mistakes: list[tuple[int, str]] = []
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        tree = None if root is None else _node(loader, root, root.start_mark.line + 1, mistakes)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise UsageError(f"{place}: not valid YAML ({problem})", "mend the file") from error
    finally:
        loader.dispose()
    if tree is None or not isinstance(tree.value, dict):
        raise UsageError(f"{name}: no mapping of names to values", "docs/study.md has examples")
    return tree, mistakes


def _node(loader: Any, node: Any, line: int, mistakes: list[tuple[int, str]]) -> Node:
    """What a YAML node holds; anchors may be used, but not inside themselves."""
    kind = type(node).__name__
    if kind == "MappingNode":
        loader.flatten_mapping(node)
        found: dict[str, Node] = {}
        for key, value in node.value:
            at = key.start_mark.line + 1
            name = str(key.value)
            if name in found:
                mistakes.append((at, f"{name!r} is there twice (line {found[name].line})"))
            found[name] = _node(loader, value, at, mistakes)
        return Node(value=found, line=line)
    if kind == "SequenceNode":
        items = [_node(loader, item, item.start_mark.line + 1, mistakes) for item in node.value]
        return Node(value=items, line=line)
    return Node(value=loader.construct_object(node, deep=True), line=line)


def merged(base: Node, over: Node) -> Node:
    """A mapping with another one laid over it: inner mappings are merged, all else is replaced."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    names = dict.fromkeys((*base.value, *over.value))
    return Node(value=dict(_merged_fields(base, over, names)), line=base.line)


def _merged_fields(base: Node, over: Node, names: Mapping[str, None]) -> Iterator[tuple[str, Node]]:
    for name in names:
        if name in base.value and name in over.value:
            yield name, merged(base.value[name], over.value[name])
        else:
            yield name, over.value.get(name, base.value.get(name))
