"""Does the effect differ between items that need inference and items that the surface answers?

The same seeds, languages and trainings on both sides; only the items differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from xlt.study.answer.contrast import minus
from xlt.study.answer.estimands import effect_of, effect_sum
from xlt.study.answer.filters import item_subsets
from xlt.study.answer.finding import Finding, finding_of
from xlt.study.answer.folder import Axes, Folder
from xlt.study.answer.scores import Scores, read_scores

__all__ = ["NEEDS", "item_difference", "item_findings", "item_scores"]

# what needs inference, and what stands against it
NEEDS = (
    ("inference: hypothesis alone misleads", "surface: hypothesis alone suffices"),
    ("questions: reason or manner", "questions: name, place or time"),
)
WORDS = {
    NEEDS[0]: "items that the hypothesis alone misleads - items that it suffices for",
    NEEDS[1]: "questions for a reason or manner - questions for a name, place or time",
}


def item_scores(folder: Folder, scores: Scores) -> dict[str, Scores]:
    """Name of a subset of items -> scores over it; empty where the data root is not there."""
    if scores.data is None or not scores.data.is_dir():
        return {}
    subsets = item_subsets(scores.data, scores.there, scores.split)
    return {name: read_scores(folder, subset) for name, subset in subsets.items()}


def item_difference(
    parts: dict[str, Scores],
    arms: Sequence[str],
    baseline: str,
    axes: Sequence[Axes],
    tasks: Sequence[str],
    languages: str = "transfer",
) -> Finding | None:
    """The effect on items that need inference minus that on the others; None without both.

    XNLI's items, where it is among the tasks; else questions by what they ask.
    """
    for pair in NEEDS:
        if not all(name in parts for name in pair):
            continue
        own = [task for task in tasks if task in parts[pair[0]].tasks]
        sums = [effect_sum(parts[n], arms, baseline, axes, own, languages) for n in pair]
        first, second = sums
        if first is None or second is None or first[0].by_seed.shape != second[0].by_seed.shape:
            continue
        value, used, places, same = first
        return finding_of(
            minus(value, second[0]), kind="item_difference", arm=" + ".join(used),
            baseline=baseline, axes=axes[0] if len(axes) == 1 else (), group=WORDS[pair],
            tasks=tuple(dict.fromkeys(task for task, _ in places)), same_data=same,
            langs=tuple(dict.fromkeys(lang for _, lang in places)),
        )  # fmt: skip
    return None


def item_findings(
    folder: Folder, parts: dict[str, Scores], baseline: str, axes: Sequence[Axes]
) -> list[Finding]:
    """Effects of every arm on every subset, and the differences."""
    tasks = list(dict.fromkeys(task for scores in parts.values() for task in scores.tasks))
    found: list[Finding | None] = []
    for arm in folder.arms:
        for point in [[one] for one in axes] if arm != baseline else ():
            found += [
                effect_of(scores, [arm], baseline, point, [task], group=name)
                for name, scores in parts.items()
                for task in scores.tasks
            ]
            found += [item_difference(parts, [arm], baseline, point, [task]) for task in tasks]
    return [finding for finding in found if finding is not None]
