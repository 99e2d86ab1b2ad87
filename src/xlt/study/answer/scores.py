"""Scores of all cells as numbers that can be added: a value, and what each cluster of items says.

A score is a function of summed counts. Its jackknife influences (the score minus the score without
one cluster) stand for it in sums and differences of scores, so every estimand is a weighted sum of
these records. Letters of shapes: N items, G clusters of a task in all its languages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError
from xlt.core.files import read_json
from xlt.core.metrics.table import headline_mean, headline_score
from xlt.core.stats.items import Rows, read_items
from xlt.core.tasks.languages import LANGUAGES
from xlt.study.answer.folder import Axes, Cell, Folder

__all__ = ["Key", "Linear", "Place", "Scores", "Subset", "read_scores"]

UNLABELLED = frozenset({"text", "parallel"})  # training data of no task
Place = tuple[str, str]  # task, language
Subset = Mapping[Place, NDArray[np.bool_]]  # which items of a cell count
FAKE = 2  # clusters of a score whose items are not known: its spread is that of the seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """One score.

    Attributes:
        score: percent.
        influence: (G,), score minus the score without each cluster of the task; 0 where the
            language has no such cluster.
        n: items.
    """

    score: float
    influence: NDArray[np.float64]
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Which training a score is of.

    Attributes:
        arm: its name.
        axes: the further axes.
        unit: equal units of two arms are a pair.
        data_seed: of samples of the training data.
    """

    arm: str
    axes: Axes
    unit: int
    data_seed: int | None


@dataclass(kw_only=True)
class Scores:
    """All scores of a study.

    Attributes:
        linear: training -> (task, language) -> score.
        there: (task, language) -> which clusters of the task the language has.
        seen: (arm, task, language) whose training had labelled examples in that language.
        same_data: (arm, task) whose intermediate data hold the task's own training data.
        languages: code -> name, family, branch, script, indo_european, constructed.
        dev: training and task -> English dev score of the checkpoint.
        cells: training and task -> the cell.
        data: the data root that the results name.
        split: that was evaluated.
    """

    linear: dict[Key, dict[Place, Linear]]
    there: dict[Place, NDArray[np.bool_]]
    seen: set[tuple[str, str, str]]
    same_data: set[tuple[str, str]]
    languages: dict[str, dict[str, Any]]
    dev: dict[tuple[Key, str], float]
    cells: dict[tuple[Key, str], Cell]
    data: Path | None = None
    split: str = "test"
    _index: dict[tuple[str, Axes, str], list[Key]] | None = None

    @property
    def tasks(self) -> list[str]:
        """All tasks that have a score."""
        return list(dict.fromkeys(task for by in self.linear.values() for task, _ in by))

    def keys(self, arm: str, axes: Axes, task: str) -> list[Key]:
        """The trainings of an arm that have scores of a task, by unit."""
        if self._index is None:  # asked for every term of every sum
            found: dict[tuple[str, Axes, str], list[Key]] = {}
            for key, by in self.linear.items():
                for name in dict.fromkeys(name for name, _ in by):
                    found.setdefault((key.arm, key.axes, name), []).append(key)
            for keys in found.values():
                keys.sort(key=lambda key: (key.data_seed or 0, key.unit))
            self._index = found
        return self._index.get((arm, axes, task), [])

    def langs(self, arms: Iterable[str], axes: Axes, task: str) -> list[str]:
        """Languages in which every training of these arms has a score of the task."""
        sets = [self.linear[key] for arm in arms for key in self.keys(arm, axes, task)]
        if not sets:
            return []
        langs = [lang for name, lang in sets[0] if name == task]
        return [lang for lang in langs if all((task, lang) in one for one in sets)]

    def axes(self) -> list[Axes]:
        """All combinations of the further axes."""
        return list(dict.fromkeys(key.axes for key in self.linear))


