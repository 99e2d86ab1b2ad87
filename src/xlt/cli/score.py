"""`xlt score`: official files in, official numbers out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from xlt.cli.options import command, json_option
from xlt.core.metrics.score import score_folders
from xlt.core.metrics.table import get_metric
from xlt.core.show import terminal as show
from xlt.core.tasks.table import TARGETS, TASKS

__all__ = ["score"]

LANGUAGES_A_LINE = 7
FOLDER = click.Path(path_type=Path)


@command(
    "xlt score --predictions RES/predictions --labels LABELS",
    "xlt score --predictions RES/predictions --labels LABELS --json > scores.json",
)
@click.option("--predictions", type=FOLDER, required=True, metavar="DIR",
              help="Folder with <task>/test-<lang>.<ext>.")  # fmt: skip
@click.option("--labels", type=FOLDER, required=True, metavar="DIR",
              help="Folder with the labels under the same names.")  # fmt: skip
@json_option
def score(predictions: Path, labels: Path, as_json: bool) -> None:
    """Score predictions in XTREME's official layout with its official rules.

    A task that has no folder on one of the two sides is left out. Scores are percent. UD-POS and
    PAN-X are chunk F1; token accuracy stands beside it and enters no task score.
    """
    result = score_folders(predictions, labels)
    left_out = [name for name in TARGETS if name not in result["tasks"]]
    if left_out:
        show.note("not scored, no folder on both sides: " + " ".join(left_out))
    click.echo(json.dumps(result, indent=1) if as_json else score_text(result))


def score_text(result: dict[str, Any]) -> str:
    """The scores as tables of at most 80 columns: averages first, then every language."""
    rows = []
    for name, scores in result["tasks"].items():
        rows.append((name, f"{scores['avg_metric']:.2f}", _explained(name, scores)))
    rows += [
        (name, f"{value:.2f}", "mean of the group") for name, value in result["groups"].items()
    ]
    if result["all_task"] is not None:
        rows.append(("all_task", f"{result['all_task']:.2f}", "mean of the nine tasks"))
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{name:{width}}  {value:>6}  {rest}" for name, value, rest in rows]
    blocks = [
        f"{name} {metric}\n{_folded(scores[metric])}"
        for name, scores in result["tasks"].items()
        for metric in _metrics(scores)
    ]
    return "\n\n".join(["\n".join(lines), *blocks])


def _explained(name: str, scores: dict[str, Any]) -> str:
    """What a task's score is, and the averages that do not enter it."""
    headline = get_metric(TASKS[name].metric).headline
    means = {metric: f"{metric} {scores[f'avg_{metric}']:.2f}" for metric in _metrics(scores)}
    if len(headline) > 1:
        return "mean of " + " and ".join(means[metric] for metric in headline)
    rest = ", ".join(text for metric, text in means.items() if metric not in headline)
    return f"{headline[0]} ({rest})" if rest else headline[0]


def _metrics(scores: dict[str, Any]) -> list[str]:
    return [name for name, value in scores.items() if isinstance(value, dict)]


def _folded(by_language: dict[str, float]) -> str:
    cells = [f"{lang} {value:6.2f}" for lang, value in sorted(by_language.items())]
    starts = range(0, len(cells), LANGUAGES_A_LINE)
    return "\n".join("  " + "  ".join(cells[i : i + LANGUAGES_A_LINE]) for i in starts)
