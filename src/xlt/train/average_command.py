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
    "xlt average run --out averaged --oracle",
)
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@click.option("--out", type=PATH, required=True, metavar="RUN", help="The run folder to write.")
@data_option
@click.option(
    "--oracle",
    is_flag=True,
    help="Score on target languages' dev sets, too; the best there is the target-dev oracle.",
)
@force_option
@json_option
def average(
    runs: tuple[Path, ...],
    out: Path,
    data: Path | None,
    oracle: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Average the weights of runs that share their base model; score it beside them."""
    with needs("train", "averaging"):
        from xlt.train.average import average as work
    run = work(runs, out, data=data, force=force, oracle=oracle)
    if as_json:
        click.echo(json.dumps({"path": str(run.path), **run.record}, indent=1, ensure_ascii=False))
        return
    header = ["target", "model", "English dev", "score"]
    header += ["target dev", "folder"] if oracle else ["folder"]
    rows = []
    for name, entry in run.record["targets"].items():
        for who, scores in {"average": entry["dev"], **entry["beside"]}.items():
            beside = entry.get("target_dev", {}).get(who)
            mean = [f"{sum(beside.values()) / len(beside):.1f}" if beside else "-"]
            last = [*(mean if oracle else []), entry["folders"][who]]
            rows += [[name, who, metric, f"{value:.1f}", *last] for metric, value in scores.items()]
    if rows:
        click.echo(show.table(header, rows))
    following = command_line(["export", str(run.path)])
    click.echo(f"run: {run.path} ({run.status}); next: {following}")
