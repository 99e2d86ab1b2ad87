"""The command line's frame: help, suggestions, two-line errors, exit codes."""

import os
import re
import signal
import subprocess
import sys
import time

import click
import pytest

from xlt.cli import main as cli
from xlt.core.errors import (
    CheckFailed,
    DataError,
    Interrupted,
    MissingExtra,
    ModelError,
    PartlyDone,
    UsageError,
    XltError,
)
from xlt.core.extras import needs
from xlt.core.show import terminal as show


def outcome(monkeypatch, capsys, body, *flags):
    """Run the real `main` with one verb whose body is `body`; returns code, stdout, stderr."""

    @click.command()
    def verb():
        return body()

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: verb)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        cli.main([*flags, "tasks"])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def thrower(error):
    def body():
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("bad flag", "do this"), 2),
        (DataError("no data", "do this"), 3),
        (ModelError("no model", "do this"), 4),
        (CheckFailed("too low", "do this"), 5),
        (PartlyDone("2 cells failed", "do this"), 7),
        (Interrupted("stopped", "do this"), 130),
        (XltError("bare", "do this"), 1),
    ],
)
def test_every_error_is_two_lines_and_its_code(monkeypatch, capsys, error, code):
    got, out, err = outcome(monkeypatch, capsys, thrower(error))
    assert (got, out) == (code, "")
    assert err == f"error: {error.message}\nhint: do this\n"


def test_missing_extra_names_the_pip_line(monkeypatch, capsys):
    def body():
        with needs("report", "figures"):
            import surely_not_installed_anywhere  # noqa: F401

    code, _, err = outcome(monkeypatch, capsys, body)
    assert code == 6
    assert re.search(r'hint: .*pip install ".*\[report\]"', err)
    assert "surely_not_installed_anywhere" in err


def test_bug_is_exit_1_and_traceback_only_with_v(monkeypatch, capsys):
    code, _, err = outcome(monkeypatch, capsys, thrower(ZeroDivisionError("boom")))
    assert code == 1
    assert "Traceback" not in err
    assert len(err.splitlines()) == 2
    code, _, err = outcome(monkeypatch, capsys, thrower(ZeroDivisionError("boom")), "-v")
    assert code == 1
    assert "Traceback" in err


def test_ctrl_c_is_130(monkeypatch, capsys):
    code, _, err = outcome(monkeypatch, capsys, thrower(KeyboardInterrupt()))
    assert code == 130
    # click ends the line that shows ^C first
    assert err.strip().splitlines() == [
        "error: interrupted", "hint: run the same command again to continue",
    ]  # fmt: skip


def test_errors_survive_a_process_border():
    import pickle

    for error in (DataError("a", "b"), MissingExtra("torch", "train", "training")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.message, again.hint) == (type(error), error.message, error.hint)


def stopped_by_sigterm(*work):
    """Exit code and stderr of a command that is stopped while it does these lines of work."""
    code = [
        "import time, sys",
        "from xlt.cli import main as cli",
        "import click",
        "@click.command()",
        "def verb():",
        *(f"    {line}" for line in work),
        "cli.LazyGroup.get_command = lambda *_: verb",
        "cli.main(['tasks'])",
    ]
    command = [sys.executable, "-c", "\n".join(code)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert child.stderr.readline() == "ready\n"
    time.sleep(0.05)
    os.kill(child.pid, signal.SIGTERM)
    _, err = child.communicate(timeout=30)
    return child.returncode, err


READY = "sys.stderr.write('ready\\n'); sys.stderr.flush()"


def test_sigterm_is_130_and_says_how_to_go_on():
    code, err = stopped_by_sigterm(READY, "time.sleep(60)")
    assert code == 130
    assert err.strip().startswith("error: interrupted")


def test_sigterm_is_not_swallowed_as_a_failure_of_the_work():
    """A broad except around the work must not turn a stop into one failed item."""
    work = ("try:", f"    {READY}", "    time.sleep(60)", "except Exception:", "    sys.exit(7)")
    assert stopped_by_sigterm(*work)[0] == 130


def test_unknown_verb_gets_a_suggestion(run_xlt):
    done = run_xlt("tarin")
    assert done.returncode == 2
    assert "did you mean 'train'?" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_unknown_flag_points_to_the_verbs_help(run_xlt):
    done = run_xlt("tasks", "--jsno")
    assert done.returncode == 2
    assert "--jsno" in done.stderr
    assert "hint: xlt tasks --help" in done.stderr


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_every_verb_has_help_with_examples(verb, run_xlt):
    done = run_xlt(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "Examples:" in done.stdout or verb == "data"
    assert f"xlt {verb}" in done.stdout


def test_version_matches_the_changelog(project, run_xlt):
    from xlt._version import __version__

    done = run_xlt("--version")
    assert __version__ in done.stdout
    newest = next(
        line for line in (project / "CHANGELOG.md").read_text().splitlines()
        if line.startswith("## ")
    )  # fmt: skip
    assert newest.split()[1] == __version__


def test_table_lines_up_and_keeps_every_cell():
    text = show.table(["lang", "f1"], [["en", "98.1"], ["qaa", "7.0"]], title="udpos")
    assert text.splitlines() == ["udpos", "lang    f1", "----  ----", "en    98.1", "qaa    7.0"]


def test_progress_off_a_terminal_prints_a_line_now_and_then(monkeypatch, capsys):
    clock = iter([0.0, 1.0, 11.0, 12.0])
    monkeypatch.setattr(show.time, "monotonic", lambda: next(clock))
    with show.progress("tag", 30) as tick:
        for _ in range(3):
            tick(10)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "tag: 20/30 items, 1.8/s, 6 s left\n"


def test_quiet_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(show, "QUIET", True)
    show.note("hello")
    with show.progress("x", 1) as tick:
        tick(1)
    assert capsys.readouterr() == ("", "")


def test_light_install_explains_missing_packages(tmp_path):
    """A verb whose extra is absent is exit 6, not a traceback."""
    blocker = tmp_path / "sitecustomize.py"
    blocker.write_text(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'transformers', 'optimum'}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "tokenizer.json").touch()
    (tmp_path / "config.json").write_text(
        '{"model_type": "bert", "architectures": ["BertModel"], "num_hidden_layers": 2, '
        '"hidden_size": 8}'
    )
    for verb, extra in (("train", "train"), ("export", "export")):
        arguments = ["--model", "compact", "--data", tmp_path] if verb == "train" else [tmp_path]
        done = subprocess.run(
            [sys.executable, "-m", "xlt", verb, *map(str, arguments), "--out", str(tmp_path / "o")],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 6, done.stderr
        assert f'[{extra}]"' in done.stderr.splitlines()[-1]
