"""The reference runs that we cannot make: every command of the script is one that xlt takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from xlt.cli.main import xlt

STUB = """#!{python}
import json, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
"""


@pytest.fixture
def commands(project, tmp_path):
    """The commands of benchmarks/reference.sh, as an xlt that does nothing sees them."""

    def read(**settings):
        log, stub = tmp_path / "log", tmp_path / "xlt"
        log.unlink(missing_ok=True)
        stub.write_text(STUB.format(python=sys.executable, log=str(log)))
        stub.chmod(0o755)
        done = subprocess.run(
            ["bash", str(project / "benchmarks/reference.sh"), "DATA", str(tmp_path / "out")],
            env={**os.environ, "XLT": str(stub), **settings},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in log.read_text().splitlines()]

    return read


def parsed(words):
    """(path of the command, values) as click reads the words; raises what click finds wrong."""
    command, context = xlt, click.Context(xlt, info_name="xlt")
    names = []
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        names.append(name)
        context = click.Context(command, parent=context, info_name=name)
    with command.make_context(names[-1], list(words), parent=context) as made:
        return " ".join(names), made.params


def test_every_command_of_the_reference_runs_is_understood(commands):
    found = [parsed(words) for words in commands()]
    verbs = [name for name, _ in found]
    assert verbs[:2] == ["data fetch", "data check"]
    assert {verb: verbs.count(verb) for verb in ("train", "export", "eval", "report")} == {
        "train": 12, "export": 12, "eval": 12, "report": 2,
    }  # fmt: skip
    reports = [values for name, values in found if name == "report"]
    assert all(len(values["results"]) == len(values["baseline"]) == 3 for values in reports)


@pytest.mark.parametrize(
    "settings",
    [
        {"ARMS": "direct"},
        {"ARMS": "mnli", "SEEDS": "1"},
        {"EXTRA": "--engine ray", "MODELS": "base"},
    ],
)
def test_a_part_of_the_reference_runs_is_understood(commands, settings):
    found = [parsed(words) for words in commands(**settings)]
    assert found[-1][0] == "report" and found[-1][1]["results"]
    if "EXTRA" in settings:
        assert all(values["engine"] == "ray" for name, values in found if name == "eval")


def test_a_flag_that_xlt_does_not_have_is_noticed():
    with pytest.raises(click.UsageError):
        parsed(["eval", "RUN", "--no-such-flag"])
    assert CliRunner().invoke(xlt, ["eval", "--no-such-flag"]).exit_code != 0


def test_the_recipes_that_the_reference_runs_name_are_there(commands, project):
    named = {words[words.index("--config") + 1] for words in commands() if "--config" in words}
    folder = Path(project / "src/xlt/train/recipes")
    assert named == {"xlm-roberta-base", "xlm-roberta-large"}
    assert all((folder / f"{name}.yaml").is_file() for name in named)
