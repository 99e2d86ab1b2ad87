"""The parts of a study file: arms, axes, estimand, evaluation, world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from xlt.core.errors import did_you_mean
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.table import TARGETS, TASKS
from xlt.study.file.checks import Checker, spelled
from xlt.study.file.flags import ARM, CONTROLS, FLAGS, ONCE, read_flag
from xlt.study.file.records import (
    EACH,
    ENCODER,
    TRANSFER,
    Arm,
    Estimand,
    Evaluation,
    Seeds,
)
from xlt.study.file.tree import Node

__all__ = ["Axes", "read_arms", "read_axes", "read_estimand", "read_evaluation", "read_world"]

KINDS = ("effect", "effect_difference", "trend", "best_of", "item_difference")
ESTIMAND = ("kind", "arm", "baseline", "tasks", "languages", "between", "over")
NOT_FLAGS = {"targets", "heads", "seeds"}
NO_AXES = {"config", "seed", "set", "task_file", "train_split", "trained_on", "keep"}
TASKS_BEFORE = "tasks"  # a trend over the number of tasks before the target
LISTS = ("intermediate", "joint", "control", "target", "targets", "seeds")
SIZES = ("tiny", "small", "medium")
# Retrieval comes from the encoder; these are what it answers.
RETRIEVAL = tuple(name for name in TARGETS if kind_of(TASKS[name]).vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """The axes of a file: further flags with their values, targets, seeds."""

    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    heads: Mapping[str, str] = field(default_factory=dict)
    seeds: Seeds = field(default_factory=Seeds)


def read_arms(found: Checker, node: Node | None) -> tuple[Arm, ...]:
    """The arms, in order."""
    if node is None:
        return ()
    found.mapping(node, "arms")
    if not node.fields:
        found.wrong(node, "arms: there are none")
    return tuple(_arm(found, name, arm) for name, arm in node.fields.items())


def _arm(found: Checker, name: str, node: Node) -> Arm:
    found.mapping(node, f"arm {name}")
    given = node.fields
    phase = {n: v for n, v in given.items() if n not in LISTS}
    allowed = [flag for flag in FLAGS if flag not in ONCE]
    known = (*allowed, *LISTS)
    found.known_flags(node, f"arm {name}: flag", known)
    inner = given.get("target", Node(value={}, line=node.line))
    found.mapping(inner, f"arm {name}: target")
    found.known_flags(inner, f"arm {name}: target flag", [n for n in allowed if n not in ARM])
    phases = found.texts(given.get("intermediate"))
    joint = found.texts(given.get("joint"))
    control = found.text(given.get("control"))
    for need in ("control", *ARM):
        needless = need == "mix" and joint
        if need in given and given[need].value not in (None, False) and not (phases or needless):
            found.wrong(given[need], f"arm {name}: {need} needs an intermediate task")
    if control is not None and control not in CONTROLS:
        near = did_you_mean(control, CONTROLS)
        found.wrong(given["control"], f"arm {name}: control {control!r} is not known{near}")
    if not phases and not joint:
        for need in phase:
            if need not in ARM and need in allowed:
                found.wrong(phase[need], f"arm {name}: {need} has to stand below 'target'")
    flags = found.flags(Node(value=phase, line=node.line), read_flag)
    return Arm(
        name=name,
        intermediate=phases,
        joint=",".join(joint) or None,
        control=control,
        phase=flags,
        target=found.flags(inner, read_flag),
        targets=found.texts(given.get("targets")),
        seeds=found.number(given["seeds"], 1) if "seeds" in given else None,
    )


def read_axes(found: Checker, node: Node | None, *, open_ended: bool) -> Axes:
    """Targets, seeds and further axes."""
    if node is None:
        return Axes()
    found.mapping(node, "axes")
    known = {*NOT_FLAGS, *FLAGS} - ARM - NO_AXES
    heads = _heads(found, node.fields.get("heads"))
    values: dict[str, tuple[Any, ...]] = {}
    settings: dict[str, dict[str, Any]] = {}
    for name, value in node.fields.items():
        if name in NOT_FLAGS:
            continue
        if spelled(name) not in known and _is_named(value):
            settings[name] = {key: _setting(found, name, key, v) for key, v in value.fields.items()}
            values[name] = tuple(settings[name])
        elif spelled(name) not in known:
            found.wrong(value, f"axis {name!r} is not known{did_you_mean(name, known)}")
        else:
            values[spelled(name)] = _points(found, name, value)
    if "targets" not in node.fields:
        found.wrong(node, "axes: no 'targets'")
    return Axes(
        values=values,
        settings=settings,
        targets=_targets(found, node.fields.get("targets"), heads, open_ended=open_ended),
        heads=heads,
        seeds=_seeds(found, node.fields.get("seeds")),
    )


def _is_named(node: Node) -> bool:
    """Whether an axis is a mapping of names to flags."""
    return bool(node.fields) and all(
        isinstance(item.value, dict) or item.value is None for item in node.fields.values()
    )


def _setting(found: Checker, axis: str, name: str, node: Node) -> dict[str, Any]:
    """One named point of an axis that is no flag: flags of the target trainings."""
    found.mapping(node, f"axis {axis}: {name}")
    known = [flag for flag in FLAGS if flag not in ONCE | ARM | NO_AXES]
    found.known_flags(node, f"axis {axis}: {name}: flag", known)
    return found.flags(node, read_flag)


def _points(found: Checker, name: str, node: Node) -> tuple[Any, ...]:
    """The values of one axis; null is "not given"."""
    if not isinstance(node.value, list) or not node.value:
        found.wrong(node, f"axis {name}: a list of values is needed")
        return ()
    points: list[Any] = []
    for item in node.value:
        try:
            point = read_flag(spelled(name), item)
        except ValueError as error:
            found.wrong(item, f"axis {name}: {error}")
            continue
        if point in points:
            found.wrong(item, f"axis {name}: {item.plain()!r} is there twice")
        points.append(point)
    return tuple(points)


def _counts(points: Sequence[Any]) -> bool:
    """Whether an axis has numbers that are no percentages."""
    return any(point is not None and "%" not in str(point) for point in points)


def _heads(found: Checker, node: Node | None) -> dict[str, str]:
    """Targets that the head of another task answers."""
    if node is None:
        return {}
    found.mapping(node, "heads")
    for value in node.fields.values():
        if value.value not in TASKS:
            near = did_you_mean(str(value.value), TASKS)
            found.wrong(value, f"heads: task {value.value!r} is not known{near}")
    return {name: str(value.value) for name, value in node.fields.items()}


def _targets(
    found: Checker, node: Node | None, heads: Mapping[str, str], *, open_ended: bool
) -> tuple[str, ...]:
    names: list[str] = []
    every = [name for name in TARGETS if name not in RETRIEVAL] + [ENCODER]
    for item in node.items if node is not None else ():
        name = str(item.value)
        if name == "all":
            names += every
        elif name in RETRIEVAL:
            found.wrong(item, f"target {name!r} is not trained: write {ENCODER!r}")
        elif name in {*every, *heads} or (open_ended and name not in TASKS):
            names.append(name)
        else:
            found.wrong(item, f"target {name!r} is not known{did_you_mean(name, every)}")
    return tuple(dict.fromkeys(names))


def _seeds(found: Checker, node: Node | None) -> Seeds:
    if node is None:
        return Seeds()
    found.mapping(node, "seeds")
    names = tuple(one.name for one in fields(Seeds))
    found.known_fields(node, names, "seeds:")
    given = {name: found.number(node.fields.get(name), 1) for name in names if name != "single"}
    return Seeds(**given, single=found.texts(node.fields.get("single")))


def read_estimand(
    found: Checker,
    node: Node | None,
    arms: Sequence[str],
    targets: Sequence[str],
    axes: Mapping[str, Sequence[Any]],
) -> Estimand | None:
    """The primary estimand, checked against arms, targets and axes."""
    if node is None:
        return None
    found.mapping(node, "estimand")
    found.known_fields(node, ESTIMAND, "estimand:")
    given = node.fields
    kind = found.text(given.get("kind")) or ""
    if kind not in KINDS:
        near = did_you_mean(kind, KINDS) or f"; one of {', '.join(KINDS)}"
        found.wrong(given.get("kind", node), f"estimand: kind {kind!r} is not known{near}")
    chosen = found.texts(given.get("arm"))
    baseline = found.text(given.get("baseline")) or ""
    if not chosen:
        found.wrong(node, "estimand: no 'arm'")
    for place, name in enumerate((*chosen, baseline)):
        where = "arm" if place < len(chosen) else "baseline"
        if name not in arms and not (place == 0 and name == EACH):
            near = did_you_mean(name, arms)
            found.wrong(given.get(where, node), f"estimand: {where} {name!r} is no arm{near}")
    if baseline in chosen:
        found.wrong(given["arm"], f"estimand: {baseline!r} is the baseline: it has no effect")
    languages = ",".join(found.texts(given.get("languages"))) or TRANSFER
    if languages != TRANSFER:
        found.languages(given["languages"], languages)
    scored = [t for t in targets if t != ENCODER] + (list(RETRIEVAL) if ENCODER in targets else [])
    tasks = found.texts(given.get("tasks")) or tuple(scored)
    for task in tasks:
        if task not in scored:
            near = did_you_mean(task, scored)
            found.wrong(given["tasks"], f"estimand: task {task!r} is no target of the study{near}")
    between = found.texts(given.get("between"))
    over = found.text(given.get("over"))
    if (kind == "effect_difference") != (len(between) == 2):
        found.wrong(
            given.get("between", node),
            "estimand: 'between' names the two groups of languages of an effect_difference",
        )
    if (kind == "trend") != (over is not None):
        found.wrong(given.get("over", node), "estimand: 'over' names the axis of a trend")
    elif over is not None and None in axes.get(spelled(over), ()) and _counts(axes[spelled(over)]):
        found.wrong(
            given["over"],
            f"estimand: over {over!r}: null (all examples) has no place on one axis with "
            "numbers of examples; give percentages beside it",
        )
    elif over is not None and spelled(over) not in {*axes, TASKS_BEFORE}:
        near = did_you_mean(over, [*axes, TASKS_BEFORE])
        found.wrong(
            given["over"], f"estimand: over {over!r} is no axis, nor {TASKS_BEFORE!r}{near}"
        )
    return Estimand(
        kind=kind,
        arms=chosen,
        baseline=baseline,
        tasks=tasks,
        languages=languages,
        between=between,
        over=None if over is None else spelled(over),
    )


def read_evaluation(found: Checker, node: Node | None) -> Evaluation:
    """What is scored."""
    if node is None:
        return Evaluation()
    found.mapping(node, "evaluation")
    names = tuple(one.name for one in fields(Evaluation) if one.name != "splits")
    found.known_fields(node, names, "evaluation:")
    picks = node.fields.get("picks", Node(value=False, line=node.line))
    if not isinstance(picks.value, bool):
        found.wrong(picks, f"evaluation: picks {picks.plain()!r} is neither true nor false")
    split = node.fields.get("split")
    splits = {task: str(one.value) for task, one in split.fields.items()} if split else {}
    words = [name for name in names if name in node.fields and name != "picks"]
    given = {
        name: ",".join(found.texts(node.fields[name]))
        for name in words
        if not (name == "split" and splits)
    }
    if not {given.get("split", "test"), *splits.values()} <= {"test", "dev"}:
        found.wrong(node.fields["split"], "evaluation: split is neither test nor dev")
    chosen = {name: value for name, value in given.items() if value}
    return Evaluation(**chosen, splits=splits, picks=picks.value is True)


def read_world(found: Checker, node: Node | None) -> tuple[str, int] | None:
    """Size and seed of the embedded benchmark: `small`, or {size: small, seed: 2}."""
    if node is None:
        return None
    size = found.text(node.fields.get("size", node) if node.fields else node) or ""
    if size not in SIZES:
        found.wrong(node, f"world {size!r} is none of {', '.join(SIZES)}")
    return size, found.number(node.fields.get("seed"), 1)
