"""What the demo's planted effects say, in plain sentences and one figure."""

from __future__ import annotations

from collections.abc import Mapping

from xlt.core.show.figures import differences
from xlt.study.answer.answer import Answer
from xlt.study.answer.finding import Finding
from xlt.study.answer.verdict import number, p_value
from xlt.study.report.drawings import SURE, bar_of

__all__ = ["as_planted", "headline", "planted_figure", "planted_rows", "sentence"]

NAMES = {"skill": "the skill", "null": "shuffled labels", "harm": "labels that mislead"}
# arm -> (what its labels are, what must happen)
PLANTED = {
    "skill": ("the skill itself, on other sentences", "helps"),
    "null": ("shuffled: they say nothing", "does not help"),
    "harm": ("reward not reading the premise", "does not help"),
}


def as_planted(finding: Finding) -> bool:
    """Whether an arm came out as it was planted."""
    helps = finding.sure and finding.estimate > 0
    return helps == (PLANTED[finding.arm][1] == "helps")


def headline(found: Answer) -> str:
    """One sentence: does the instrument tell what helps from what cannot help."""
    findings = found.primary
    if len(findings) < len(PLANTED) or any(one.low is None for one in findings):
        return "Nothing can be said: the planted arms have not run with several seeds."
    told = ", ".join(f"{NAMES[one.arm]} by {_said(one)}" for one in findings)
    seeds = f"{min(one.seeds for one in findings)} seeds"
    told = f"In English, accuracy changes after {told}"
    wrong = [one.arm for one in findings if not as_planted(one)]
    if not wrong:
        return f"It can tell: what must help does, what cannot help does not ({seeds}). {told}."
    if wrong == ["skill"]:
        return f"It could not tell here: the planted skill was not found ({seeds}). {told}."
    return f"Not as planted: {', '.join(wrong)} ({seeds}). {told}."


def sentence(found: Answer) -> str:
    """How much of the skill arrives in languages that no labelled example was in."""
    other = _others(found).get("skill")
    if other is None:
        return ""
    return (
        f"In the {len(other.langs)} other languages, which no labelled example was in, the skill "
        f"changes accuracy by {_said(other)}."
    )


def planted_rows(found: Answer) -> list[list[str]]:
    """Arm, labels, what must happen, effect in English, p, as planted, effect in the others."""
    others = _others(found)
    return [
        [
            one.arm,
            *PLANTED[one.arm],
            _said(one),
            p_value(one.adjusted),
            "yes" if as_planted(one) else "NO",
            _said(others[one.arm]) if one.arm in others else "-",
        ]
        for one in found.primary
        if one.arm in PLANTED
    ]


def planted_figure(found: Answer) -> tuple[str, str] | None:
    """Caption and figure: every planted arm in English and in the other languages."""
    others = _others(found)
    bars = [
        bar
        for one in found.primary
        for bar in (
            bar_of(f"{one.arm}: English", one),
            *([bar_of(f"{one.arm}: others", others[one.arm])] if one.arm in others else []),
        )
    ]
    label = "Change of XNLI accuracy against the same seed without an intermediate task, in points"
    caption = f"{label}, with 95 % intervals over seeds and items. {SURE}"
    return (caption, differences(label, bars)) if bars else None


def _others(found: Answer) -> Mapping[str, Finding]:
    return {
        one.arm: one
        for one in found.findings
        if one.kind == "effect" and one.group == "transfer" and one.arm in PLANTED
    }


def _said(one: Finding) -> str:
    if one.low is None or one.high is None:
        return number(one.estimate)
    return f"{number(one.estimate)} ({one.low:+.1f} to {one.high:+.1f})"
