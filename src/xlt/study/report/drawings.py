"""The figures of a study's report, from the same findings as its tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from xlt.core.errors import DataError
from xlt.core.show.figures import Bar, Cell, Group, Series, curves, differences, heat_map
from xlt.core.tasks.languages import INDO_EUROPEAN as FAMILY
from xlt.study.answer.answer import Answer, asked_arms
from xlt.study.answer.best import best_of
from xlt.study.answer.contrast import contrast, mean_terms
from xlt.study.answer.estimands import effect_of
from xlt.study.answer.finding import Finding
from xlt.study.answer.folder import Axes
from xlt.study.answer.groups import places_of, unit_of
from xlt.study.answer.items import NEEDS
from xlt.study.answer.trend import axis_value
from xlt.study.answer.verdict import p_value, proper
from xlt.study.report.sheets import arm_name, matrix, of_arm

__all__ = [
    "SURE",
    "axis_curves",
    "bar_of",
    "first_figure",
    "group_figures",
    "language_maps",
    "transfer_map",
]

Captioned = tuple[str, str]  # caption, figure
LEAST_SCALE = 2.0  # points at the ends of the colours
MOST_MAPS = 12
CONSTRUCTED = " (constructed)"  # said once on the page
SURE = "Filled: not by chance, after correction. Hollow: chance would do."


def first_figure(found: Answer) -> Captioned | None:
    """The figure that goes with the answer."""
    kind = str(found.folder.estimand.get("kind", "effect"))
    if not found.primary:
        return None
    if kind == "trend":
        return _trend(found)
    if kind == "effect_difference":
        return _units(found, found.primary[0])
    rows = [bar_of(one.arm, one) for one in found.primary]
    if len(rows) == 1:
        rows = [*_by_task(found, found.primary[0]), bar_of("mean", found.primary[0])]
    label = f"changes against {found.primary[0].baseline}, in points"
    return f"{label.capitalize()}{_bounded(found.primary)}. {SURE}", differences(label, rows)


def _bounded(findings: Iterable[Finding]) -> str:
    """What a caption says of intervals."""
    known = any(one.low is not None for one in findings)
    return ", with 95 % intervals" if known else "; one seed has no intervals"


def _by_task(found: Answer, one: Finding) -> list[Bar]:
    """A mean's targets, one by one, when there are several."""
    if one.kind == "item_difference":
        parts = [f for f in found.findings if f.arm == one.arm and f.group in sum(NEEDS, ())]
        return [bar_of(f"{f.tasks[0]}: {f.group.split(':')[0]}", f) for f in parts]
    if len(one.tasks) < 2:
        return []
    languages = str(found.folder.estimand.get("languages") or "transfer")
    bars = []
    for task in one.tasks:
        if one.kind == "best_of":
            arms, baseline = asked_arms(found.folder)
            part, _ = best_of(found.scores, arms, baseline, one.axes, [task], languages)
        else:
            part = effect_of(found.scores, one.arm.split(" + "), one.baseline,
                             found.scores.axes(), [task], languages)  # fmt: skip
        if part is not None:
            bars.append(bar_of(task, part, sure=_corrected(found, part)))
    return bars


def _corrected(found: Answer, part: Finding) -> bool:
    """Whether a target by itself is sure: by the p of the tables, where it stands there."""
    about = (part.kind, part.arm, part.axes, part.tasks, part.group)
    return any(
        one.sure
        for one in found.findings
        if (one.kind, one.arm, one.axes, one.tasks, one.group) == about
    )


def _units(found: Answer, one: Finding) -> Captioned:
    """Effects of each branch and family, the two groups one after the other."""
    scores = found.scores
    units: dict[str, list[str]] = {}
    for lang in one.langs:
        units.setdefault(unit_of(scores, lang), []).append(lang)
    ordered = sorted(units, key=lambda u: (not scores.languages[units[u][0]]["indo_european"], u))
    bars = []
    for unit in ordered:
        part = effect_of(scores, one.arm.split(" + "), one.baseline, scores.axes(), one.tasks,
                         ",".join(units[unit]))  # fmt: skip
        if part is not None:
            bars.append(bar_of(unit, part, sure=False))
    first, other = one.group.split(" - ")
    bars.append(bar_of("difference", one))
    label = (
        f"effect in each branch or family, and the difference {proper(first)} minus {proper(other)}"
    )
    return (
        f"{label[0].upper()}{label[1:]}, in points. Only the difference is tested; "
        f"{proper(one.note)}.",
        differences(label, bars),
    )


