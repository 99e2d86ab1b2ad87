"""Results as plain text that fits 80 columns: per task, per group of languages, overall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlt.core.show import terminal as show
from xlt.evalsuite.plan.plan import Plan
from xlt.evalsuite.report.cross import render_cross
from xlt.evalsuite.report.results import Results
from xlt.evalsuite.report.screen import averaged, fold, mean, shown, without_english
from xlt.evalsuite.report.screen import overview as overview_of

__all__ = ["language_tables", "render", "render_plan", "whole_text"]

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
        blocks.append(overview_of(results))
    nothing = [task for task in record["missing"] if task not in tasks]
    if nothing:
        blocks.append(fold("no data", nothing))
    return "\n\n".join(blocks)


def whole_text(results: Results) -> str:
    """All tables, with the pairs of languages where there are some: what tables.txt holds."""
    cross = render_cross(results.record) if "cross" in results.record else ""
    return f"{render(results)}\n\n{cross}" if cross else render(results)


def language_tables(results: Results) -> list[str]:
    """The scores of every task by language, and the pairs of languages, without remarks."""
    blocks = []
    for task in results.tasks:
        cells = [cell for cell in results.cells if cell["task"] == task]
        remarks = [*_coverage_of(results, task), *_flags(cells)]
        blocks.append("\n".join([_title(results, task), *_language_blocks(cells), *remarks]))
    return [*blocks, *([render_cross(results.record)] if "cross" in results.record else [])]


def _title(results: Results, task: str) -> str:
    cells = [cell for cell in results.cells if cell["task"] == task]
    bundle = " ".join(dict.fromkeys(cell["bundle"] for cell in cells))
    return f"{task}  {results.record['split']}  bundle {bundle}, {results.record['precision']}"


def _coverage_of(results: Results, task: str) -> list[str]:
    """What is missing, and over which languages the mean is."""
    record, scores = results.record, results.scores(task)
    lines = _coverage(record["tasks"].get(task, {}), averaged(record, task, scores), scores)
    missing, n = record["missing"].get(task, ()), sum(c["task"] == task for c in results.cells)
    if missing:
        lines.append(fold(f"missing, {len(missing)} of {len(missing) + n}", missing))
    return lines


def _task(results: Results, task: str) -> str:
    record = results.record
    cells = [cell for cell in record["cells"] if cell["task"] == task]
    lines = [_title(results, task)]
    invented = [c["lang"] for c in cells if record["languages"][c["lang"]]["constructed"]]
    if invented:
        lines.append(fold("constructed languages, not XTREME", invented))
    lines += _language_blocks(cells)
    lines += _retrieval(record, cells)
    scores = results.scores(task)
    if scores:
        lines.append(_mean_line(averaged(record, task, scores), results.is_partial(task)))
        if "exact_match" in cells[0]["metrics"]:
            lines.append("score = (exact match + F1) / 2, as XTREME averages it")
    if any(cell["baseline"] for cell in cells):
        accuracy = "token accuracy" if "token_accuracy" in cells[0]["metrics"] else "accuracy"
        lines.append(f"majority: {accuracy} of always answering the most frequent training label")
    lines += _baselines(record["bundles"][cells[0]["bundle"]], cells)
    lines += _coverage_of(results, task) + _seen(record, task) + _published(record, cells)
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
        texts[name] = [shown(_value(cell, name)) for cell in cells]
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


def _mean_line(scores: Mapping[str, float], partial: bool) -> str:
    parts = [f"{'partial mean' if partial else 'mean'} {mean(list(scores.values())):.1f}"]
    others = without_english(scores)
    if "en" in scores:
        parts.append(f"English {scores['en']:.1f}")
        if others:
            parts.append(f"mean without English {mean(others):.1f}")
            parts.append(f"gap {scores['en'] - mean(others):.1f}")
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


def _retrieval(record: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """The layer, the pooling, the prompt, how is matched, and the thresholds chosen on dev."""
    bundle = record["bundles"][cells[0]["bundle"]]
    if not bundle.get("pooling"):
        return []
    layer = bundle.get("layer")
    block = f"layer {layer}, " if layer is not None else ""
    lines = [f"vectors: {block}pooling {bundle['pooling']}"]
    prompt = record.get("prompts", {}).get(cells[0]["task"])
    if prompt and prompt["text"]:
        lines.append(f"before every text: {prompt['text']!r} (prompt {prompt['name']})")
    settings = cells[0].get("parts", {}).get("settings", {})
    if "margin" in settings:
        means = f"means over {settings['neighbours']} neighbours"
        lines.append(f"matched by: {settings['margin']} margin, {means}")
    else:
        lines.append("matched by: nearest foreign sentence of each English one, cosine")
    cuts = {c["lang"]: c["metrics"]["threshold"] for c in cells if "threshold" in c["metrics"]}
    if cuts:
        parts = [f"{lang} {value:.3f}" for lang, value in cuts.items()]
        lines.append(fold("margin thresholds, from dev", parts, gap="  "))
    return lines


def _coverage(
    averages: Mapping[str, Any], official: Mapping[str, float], scores: Mapping[str, float]
) -> list[str]:
    """Say over which languages the mean is, when they are not the official ones."""
    lines = []
    if official and averages.get("avg_metric") is None:
        lines.append(fold(f"mean of {len(official)}", list(official)))
    beyond = [f"{lang} {scores[lang]:.1f}" for lang in scores if lang not in official]
    if beyond:
        lines.append(fold("beyond the official languages, in no mean", beyond, gap="  "))
    return lines


def _seen(record: Mapping[str, Any], task: str) -> list[str]:
    """The means without what the training data had, where that leaves out something."""
    found = record.get("seen", {}).get(task)
    if not found or not found["declared"]:
        return []
    parts = [
        f"{name} {shown(rest['mean'])} ({len(rest['langs'])})"
        for name, rest in found["without"].items()
        if len(rest["langs"]) < len(found["langs"])
    ]
    return [fold("mean without what training had seen", parts, gap="  ")] if parts else []


def _published(record: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """What others published for the task, in no mean of ours; of languages those that we have."""
    rows = [row for row in record.get("published", ()) if row["task"] == cells[0]["task"]]
    codes = {cell["lang"] for cell in cells}
    lines = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        same = [row for row in rows if row["metric"] == metric]
        means = [f"{row['model']} {row['mean']:.1f}" for row in same if row["mean"] is not None]
        if means:
            lines.append(fold(f"published mean, {metric}", means, gap="  "))
        for row in same:
            parts = [f"{c} {value:.1f}" for c, value in row["langs"].items() if c in codes]
            if parts:
                lines.append(fold(f"published, {metric}, {row['model']}", parts, gap="  "))
    sources = dict.fromkeys(row["source"] for row in rows)
    return [*lines, fold("published in", "; ".join(sources).split())] if lines else []


def _flags(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    langs: dict[str, list[str]] = {}
    for cell in cells:
        for flag in cell["flags"]:
            langs.setdefault(flag, []).append(cell["lang"])
    return [
        fold(flag, ["all languages"] if len(codes) == len(cells) > 1 else codes)
        for flag, codes in langs.items()
    ]


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
