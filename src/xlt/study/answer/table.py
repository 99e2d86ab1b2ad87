"""table.csv: one row a score, with everything that tells it apart from the others."""

from __future__ import annotations

from pathlib import Path

from xlt.core.files import read_json
from xlt.core.metrics.table import headline_mean
from xlt.core.show.sheet import Sheet, Value
from xlt.study.answer.folder import Cell, Folder
from xlt.study.answer.scores import Scores

__all__ = ["COLUMNS", "long_table"]

COLUMNS = (
    "study", "cell", "arm", "target", "task", "lang", "family", "branch", "script", "metric",
    "score", "n", "pick", "intermediate_seed", "target_seed", "data_seed", "unit",
)  # fmt: skip
LAST = ("same_data", "seen", "train_seconds")


def long_table(folder: Folder, scores: Scores) -> Sheet:
    """Every metric of every finished cell, language and checkpoint.

    The metric `score` is the one that XTREME averages. Languages have one `pick` for each
    checkpoint that the cell evaluated.
    """
    axes = list(dict.fromkeys(name for cell in folder.cells for name, _ in cell.axes))
    rows = [
        row
        for cell in folder.cells
        for pick, place in cell.results.items()
        for row in _rows(folder, scores, cell, pick, place, axes)
    ]
    return Sheet(
        name="table",
        title=f"Every score of {folder.name}",
        header=[*COLUMNS, *axes, *LAST],
        rows=rows,
        note="Scores in percent.",
    )


def _rows(
    folder: Folder, scores: Scores, cell: Cell, pick: str, place: Path, axes: list[str]
) -> list[list[Value]]:
    found = []
    for entry in read_json(place / "results.json")["cells"]:
        task, lang = entry["task"], entry["lang"]
        about = scores.languages.get(lang, {})
        values = dict(entry["metrics"])
        headline = headline_mean(entry["parts"]["record"]["metric"], values)
        if headline is not None:
            values = {"score": headline, **values}
        for metric, value in values.items():
            found.append(
                [
                    folder.name, cell.id, cell.arm, cell.target, task, lang,
                    about.get("family", ""), about.get("branch", ""), about.get("script", ""),
                    metric, value, entry["n"], pick, cell.intermediate_seed, cell.target_seed,
                    cell.data_seed, cell.unit, *(dict(cell.axes).get(name, "all") for name in axes),
                    int(task in cell.same_data), int((cell.arm, task, lang) in scores.seen),
                    cell.train_seconds,
                ]
            )  # fmt: skip
    return found
