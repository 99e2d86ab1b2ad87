"""One sentence that answers: effect, interval, number; or that the data cannot tell, and why."""

from __future__ import annotations

from collections.abc import Sequence

from xlt.core.stats.power import ALPHA
from xlt.study.answer.finding import HEADLINE_SEEDS, Finding

__all__ = ["number", "p_value", "proper", "verdict", "verdicts"]

SAME_DATA = "the intermediate data hold the targets' own training data"


def verdict(finding: Finding | None) -> str:
    """The sentence for one finding."""
    if finding is None:
        return (
            "The data cannot tell: no pair of cells that the question needs is finished, or none "
            "of its languages was scored."
        )
    said = f"{_subject(finding)} {number(finding.estimate)}"
    if finding.seeds < 2:
        return (
            f"No conclusion: one seed. {said} ({_size(finding)}); with one seed no interval can be "
            f"given, and even the items alone could not show less than {_points(finding)}."
        )
    shown = f"{said} ({_interval(finding)}; {_size(finding)}; p {p_value(finding.p)})"
    if finding.kind == "effect_difference" and finding.floor > ALPHA:
        sentence = (
            f"Cannot tell with these languages: no p below {p_value(finding.floor)} can be had "
            f"from so few families. {shown}."
        )
    elif not finding.sure:
        sentence = (
            f"The data cannot tell: {shown[0].lower()}{shown[1:]}, and a true value of "
            f"{_points(finding)} would have been found four times of five."
        )
    else:
        sentence = f"{_direction(finding)}: {shown[0].lower()}{shown[1:]}."
    if finding.same_data:
        return f"Same data, no headline ({SAME_DATA}). {sentence}"
    if not finding.fair:
        return f"Exploratory (the control had fewer seeds to choose from). {sentence}"
    if not finding.registered:
        return f"Exploratory (the question is not the one hashed before the run). {sentence}"
    if finding.seeds < HEADLINE_SEEDS:
        return f"Exploratory ({finding.seeds} seeds, a headline needs {HEADLINE_SEEDS}). {sentence}"
    return sentence


def verdicts(findings: Sequence[Finding], unheard: Sequence[str] = ()) -> str:
    """The sentence of a question that is asked of each arm, p corrected for their number.

    Args:
        findings: of the arms.
        unheard: arms of which nothing is finished; they count in the correction.
    """
    if not findings or len(findings) + len(unheard) < 2:
        return verdict(findings[0] if findings else None)
    first = findings[0]
    tested = sum(one.p is not None for one in findings) + len(unheard)
    alike = len({(one.tasks, one.seeds, one.units, one.clusters, len(one.langs))
                 for one in findings}) == 1  # fmt: skip
    told = [_clause(one, tested, alike=alike) for one in findings]
    told += [f"{arm}: nothing is finished" for arm in unheard]
    head, where = "", f", on {_list(first.tasks)}, {_size(first)}"
    if all(one.seeds < 2 for one in findings):
        head = "No conclusion: one seed. "
    elif not all(one.registered for one in findings):
        head = "Exploratory (the question is not the one hashed before the run). "
    elif alike and first.seeds < HEADLINE_SEEDS:
        head = f"Exploratory ({first.seeds} seeds, a headline needs {HEADLINE_SEEDS}). "
    corrected = f", after correction for {tested} arms" if tested > 1 else ""
    return f"{head}Against {first.baseline}{where * alike}{corrected}: {'; '.join(told)}."


def _clause(one: Finding, tested: int, *, alike: bool) -> str:
    """What is said of one arm among several: its tasks and size, too, where those differ."""
    shown = number(one.estimate)
    if one.p is None:
        word = "has one seed"
    else:
        word = _word(one) if one.sure else "cannot be told from the baseline"
        shown += f", {_interval(one)}"
        if one.kind == "effect_difference" and one.floor > ALPHA / tested:
            word = "cannot be told with these languages"
            shown += f", no p below {p_value(one.floor)} can be had from so few families"
        elif not one.sure:
            shown += f", {_points(one)} would have been found"
    if not alike:
        few = one.p is not None and one.seeds < HEADLINE_SEEDS
        shown += f"; on {_list(one.tasks)}, {_size(one)}{', exploratory' * few}"
    return f"{one.arm} {word} ({shown}{', same data' * one.same_data})"


def _word(finding: Finding) -> str:
    return _direction(finding).removeprefix("It ").lower()


def number(value: float) -> str:
    """A difference in points, with its sign."""
    return f"{value:+.1f} points"


def p_value(p: float | None) -> str:
    """A p value as it is printed."""
    if p is None:
        return "unknown"
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 0.9995 else "1"


def proper(group: str) -> str:
    """The name of a group of languages as it is written."""
    return group.replace("indo-european", "Indo-European")


def _subject(finding: Finding) -> str:
    tasks = _list(finding.tasks)
    at = ", ".join(f"{name} {value}" for name, value in finding.axes)
    tasks += f" ({at})" if at else ""
    where = {
        "transfer": "in languages other than English",
        "seen": "in languages whose data were seen in training",
    }.get(finding.group, f"in {finding.group}")
    if finding.kind == "effect_difference":
        one, other = finding.group.split(" - ")
        return (
            f"The effect of {finding.arm} against {finding.baseline} on {tasks} differs, "
            f"{proper(one)} minus {proper(other)} languages, by"
        )
    if finding.kind == "item_difference":
        one, other = finding.group.split(" - ")
        return (
            f"The effect of {finding.arm} against {finding.baseline} on {tasks} differs, {one} "
            f"minus {other}, by"
        )
    if finding.kind == "trend":
        return (
            f"The effect of {finding.arm} against {finding.baseline} on {tasks} {where} changes "
            f"({finding.note}) by"
        )
    if finding.kind == "best_of":
        return f"The {finding.arm}, against the {finding.baseline}, changes {tasks} {where} by"
    return f"{finding.arm}, against {finding.baseline}, changes {tasks} {where} by"


def _direction(finding: Finding) -> str:
    up = finding.estimate > 0
    if finding.kind in {"effect_difference", "item_difference"}:
        return "More" if up else "Less"
    if finding.kind == "trend":
        return "It grows" if up else "It shrinks"
    return "It helps" if up else "It harms"


def _interval(finding: Finding) -> str:
    if finding.low is None or finding.high is None:
        return "no bounded 95 % interval"
    return f"95 % interval {finding.low:+.1f} to {finding.high:+.1f}"


def _size(finding: Finding) -> str:
    """What n is."""
    pairs = "" if finding.units == finding.seeds else f", {finding.units} pairs of runs"
    seeds = "seed" if finding.seeds == 1 else "seeds"
    langs = "language" if len(finding.langs) == 1 else "languages"
    return (
        f"{finding.seeds} {seeds}{pairs}, {len(finding.langs)} {langs}, "
        f"{finding.clusters} groups of items"
    )


def _points(finding: Finding) -> str:
    if finding.detectable == float("inf"):
        return "any size"
    return f"{finding.detectable:.1f} points"


def _list(names: Sequence[str]) -> str:
    if len(names) > 1:
        return f"the mean of {', '.join(names[:-1])} and {names[-1]}"
    return names[0] if names else "nothing"
