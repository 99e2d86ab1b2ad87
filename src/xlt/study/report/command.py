"""`xlt study report`: the answer of a study, finished or not."""

from __future__ import annotations

from pathlib import Path

import click

from xlt.cli.options import PATH, command

__all__ = ["report"]


@command(
    "xlt study report OUT",
    "xlt study report OUT --format markdown",
    "xlt study report OUT --format csv --out scores.csv",
)
@click.argument("study", type=PATH, metavar="OUT")
@click.option("--store", type=PATH, metavar="DIR", help="Its store.  [default: the one it ran in]")
@click.option(
    "--format", "form", default="html", show_default=True,
    type=click.Choice(["html", "markdown", "csv", "json"]),
    help="csv is one long table of all scores, the others hold the tables of the page.",
)  # fmt: skip
@click.option(
    "--out", "file", type=PATH, metavar="FILE",
    help="File to write  [default: OUT/report.html, OUT/table.csv and, where forgetting was "
    "measured, OUT/forgetting.csv; other formats: stdout].",
)  # fmt: skip
def report(study: Path, store: Path | None, form: str, file: Path | None) -> None:
    """Answer a study's question from the cells that are finished.

    OUT is the folder of `xlt study run`; the study may still be running. The page opens with one
    sentence and a figure; what is missing is named.
    """
    from xlt.core.files import write_atomic
    from xlt.core.show.terminal import note
    from xlt.study.report.build import build_report, check_out

    if file is not None:
        check_out(file)
    built = build_report(study, store)
    text = built.text(form)
    if file is None and form == "html":
        file = study / "report.html"
        write_atomic(study / "table.csv", built.table().csv())
        note(f"table: {study / 'table.csv'}")
        if (forgotten := built.forgetting()) is not None:
            write_atomic(study / "forgetting.csv", forgotten.csv())
    if file is None:
        click.echo(text, nl=False)
        return
    write_atomic(file, text)
    click.echo(built.answer.sentence)
    note(f"report: {file}")
