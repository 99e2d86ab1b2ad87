"""The verb `xlt report`: results folders in, one page or a set of tables out."""

from __future__ import annotations

from pathlib import Path

import click

from xlt.cli.options import PATH, command, data_option

__all__ = ["report"]


@command(
    "xlt report xlt-run/results",
    "xlt report NEW/results --baseline OLD/results --data ROOT --out compared.html",
    "xlt report seed1/results seed2/results --format markdown",
)
@click.argument("results", nargs=-1, required=True, type=PATH, metavar="RES...")
@click.option(
    "--baseline", multiple=True, type=PATH, metavar="RES",
    help="Results to compare with; repeatable: one, or one for each RES in the same order.",
)  # fmt: skip
@data_option
@click.option(
    "--task-file", "task_files", multiple=True, type=PATH, metavar="YAML",
    help="A task of your own that the results have; repeatable. Those in ROOT/tasks/ are known.",
)  # fmt: skip
@click.option(
    "--format", "form", default="html", show_default=True,
    type=click.Choice(["html", "json", "csv", "markdown", "latex"]),
    help="csv is one long table of all metrics, the others hold the tables of the page.",
)  # fmt: skip
@click.option(
    "--examples", default=2, show_default=True, type=click.IntRange(0), metavar="N",
    help="Right and as many wrong items of each cell that is shown.",
)  # fmt: skip
@click.option(
    "--out", type=PATH, metavar="FILE",
    help="File to write [default: report.html; other formats go to stdout].",
)  # fmt: skip
def report(
    results: tuple[Path, ...],
    baseline: tuple[Path, ...],
    data: Path | None,
    task_files: tuple[Path, ...],
    form: str,
    examples: int,
    out: Path | None,
) -> None:
    """Show what `xlt eval` found: a page that needs no network, or tables for other tools.

    RES is a results folder; several, or a folder of runs, are seeds of one setting. Differences
    are tested where the items can be read again: from --data, or the root that the results name.
    Nothing is ever written into a folder that is read.
    """
    from xlt.core.files import write_atomic
    from xlt.core.show.terminal import note
    from xlt.evalsuite.report.page.build import ReportConfig, build_report, check_out

    config = ReportConfig(
        results=results, baseline=baseline, data=data, task_files=task_files, examples=examples
    )
    if out is None and form == "html":
        out = Path("report.html")
    if out is not None:
        check_out(out, config)
    built = build_report(config)
    text = built.text(form)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_atomic(out, text)
        note(f"report: {out}")
    for line in built.left_out:
        note(f"left out: {line}")
