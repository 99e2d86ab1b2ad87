"""Command-line options that several verbs share, so that they read and behave alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import iter_params_for_processing

from xlt.core.errors import UsageError
from xlt.core.show.program import as_typed

__all__ = [
    "command",
    "data_option",
    "device_option",
    "force_option",
    "json_option",
    "langs_option",
    "need_data",
    "out_option",
    "seed_option",
    "threads_option",
]

F = TypeVar("F", bound=Callable[..., Any])
REMARK = re.compile(r"( {3,})([^#\s])")  # what stands behind a command
PATH = click.Path(path_type=Path)


class AllAtOnce(click.Command):
    """A command that tells all mistakes of its command line, not the first one alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments.

        Raises:
            UsageError: what click finds wrong, all of it.
        """
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            first: click.UsageError = error
            given = [word for word in given if word.partition("=")[0] != error.option_name]
        except click.UsageError as error:
            first = error
        mistakes = {first.format_message(): None}
        try:
            values, _, order = self.make_parser(ctx).parse_args(args=given)
        except click.UsageError as error:
            mistakes[error.format_message()] = None
            values, order = {}, []
        for option in iter_params_for_processing(order, self.get_params(ctx)):
            try:
                option.handle_parse_result(ctx, dict(values), [])
            except click.UsageError as error:
                mistakes[error.format_message()] = None
        if len(mistakes) == 1:
            raise first
        listed = "; ".join(text.strip().rstrip(".") for text in mistakes)
        raise click.UsageError(f"{len(mistakes)} mistakes: {listed}", ctx)


def command(*examples: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """A click command whose `--help` ends with copyable examples."""
    lines = [REMARK.sub(r"\1# \2", as_typed(line)) for line in examples]
    epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
    context = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
    return click.command(cls=AllAtOnce, epilog=epilog, context_settings=context, **settings)


def data_option(function: F) -> F:
    """`--data ROOT`, with XLT_DATA as its default."""
    return click.option(
        "--data", type=PATH, envvar="XLT_DATA", metavar="ROOT", show_envvar=True,
        help="Data root: a folder in XTREME's download layout.",
    )(function)  # fmt: skip


def need_data(data: Path | None) -> Path:
    """The data root that was given.

    Raises:
        UsageError: neither --data nor XLT_DATA is there.
    """
    if data is None:
        raise UsageError(
            "no data root given",
            "add --data ROOT (or set XLT_DATA); `xlt world --out ROOT` makes one offline",
        )
    return data


def out_option(default: str | None = None, text: str = "Output folder.") -> Callable[[F], F]:
    """`--out DIR`."""
    return click.option(
        "--out", type=PATH, default=default, metavar="DIR", show_default=default is not None,
        help=text,
    )  # fmt: skip


def json_option(function: F) -> F:
    """`--json`: machine output on stdout, nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Machine output on stdout.")(
        function
    )


def force_option(function: F) -> F:
    """`--force`: redo and replace what is there."""
    return click.option("--force", is_flag=True, help="Redo, and replace what is there.")(function)


def device_option(function: F) -> F:
    """`--device auto|cpu|cuda[:i]`; a device that is asked for and missing is exit 4."""
    return click.option(
        "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:i]",
        help="Where to compute. A device named here must be there: no silent fallback.",
    )(function)  # fmt: skip


def threads_option(function: F) -> F:
    """`--threads N`: default, the cores this process may use."""
    return click.option(
        "--threads", type=click.IntRange(1), metavar="N",
        help="CPU threads [default: the cores this process may use].",
    )(function)  # fmt: skip


def seed_option(default: int = 1) -> Callable[[F], F]:
    """`--seed N`."""
    return click.option(
        "--seed", type=click.IntRange(0, 2**31 - 1), default=default, show_default=True
    )


def langs_option(function: F) -> F:
    """`--langs`: all, en,sw, family:Uralic, script:Arab, non-indo-european, -th."""
    return click.option(
        "--langs", default="all", show_default=True, metavar="LIST",
        help="all | en,sw | family:Uralic | script:Arab | non-indo-european | all,-th",
    )(function)  # fmt: skip