def _trend(found: Answer) -> Captioned | None:
    """The effect along the axis, one line an arm."""
    over = str(found.folder.estimand.get("over") or "tasks")
    lines: dict[str, list[tuple[float, Finding]]] = {}
    wanted = {arm for one in found.primary for arm in one.arm.split(" + ")}
    several = of_arm(found, single=False) or of_arm(found)
    for finding in several:
        if finding.arm not in wanted:
            continue
        values = [value for name, value in finding.axes if name == over]
        if values:
            rest = tuple(pair for pair in finding.axes if pair[0] != over)
            name = arm_name(finding.arm, rest)
            lines.setdefault(name, []).append((axis_value(values[0]), finding))
        else:
            about = found.folder.arm(finding.arm)
            number = len({n for part in about.get("intermediate", ()) for n in part.split(",")})
            lines.setdefault("mean of the targets", []).append((number, finding))
    if not lines:
        return None
    share = max(x for points in lines.values() for x, _ in points) <= 1
    series = [_line(arm, points, 100 if share else 1) for arm, points in lines.items()]
    log = over != "tasks"
    baseline = found.primary[0].baseline
    along = "the number of tasks before the target" if over == "tasks" else over.replace("_", " ")
    label = f"change against {baseline}, in points, over {along}"
    x_name = f"{over.replace('_', ' ')}{', %' if share else ''}"
    return (
        f"{label.capitalize()}{_bounded(found.primary)}.",
        curves(label, series, x_name=x_name, y_name="points", log=log),
    )


def _line(name: str, points: Sequence[tuple[float, Finding]], times: float) -> Series:
    ordered = sorted(points, key=lambda point: point[0])
    bounded = all(f.low is not None for _, f in ordered)
    return Series(
        name=name,
        points=[(x * times, f.estimate) for x, f in ordered],
        bounds=[(f.low or 0.0, f.high or 0.0) for _, f in ordered] if bounded else (),
    )


def transfer_map(found: Answer) -> str:
    """Arms in rows, targets in columns: change in languages other than English."""
    cells = matrix(found)
    tasks = [task for task in found.scores.tasks if any(name == task for _, name in cells)]
    arms = list(dict.fromkeys(arm for arm, _ in cells))
    if not cells:
        return ""
    rows = [(arm, [_cell(cells.get((arm, task))) for task in tasks]) for arm in arms]
    reach = _reach(cells.values())
    baseline = next(iter(cells.values())).baseline
    return heat_map(
        "change by each arm on each target", tasks, [Group(name=f"against {baseline}", rows=rows)],
        low=-reach, high=reach, diverging=True,
    )  # fmt: skip


def language_maps(found: Answer) -> list[Captioned]:
    """An arm's change in every language, by family."""
    scores = found.scores
    figures = []
    names = dict.fromkeys((f.arm, f.axes) for f in of_arm(found))
    for arm, axes in list(names)[:MOST_MAPS]:
        cells = {
            (f.tasks[0], f.group): f
            for f in found.findings
            if (f.arm, f.axes) == (arm, axes) and len(f.langs) == 1 and f.langs[0] == f.group
        }
        tasks = [task for task in scores.tasks if any(name == task for name, _ in cells)]
        groups = []
        langs = {lang for _, lang in cells}
        families = sorted(
            {str(scores.languages[lang]["family"]) for lang in langs},
            key=lambda name: (name != FAMILY, name),
        )
        for family in families:
            own = sorted(lang for lang in langs if scores.languages[lang]["family"] == family)
            rows = [
                (str(scores.languages[lang]["name"]).removesuffix(CONSTRUCTED),
                 [_cell(cells.get((task, lang))) for task in tasks])
                for lang in own
            ]  # fmt: skip
            groups.append(Group(name=family, rows=rows))
        reach = _reach(cells.values())
        label = f"change by {arm_name(arm, axes)} in every language"
        figures.append(
            (label, heat_map(label, tasks, groups, low=-reach, high=reach, diverging=True))
        )
    return figures


