"""`xlt score`: official files in, official numbers out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from xlt.cli.options import command, json_option
from xlt.core.metrics.averages import PARTIAL, task_mean
from xlt.core.metrics.score import score_folders
from xlt.core.metrics.table import get_metric
from xlt.core.show import terminal as show
from xlt.core.tasks.table import TARGETS, Task, get_task, parse_tasks

__all__ = ["score"]

LANGUAGES_A_LINE = 7
FOLDER = click.Path(path_type=Path)


@command(
    "xlt score --predictions RES/predictions --labels LABELS",
    "xlt score --predictions RES/predictions --labels LABELS --tasks xnli --langs en,sw",
    "xlt score --predictions RES/predictions --labels LABELS --json > scores.json",
)
@click.option("--predictions", type=FOLDER, required=True, metavar="DIR",
              help="Folder with <task>/test-<lang>.<ext>.")  # fmt: skip
@click.option("--labels", type=FOLDER, required=True, metavar="DIR",
              help="Folder with the labels under the same names.")  # fmt: skip
@click.option("--tasks", default="all", show_default=True, metavar="LIST",
              help="Comma list; all = the targets and the tasks of --task-file.")  # fmt: skip
@click.option("--langs", metavar="LIST",
              help="all | en,sw | family:Uralic | all,-th [default: the official languages, "
                   "which must all be there].")  # fmt: skip
@click.option("--task-file", "task_files", multiple=True, type=FOLDER, metavar="YAML",
              help="A task of your own; repeatable.")  # fmt: skip
@json_option
def score(
    predictions: Path,
    labels: Path,
    tasks: str,
    langs: str | None,
    task_files: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Score predictions in XTREME's official layout with its official rules.

    A task that has no folder on one of the two sides is left out. Scores are percent. UD-POS and
    PAN-X are chunk F1; token accuracy stands beside it and enters no task score. A mean over a
    part of the official languages or tasks has another name and a mark.
    """
    known = _user_tasks(task_files)
    result = score_folders(predictions, labels, tasks=tasks, langs=langs, known=known)
    asked = [task.name for task in parse_tasks(tasks, all_means=(*TARGETS, *known), extra=known)]
    left_out = [name for name in asked if name not in result["tasks"]]
    if left_out:
        what = "folder" if langs is None else "file"
        show.note(f"not scored, no {what} on both sides: " + " ".join(left_out))
    for task, by_lang in result.get("notes", {}).items():
        for lang, remarks in by_lang.items():
            for remark in remarks:
                show.note(f"{task}/{lang}: {remark}")
    click.echo(json.dumps(result, indent=1) if as_json else score_text(result, known))


def _user_tasks(files: tuple[Path, ...]) -> dict[str, Task]:
    """The tasks of task files; pyyaml is needed only when there are any."""
    if not files:
        return {}
    from xlt.data.taskfile import load_tasks

    return load_tasks(files)


def score_text(result: Mapping[str, Any], known: Mapping[str, Task] | None = None) -> str:
    """The scores as tables of at most 80 columns: averages first, then every language.

    Args:
        result: of `score_folders`.
        known: user tasks by name.
    """
    rows = []
    for name, scores in result["tasks"].items():
        mean, partial = task_mean(scores)
        if mean is not None:
            task = get_task(name, dict(known or {}))
            rows.append((name, _number(mean, partial), _explained(task, scores, partial)))
    for partial in (False, True):
        prefix = PARTIAL if partial else ""
        rows += [
            (name, _number(value, partial), "mean of the group")
            for name, value in result.get(f"{prefix}groups", {}).items()
        ]
        if result.get(f"{prefix}all_task") is not None:
            value = result[f"{prefix}all_task"]
            rows.append(("all_task", _number(value, partial), "mean of the nine tasks"))
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{name:{width}}  {value:>7} {rest}" for name, value, rest in rows]
    if any("*" in value for _, value, _ in rows):
        lines.append("* not all official languages: a partial mean, not an XTREME score")
    for name, scores in result["tasks"].items():
        if scores.get("extra_langs"):
            lines.append(
                f"{name}: beyond the official languages: {' '.join(scores['extra_langs'])}"
            )
    blocks = [
        f"{name} {metric}\n{_folded(scores[metric])}"
        for name, scores in result["tasks"].items()
        for metric in _metrics(scores)
    ]
    return "\n\n".join(["\n".join(lines), *blocks])


def _number(value: float, partial: bool) -> str:
    return f"{value:.2f}{'*' if partial else ' '}"


def _explained(task: Task, scores: Mapping[str, Any], partial: bool) -> str:
    """What a task's score is, and the averages that do not enter it."""
    headline = get_metric(task.metric).headline
    prefix = f"{PARTIAL if partial else ''}avg_"
    means = {m: f"{m} {scores[prefix + m]:.2f}" for m in _metrics(scores) if prefix + m in scores}
    if len(headline) > 1:
        return "mean of " + " and ".join(means[metric] for metric in headline)
    rest = ", ".join(text for metric, text in means.items() if metric not in headline)
    return f"{headline[0]} ({rest})" if rest else headline[0]


def _metrics(scores: Mapping[str, Any]) -> list[str]:
    return [name for name, value in scores.items() if isinstance(value, dict)]


def _folded(by_language: dict[str, float]) -> str:
    cells = [f"{lang} {value:6.2f}" for lang, value in sorted(by_language.items())]
    starts = range(0, len(cells), LANGUAGES_A_LINE)
    return "\n".join("  " + "  ".join(cells[i : i + LANGUAGES_A_LINE]) for i in starts)
