"""The `xlt` command: a lazy group that loads a verb's module only when the verb is called.

Every failure becomes two lines and an exit code (architecture: exit codes); `-v` adds the
traceback.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import traceback
from types import FrameType
from typing import NoReturn

import click

from xlt._version import __version__
from xlt.core.errors import XltError, did_you_mean
from xlt.core.show import terminal as show
from xlt.core.show.program import as_typed, program

__all__ = ["VERBS", "main", "xlt"]

# verb -> (module, name in it, one line for `xlt --help`)
VERBS: dict[str, tuple[str, str, str]] = {
    "tasks": ("xlt.cli.info", "tasks", "List the tasks: kind, role, languages, metric."),
    "langs": ("xlt.cli.info", "langs", "List the languages: codes, family, script."),
    "data": ("xlt.cli.data", "data", "Check a data root, or fetch one from the hub."),
    "world": ("xlt.world.command", "world", "Write the embedded synthetic benchmark."),
    "train": ("xlt.train.command", "train", "Intermediate-task training, then target tasks."),
    "average": ("xlt.train.average_command", "average", "Average the weights of several runs."),
    "export": ("xlt.export.command", "export", "Turn checkpoints into ONNX bundles."),
    "push": ("xlt.export.hub.command", "push", "Upload a bundle to the hub."),
    "eval": ("xlt.evalsuite.command", "evaluate", "Evaluate bundles in every language."),
    "report": ("xlt.evalsuite.report_command", "report", "Results as a page, or as tables."),
    "mine": ("xlt.evalsuite.mine_command", "mine", "Mine translation pairs from two files."),
    "study": ("xlt.study.commands", "study", "Grids of experiments that answer a question."),
    "demo": ("xlt.study.demo.command", "demo", "The whole path on the embedded benchmark."),
    "score": ("xlt.cli.score", "score", "Score predictions in the official layout."),
    "serve": ("xlt.serve.command", "serve", "Serve bundles over HTTP."),
}

# What an operating system says of a path that a user named: not there, not allowed, no room ...
ABOUT_PATHS = frozenset(
    {
        errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EFBIG, errno.EINVAL, errno.EIO,
        errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOSPC, errno.ENOTDIR,
        errno.ENOTEMPTY, errno.EPERM, errno.EROFS,
    }
)  # fmt: skip

EPILOG = """\b
The main path:
  xlt train --model xlm-roberta-base --data ROOT --intermediate mnli --target all
  xlt export
  xlt eval --langs all

\b
Exit codes:
  0 done                         4 model, bundle or device
  1 a bug of ours                5 a check failed
  2 usage or configuration       6 an extra is not installed
  3 data missing or wrong        7 some cells failed, run again
                               130 interrupted, run again
"""


class LazyGroup(click.Group):
    """A group whose commands are imported by name, when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and return its command."""
        if cmd_name not in VERBS:
            return None
        module, name, _ = VERBS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{name} is not a click command")
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb when an unknown one is typed."""
        name = args[0]
        if not name.startswith("-") and name not in VERBS:
            raise click.UsageError(f"unknown command {name!r}{did_you_mean(name, VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in VERBS.items()])


@click.group(
    cls=LazyGroup,
    epilog=as_typed(EPILOG),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", prog_name="xlt")
@click.option(
    "-v", "--verbose", is_flag=True, expose_value=False,  # `main` reads it, for any error
    help="Show the traceback of an error.",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="No progress and no notes on stderr.")
def xlt(quiet: bool) -> None:
    """Cross-lingual transfer: train on English, evaluate and serve in every language."""
    show.QUIET = quiet


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:] if argv is None else argv
    verbose = any(word in {"-v", "--verbose"} for word in arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = xlt.main(args=arguments, prog_name=program(), standalone_mode=False)
    except XltError as error:
        _fail(error.message, error.hint, error.exit_code, verbose)
    except click.UsageError as error:
        verb = error.ctx.command_path if error.ctx else program()
        _fail(_first_line(error.format_message()), f"{verb} --help", 2, verbose)
    except click.ClickException as error:
        _fail(_first_line(error.format_message()), "xlt --help", 2, verbose)
    except (KeyboardInterrupt, click.Abort):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it ends now; a second Ctrl-C adds nothing
        _fail("interrupted", "run the same command again to continue", 130, verbose)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.filename is None or error.errno not in ABOUT_PATHS:
            _bug(error, verbose)
        place = os.fsdecode(error.filename) if not isinstance(error.filename, int) else "a file"
        _fail(f"{place}: {error.strerror}", "name another path, or mend this one", 2, verbose)
    except Exception as error:
        _bug(error, verbose)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # as Ctrl-C does: no `except Exception` on the way may take it for a failure
    raise KeyboardInterrupt


def _first_line(text: str) -> str:
    return " ".join(text.split())


def _bug(error: Exception, verbose: bool) -> NoReturn:
    text = _first_line(str(error)) or type(error).__name__
    _fail(f"{type(error).__name__}: {text}", "this is a bug of xlt; -v shows where", 1, verbose)


def _fail(message: str, hint: str, code: int, verbose: bool) -> NoReturn:
    if verbose:
        traceback.print_exc()
    click.echo(f"error: {as_typed(message)}", err=True)
    click.echo(f"hint: {as_typed(hint or 'xlt --help')}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
