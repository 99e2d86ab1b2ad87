"""`xlt world`: write the embedded benchmark as a data root."""

from __future__ import annotations

import json
from pathlib import Path

import click

from xlt.cli.options import command, force_option, json_option, seed_option
from xlt.core.show import terminal as show
from xlt.world.files.write import write_world
from xlt.world.sizes import SIZES

__all__ = ["world"]


@command(
    "xlt world --out root",
    "xlt world --out root --size tiny --seed 7",
    "xlt data check --data root",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="ROOT",
    help="Where the data root goes.",
)
@click.option(
    "--size", default="small", show_default=True, metavar="|".join(SIZES), help="How much of it."
)  # fmt: skip
@seed_option()
@force_option
@json_option
def world(out: Path, size: str, seed: int, force: bool, as_json: bool) -> None:
    """Write the embedded synthetic benchmark: all tasks, texts and languages, offline."""
    record = write_world(
        out, size=size, seed=seed, force=force, step=lambda name: show.note(f"writing {name}")
    )
    if as_json:
        click.echo(json.dumps({"out": str(out), **record}, ensure_ascii=False))
        return
    megabytes = record["bytes"] / 1e6
    click.echo(
        f"{out}: {record['files']} files, {megabytes:.1f} MB, languages "
        f"{' '.join(record['languages'])} (constructed), seed {seed}, "
        f"sha256 {record['sha256'][:16]}"
    )
    show.note(f"next: xlt train --model compact --data {out} --intermediate mnli")
