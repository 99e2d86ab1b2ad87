"""The whole answer: the primary finding, its sentence, everything exploratory, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xlt.core.files import sha256_json
from xlt.core.stats.correction import holm
from xlt.study.answer.best import Choice, best_of
from xlt.study.answer.estimands import difference_of, effect_of
from xlt.study.answer.finding import Finding, among_tests, correct
from xlt.study.answer.folder import ENCODER, Axes, Folder
from xlt.study.answer.groups import INDO_EUROPEAN, OTHERS
from xlt.study.answer.items import item_difference, item_findings, item_scores
from xlt.study.answer.scores import Scores, read_scores
from xlt.study.answer.trend import trend_of
from xlt.study.answer.verdict import verdicts

__all__ = ["Answer", "answer", "asked_arms", "primary_of"]

RETRIEVAL = ("bucc2018", "tatoeba")
EACH, ITEMS = "each", "item_difference"


@dataclass(kw_only=True)
class Answer:
    """What a study says.

    Attributes:
        folder: of the study.
        scores: everything that was scored.
        primary: the pre-registered finding; one an arm where the question is asked of each.
        sentence: the answer.
        findings: everything else, corrected together.
        choices: what `best_of` chose.
        problems: what a reader must know: a changed estimand, missing cells.
    """

    folder: Folder
    scores: Scores
    primary: list[Finding]
    sentence: str
    findings: list[Finding]
    choices: list[Choice] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "schema": 1,
            "study": self.folder.name,
            "question": self.folder.question,
            "estimand": dict(self.folder.estimand),
            "estimand_hash": self.folder.plan.get("estimand_hash"),
            "sentence": self.sentence,
            "primary": [finding.to_json() for finding in self.primary],
            "exploratory": [finding.to_json() for finding in self.findings],
            "missing": self.folder.missing,
            "problems": self.problems,
        }


def answer(folder: Folder, scores: Scores | None = None) -> Answer:
    """Answer a study from what is finished of it.

    Args:
        folder: of the study.
        scores: of all its items, or of some of them; None: read.

    Raises:
        DataError: results or items are damaged.
    """
    scores = read_scores(folder) if scores is None else scores
    by_item = folder.estimand.get("kind") == ITEMS
    parts = item_scores(folder, scores) if by_item else {}
    primary, choices = primary_of(folder, scores, parts)
    others = _exploratory(folder, scores)
    others += item_findings(folder, parts, asked_arms(folder)[1], scores.axes())
    problems = _problems(folder)
    return Answer(
        folder=folder,
        scores=scores,
        primary=primary,
        sentence=_partial(folder) + verdicts(primary, _unheard(folder, primary)),
        findings=correct(others),
        choices=choices,
        problems=problems,
    )


def primary_of(
    folder: Folder, scores: Scores, parts: dict[str, Scores]
) -> tuple[list[Finding], list[Choice]]:
    """The findings of the pre-registered estimand; empty where nothing is finished.

    Args:
        folder: of the study.
        scores: over all items.
        parts: over subsets of items, for an `item_difference`.
    """
    asked = folder.estimand
    kind = str(asked.get("kind", "effect"))
    arms, baseline = asked_arms(folder)
    tasks = _tasks(asked, scores)
    languages = _languages(asked.get("languages", "transfer"))
    axes = scores.axes()
    between = [str(name) for name in asked.get("between") or (OTHERS, INDO_EUROPEAN)]
    each = _named(asked)[:1] == [EACH]
    lists = [[arm] for arm in arms] if each and kind != "best_of" else [arms]
    found: list[Finding | None] = []
    choices: list[Choice] = []
    if not axes:
        return [], []
    for own in lists:
        if kind == "effect_difference":
            found.append(difference_of(scores, own, baseline, axes, tasks, between, languages))
        elif kind == "trend":
            numbers = {arm: _length(folder, arm) for arm in own}
            over = str(asked.get("over") or "tasks")
            found.append(trend_of(scores, numbers, baseline, over, tasks, languages))
        elif kind == ITEMS:
            found.append(item_difference(parts, own, baseline, axes, tasks, languages))
        elif kind == "best_of":
            finding, choices = best_of(scores, own, baseline, axes[0], tasks, languages)
            found.append(finding)
        else:
            found.append(effect_of(scores, own, baseline, axes, tasks, languages))
    asked_now = [finding for finding in found if finding is not None]
    if _changed(folder):
        asked_now = [replace(finding, registered=False) for finding in asked_now]
    return _each(asked_now, len(lists) - len(asked_now)), choices


def _each(findings: list[Finding], missing: int = 0) -> list[Finding]:
    """A question asked of several arms is several tests: Holm's correction.

    Arms of which nothing is finished count: they were asked about.
    """
    tested = [finding.p for finding in findings if finding.p is not None] + [1.0] * missing
    adjusted = iter(holm(tested))
    return [
        finding
        if finding.p is None
        else replace(among_tests(finding, len(tested)), adjusted=next(adjusted))
        for finding in findings
    ]


def _partial(folder: Folder) -> str:
    """What a sentence begins with while cells are missing that the question is about."""
    arms, baseline = asked_arms(folder)
    asked = {str(name) for name in folder.estimand.get("tasks") or ()}
    if asked & set(RETRIEVAL):
        asked.add(ENCODER)
    own = [
        cell
        for cell in folder.cells
        if cell.arm in (*arms, baseline) and (cell.target in asked or not asked)
    ]
    missing = sum(not cell.done for cell in own)
    if missing in {0, len(own)}:
        return ""
    return f"So far ({missing} of {len(own)} cells of this question are missing): "


def _unheard(folder: Folder, primary: Sequence[Finding]) -> list[str]:
    """Arms that each were asked about and of which there is no number."""
    arms, _ = asked_arms(folder)
    if _named(folder.estimand)[:1] != [EACH] or folder.estimand.get("kind") == "best_of":
        return []
    told = {finding.arm for finding in primary}
    return [arm for arm in arms if arm not in told]


def _exploratory(folder: Folder, scores: Scores) -> list[Finding]:
    """Every arm: by task, by language, by family and script, in languages seen in training."""
    baseline = str(folder.estimand.get("baseline", "none"))
    found: list[Finding | None] = []
    for axes in scores.axes():
        for arm in folder.arms:
            if arm == baseline:
                continue
            tasks = [
                task
                for task in scores.tasks
                if scores.keys(arm, axes, task) and scores.keys(baseline, axes, task)
                and scores.langs([arm, baseline], axes, task)
            ]  # fmt: skip
            clean = [task for task in tasks if (arm, task) not in scores.same_data]
            if len(clean) > 1:
                found.append(effect_of(scores, [arm], baseline, [axes], clean))
            for task in tasks:
                found += _of_task(scores, arm, baseline, axes, task)
            found += _of_groups(scores, arm, baseline, axes, tasks)
            found.append(
                difference_of(scores, [arm], baseline, [axes], tasks, (OTHERS, INDO_EUROPEAN))
            )
    return [finding for finding in found if finding is not None]


def _of_task(
    scores: Scores, arm: str, baseline: str, axes: Axes, task: str
) -> Iterable[Finding | None]:
    yield effect_of(scores, [arm], baseline, [axes], [task])
    yield effect_of(scores, [arm], baseline, [axes], [task], seen=True)
    for lang in scores.langs([arm, baseline], axes, task):
        yield effect_of(scores, [arm], baseline, [axes], [task], lang, group=lang)


def _of_groups(
    scores: Scores, arm: str, baseline: str, axes: Axes, tasks: Sequence[str]
) -> Iterable[Finding | None]:
    """Families and scripts of two or more languages, over all tasks that have them."""
    langs = {lang for task in tasks for lang in scores.langs([arm, baseline], axes, task)} - {"en"}
    for kind in ("family", "script"):
        groups = sorted({str(scores.languages[lang][kind]) for lang in langs})
        for name in groups if len(groups) > 1 else ():
            members = [lang for lang in langs if scores.languages[lang][kind] == name]
            having = [
                task
                for task in tasks
                if (arm, task) not in scores.same_data
                and set(members) & set(scores.langs([arm, baseline], axes, task))
            ]
            if having:
                yield effect_of(
                    scores, [arm], baseline, [axes], having, f"{kind}:{name},-en",
                    group=f"{kind} {name}",
                )  # fmt: skip


def asked_arms(folder: Folder) -> tuple[list[str], str]:
    """The arms that the primary estimand is about, and what is subtracted."""
    named, baseline = _named(folder.estimand), str(folder.estimand.get("baseline", "none"))
    named = [name for name in named if name != EACH]
    return named or [arm for arm in folder.arms if arm != baseline], baseline


def _named(asked: Mapping[str, Any]) -> list[str]:
    value = asked.get("arms") or asked.get("arm") or []
    return [value] if isinstance(value, str) else [str(name) for name in value]


def _tasks(asked: Mapping[str, Any], scores: Scores) -> list[str]:
    """The targets that count; `encoder` stands for the retrieval tasks."""
    named = [str(name) for name in asked.get("tasks") or scores.tasks]
    listed = [task for name in named for task in (RETRIEVAL if name == "encoder" else (name,))]
    return [task for task in dict.fromkeys(listed) if task in scores.tasks]


def _languages(value: Any) -> str:
    return value if isinstance(value, str) else ",".join(map(str, value))


def _length(folder: Folder, arm: str) -> int:
    """How many intermediate tasks an arm trains on, one after the other or together."""
    about = folder.arm(arm)
    lists = [*about.get("intermediate", ()), *([about["joint"]] if about.get("joint") else [])]
    return len({name for group in lists for name in str(group).split(",")})


def _changed(folder: Folder) -> bool:
    """Whether the question is another one than was hashed before the run."""
    asked = folder.plan.get("estimand_hash")
    return asked is not None and asked != sha256_json(dict(folder.estimand))


def _problems(folder: Folder) -> list[str]:
    found = []
    if _changed(folder):
        found.append(
            "the estimand in plan.json is not the one that was hashed before the study ran"
        )
    if folder.missing:
        found.append(f"{len(folder.missing)} of {len(folder.cells)} cells are not finished")
    return found
