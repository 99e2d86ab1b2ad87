"""Results as plain text that fits 80 columns: per task, per group of languages, overall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlt.core.show import terminal as show
from xlt.core.stats.power import ALPHA
from xlt.evalsuite.plan.plan import Plan
from xlt.evalsuite.report.compare import Compared
from xlt.evalsuite.report.paired import TaskTests
from xlt.evalsuite.report.results import Results

__all__ = ["render", "render_comparison", "render_plan"]

WIDTH = 80
AXIS_NAMES = {
    "family": "family",
    "branch": "branch",
    "script": "script",
    "indo_european": "Indo-European",
}
# Order of the rows; what is not named here comes after, in its own order.
METRIC_ROWS = ("accuracy", "f1", "exact_match", "token_accuracy", "precision", "recall")
HIDDEN = ("precision", "recall", "threshold")
MAJORITY = "majority"


def render(results: Results) -> str:
    """All tables of a results folder."""
    record = results.record
    tasks = results.tasks
    blocks = [_task(results, task) for task in tasks]
    if len(tasks) > 1 or any(results.scores(task) for task in tasks):
        blocks.append(_overview(results, tasks))
    nothing = [task for task in record["missing"] if task not in tasks]
    if nothing:
        blocks.append(fold("no data", nothing))
    return "\n\n".join(blocks)


def fold(label: str, items: Sequence[str], *, gap: str = " ") -> str:
    """`label: item item ...` over as many lines of 80 columns as needed, indented."""
    lines, line = [], f"{label}:"
    for item in items:
        longer = f"{line}{' ' if line.endswith(':') else gap}{item}"
        if len(longer) > WIDTH and line.strip():
            lines.append(line)
            line = f"  {item}"
        else:
            line = longer
    return "\n".join([*lines, line])


def _task(results: Results, task: str) -> str:
    record = results.record
    cells = [cell for cell in record["cells"] if cell["task"] == task]
    bundle = " ".join(dict.fromkeys(cell["bundle"] for cell in cells))
    lines = [f"{task}  {record['split']}  bundle {bundle}, {record['precision']}"]
    invented = [c["lang"] for c in cells if record["languages"][c["lang"]]["constructed"]]
    if invented:
        lines.append(fold("constructed languages, not XTREME", invented))
    lines += _language_blocks(cells)
    lines += _retrieval(record["bundles"][cells[0]["bundle"]], cells)
    scores = results.scores(task)
    if scores:
        lines.append(_mean_line(_averaged(record, task, scores), results.is_partial(task)))
        if "exact_match" in cells[0]["metrics"]:
            lines.append("score = (exact match + F1) / 2, as XTREME averages it")
    if any(cell["baseline"] for cell in cells):
        accuracy = "token accuracy" if "token_accuracy" in cells[0]["metrics"] else "accuracy"
        lines.append(f"majority: {accuracy} of always answering the most frequent training label")
    lines += _baselines(record["bundles"][cells[0]["bundle"]], cells)
    missing = record["missing"].get(task, ())
    averaged = _averaged(record, task, scores)
    lines += _coverage(record["tasks"].get(task, {}), averaged, scores)
    if missing:
        lines.append(fold(f"missing, {len(missing)} of {len(missing) + len(cells)}", missing))
    for axis, groups in record["families"].get(task, {}).items():
        if len(groups) > 1:
            parts = [f"{name} {g['mean']:.1f} ({len(g['langs'])})" for name, g in groups.items()]
            lines.append(fold(AXIS_NAMES[axis], parts, gap="  "))
    return "\n".join(lines + _flags(cells))


def _language_blocks(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Metrics in rows, languages in columns, as many blocks as 80 columns need."""
    rows = _metric_rows(cells)
    texts: dict[str, list[str]] = {"n": [str(cell["n"]) for cell in cells]}
    for name in rows:
        texts[name] = [_cell(_value(cell, name)) for cell in cells]
    label = max(len(name) for name in texts)
    codes = [cell["lang"] for cell in cells]
    column = max(len(text) for row in [codes, *texts.values()] for text in row)
    per_block = max(1, (WIDTH - label) // (column + 2))
    blocks = []
    for start in range(0, len(cells), per_block):
        part = slice(start, start + per_block)
        header = [" " * label, *(code.rjust(column) for code in codes[part])]
        body = [[name, *texts[name][part]] for name in [*rows, "n"]]
        blocks.append(show.table(header, body))
    return blocks


def _metric_rows(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    present = list(dict.fromkeys(name for cell in cells for name in cell["metrics"]))
    shown = [name for name in present if not name.startswith(HIDDEN)]
    ordered = sorted(
        shown, key=lambda n: METRIC_ROWS.index(n) if n in METRIC_ROWS else len(METRIC_ROWS)
    )
    if any(cell["baseline"] for cell in cells):
        ordered.append(MAJORITY)
    return ["score", *ordered] if "exact_match" in present else ordered


def _value(cell: Mapping[str, Any], name: str) -> float | None:
    value: float | None
    if name == MAJORITY:
        baseline = cell["baseline"]
        value = baseline.get("token_accuracy", baseline.get("accuracy"))
    else:
        value = cell["score"] if name == "score" else cell["metrics"].get(name)
    return value


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _without_english(scores: Mapping[str, float]) -> list[float]:
    return [score for lang, score in scores.items() if lang != "en"]


def _averaged(
    record: Mapping[str, Any], task: str, scores: Mapping[str, float]
) -> dict[str, float]:
    """The scores that the task's mean is made of: those beyond the official set are not."""
    beyond = record["tasks"].get(task, {}).get("extra_langs", ())
    return {lang: score for lang, score in scores.items() if lang not in beyond}


def _mean_line(scores: Mapping[str, float], partial: bool) -> str:
    parts = [f"{'partial mean' if partial else 'mean'} {_mean(list(scores.values())):.1f}"]
    others = _without_english(scores)
    if "en" in scores:
        parts.append(f"English {scores['en']:.1f}")
        if others:
            parts.append(f"mean without English {_mean(others):.1f}")
            parts.append(f"gap {scores['en'] - _mean(others):.1f}")
    return "   ".join(parts)


def _baselines(bundle: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Input-blind baselines on English dev, as the training run measured them."""
    if cells[0]["task"] != bundle["task"]:
        return []
    found = {
        kind: scores
        for kind, scores in (bundle.get("baseline") or {}).items()
        if isinstance(scores, dict)
    }
    parts = [
        f"{kind.replace('_', ' ')} {scores[name]:.1f}"
        for kind, scores in found.items()
        for name in ("token_accuracy", "accuracy")
        if name in scores
    ]
    return [fold("baselines on English dev", parts, gap="  ")] if parts else []


def _retrieval(bundle: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """The layer, the pooling, and the thresholds chosen on dev."""
    if not bundle.get("pooling"):
        return []
    layer = bundle.get("layer")
    block = f"layer {layer}, " if layer is not None else ""
    lines = [f"vectors: {block}pooling {bundle['pooling']}"]
    cuts = {c["lang"]: c["metrics"]["threshold"] for c in cells if "threshold" in c["metrics"]}
    if cuts:
        parts = [f"{lang} {value:.3f}" for lang, value in cuts.items()]
        lines.append(fold("margin thresholds, from dev", parts, gap="  "))
    return lines


def _coverage(
    averages: Mapping[str, Any],
    averaged: Mapping[str, float],
    scores: Mapping[str, float],
) -> list[str]:
    """Say over which languages the mean is, when they are not the official ones."""
    lines = []
    if averaged and averages.get("avg_metric") is None:
        lines.append(fold(f"mean of {len(averaged)}", list(averaged)))
    beyond = [f"{lang} {scores[lang]:.1f}" for lang in scores if lang not in averaged]
    if beyond:
        lines.append(fold("beyond the official languages, in no mean", beyond, gap="  "))
    return lines


def _flags(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    langs: dict[str, list[str]] = {}
    for cell in cells:
        for flag in cell["flags"]:
            langs.setdefault(flag, []).append(cell["lang"])
    return [
        fold(flag, ["all languages"] if len(codes) == len(cells) > 1 else codes)
        for flag, codes in langs.items()
    ]


def _overview(results: Results, tasks: Sequence[str]) -> str:
    """One row a task, then the group and overall scores; a star marks partial means."""
    record = results.record
    rows = []
    for task in tasks:
        scores = _averaged(record, task, results.scores(task))
        if not scores:
            continue
        others = _without_english(scores)
        english = scores.get("en")
        gap = english - _mean(others) if english is not None and others else None
        rows.append(
            [
                task,
                f"{_mean(list(scores.values())):.1f}{_star(results.is_partial(task))}",
                str(len(scores)),
                _cell(english),
                _cell(_mean(others) if others else None),
                _cell(gap),
                _worst(scores),
            ]
        )
    if not rows:
        return "no task has a score"
    lines = [show.table(["task", "score", "languages", "English", "others", "gap", "worst"], rows)]
    if any(results.is_partial(row[0]) for row in rows):
        lines.append("* not all official languages: a partial mean, not an XTREME score")
    groups = [
        f"{name} {value:.1f}{_star(partial)}"
        for partial in (False, True)
        for name, value in record.get("partial_groups" if partial else "groups", {}).items()
    ]
    if groups:
        lines.append(fold("groups", groups, gap="  "))
    for name, partial in (("all_task", False), ("partial_all_task", True)):
        if record.get(name) is not None:
            lines.append(f"all nine tasks: {record[name]:.1f}{_star(partial)}")
    return "\n".join(lines)


def _worst(scores: Mapping[str, float]) -> str:
    """The language with the lowest score, the first of equals; nothing where there is one only."""
    lang = min(scores, key=lambda code: scores[code])
    return f"{lang} {scores[lang]:.1f}" if len(scores) > 1 else "-"


def _star(partial: bool) -> str:
    return "*" if partial else ""


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def render_comparison(
    compared: Sequence[Compared], tested: Mapping[str, TaskTests], against: Results
) -> str:
    """Differences in points to other results, language by language, on the common items."""
    blocks = [f"against {against.path}, in points, on the items that both have"]
    for task in dict.fromkeys(one.task for one in compared):
        rows = [one for one in compared if one.task == task]
        common = [one for one in rows if one.n_common]
        tests = tested.get(task)
        if common:
            mean = _mean([one.change for one in common])
            parts = [f"{one.lang} {one.change:+.1f}{_mark(tests, one.lang)}" for one in common]
            blocks.append(fold(f"{task} {mean:+.1f} (mean of {len(common)})", parts, gap="  "))
        if tests:
            blocks.append(_tested(tests))
        unequal = [f"{one.lang} {one.sizes}" for one in rows if not one.equal]
        if unequal:
            blocks.append(fold(f"{task}, other items than before", unequal, gap="; "))
    if tested:
        blocks += [
            "* p <= .05 after Holm's correction over the task's languages; about these two",
            "checkpoints and other test items, not about training again.",
        ]
    return "\n".join(blocks)


def _mark(tests: TaskTests | None, lang: str) -> str:
    test = tests.languages.get(lang) if tests else None
    return "*" if test is not None and test.adjusted <= ALPHA else ""


def _tested(tests: TaskTests) -> str:
    """The mean with its test, and what differences could have been found."""
    mean, limits = tests.mean, [one.detectable for one in tests.languages.values()]
    low, high = mean.difference.low, mean.difference.high
    several = f"{min(limits):.1f} to {max(limits):.1f}" if len(limits) > 1 else f"{limits[0]:.1f}"
    return (
        f"  mean [{low:+.1f}, {high:+.1f}], p {mean.test.p:.2g}; "
        f"detectable: {mean.detectable:.1f}, one language {several}"
    )


def render_plan(plan: Plan, states: Mapping[str, str]) -> str:
    """What `--dry-run` shows: per task its bundle and languages, and what is already there."""
    blocks = []
    for task, langs in plan.langs.items():
        assignment = next(cell.assignment for cell in plan.cells if cell.task.name == task)
        by_state: dict[str, list[str]] = {}
        for lang in langs:
            by_state.setdefault(states[f"{task}/{lang}"], []).append(lang)
        blocks.append(f"{task}  {plan.split}  bundle {assignment.bundle.name}, {plan.precision}")
        blocks += [fold(state, codes) for state, codes in by_state.items()]
        if plan.missing.get(task):
            blocks.append(fold("missing", list(plan.missing[task])))
    blocks += [f"{task}  no data" for task in plan.missing if task not in plan.langs]
    return "\n".join(blocks)
