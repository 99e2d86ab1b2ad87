"""The plan of an evaluation: which cells, by which bundle, how, and what the data root lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xlt.core.artifacts.bundle import DEFAULT_RUN, Bundle
from xlt.core.artifacts.ready import absolute, find_models
from xlt.core.artifacts.runs import recorded_root
from xlt.core.errors import DataError, Mistakes, ModelError, UsageError, did_you_mean
from xlt.core.inference.device import parse_device
from xlt.core.inference.session import check_device
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.languages import LANGUAGES, parse_langs
from xlt.core.tasks.table import Task
from xlt.data import DataRoot
from xlt.data.usertask import UserTask
from xlt.evalsuite.plan.choose import Assignment, assign
from xlt.evalsuite.plan.config import EvalConfig
from xlt.evalsuite.plan.gates import Floor, parse_floors
from xlt.evalsuite.plan.prompts import choose_prompt, parse_prompts, prompted

__all__ = ["Plan", "Planned", "make_plan"]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One cell to evaluate."""

    assignment: Assignment
    lang: str
    split: str

    @property
    def task(self) -> Task:
        """The task that is asked."""
        return self.assignment.task

    @property
    def bundle(self) -> Bundle:
        """The bundle that answers it."""
        return self.assignment.bundle

    @property
    def name(self) -> str:
        """As people read it: task/language."""
        return f"{self.task.name}/{self.lang}"

    @property
    def predictions(self) -> str:
        """Where its predictions go inside the results folder (the official layout)."""
        return f"predictions/{self.task.name}/{self.split}-{self.lang}.{self.task.extension}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An `EvalConfig` resolved: what to evaluate, how, and where the results go.

    Attributes:
        cells: in the order of the report.
        missing: task -> asked languages without data: official ones and those that the root's
            languages.json adds; in a root of constructed languages, these alone.
        out: the results folder.
        floors: lowest allowed scores.
        max_drop: points by which a language may fall below the results `against`.
        allow_missing: gates hold although languages that they look at have no score.
        asked: the value of `--langs`.
        cross: also pairs of a context and a question in two languages.
        engine: local or ray.
        address: of the Ray cluster.
    """

    root: DataRoot
    split: str
    precision: str
    cells: tuple[Planned, ...]
    missing: Mapping[str, tuple[str, ...]]
    out: Path
    device: str
    threads: int | None
    batch_tokens: int | None
    both_directions: bool
    force: bool
    submission: Path | None
    floors: tuple[Floor, ...]
    against: tuple[Path, ...]
    max_drop: float | None
    allow_missing: bool
    asked: str
    cross: bool = False
    engine: str = "local"
    address: str | None = None

    @property
    def langs(self) -> dict[str, list[str]]:
        """Task -> languages that are evaluated."""
        found: dict[str, list[str]] = {}
        for cell in self.cells:
            found.setdefault(cell.task.name, []).append(cell.lang)
        return found

    @property
    def expected(self) -> dict[str, list[str]]:
        """Task -> languages that were asked and are evaluated or missing."""
        langs = self.langs
        return {task: [*langs.get(task, ()), *lacking] for task, lacking in self.missing.items()}

    def with_baseline(self, scored: Sequence[tuple[str, str]]) -> Plan:
        """The plan with what other results have and this one lacks among the missing.

        Args:
            scored: (task, language) of the other results; those that were not asked are left out.
        """
        missing = {task: list(langs) for task, langs in self.missing.items()}
        known = list(dict.fromkeys([*self.root.languages, *(lang for _, lang in scored)]))
        asked = set(parse_langs(self.asked, self.root.languages, known))
        expected = self.expected
        for task, lang in scored:
            if task in missing and lang in asked and lang not in expected[task]:
                missing[task].append(lang)
        return replace(self, missing={task: tuple(langs) for task, langs in missing.items()})

    @property
    def constructed(self) -> frozenset[str]:
        """Codes of invented languages of the data root, whatever real language has the code."""
        languages = self.root.languages.items()
        return frozenset(code for code, language in languages if language.constructed)


def make_plan(config: EvalConfig) -> Plan:
    """Decide what to evaluate; reads manifests and folder listings, no data.

    Raises:
        UsageError: mistakes in the configuration, unknown names, a task without exactly one
            bundle (exit 2).
        DataError: no data for a task that was named, or for any task (exit 3).
        ModelError: a model is missing, damaged, or lacks the precision (exit 4).
    """
    if config.engine == "ray":
        config = _absolute(config)
    mistakes, bundles, root = Mistakes(), [], None
    with mistakes:
        config.check()
    with mistakes:
        bundles = _bundles(config.models, config.precision, config.task)
    with mistakes:
        root = DataRoot(
            _data_root(config.models, config.data),
            task_files=config.task_files,
            carried=_carried(bundles),
        )
    assignments: list[Assignment] = []
    if root is not None and bundles:
        with mistakes:
            assignments = assign(bundles, config.tasks, config.use, root.tasks)
    if root is not None:
        with mistakes:
            parse_langs(config.langs, root.languages, root.languages)
    with mistakes:
        if parse_device(config.device)[0] == "cuda" and config.engine == "local":
            check_device(config.device)
    with mistakes:
        assignments = _with_prompts(assignments, config.prompt)
    mistakes.tell()
    assert root is not None
    assignments = _verified(assignments)
    cells, missing = _cells(config, root, assignments)
    plan = Plan(
        root=root,
        split=config.split,
        precision=config.precision,
        cells=cells,
        missing=missing,
        out=config.out or _default_out(config.models),
        device=config.device,
        threads=config.threads,
        batch_tokens=config.batch_tokens,
        both_directions=config.both_directions,
        force=config.force,
        submission=config.submission,
        floors=(),
        against=config.against,
        max_drop=config.max_drop,
        allow_missing=config.allow_missing,
        asked=config.langs,
        cross=config.cross,
        engine=config.engine,
        address=config.address,
    )
    return replace(plan, floors=parse_floors(config.min_score, plan.expected))


def _cells(
    config: EvalConfig, root: DataRoot, assignments: Sequence[Assignment]
) -> tuple[tuple[Planned, ...], dict[str, tuple[str, ...]]]:
    """All cells, and the asked languages that each task lacks."""
    split = config.split
    named = {part.strip() for part in config.tasks.split(",")} - {"all"}
    asked = set(parse_langs(config.langs, root.languages, root.languages))
    cells: list[Planned] = []
    missing: dict[str, tuple[str, ...]] = {}
    empty: list[Task] = []
    for assignment in assignments:
        task = assignment.task
        there = root.langs(task, split)
        chosen = [code for code in there if code in asked]
        cells += [Planned(assignment=assignment, lang=code, split=split) for code in chosen]
        expected = _expected(root, task, there)
        missing[task.name] = tuple(c for c in expected if c in asked and c not in there)
        if not chosen:
            empty.append(task)
    fatal = [task for task in empty if task.name in named] if cells else empty
    if fatal:
        raise DataError(
            "; ".join(
                f"{root.path} has no {split} data of {task.name} for --langs {config.langs} "
                f"(tried {_tried(root, task, split)})"
                for task in fatal
            ),
            f"`xlt data check --data {root.path}` lists what is there",
        )
    return tuple(cells), missing


def _expected(root: DataRoot, task: Task, there: Collection[str]) -> list[str]:
    """Languages that the root should have for a task; English is the other side of bitexts."""
    constructed = {code for code, language in root.languages.items() if language.constructed}
    own = [code for code in root.languages if code not in LANGUAGES or code in constructed]
    official = [code for code in task.languages if code not in constructed]
    if constructed and not set(official) & set(there):
        official = []
    expected = dict.fromkeys([*official, *own])
    bitext = kind_of(task).matching is not None
    return [code for code in expected if not (bitext and code == "en")]


def _default_out(models: Sequence[Path]) -> Path:
    """RUN/results for the first model that is a run, ./xlt-results when none is."""
    runs = [model for model in models or [DEFAULT_RUN] if (model / "run.json").is_file()]
    return runs[0] / "results" if runs else Path("xlt-results")


def _absolute(config: EvalConfig) -> EvalConfig:
    """Paths that mean the same in the working folder of any worker."""
    return replace(
        config,
        models=tuple(map(absolute, config.models or (DEFAULT_RUN,))),
        data=config.data and config.data.absolute(),
        task_files=tuple(path.absolute() for path in config.task_files),
    )


def _bundles(models: Sequence[Path], precision: str, task: str | None) -> list[Bundle]:
    """The manifests of all bundles; bytes are checked only of those that answer a task."""
    named: Sequence[Path | None] = models or [None]
    paths = [path for model in named for path in find_models(model, task=task)]
    unique = {path.resolve(): path for path in paths}
    return [Bundle.open(path, precision=precision, verify=False) for path in unique.values()]


def _carried(bundles: Sequence[Bundle]) -> list[UserTask]:
    """The tasks of task files that bundles were trained on, as their manifests have them.

    Raises:
        ModelError: a record is damaged.
    """
    found = []
    for bundle in bundles:
        record = bundle.manifest.get("task_file")
        if record is None:
            continue
        try:
            found.append(UserTask.from_json(record))
        except (AttributeError, KeyError, TypeError) as error:
            raise ModelError(
                f"{bundle.path}: task_file of its manifest is not a task's record ({error})",
                "export the model again, or give --task-file",
            ) from error
    return found


def _verified(assignments: Sequence[Assignment]) -> list[Assignment]:
    whole = {
        path: Bundle.open(path, precision=assignment.bundle.precision)
        for path, assignment in {
            assignment.bundle.path: assignment for assignment in assignments
        }.items()
    }
    found: dict[tuple[Path, str | None], Bundle] = {}
    verified = []
    for one in assignments:
        name = one.prompt.name if one.prompt else None
        bundle = prompted(whole[one.bundle.path], one.prompt)
        bundle = found.setdefault((one.bundle.path, name), bundle)  # one engine for equal ones
        verified.append(replace(one, bundle=bundle))
    return verified


def _with_prompts(assignments: Sequence[Assignment], texts: Sequence[str]) -> list[Assignment]:
    """The assignments with the prompt of each task.

    Raises:
        UsageError: a malformed flag, a task that is not evaluated, or no such prompt.
    """
    asked = parse_prompts(texts)
    there = {one.task.name for one in assignments}
    for name in sorted(asked.keys() - there - {""} if assignments else ()):
        raise UsageError(
            f"--prompt names {name}, which is not evaluated here{did_you_mean(name, there)}",
            "name a task of --tasks that compares sentences",
        )
    return [replace(one, prompt=choose_prompt(one.bundle, one.task, asked)) for one in assignments]


def _data_root(models: Sequence[Path], data: Path | None) -> Path:
    root = data or recorded_root(models or [DEFAULT_RUN])
    if root is None:
        raise UsageError(
            "no data root given, and the model records none",
            "add --data ROOT (or set XLT_DATA); `xlt world --out ROOT` makes one offline",
        )
    return root


def _tried(root: DataRoot, task: Task, split: str) -> str:
    lang = next(iter(task.languages), "en")
    return ", ".join(root.tried(task, lang, split))
