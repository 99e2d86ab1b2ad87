"""The tables of a study's report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from xlt.core.files import read_json
from xlt.core.show.sheet import Sheet, Value
from xlt.core.tasks.published import published, published_changes
from xlt.study.answer.answer import Answer
from xlt.study.answer.finding import HEADLINE_SEEDS, Finding
from xlt.study.answer.folder import ENCODER, Axes, Cell
from xlt.study.answer.groups import places_of
from xlt.study.answer.verdict import p_value, proper

__all__ = [
    "arm_name", "choice_sheet", "cost_sheet", "finding_sheet", "matrix", "matrix_sheet",
    "of_arm", "pick_sheet", "provenance_sheet", "published_sheet", "score_sheet",
]  # fmt: skip

CORRECTED = (
    "p after Benjamini-Hochberg over everything but the primary estimand. Detectable: the true "
    "difference that would be found four times of five; with one seed, what the items alone "
    "would allow; before correction."
)
SAME_DATA = "same data"


def arm_name(arm: str, axes: Axes) -> str:
    """An arm with the further axes that it stands under."""
    more = ", ".join(f"{name} {value}" for name, value in axes)
    return f"{arm} ({more})" if more else arm


def of_arm(found: Answer, *, group: str = "transfer", single: bool = True) -> list[Finding]:
    """Exploratory effects of single arms: by task (`single`), or over several tasks."""
    return [
        finding
        for finding in found.findings
        if finding.kind == "effect"
        and finding.group == group
        and (len(finding.tasks) == 1) == single
    ]


def matrix(found: Answer) -> dict[tuple[str, str], Finding]:
    """(arm, task) -> effect in languages other than English."""
    return {
        (arm_name(finding.arm, finding.axes), finding.tasks[0]): finding
        for finding in of_arm(found)
    }


def matrix_sheet(found: Answer) -> Sheet:
    """The transfer matrix in full: what the map shows, with intervals and tests."""
    rows = [_row(finding) for finding in [*of_arm(found), *of_arm(found, single=False)]]
    return Sheet(
        name="transfer",
        title="Every arm on every target",
        header=HEADER,
        rows=rows,
        note="Arm minus baseline in points, mean over the languages other than English that no "
        f"labelled example was in. {CORRECTED}",
        signed=SIGNED,
    )


def finding_sheet(found: Answer) -> Sheet:
    """Everything exploratory: single languages, families, scripts, languages seen in training."""
    rows = [_row(f) for f in found.findings if f.kind != "effect" or f.group != "transfer"]
    return Sheet(
        name="exploratory",
        title="Languages, families, scripts",
        header=HEADER,
        rows=rows,
        note=f"Exploratory: chosen by nobody before the run. {CORRECTED}",
        signed=SIGNED,
    )


HEADER = (
    "arm", "against", "target", "languages", "change", "low", "high", "p corrected", "detectable",
    "seeds", "items", "standing",
)  # fmt: skip
SIGNED = ("change", "low", "high")


def _row(finding: Finding) -> list[Value]:
    finite = finding.detectable < float("inf")
    return [
        arm_name(finding.arm, finding.axes), finding.baseline, ", ".join(finding.tasks),
        proper(finding.group) if finding.group != "transfer" else f"{len(finding.langs)} others",
        finding.estimate, finding.low, finding.high,
        None if finding.adjusted is None else p_value(finding.adjusted),
        finding.detectable if finite else None, finding.seeds, finding.clusters,
        SAME_DATA if finding.same_data else "one seed" if finding.seeds < 2 else "exploratory",
    ]  # fmt: skip


def score_sheet(found: Answer) -> Sheet:
    """Mean scores of every arm: English, and the mean of the others."""
    scores, rows = found.scores, []
    for axes in scores.axes():
        for arm in found.folder.arms:
            for task in scores.tasks:
                keys = scores.keys(arm, axes, task)
                others = places_of(scores, [arm], axes, [task])
                if not keys:
                    continue
                values = [scores.linear[key] for key in keys]
                english = [one[task, "en"].score for one in values if (task, "en") in one]
                rest = [sum(one[p].score for p in others) / len(others) for one in values if others]
                dev = [scores.dev[key, task] for key in keys if (key, task) in scores.dev]
                rows.append(
                    [arm_name(arm, axes), task, _mean(dev), _mean(english), _mean(rest),
                     len(others), len(keys)]
                )  # fmt: skip
    return Sheet(
        name="scores",
        title="Mean scores",
        header=("arm", "target", "English dev", "English test", "others", "languages", "runs"),
        rows=rows,
        note="Percent, means over runs. Others: plain mean over languages other than English "
        "that no labelled example was in.",
    )


def cost_sheet(found: Answer) -> Sheet:
    """Minutes of training, and what a point costs."""
    baseline = str(found.folder.estimand.get("baseline", "none"))
    rows: list[list[Value]] = []
    for axes in found.scores.axes():
        targets = _targets(found.folder.cells, baseline, axes)
        for arm in found.folder.arms:
            own = _targets(found.folder.cells, arm, axes)
            spent = _minutes(found.folder.cells, arm, axes, own)
            if not spent or arm == baseline:
                continue
            shared = [target for target in own if target in targets]
            mine = _minutes(found.folder.cells, arm, axes, shared)
            base = _minutes(found.folder.cells, baseline, axes, shared)
            pairs = [mine[unit] - base[unit] for unit in mine if unit in base]
            more = _mean(pairs) if shared else None
            finding = _gain(found, arm, baseline, axes)
            gain = None if finding is None else finding.estimate
            sure = finding is not None and finding.sure and finding.estimate > 0
            price = more / gain if sure and gain and more is not None else None
            on = "" if finding is None else ", ".join(finding.tasks)
            rows.append([arm_name(arm, axes), _mean(list(spent.values())), more, gain, on, price])
    return Sheet(
        name="cost",
        title="What it costs",
        header=("arm", "minutes", "more than the baseline", "points gained", "on",
                "minutes per point"),
        rows=rows,
        note="Minutes of training for one seed and all its targets, a checkpoint that several "
        "targets share counted once, by the clock, whatever else ran; more: beside the same seed "
        "of the baseline, on the targets of both. Points: the mean over the targets of both whose "
        "own data the arm has not seen. No price where no gain is sure.",
        signed=("more than the baseline", "points gained"),
    )  # fmt: skip


def _gain(found: Answer, arm: str, baseline: str, axes: Axes) -> Finding | None:
    """What an arm gains on the targets that count, all of them together."""
    scores = found.scores
    clean = {task for task in scores.tasks if (arm, task) not in scores.same_data
             and scores.keys(arm, axes, task) and scores.keys(baseline, axes, task)}  # fmt: skip
    return next(
        (
            one
            for one in [*of_arm(found, single=False), *of_arm(found)]
            if (one.arm, one.axes) == (arm, axes) and set(one.tasks) == clean
        ),
        None,
    )


def _targets(cells: Iterable[Cell], arm: str, axes: Axes) -> list[str]:
    """What an arm was tuned on: its encoder alone has no training beside them."""
    own = [cell for cell in cells if cell.arm == arm and cell.axes == axes]
    tuned = [cell.target for cell in own if cell.target != ENCODER]
    return list(dict.fromkeys(tuned or [cell.target for cell in own]))


def _minutes(
    cells: Iterable[Cell], arm: str, axes: Axes, targets: Sequence[str]
) -> dict[tuple[int | None, int], float]:
    """Unit -> minutes of the distinct training stages behind all these targets of an arm."""
    units: dict[tuple[int | None, int], dict[str, Cell]] = {}
    for cell in cells:
        if cell.arm == arm and cell.axes == axes and cell.target in targets and cell.done:
            units.setdefault((cell.data_seed, cell.unit), {})[cell.target] = cell
    return {
        unit: sum({n: s for cell in own.values() for n, s in cell.training.items()}.values()) / 60
        for unit, own in units.items()
        if len(own) == len(targets)
    }


def pick_sheet(found: Answer) -> Sheet:
    """The checkpoints that a cell evaluated, under the name of the rule that picked each."""
    rows: list[list[Value]] = []
    groups: dict[tuple[str, str, str], list[float]] = {}
    for cell in found.folder.cells:
        for pick, place in cell.results.items():
            for entry in read_json(place / "results.json")["cells"]:
                if entry["score"] is not None and entry["lang"] != "en":
                    name = arm_name(cell.arm, cell.axes)
                    groups.setdefault((name, entry["task"], pick), []).append(entry["score"])
    for (arm, task, pick), values in groups.items():
        rows.append([arm, task, pick, _mean(values), len(values)])
    return Sheet(
        name="picks",
        title="Which checkpoint, by which rule",
        header=("arm", "target", "checkpoint", "others", "scores"),
        rows=rows,
        note="The English-dev pick never saw another language and is what all tables above hold. "
        "A target-dev oracle is chosen by dev sets in the target languages: no zero-shot figure.",
    )


def choice_sheet(found: Answer) -> Sheet | None:
    """What was chosen per target, by English dev."""
    if not found.choices:
        return None
    rows = [
        [one.task, one.unit, one.arm, one.dev, one.candidates, one.baseline_dev,
         one.baseline_candidates]
        for one in found.choices
    ]  # fmt: skip
    return Sheet(
        name="choices",
        title="What was chosen, by English dev",
        header=("target", "unit", "arm", "its dev", "among", "control's dev", "among seeds"),
        rows=rows,
        note="Retrieval: one checkpoint, by the mean of the other targets' English dev scores.",
    )


def published_sheet(found: Answer) -> Sheet:
    """Verified published figures; labelled, for other models and data than ours."""
    rows: list[list[Value]] = [
        ["published", f"change by {one.arm}", "mean of targets", f"{one.points:+.1f}", one.source]
        for one in published_changes()
        if one.version == "final"
    ]
    wanted = {"XLM-R", "X-STILTs"}
    rows += [
        ["published", one.model, f"{one.task} {one.metric}", f"{one.mean:.1f}", one.source]
        for task in found.scores.tasks
        for one in published(task)
        if one.model in wanted and one.mean is not None
    ]
    ours: list[list[Value]] = [
        ["this study", f"change by {arm_name(f.arm, f.axes)}", ", ".join(f.tasks),
         f"{f.estimate:+.1f}", "mean over the languages other than English"]
        for f in of_arm(found, single=False)
    ]  # fmt: skip
    return Sheet(
        name="published",
        title="Published figures beside ours",
        header=("whose", "what", "on", "value", "where"),
        rows=[*ours, *rows],
        note="Changes in points, scores in percent. The published figures are of XLM-R Large on "
        "XTREME's full data; other models, data or sizes are not expected to give the same.",
    )


def provenance_sheet(found: Answer) -> Sheet:
    """Where the numbers come from."""
    plan = found.folder.plan
    study = plan.get("study") if isinstance(plan.get("study"), dict) else {}
    asked = ", ".join(f"{k}: {_plain(v)}" for k, v in found.folder.estimand.items() if v)
    base = {} if study is None else study.get("base", {})
    done = len(found.folder.cells) - len(found.folder.missing)
    rows: list[list[Value]] = [
        ["study", f"{found.folder.name}, scale {plan.get('scale', 'full')}"],
        ["primary estimand", asked],
        ["its hash, from before the run", str(plan.get("estimand_hash", "not there"))],
        ["plan", str(plan.get("hash", "not there"))],
        ["cells", f"{done} of {len(found.folder.cells)} finished"],
        ["base", ", ".join(f"{k} {_plain(v)}" for k, v in base.items()) or "defaults"],
        ["data root", str(plan.get("data") or found.scores.data or "made by the study")],
        ["headline", f"needs {HEADLINE_SEEDS} intermediate seeds and no same data"],
    ]
    constructed = [c for c, one in found.scores.languages.items() if one.get("constructed")]
    if constructed:
        rows.append(["languages", f"constructed, not natural: {' '.join(sorted(constructed))}"])
    return Sheet(
        name="provenance", title="Where the numbers come from", header=("what", "value"), rows=rows
    )


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