def group_figures(found: Answer) -> list[Captioned]:
    """Families and scripts, one figure an arm."""
    figures = []
    for arm, axes in dict.fromkeys((f.arm, f.axes) for f in of_arm(found)):
        rows = [
            bar_of(f.group.partition(" ")[2], f)
            for f in found.findings
            if (f.arm, f.axes) == (arm, axes) and f.group.startswith(("family ", "script "))
        ]
        if rows:
            label = f"{arm_name(arm, axes)} by family and by script"
            figures.append((label, differences(label, rows)))
    return figures[:MOST_MAPS]


def axis_curves(found: Answer) -> list[Captioned]:
    """Mean scores along an axis of numbers: one figure a target, one line an arm."""
    figures = []
    axes = found.scores.axes()
    for name in dict.fromkeys(name for one in axes for name, _ in one):
        try:
            x = {one: axis_value(dict(one)[name]) for one in axes}
        except DataError:
            continue
        if len(set(x.values())) < 2:
            continue
        times = 100 if max(x.values()) <= 1 else 1
        rests: dict[Axes, dict[Axes, float]] = {}
        for one, value in x.items():
            rest = tuple(pair for pair in one if pair[0] != name)
            rests.setdefault(rest, {})[one] = value
        for task, (rest, own) in itertools.product(found.scores.tasks, rests.items()):
            lines = [
                line
                for arm in found.folder.arms
                if (line := _score_line(found, arm, task, own, times))
            ]
            if lines:
                label = f"{task}: mean score of languages other than English"
                label += "".join(f", {key} {value}" for key, value in rest)
                unit = ", %" if times == 100 else ""
                figures.append(
                    (label, curves(label, lines, x_name=f"{name.replace('_', ' ')}{unit}",
                                   y_name="percent", log=True))
                )  # fmt: skip
    return figures


def _score_line(
    found: Answer, arm: str, task: str, x: dict[Axes, float], times: float
) -> Series | None:
    points, bounds = [], []
    for axes, value in sorted(x.items(), key=lambda item: item[1]):
        places = places_of(found.scores, [arm], axes, [task])
        if not places:
            continue
        one = contrast(found.scores, mean_terms(arm, axes, places))
        if one is None:
            continue
        points.append((value * times, float(one.by_seed.mean())))
        if one.effect is not None:
            interval = one.effect.interval
            bounds.append((max(0.0, interval.low), min(100.0, interval.high)))
    if len(points) < 2:
        return None
    return Series(name=arm, points=points, bounds=bounds if len(bounds) == len(points) else ())


def bar_of(label: str, finding: Finding, *, sure: bool | None = None) -> Bar:
    """A finding as a bar with its interval; `sure` None: as the finding has it."""
    seeds = f"{finding.seeds} seed{'' if finding.seeds == 1 else 's'}"
    return Bar(
        label=label,
        value=finding.estimate,
        low=finding.low,
        high=finding.high,
        sure=finding.sure if sure is None else sure,
        hint=f"{finding.arm}: {finding.estimate:+.1f}, {seeds}, p {p_value(finding.adjusted)}",
    )


def _cell(finding: Finding | None) -> Cell:
    if finding is None:
        return Cell(value=None)
    bounds = "" if finding.low is None else f" [{finding.low:+.1f}, {finding.high:+.1f}]"
    same = ", same data" if finding.same_data else ""
    hint = f"{finding.arm}, {finding.tasks[0]}, {finding.group}: {finding.estimate:+.1f}{bounds}"
    return Cell(value=finding.estimate, hint=f"{hint}{same}", marked=finding.sure)


def _reach(findings: Iterable[Finding]) -> float:
    return max([LEAST_SCALE, *(math.ceil(abs(f.estimate)) for f in findings)])
