"""What the demo's planted effects say, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

from xlt.study.answer.finding import Finding
from xlt.study.answer.verdict import number, p_value

__all__ = ["as_planted", "headline", "planted_rows"]

# arm -> (what its labels are, what must happen)
PLANTED = {
    "skill": ("the skill itself, on other sentences", "helps"),
    "null": ("shuffled: they say nothing", "does not help"),
    "harm": ("reward not reading the premise", "does not help"),
}


def helps(finding: Finding) -> bool:
    """Whether an effect is there and goes up."""
    return finding.sure and finding.estimate > 0


def as_planted(finding: Finding) -> bool:
    """Whether an arm came out as it was planted."""
    return helps(finding) == (PLANTED[finding.arm][1] == "helps")


def headline(findings: Sequence[Finding]) -> str:
    """One sentence: does the instrument tell what helps from what cannot help."""
    if len(findings) < len(PLANTED) or any(one.low is None for one in findings):
        return "Nothing can be said: the planted arms have not run with several seeds."
    told = "; ".join(f"{one.arm} {_said(one)}" for one in findings)
    seeds = min(one.seeds for one in findings)
    where = f"{len(findings[0].langs)} languages other than English, {seeds} seeds"
    wrong = [one.arm for one in findings if not as_planted(one)]
    if not wrong:
        return f"It can tell: what must help does, what cannot help does not ({where}). {told}."
    if wrong == ["skill"]:
        return f"It could not tell here: the planted skill was not found ({where}). {told}."
    return f"Not as planted: {', '.join(wrong)} ({where}). {told}."


def planted_rows(findings: Sequence[Finding]) -> list[list[str]]:
    """Arm, its labels, what must happen, effect with interval, p, each seed, whether it came so."""
    return [
        [
            one.arm,
            *PLANTED[one.arm],
            _said(one),
            p_value(one.adjusted),
            " ".join(f"{value:+.1f}" for value in one.by_seed),
            "yes" if as_planted(one) else "NO",
        ]
        for one in findings
        if one.arm in PLANTED
    ]


def _said(one: Finding) -> str:
    if one.low is None or one.high is None:
        return number(one.estimate)
    return f"{number(one.estimate)} ({one.low:+.1f} to {one.high:+.1f})"
