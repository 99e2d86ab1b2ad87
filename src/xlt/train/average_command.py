"""`xlt average`: runs to a run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from xlt.cli.options import PATH, command, data_option, force_option, json_option
from xlt.core.extras import needs
from xlt.core.show import terminal as show
from xlt.core.show.program import command_line

__all__ = ["average"]


@command(
    "xlt average run-1 run-2 run-3 --out averaged",
    "xlt average run-1 run-2 --out averaged --data ROOT --json",
)
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@click.option("--out", type=PATH, required=True, metavar="RUN", help="The run folder to write.")
@data_option
@force_option
@json_option
def average(
    runs: tuple[Path, ...], out: Path, data: Path | None, force: bool, as_json: bool
) -> None:
    """Average the weights of runs that share their base model; score it beside them."""
    with needs("train", "averaging"):
        from xlt.train.average import average as work
    run = work(runs, out, data=data, force=force)
    if as_json:
        click.echo(json.dumps({"path": str(run.path), **run.record}, indent=1, ensure_ascii=False))
        return
    rows = []
    for name, entry in run.record["targets"].items():
        for who, scores in {"average": entry["dev"], **entry["beside"]}.items():
            rows += [[name, who, metric, f"{value:.1f}"] for metric, value in scores.items()]
    if rows:
        click.echo(show.table(["target", "model", "English dev", "score"], rows))
    following = command_line(["export", str(run.path)])
    click.echo(f"run: {run.path} ({run.status}); next: {following}")
