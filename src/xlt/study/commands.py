"""`xlt study`: plan, run and look at grids of experiments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from xlt.cli.options import PATH, command, data_option, json_option
from xlt.core.errors import PartlyDone, UsageError
from xlt.core.show.program import as_typed
from xlt.study.engine.local import Slots, run_local
from xlt.study.engine.run import Engine, check_folder, cost_of, register, run_study
from xlt.study.engine.status import describe, look, status_of
from xlt.study.engine.store import Store
from xlt.study.file.read import FULL, find_file, read_study, shipped
from xlt.study.file.records import COMPACT
from xlt.study.plan.expand import make_plan
from xlt.study.plan.records import PLAN, Plan
from xlt.study.plan.show import describe_plan
from xlt.study.report.command import report

__all__ = ["study"]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=as_typed(
        "\b\nExamples:\n  xlt study run paper --data ROOT --out paper\n"
        "  xlt study run families --scale demo --out try"
    ),
)
def study() -> None:
    """Grids of training, export and evaluation that answer one question."""


def study_options(function: Any) -> Any:
    """The study, its folders and its scale."""
    for option in (
        click.option("--scale", default=FULL, show_default=True, metavar="NAME",
                     help="A scale of the file; demo: a miniature on the embedded benchmark."),
        data_option,
        click.option("--store", metavar="DIR|URL",
                     help="Where stages are kept; studies may share it.  [default: OUT/store]"),
        click.option("--out", type=PATH, required=True, metavar="DIR", help="The study's folder."),
        click.argument("file", metavar="FILE|NAME"),
    ):  # fmt: skip
        function = option(function)
    return function


@command(
    "xlt study plan FILE.yaml --data ROOT --out OUT",
    "xlt study plan paper --scale demo --out OUT --json",
)
@study_options
@json_option
def plan(
    file: str, out: Path, store: str | None, data: Path | None, scale: str, as_json: bool
) -> None:
    """Work out cells and stages, and what they cost; writes OUT/plan.json, runs nothing."""
    made, kept = _plan(file, out, store, data, scale)
    _tell_plan(made, register(made, out, kept), as_json)


@command(
    "xlt study run FILE.yaml --data ROOT --out OUT",
    "xlt study run paper --scale demo --out OUT --jobs 2",
    "xlt study run paper --data ROOT --out OUT --store STORE --devices 0,1",
    "xlt study run paper --data ROOT --out OUT --engine ray --address HEAD:6379",
)
@study_options
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
              help="What runs the stages.")  # fmt: skip
@click.option("--address", metavar="HOST:PORT",
              help="ray: the cluster.  [default: one of this machine's cores]")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), metavar="N",
              help="Stages side by side.  [default: by devices, or cores]")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads of each stage.")
@click.option("--devices", metavar="LIST", help="CUDA devices, one stage on each: 0,1.")
@click.option("--drop-weights", is_flag=True,
              help="Remove weights and graphs once no study in the store needs them.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the plan, write and run nothing.")
@json_option
def run(
    file: str,
    out: Path,
    store: str | None,
    data: Path | None,
    scale: str,
    engine: str,
    address: str | None,
    jobs: int | None,
    threads: int | None,
    devices: str | None,
    drop_weights: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run a study, or what is missing of it; run again after any interruption."""
    made, kept = _plan(file, out, store, data, scale, writes=not dry_run)
    if dry_run:
        check_folder(made, out)
        _tell_plan(made, cost_of(made, kept), as_json)
        return
    if drop_weights and _url(store):
        raise UsageError(
            "--drop-weights cannot go with a store behind a URL",
            "give a store in a folder, or leave it out",
        )
    if engine == "ray":
        needless = {"--jobs": jobs, "--devices": devices}
        if found := [flag for flag, value in needless.items() if value is not None]:
            raise UsageError(
                f"{', '.join(found)} cannot go with --engine ray", "Ray places the stages"
            )
        from xlt.study.engine.ray_engine import Cluster, run_ray

        cluster = Cluster(address=address, threads=threads or 1, url=_url(store))
        _run(made, out, kept, lambda some: run_ray(some, cluster), drop_weights, as_json)
        return
    if address is not None or _url(store):
        raise UsageError("--address and a store behind a URL need --engine ray", "add it")
    listed = [name.strip() for name in (devices or "").split(",") if name.strip()]
    small = made.study["base"].get("model") == COMPACT
    slots = Slots.of(jobs, threads, listed, small=small)
    _run(made, out, kept, lambda some: run_local(some, slots), drop_weights, as_json)


