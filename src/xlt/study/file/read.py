"""Reads a study file into a `Study`, and tells everything that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError, did_you_mean
from xlt.core.files import read_text
from xlt.study.file.checks import Checker
from xlt.study.file.flags import ARM, FLAGS, ONCE, read_flag
from xlt.study.file.parts import read_arms, read_axes, read_estimand, read_evaluation, read_world
from xlt.study.file.records import Study
from xlt.study.file.tree import Node, merged, parse

__all__ = ["FULL", "find_file", "read_study", "shipped"]

SHIPPED = Path(__file__).parent.parent / "shipped"
FULL = "full"
SCHEMA = 1
HINT = "docs/study.md describes the file"
FIELDS = (
    "study", "name", "question", "about", "world", "estimand", "base", "arms", "axes", "evaluation",
)  # fmt: skip
OVERRIDES = ("world", "seeds", "targets", "arms", "keep", "base", "axes", "evaluation", "estimand")


def shipped() -> dict[str, Path]:
    """Studies that come with the package, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def find_file(name: str) -> Path:
    """The file that is named: one that exists, else a shipped study.

    Raises:
        UsageError: there is none.
    """
    known = shipped()
    if Path(name).is_file():
        return Path(name)
    if name in known:
        return known[name]
    raise UsageError(
        f"{name}: no such file, nor a study of ours{did_you_mean(name, known)}",
        "ours: " + " ".join(known),
    )


def read_study(path: Path, scale: str = FULL) -> Study:
    """Read a study at one of its scales; all scales are checked.

    Args:
        path: the file.
        scale: a name below `scales`; `full` is always there.

    Raises:
        UsageError: what is wrong in the file, all of it, each with its line.
        DataError: the file is missing or not UTF-8.
        MissingExtra: pyyaml is not installed.
    """
    name = path.name
    tree, mistakes = parse(read_text(path, DataError), name)
    scales = tree.fields.get("scales", Node(value={}, line=1))
    found = Checker(mistakes)
    found.known_fields(tree, (*FIELDS, "scales"), "field")
    found.mapping(scales, "scales")
    if scale not in {FULL, *scales.fields}:
        raise UsageError(
            f"{name} has no scale {scale!r}{did_you_mean(scale, [FULL, *scales.fields])}",
            "scales of this file: " + " ".join(dict.fromkeys([*scales.fields, FULL])),
        )
    studies = {}
    for each in dict.fromkeys([FULL, *scales.fields]):
        over = scales.fields.get(each, Node(value={}, line=1))
        found.known_fields(over, OVERRIDES, f"entry of scale {each}")
        studies[each] = _study(found, _overlaid(found, tree, over), each, path.stem)
    if found.mistakes:
        listed = sorted(set(found.mistakes))
        raise UsageError.all_of([f"{name}:{line}: {text}" for line, text in listed], HINT)
    result = studies[scale]
    if result is None:  # only when there are mistakes
        raise UsageError(f"{name}: cannot be read", HINT)
    return result


def _overlaid(found: Checker, tree: Node, over: Node) -> Node:
    """The file with a scale's entries in place of its own."""
    fields = dict(tree.fields)
    chosen = None
    for name, node in over.fields.items():
        if name in {"seeds", "targets"}:
            axes = fields.get("axes", Node(value={}, line=node.line))
            fields["axes"] = merged(axes, Node(value={name: node}, line=node.line))
        elif name == "keep" or (name == "arms" and not node.fields):
            chosen = node
        elif name in fields:
            fields[name] = merged(fields[name], node)
        else:
            fields[name] = node
    if chosen is not None and "arms" in fields:
        fields["arms"] = _chosen(found, fields["arms"], chosen)
    return Node(value=fields, line=tree.line)


def _chosen(found: Checker, arms: Node, names: Node) -> Node:
    """Some of the file's arms, by name."""
    for item in names.items:
        if item.value not in arms.fields:
            found.wrong(item, f"no arm {item.value!r}{did_you_mean(str(item.value), arms.fields)}")
    wanted = {str(item.value) for item in names.items}
    return Node(value={n: a for n, a in arms.fields.items() if n in wanted}, line=names.line)


def _study(found: Checker, tree: Node, scale: str, stem: str) -> Study | None:
    """The record; None, or one with gaps, when there are mistakes."""
    fields = tree.fields
    for needed in ("study", "question", "estimand", "base", "arms", "axes"):
        if needed not in fields:
            found.wrong(tree, f"no {needed!r}")
    schema = fields.get("study")
    if schema is not None and schema.value != SCHEMA:
        found.wrong(schema, f"study: {schema.value!r}, this version reads {SCHEMA}")
    base, tuned = _base(found, fields.get("base"))
    arms = read_arms(found, fields.get("arms"))
    names = [arm.name for arm in arms]
    flags = [base, tuned, *(some for arm in arms for some in (arm.phase, arm.target))]
    open_ended = any("task_file" in some for some in flags)  # whose tasks are not known here
    axes = read_axes(found, fields.get("axes"), open_ended=open_ended)
    found.tasks_of_arms(fields.get("arms"), open_ended=open_ended)
    found.targets_of_arms(fields.get("arms"), axes.targets)
    estimand = read_estimand(found, fields.get("estimand"), names, axes.targets, axes.values)
    evaluation = read_evaluation(found, fields.get("evaluation"))
    found.splits_of_tasks(fields.get("evaluation"), axes.heads, open_ended=open_ended)
    world = read_world(found, fields.get("world"))
    if estimand is None:
        return None
    return Study(
        name=found.text(fields.get("name")) or stem,
        scale=scale,
        question=found.text(fields.get("question")) or "",
        estimand=estimand,
        base=base,
        tuned=tuned,
        arms=arms,
        axes=axes.values,
        settings=axes.settings,
        targets=axes.targets,
        heads=axes.heads,
        seeds=axes.seeds,
        evaluation=evaluation,
        world=world,
    )


def _base(found: Checker, node: Node | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Flags of all trainings, and those of target trainings alone."""
    if node is None:
        return {}, {}
    found.mapping(node, "base")
    found.known_flags(node, "base flag", (*FLAGS, "target"))
    if "model" not in node.fields:
        found.wrong(node, "base: no 'model'")
    inner = node.fields.get("target", Node(value={}, line=node.line))
    found.mapping(inner, "base: target")
    found.known_flags(inner, "base: target flag", [n for n in FLAGS if n not in ONCE | ARM])
    return found.flags(node, read_flag), found.flags(inner, read_flag)
