"""Printed commands run as they stand, whether or not the shell finds `xlt`."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from xlt.core.show import program as module
from xlt.core.show.program import as_typed, command_line, program


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A folder with `.venv/bin/python` and, when asked, `xlt` beside it; PATH without it."""

    def make(*, script=True, on_path=False):
        folder = tmp_path / "my clone" / ".venv" / "bin"
        folder.mkdir(parents=True)
        if script:
            (folder / "xlt").write_text("#!/bin/sh\n")
            (folder / "xlt").chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(folder / "python"))
        monkeypatch.setenv("PATH", str(folder) if on_path else "/usr/bin")
        return folder

    return make


def test_the_name_alone_where_the_shell_finds_this_installation(install):
    install(on_path=True)
    assert program() == "xlt"
    assert as_typed("hint: xlt export RUN") == "hint: xlt export RUN"


def test_the_path_from_here_where_it_does_not(install, tmp_path, monkeypatch):
    folder = install()
    monkeypatch.chdir(folder.parent.parent)
    assert program() == ".venv/bin/xlt"
    assert as_typed("serve it: xlt serve demo") == "serve it: .venv/bin/xlt serve demo"
    assert as_typed("`xlt world --out R` makes it") == "`.venv/bin/xlt world --out R` makes it"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert shlex.split(program()) == [str(folder / "xlt")]


def test_another_xlt_on_the_path_is_not_ours(install, tmp_path, monkeypatch):
    folder = install()
    other = tmp_path / "other"
    other.mkdir()
    (other / "xlt").write_text("#!/bin/sh\n")
    (other / "xlt").chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    assert shlex.split(program()) == [str(folder / "xlt")]


def test_without_a_script_python_runs_the_module(install):
    folder = install(script=False)
    assert shlex.split(program()) == [str(folder / "python"), "-m", "xlt"]
    assert as_typed(as_typed("xlt train --help")) == as_typed("xlt train --help")


@pytest.mark.parametrize(
    "text", ["an xlt folder", "xlt-run/bundles", "xlt.json", "a bug of xlt; -v"]
)
def test_words_that_are_no_command_stay(install, text):
    install()
    assert as_typed(text) == text


def test_a_long_command_is_folded_so_that_a_shell_reads_the_same_words(monkeypatch):
    words = ["train", "--model", "a b", *(f"--flag-{n}=value" for n in range(12))]
    text = command_line(words, 60)
    assert max(map(len, text.splitlines())) <= 60
    said = subprocess.run(
        ["sh", "-c", f"for word in {text}; do echo \"$word\"; done"], capture_output=True, text=True
    ).stdout.splitlines()  # fmt: skip
    assert said == [*shlex.split(module.program()), *words]


def test_a_shell_without_the_environment_on_its_path_gets_commands_that_run(tmp_path):
    """Hints said `xlt ...`, which a shell that never activated the environment does not find."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(module.__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-m", "xlt", "world", "--size", "tiny"],
        capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode == 2
    hint = done.stderr.splitlines()[-1].removeprefix("hint: ")
    again = subprocess.run(
        ["sh", "-c", hint], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert again.returncode == 0, (hint, again.stderr)
    assert "Usage:" in again.stdout


def test_every_verb_is_known_as_the_beginning_of_a_command(install):
    from xlt.cli.main import VERBS

    install()
    for verb in VERBS:
        assert as_typed(f"run xlt {verb} now") != f"run xlt {verb} now", verb
