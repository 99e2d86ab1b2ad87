"""The plan of an evaluation: which cells, by which bundle, and what the data root lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xlt.core.artifacts.bundle import DEFAULT_RUN, Bundle, find_bundles
from xlt.core.artifacts.runs import recorded_root
from xlt.core.errors import DataError, UsageError
from xlt.core.tasks.languages import parse_langs
from xlt.data import DataRoot
from xlt.evalsuite.plan.choose import Duty, assign

__all__ = ["Plan", "Planned", "default_out", "make_plan"]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One cell to evaluate."""

    duty: Duty
    lang: str
    split: str

    @property
    def name(self) -> str:
        """As people read it: task/language."""
        return f"{self.duty.task.name}/{self.lang}"

    @property
    def predictions(self) -> str:
        """Where its predictions go inside the results folder (the official layout)."""
        task = self.duty.task
        return f"predictions/{task.name}/{self.split}-{self.lang}.{task.extension}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All cells of an evaluation, in the order of the report.

    Attributes:
        missing: task -> asked official languages without data; not kept for constructed
            languages, which no official list names.
    """

    root: DataRoot
    split: str
    precision: str
    cells: tuple[Planned, ...]
    missing: Mapping[str, tuple[str, ...]]

    @property
    def langs(self) -> dict[str, list[str]]:
        """Task -> languages that are evaluated."""
        found: dict[str, list[str]] = {}
        for cell in self.cells:
            found.setdefault(cell.duty.task.name, []).append(cell.lang)
        return found

    @property
    def official(self) -> dict[str, tuple[str, ...]]:
        """Task -> languages that the benchmark scores."""
        return {cell.duty.task.name: cell.duty.task.languages for cell in self.cells}


def make_plan(
    models: Sequence[Path],
    data: Path | None,
    tasks: str | Sequence[str],
    langs: str,
    *,
    split: str,
    precision: str,
    use: Mapping[str, str],
    task_files: Sequence[Path] = (),
) -> Plan:
    """Decide what to evaluate; reads manifests and folder listings, no data.

    Raises:
        UsageError: unknown names, a task without exactly one bundle (exit 2).
        DataError: no data for a task that was named, or for any task (exit 3).
        ModelError: a model is missing, damaged, or lacks the precision (exit 4).
    """
    bundles = _bundles(models, precision)
    root = DataRoot(_data_root(models, data), task_files=task_files)
    duties = _verified(assign(bundles, tasks, use, root.tasks))
    named = _names(tasks)
    asked = set(parse_langs(langs, root.languages, root.languages))
    cells: list[Planned] = []
    missing: dict[str, tuple[str, ...]] = {}
    empty: list[Duty] = []
    for duty in duties:
        task = duty.task
        there = root.langs(task, split)
        chosen = [code for code in there if code in asked]
        cells += [Planned(duty=duty, lang=code, split=split) for code in chosen]
        if not any(root.languages[code].constructed for code in there):
            missing[task.name] = tuple(c for c in task.languages if c in asked and c not in there)
        if not chosen:
            empty.append(duty)
    fatal = [duty for duty in empty if duty.task.name in named] if cells else empty
    if fatal:
        raise DataError(
            "; ".join(
                f"{root.path} has no {split} data of {duty.task.name} for --langs {langs} "
                f"(tried {_tried(root, duty, split)})"
                for duty in fatal
            ),
            f"`xlt data check --data {root.path}` lists what is there",
        )
    return Plan(root=root, split=split, precision=precision, cells=tuple(cells), missing=missing)


def default_out(models: Sequence[Path]) -> Path:
    """RUN/results for the first model that is a run, ./xlt-results when none is."""
    runs = [model for model in models or [DEFAULT_RUN] if (model / "run.json").is_file()]
    return runs[0] / "results" if runs else Path("xlt-results")


def _bundles(models: Sequence[Path], precision: str) -> list[Bundle]:
    """The manifests of all bundles; bytes are checked only of those that get a duty."""
    named: Sequence[Path | None] = models or [None]
    paths = [path for model in named for path in find_bundles(model)]
    unique = {path.resolve(): path for path in paths}
    return [Bundle.open(path, precision=precision, verify=False) for path in unique.values()]


def _verified(duties: Sequence[Duty]) -> list[Duty]:
    whole = {
        path: Bundle.open(path, precision=duty.bundle.precision)
        for path, duty in {duty.bundle.path: duty for duty in duties}.items()
    }
    return [replace(duty, bundle=whole[duty.bundle.path]) for duty in duties]


def _data_root(models: Sequence[Path], data: Path | None) -> Path:
    root = data or recorded_root(models or [DEFAULT_RUN])
    if root is None:
        raise UsageError(
            "no data root given, and the model records none",
            "add --data ROOT (or set XLT_DATA); `xlt world --out ROOT` makes one offline",
        )
    return root


def _names(tasks: str | Sequence[str]) -> set[str]:
    """Tasks that were named one by one (not through `all`)."""
    parts = tasks.split(",") if isinstance(tasks, str) else tasks
    return {part.strip() for part in parts} - {"all"}


def _tried(root: DataRoot, duty: Duty, split: str) -> str:
    lang = next(iter(duty.task.languages), "en")
    return ", ".join(root.tried(duty.task, lang, split))