@command("xlt study status OUT", "xlt study status OUT --json")
@click.argument("out", type=PATH)
@click.option("--store", type=PATH, metavar="DIR", help="Its store.  [default: the one it ran in]")
@json_option
def status(out: Path, store: Path | None, as_json: bool) -> None:
    """Where a study stands; also while it runs."""
    found = look(Plan.open(out), Store(store or Plan.store_of(out)))
    click.echo(json.dumps(found, indent=1, ensure_ascii=False) if as_json else describe(found))


@command(
    "xlt study prune STORE", "xlt study prune OUT --yes", "xlt study prune OUT --weights --yes"
)
@click.argument("place", type=PATH, metavar="STORE|OUT")
@click.option("--study", "studies", type=PATH, multiple=True, metavar="OUT",
              help="A further study whose stages stay; those that used the store are known.",
)  # fmt: skip
@click.option("--weights", is_flag=True,
              help="Weights of finished stages, too, that nothing in the plans needs any more.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Remove them; without it they are listed.")
@json_option
def prune(place: Path, studies: tuple[Path, ...], weights: bool, yes: bool, as_json: bool) -> None:
    """List, or remove, the stages of a store that no study's plan names any more."""
    from xlt.study.engine import prune as pruning

    given = list(studies)
    if (place / PLAN).is_file():
        given, place = [place, *given], Plan.store_of(place)
    if not place.is_dir():
        raise UsageError(f"{place}: no such folder", "give a store, or a study that has its own")
    act = pruning.prune if yes else pruning.find_leftovers
    found = act(Store(place), given, weights=weights)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=False))
    else:
        click.echo(pruning.describe_pruning(found, removed=yes))


@command("xlt study list")
@json_option
def list_studies(as_json: bool) -> None:
    """The studies that come with the package."""
    found = {name: read_study(path).question for name, path in shipped().items()}
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join(f"{name}: {question}" for name, question in found.items()))


def _plan(
    file: str, out: Path, store: str | None, data: Path | None, scale: str, *, writes: bool = True
) -> tuple[Plan, Store]:
    place = Path(store) if store and not _url(store) else out / "store"
    wanted = read_study(find_file(file), scale)
    known = place if writes or place.is_dir() else None
    return make_plan(wanted, data, known, writes=writes), Store(place)


def _url(store: str | None) -> str | None:
    """The store, where it is a URL; its stages then have copies of their small files in OUT."""
    return store if store is not None and "://" in store else None


def _run(
    made: Plan, out: Path, kept: Store, engine: Engine, drop_weights: bool, as_json: bool
) -> None:
    try:
        _finish(status_of(run_study(made, out, kept, engine, drop_weights=drop_weights)), as_json)
    except PartlyDone:
        if as_json:
            _finish(look(made, kept), as_json)
        raise


def _finish(found: dict[str, Any], as_json: bool) -> None:
    click.echo(json.dumps(found, indent=1, ensure_ascii=False) if as_json else describe(found))


def _tell_plan(made: Plan, cost: dict[str, Any], as_json: bool) -> None:
    if as_json:
        whole = {**made.to_json(), "estimates": cost}
        click.echo(json.dumps(whole, indent=1, ensure_ascii=False))
    else:
        click.echo(describe_plan(made, cost))


study.add_command(plan)
study.add_command(run)
study.add_command(status)
study.add_command(report)
study.add_command(prune)
study.add_command(list_studies, "list")
