"""`xlt tasks` and `xlt langs`: what the program knows, as plain tables or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from xlt.cli.options import command, data_option, json_option, langs_option
from xlt.core.errors import DataError
from xlt.core.show import terminal as show
from xlt.core.tasks.languages import Language, load_languages, parse_langs
from xlt.core.tasks.table import TASKS, Task

__all__ = ["langs", "tasks"]

WIDTH = 80


@command("xlt tasks", "xlt tasks --json")
@json_option
def tasks(as_json: bool) -> None:
    """List the tasks: kind, role, languages, metric, and what trains them."""
    if as_json:
        click.echo(json.dumps([task_record(task) for task in TASKS.values()], indent=1))
        return
    rows = [
        [
            task.name,
            task.kind,
            task.role,
            task.group or "-",
            task.metric,
            task.source or "-",
            str(len(task.languages)),
        ]
        for task in TASKS.values()
    ]
    header = ["task", "kind", "role", "group", "metric", "trained on", "langs"]
    click.echo(left_table(header, rows))
    show.note("languages of a task: xlt tasks --json; add your own: docs/data.md, task files")


@command(
    "xlt langs",
    "xlt langs --langs family:Uralic",
    "xlt langs --langs script:Arab,-fa --json",
    "xlt langs --data ROOT        # with the root's languages.json",
)
@langs_option
@data_option
@json_option
def langs(langs: str, data: Path | None, as_json: bool) -> None:
    """List the languages: codes, family, branch, script, and the tasks that score them."""
    if data is not None and not data.is_dir():
        raise DataError(f"data root {data} is no folder", "check the path, or leave out --data")
    table = load_languages(data)
    chosen = [table[code] for code in parse_langs(langs, table, table)]
    by_language = tasks_by_language(table)
    if as_json:
        records = [language_record(lang, by_language[lang.code]) for lang in chosen]
        click.echo(json.dumps(records, indent=1, ensure_ascii=False))
        return
    rows = [
        [
            lang.code,
            lang.iso639_3,
            lang.tatoeba,
            _shown_name(lang),
            lang.family,
            lang.branch,
            lang.script,
            str(len(by_language[lang.code])),
        ]
        for lang in chosen
    ]
    header = ["code", "iso3", "tatoeba", "name", "family", "branch", "script", "tasks"]
    for column in ("tatoeba", "iso3"):  # --json has them all
        if len(left_table(header, rows).partition("\n")[0]) > WIDTH:
            place = header.index(column)
            header, *rows = [line[:place] + line[place + 1 :] for line in (header, *rows)]
    click.echo(left_table(header, rows))
    if any(_shown_name(lang) != lang.name for lang in chosen):
        click.echo("* constructed language, spoken by nobody")


def _shown_name(language: Language) -> str:
    """The name; a constructed language that does not say so gets a star."""
    marked = not language.constructed or "constructed" in language.name
    return language.name if marked else f"{language.name} *"


def left_table(header: list[str], rows: list[list[str]]) -> str:
    """A table whose columns are all texts, so that they stand left."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = [
        " ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    text.insert(1, " ".join("-" * width for width in widths))
    return "\n".join(text)


def task_record(task: Task) -> dict[str, object]:
    """One entry of `xlt tasks --json`."""
    return {
        "name": task.name,
        "kind": task.kind,
        "role": task.role,
        "group": task.group,
        "languages": list(task.languages),
        "labels": list(task.labels),
        "metric": task.metric,
        "source": task.source,
    }


def language_record(language: Language, names: list[str]) -> dict[str, object]:
    """One entry of `xlt langs --json`."""
    return {
        "code": language.code,
        "iso639_3": language.iso639_3,
        "tatoeba": language.tatoeba,
        "name": language.name,
        "family": language.family,
        "branch": language.branch,
        "script": language.script,
        "indo_european": language.indo_european,
        "constructed": language.constructed,
        "tasks": names,
    }


def tasks_by_language(table: Mapping[str, Language]) -> dict[str, list[str]]:
    """The targets that score each language."""
    return {
        code: [
            task.name for task in TASKS.values() if task.role == "target" and code in task.languages
        ]
        for code in table
    }
