"""Which bundle answers which task: by its manifest, or by `--use TASK=NAME`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import UsageError, did_you_mean
from xlt.core.tasks.table import TARGETS, TASKS, Task, get_task, parse_tasks
from xlt.evalsuite.plan.prompts import Prompt

__all__ = ["Assignment", "assign", "parse_use"]


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One task and the bundle that answers it.

    Attributes:
        overridden: only --use says that the bundle may.
        prompt: what stands before its texts; None where no vectors are compared.
    """

    task: Task
    bundle: Bundle
    overridden: bool = False
    prompt: Prompt | None = None


def parse_use(texts: Sequence[str]) -> dict[str, str]:
    """Read `TASK=NAME` entries (NAME: a bundle's name or folder), comma lists allowed.

    Raises:
        UsageError: an entry is malformed, or one task is given two bundles.
    """
    use: dict[str, str] = {}
    mistakes = []
    for piece in (part.strip() for text in texts for part in text.split(",")):
        if not piece:
            continue
        task, _, name = (word.strip() for word in piece.partition("="))
        if not task or not name:
            mistakes.append(f"--use {piece!r} is not TASK=NAME")
        elif use.setdefault(task, name) != name:
            mistakes.append(f"--use gives {task} to both {use[task]} and {name}")
    if mistakes:
        raise UsageError.all_of(mistakes, "for example --use xquad=tydiqa")
    return use


def assign(
    bundles: Sequence[Bundle],
    tasks: str | Sequence[str],
    use: Mapping[str, str],
    known: Mapping[str, Task] = TASKS,
) -> list[Assignment]:
    """One bundle for each task that is asked, in the order of the benchmark.

    Args:
        bundles: what the models hold.
        tasks: names, a comma list, or "all": the targets and user tasks that the bundles answer.
        use: task -> bundle name or folder, for what a manifest does not offer or offers twice.
        known: all tasks by name; the bundles' own are added.

    Raises:
        UsageError: a task nobody answers, a task with two bundles, a --use that cannot work; all
            mistakes at once.
    """
    known = {**{b.task.name: b.task for b in bundles}, **known}
    offered: dict[str, list[Bundle]] = {}
    for bundle in bundles:
        for name in bundle.answers:
            offered.setdefault(name, []).append(bundle)
    text = tasks if isinstance(tasks, str) else ",".join(tasks)
    every = [n for n in known if (n in offered or n in use) and known[n].role != "intermediate"]
    if not every and "all" in text.split(","):
        raise UsageError(
            "the bundles answer no target task"
            + (f", only {' '.join(sorted(offered))}" if offered else ""),
            "name what you want with --tasks",
        )
    asked = parse_tasks(text, all_means=every, extra=dict(known))
    assignments, mistakes, hints = [], [], []
    for name in use.keys() - {task.name for task in asked}:
        get_task(name, dict(known))
        mistakes.append(f"--use names {name}, which --tasks does not")
    for task in sorted(asked, key=lambda task: _rank(task.name)):
        found = offered.get(task.name, [])
        if task.name in use:
            chosen = _named(use[task.name], bundles)
            fault = _misfit(task, use[task.name], chosen, bundles)
            if fault:
                mistakes.append(fault)
            else:
                overridden = task.name not in chosen[0].answers
                assignments.append(_assignment(task, chosen[0], overridden))
        elif len(found) == 1:
            assignments.append(_assignment(task, found[0], False))
        elif found:
            names = " ".join(_short(bundle, found) for bundle in found)
            mistakes.append(f"{len(found)} bundles answer {task.name}: {names}")
            hints.append(f"choose one: --use {task.name}={_short(found[0], found)}")
        else:
            mistakes.append(f"no bundle answers {task.name}")
            able = [bundle for bundle in bundles if _can(bundle, task)]
            hints += [f"--use {task.name}={_short(bundle, able)}" for bundle in able]
    if mistakes:
        wanted = [task.name for task in asked if task.name not in offered]
        hint = " or ".join(dict.fromkeys(hints)) or (
            f"train and export it: xlt train --target {','.join(wanted)}"
            if wanted
            else f"the bundles are: {' '.join(bundle.name for bundle in bundles)}"
        )
        raise UsageError.all_of(mistakes, hint)
    return assignments


def _rank(name: str) -> tuple[int, str]:
    return (TARGETS.index(name), "") if name in TARGETS else (len(TARGETS), name)


def _assignment(task: Task, bundle: Bundle, overridden: bool) -> Assignment:
    """The bundle's own record of the task where it has one: its label set is resolved."""
    own = bundle.task if bundle.task.name == task.name else task
    return Assignment(task=own, bundle=bundle, overridden=overridden)


def _named(name: str, bundles: Sequence[Bundle]) -> list[Bundle]:
    """The bundles with this name, or the one in this folder."""
    folder = Path(name).resolve()
    return [b for b in bundles if b.path.resolve() == folder] or [
        b for b in bundles if b.name == name
    ]


def _misfit(task: Task, name: str, chosen: Sequence[Bundle], bundles: Sequence[Bundle]) -> str:
    """Why `--use task=name` cannot work; empty when it can."""
    if not chosen:
        near = did_you_mean(name, [bundle.name for bundle in bundles])
        return f"--use {task.name}={name}: there is no bundle {name!r}{near}"
    if len(chosen) > 1:
        paths = " ".join(str(bundle.path) for bundle in chosen)
        return f"--use {task.name}={name}: {len(chosen)} bundles have that name ({paths})"
    theirs = chosen[0].task
    if task.name in chosen[0].answers:
        return ""
    if theirs.kind != task.kind:
        return f"--use {task.name}={name}: {name} is of kind {theirs.kind}, not {task.kind}"
    if not _can(chosen[0], task):
        return f"--use {task.name}={name}: {name} has other labels ({' '.join(theirs.labels)})"
    return ""


def _can(bundle: Bundle, task: Task) -> bool:
    """Whether a bundle's answers are answers to the task: kinds and label names agree."""
    return bundle.task.kind == task.kind and set(bundle.task.labels) <= set(task.labels)


def _short(bundle: Bundle, among: Sequence[Bundle]) -> str:
    """The bundle's name; its folder where several have that name."""
    same = [other for other in among if other.name == bundle.name]
    return bundle.name if len(same) == 1 else str(bundle.path)