def read_scores(folder: Folder, subset: Subset | None = None) -> Scores:
    """Read the results and items of every finished cell.

    Args:
        folder: of the study.
        subset: only these items count; tasks and languages it does not name are left out.

    Raises:
        DataError: results or items are damaged.
    """
    scores = Scores(
        linear={}, there={}, seen=set(), same_data=set(), languages={}, dev={},
        cells={},
    )  # fmt: skip
    raw: dict[Place, list[tuple[Key, dict[str, Any], Rows | None]]] = {}
    for cell in folder.cells:
        if not cell.done:
            continue
        key = Key(arm=cell.arm, axes=cell.axes, unit=cell.unit, data_seed=cell.data_seed)
        place = next(iter(cell.results.values()))
        record = _results(place)
        scores.languages.update(record.get("languages", {}))
        scores.data = scores.data or Path(record["data"])
        scores.split = str(record["split"])
        for entry in record["cells"]:
            if entry["score"] is None:
                continue
            task, lang = entry["task"], entry["lang"]
            if subset is not None and (task, lang) not in subset:
                continue
            raw.setdefault((task, lang), []).append((key, entry, _rows(place, entry)))
            scores.cells[key, task] = cell
            if task in cell.same_data:
                scores.same_data.add((cell.arm, task))
            if lang in _labelled_langs(record["bundles"][entry["bundle"]]):
                scores.seen.add((cell.arm, task, lang))
            if (key, task) not in scores.dev and (dev := _dev(cell, task)) is not None:
                scores.dev[key, task] = dev
    for task in dict.fromkeys(task for task, _ in raw):
        _linearise(scores, task, {p: found for p, found in raw.items() if p[0] == task}, subset)
    for code in {lang for _, lang in scores.there}:
        if code not in scores.languages and code in LANGUAGES:
            language = LANGUAGES[code]
            scores.languages[code] = {
                name: getattr(language, name)
                for name in ("name", "family", "branch", "script", "indo_european", "constructed")
            }
    return scores


def _linearise(
    scores: Scores,
    task: str,
    raw: Mapping[Place, list[tuple[Key, dict[str, Any], Rows | None]]],
    subset: Subset | None,
) -> None:
    """Influences of every cluster, over the union of the task's clusters."""
    rows = [one for found in raw.values() for _, _, one in found if one is not None]
    whole = len(rows) == sum(map(len, raw.values()))
    names = np.unique(np.concatenate([one.clusters for one in rows])) if whole else np.arange(FAKE)
    for place, found in raw.items():
        metric = str(found[0][1]["parts"]["record"]["metric"])
        there = np.zeros(len(names), dtype=bool)
        for key, entry, one in found:
            if not whole or one is None:
                linear = Linear(
                    score=float(entry["score"]), influence=np.zeros(len(names)), n=entry["n"]
                )
                there[:] = True
            else:
                keep = slice(None) if subset is None else subset[place]
                if subset is not None and len(subset[place]) != len(one.counts):
                    raise DataError(
                        f"{task}/{place[1]}: {len(one.counts)} items, {len(subset[place])} known",
                        "the data root has changed since the evaluation",
                    )
                at = np.searchsorted(names, one.clusters[keep])
                linear = _linear(one.counts[keep], at, len(names), metric)
                there[at] = True
            scores.linear.setdefault(key, {})[place] = linear
        scores.there[place] = scores.there.get(place, there) | there


def _linear(
    counts_NS: NDArray[np.float64], at_N: NDArray[np.int64], clusters: int, metric: str
) -> Linear:
    """A score and its influences; a single cluster has none."""
    score = headline_score(metric)
    sums_GS = np.zeros((clusters, counts_NS.shape[1]))
    np.add.at(sums_GS, at_N, counts_NS)
    total_S = sums_GS.sum(axis=0)
    value = float(score(total_S))
    with np.errstate(invalid="ignore", divide="ignore"):
        influence_G = np.nan_to_num(value - score(total_S - sums_GS))
    return Linear(score=value, influence=influence_G, n=len(counts_NS))


def _results(place: Path) -> dict[str, Any]:
    if not (place / "results.json").is_file():
        raise DataError(
            f"{place / 'results.json'}: no such file",
            "give --store, the folder that the study kept its stages in",
        )
    record = read_json(place / "results.json")
    if not isinstance(record, dict) or not isinstance(record.get("cells"), list):
        raise DataError(f"{place}: not the results of an evaluation", "run the study again")
    return record


def _labelled_langs(bundle: Mapping[str, Any]) -> set[str]:
    """Languages of the labelled examples that a model was trained on."""
    parts = (bundle.get("trained_on") or {}).get("data") or ()
    return {part["lang"] for part in parts if part.get("task") not in UNLABELLED}


def _rows(place: Path, entry: Mapping[str, Any]) -> Rows | None:
    return read_items(place / entry["items"]).rows if entry.get("items") else None


def _dev(cell: Cell, task: str) -> float | None:
    """English dev score of the run that trained a task."""
    for run in reversed(cell.runs):
        file = run / "run.json"
        if not file.is_file():
            continue
        for target in read_json(file).get("targets", {}).values():
            if task in target.get("serves", ()):
                return headline_mean(target["task"]["metric"], target["dev"])
    return None
