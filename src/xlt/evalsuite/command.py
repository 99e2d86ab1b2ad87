"""The verb `xlt eval`: flags in, `evaluate` in the middle, tables or JSON out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from xlt.cli.options import (
    PATH,
    command,
    data_option,
    device_option,
    force_option,
    json_option,
    langs_option,
    out_option,
    threads_option,
)
from xlt.core.artifacts.bundle import PRECISIONS
from xlt.core.errors import XltError

__all__ = ["evaluate"]


@command(
    "xlt eval",
    "xlt eval RUN --tasks udpos,panx --langs en,sw,family:Uralic",
    "xlt eval RUN --tasks xquad --use xquad=tydiqa --data ROOT",
    "xlt eval RUN --min-score xnli.sw=60 --against OLD/results --max-drop 0.5",
    "xlt eval RUN --submission my-submission",
    "xlt eval hf:ORG/NAME --task xquad --data ROOT",
)
@click.argument("models", nargs=-1, type=PATH, metavar="[MODEL]...")
@click.option(
    "--tasks", default="all", show_default=True, metavar="LIST",
    help="Comma list; all = the targets and user tasks that the bundles answer.",
)  # fmt: skip
@click.option(
    "--task", metavar="T", help="What a checkpoint among the models answers, if it does not say."
)
@langs_option
@click.option("--split", type=click.Choice(["test", "dev"]), default="test", show_default=True)
@click.option(
    "--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True,
    help="Which variant of the bundles to use.",
)  # fmt: skip
@click.option(
    "--use", multiple=True, metavar="TASK=NAME",
    help="Let the bundle NAME answer TASK; repeatable.",
)  # fmt: skip
@click.option(
    "--prompt", multiple=True, metavar="[TASK=]NAME",
    help="Retrieval: which of the bundle's prompts stands before every text, or none; "
    "repeatable [default: the task's, the bundle's default, or query].",
)  # fmt: skip
@click.option(
    "--task-file", "task_files", multiple=True, type=PATH, metavar="YAML",
    help="A task of your own; repeatable. Those in ROOT/tasks/ are known anyway.",
)  # fmt: skip
@click.option(
    "--batch-tokens", type=click.IntRange(1), metavar="N",
    help="Padded tokens a batch: speed and memory, never scores [default: by device].",
)  # fmt: skip
@click.option(
    "--both-directions", is_flag=True, help="Tatoeba also with the foreign side as queries."
)
@click.option("--cross", is_flag=True, help="MLQA also with context and question in two languages.")
@data_option
@out_option(text="Results folder [default: RUN/results, or ./xlt-results].")
@click.option(
    "--submission", type=PATH, metavar="DIR", help="Also write the official submission folder."
)
@click.option(
    "--min-score", multiple=True, metavar="TASK[.LANG]=X",
    help="Exit 5 when a score is below X (percent); repeatable.",
)  # fmt: skip
@click.option(
    "--against", multiple=True, type=PATH, metavar="RES",
    help="Other results to compare with; several, or a folder of runs, are seeds of one setting.",
)  # fmt: skip
@click.option(
    "--max-drop", type=click.FloatRange(0), metavar="N",
    help="With --against: exit 5 when a language falls by more than N points.",
)  # fmt: skip
@click.option(
    "--allow-missing", is_flag=True,
    help="Let --min-score and --max-drop hold although languages are missing.",
)  # fmt: skip
@device_option
@threads_option
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
    help="ray: share the work among the machines of a Ray cluster; results are the same.",
)  # fmt: skip
@click.option(
    "--address", metavar="HOST:PORT",
    help="The Ray cluster [default: one of this machine's cores, for this call].",
)  # fmt: skip
@json_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
@force_option
def evaluate(use: tuple[str, ...], as_json: bool, dry_run: bool, **flags: Any) -> None:
    """Evaluate bundles on XTREME's tasks in every language.

    MODEL is a bundle, a folder of bundles or a run; default ./xlt-run. A checkpoint folder or
    hf:ORG/NAME is exported once, into a cache, and evaluated. Finished cells (one task
    in one language) are kept in the results folder and reused as long as nothing they depend on
    has changed, so an interrupted call just goes on.
    """
    from xlt.core.errors import PartlyDone
    from xlt.evalsuite.plan.choose import parse_use
    from xlt.evalsuite.plan.config import EvalConfig
    from xlt.evalsuite.plan.plan import make_plan
    from xlt.evalsuite.report.checks import check_gates
    from xlt.evalsuite.report.screen import screen
    from xlt.evalsuite.report.tables import language_tables, render_plan
    from xlt.evalsuite.run import check_before, preview, run_plan

    config = EvalConfig(use=parse_use(use), **flags)
    plan = make_plan(config)
    plan, against = check_before(plan)
    if dry_run:
        states = preview(plan)
        click.echo(json.dumps(states, indent=1) if as_json else render_plan(plan, states))
        return
    results = run_plan(plan)
    if against:
        _compare(results, against, as_json)
    elif as_json:
        click.echo((plan.out / "results.json").read_text(encoding="utf-8"), nl=False)
    else:
        click.echo(screen(results, language_tables(results)))
    if results.failures:
        raise PartlyDone(
            f"{len(results.failures)} of {len(plan.cells)} cells failed: "
            + "; ".join(map(str, results.failures)),
            f"see {Path(results.failures[0].saved).parent}/; the same command redoes only these",
        )
    check_gates(plan, results, against)


def _compare(results: Any, against: Any, as_json: bool) -> None:
    """Print the screen with what changed; as JSON, the results with the comparison."""
    from xlt.core.files import write_atomic
    from xlt.evalsuite.report.against import render_comparison, short_comparison
    from xlt.evalsuite.report.compare import compare_runs
    from xlt.evalsuite.report.paired import comparison_record, paired_tests
    from xlt.evalsuite.report.screen import COMPARISON, screen
    from xlt.evalsuite.report.tables import language_tables

    try:
        compared = compare_runs(results, against)
        tested = paired_tests(results, against, compared)
    except XltError:  # the results stand, whatever they were to be compared with
        record = json.dumps(results.record, indent=1, ensure_ascii=False)
        click.echo(record if as_json else screen(results, language_tables(results)))
        raise
    text = render_comparison(compared, tested, against)
    write_atomic(results.path / COMPARISON, text + "\n")
    if as_json:
        whole = {**results.record, "comparison": comparison_record(compared, tested, against)}
        click.echo(json.dumps(whole, indent=1, ensure_ascii=False))
    else:
        change = short_comparison(compared, tested, against, results.path)
        click.echo(screen(results, [*language_tables(results), text], *change))
