"""`xlt push`: one call of `xlt.export.hub.push`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from xlt.cli.options import PATH, command, json_option
from xlt.export.hub.push import push as run_push

__all__ = ["push"]


@command(
    "xlt push xlt-run/bundles/xnli ORG/NAME",
    "xlt push bundle ORG/NAME --private --dry-run",
)
@click.argument("bundle", type=PATH)
@click.argument("hf_id", metavar="HF_ID")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--message", metavar="TEXT", help="Of the commit.")
@click.option("--dry-run", is_flag=True, help="List the files; upload nothing.")
@json_option
def push(
    bundle: Path, hf_id: str, private: bool, message: str | None, dry_run: bool, as_json: bool
) -> None:
    """Upload a bundle to a repository of the hub, which is made where it does not exist.

    The files that the bundle's manifest lists are checked and uploaded in one commit, and nothing
    else of the folder. The token is that of `hf auth login`, or HF_TOKEN.
    """
    done = run_push(bundle, hf_id, private=private, message=message, dry_run=dry_run)
    if as_json:
        fields = {"repository": done.repository, "url": done.url, "files": list(done.files)}
        click.echo(json.dumps(fields, indent=1, ensure_ascii=False))
    elif done.url is None:
        click.echo("\n".join(done.files))
    else:
        click.echo(done.url)
