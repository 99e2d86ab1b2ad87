"""`xlt data`: check what a data root holds, or fetch one from the hub."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from xlt.cli.options import command, data_option, force_option, json_option, langs_option, need_data
from xlt.core.errors import DataError
from xlt.core.show import terminal as show
from xlt.core.show.program import as_typed
from xlt.core.tasks.languages import parse_langs
from xlt.core.tasks.table import INTERMEDIATE, TARGETS, Task, parse_tasks
from xlt.data.check import CheckedSet, Report, check_root, plan_check
from xlt.data.overlap import Overlap
from xlt.data.root import DataRoot

__all__ = ["data"]

EVERY = (*TARGETS, *INTERMEDIATE)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=as_typed(
        "\b\nExamples:\n  xlt data check --data ROOT\n  xlt data fetch --data ROOT --tasks xnli"
    ),
)
def data() -> None:
    """Check a data root, or fetch one from the hub."""


def tasks_option(function: Any) -> Any:
    """`--tasks`: a comma list; all of them by default."""
    return click.option(
        "--tasks", default="all", show_default=True, metavar="LIST",
        help="Comma list of tasks; all: the nine targets and the nine intermediate tasks.",
    )(function)  # fmt: skip


def task_file_option(function: Any) -> Any:
    """`--task-file F.yaml`, repeatable."""
    return click.option(
        "--task-file", "task_files", multiple=True, metavar="YAML",
        type=click.Path(path_type=Path), help="Adds a task of your own (docs/data.md).",
    )(function)  # fmt: skip


@command(
    "xlt data check --data ROOT",
    "xlt data check --data ROOT --tasks xquad,squad --langs script:Latn",
    "xlt data check --data ROOT --json > sets.json",
)
@data_option
@tasks_option
@langs_option
@task_file_option
@json_option
def check(
    data: Path | None, tasks: str, langs: str, task_files: Sequence[Path], as_json: bool
) -> None:
    """Read every file set whole: sizes, labels, and which items occur in a test set."""
    root = DataRoot(need_data(data), task_files=task_files)
    user = {name: one.task for name, one in root.user_tasks.items()}
    chosen = parse_tasks(tasks, all_means=(*EVERY, *user), extra=user)
    selected = parse_langs(langs, root.languages, root.languages)
    plan = plan_check(root, chosen, selected)
    if not plan:
        names = ", ".join(task.name for task in chosen)
        raise DataError(
            f"{root.path} has no files of {names} in the chosen languages",
            "docs/data.md shows the layouts; `xlt world --out ROOT` writes a root offline",
        )
    with show.progress("check", len(plan), "sets") as tick:
        report = check_root(root, chosen, selected, plan, tick)
    if as_json:
        click.echo(json.dumps([one.to_json() for one in report.sets], indent=1, ensure_ascii=False))
    else:
        click.echo(_text(report, chosen))
    for warning in report.warnings:
        show.note(f"note: {warning}")
    if report.errors:
        raise _error(report)


@command(
    "xlt data fetch --data ROOT",
    "xlt data fetch --data ROOT --tasks xnli,tydiqa --langs en,sw,te",
    "xlt data fetch --data ROOT --hub /mnt/hub-copy",
)
@data_option
@tasks_option
@langs_option
@task_file_option
@click.option("--hub", metavar="DIR|URL", help="A local copy of the hub's files, or a mirror.")
@force_option
@json_option
def fetch(
    data: Path | None,
    tasks: str,
    langs: str,
    task_files: Sequence[Path],
    hub: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write the hub's copies of the data sets into a data root; continues what is there."""
    from xlt.data.hub.fetch import fetch as fetch_all

    root = need_data(data)
    fetched = fetch_all(root, tasks=tasks, langs=langs, task_files=task_files, hub=hub, force=force)
    if as_json:
        click.echo(json.dumps([one.to_json() for one in fetched], indent=1))
        return
    rows = [[one.path, str(one.rows), "fetched" if one.fresh else "kept"] for one in fetched]
    click.echo(show.table(["file", "rows", ""], rows))
    show.note(f"next: xlt data check --data {root}")


data.add_command(check)
data.add_command(fetch)


def _error(report: Report) -> DataError:
    """One error for all sets that could not be read."""
    first = report.errors[0]
    if len(report.errors) == 1:
        return first
    for error in report.errors[1:]:
        show.note(f"also wrong: {error.message}")
    return DataError(f"{len(report.errors)} sets are wrong, first: {first.message}", first.hint)


def _text(report: Report, tasks: Sequence[Task]) -> str:
    """The tables that people read, at most 80 columns wide."""
    rows = [
        [one.task, one.split, one.lang, f"{one.n:,}", _labels(one), _size(one.size), one.sha256[:8]]
        for one in report.sets
    ]
    parts = [show.table(["task", "split", "lang", "n", "labels", "size", "sha256"], rows)]
    if notes := _notes(report.sets):
        parts.append("notes:\n" + "\n".join(notes))
    overlap = [overlap for one in report.sets for overlap in one.overlap]
    parts.append(_overlap_text(overlap))
    missing = [
        _wrap(f"{task}: no test set for {' '.join(codes)}")
        for task, codes in report.missing.items()
    ]
    if missing:
        parts.append("official languages that are missing:\n" + "\n".join(missing))
    listed = {one.task for one in report.sets}
    absent = [task.name for task in tasks if task.name not in listed]
    if absent:
        parts.append(_wrap("no files of: " + " ".join(absent)))
    return "\n\n".join(parts)


def _notes(sets: Sequence[CheckedSet]) -> list[str]:
    """Each note once, with the languages that it is about."""
    langs: dict[tuple[str, str, str], list[str]] = {}
    for one in sets:
        for note in one.notes:
            langs.setdefault((one.task, one.split, note), []).append(one.lang)
    return [
        _wrap(f"{task} {split} {' '.join(codes)}: {note}")
        for (task, split, note), codes in langs.items()
    ]


def _wrap(text: str) -> str:
    return textwrap.fill(
        text, 78, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    )


def _overlap_text(overlap: Sequence[Overlap]) -> str:
    """The overlap table; languages of a test task with equal numbers share a row."""
    if not overlap:
        return "overlap with test sets: none"
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in overlap:
        counts = (one.items, one.by_id, one.by_text, one.by_context, one.of)
        key = (
            f"{one.task} {one.split} {one.lang}",
            one.test_task,
            *map(str, counts),
            "few" if one.incidental else "",
        )
        groups.setdefault(key, []).append(one.test_lang)
    rows = [
        [key[0], key[1], langs[0] if len(langs) == 1 else f"{len(langs)} langs", *key[2:]]
        for key, langs in groups.items()
    ]
    header = ["set", "test of", "lang", "items", "id", "text", "context", "of", ""]
    table = show.table(header, rows, title="overlap with test sets:")
    return table + "\nfew: a few equal texts inside one benchmark; training on the others needs\n" \
        "--allow-overlap"  # fmt: skip


def _labels(one: CheckedSet) -> str:
    return "yes" if one.labelled else "no"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
