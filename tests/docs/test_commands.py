"""Every command that a document shows, and every one that `--help` shows, runs as it is typed.

The shell has no environment on its PATH: a page has to say how `xlt` gets there. Fast tests read
the commands; slow ones run them, in a folder that looks like a clone after `make setup`.
"""

import functools
import gzip
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from configparser import ConfigParser
from pathlib import Path

import click
import pytest

from xlt.cli.main import VERBS, LazyGroup

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {"xlt", "pip", "make", "git", "cd", ".", "curl", "docker", "kubectl"}
PLAIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Commands that are read, not run: what they need is not on a machine that tests.
READ_ONLY = (
    "git clone",
    "cd xlt",
    "make",
    "pip",
    "docker",
    "kubectl",
    "xlt study report",  # of a study that took hours
)


@functools.cache
def commands(page):
    """The commands of a page's blocks in their order; continued lines are joined."""
    found = []
    for kind, body in FENCE.findall((ROOT / page).read_text()):
        if kind not in {"", "sh"}:
            continue
        waiting = ""
        for line in body.splitlines():
            if waiting.endswith("\\"):
                waiting = f"{waiting[:-1]} {line.strip()}"
            else:
                waiting = f"{waiting}\n{line}" if waiting else line.removeprefix("$ ")
            if waiting.endswith("\\"):
                continue
            try:
                words = shlex.split(waiting, comments=True)
            except ValueError:  # a quotation that goes on
                if waiting.startswith("curl"):
                    continue
                words = []
            if words and words[0] in PROGRAMS:
                found.append(waiting)
            waiting = ""
    return tuple(found)


def files(page):
    """The files that a page shows: blocks of YAML whose first line is `# NAME.yaml`."""
    blocks = (body for kind, body in FENCE.findall((ROOT / page).read_text()) if kind == "yaml")
    named = ((re.match(r"# ([\w-]+\.yaml)$", body, re.MULTILINE), body) for body in blocks)
    return {match[1]: body for match, body in named if match}


def of(program):
    """(page, command) of every command of a program."""
    return [
        (page, command)
        for page in PAGES
        for command in commands(page)
        if shlex.split(command, comments=True)[0] == program
    ]


def inline():
    """Commands of `xlt` inside the pages' running text."""
    return [
        (page, command)
        for page in PAGES
        for command in re.findall(r"`(xlt (?:{}) [^`]+)`".format("|".join(VERBS)),
                                  FENCE.sub("", (ROOT / page).read_text()))
    ]  # fmt: skip


def helped():
    """The examples below each verb's `--help`."""
    group = LazyGroup()
    found = []
    for verb in VERBS:
        command = group.get_command(None, verb)
        parts = command.commands.values() if isinstance(command, click.Group) else [command]
        for part in (command, *parts):
            lines = (part.epilog or "").splitlines()
            found += [
                (f"{verb} --help", line.strip()) for line in lines if line.startswith("  xlt")
            ]
    return found


def test_the_reader_finds_the_commands():
    assert len(commands("README.md")) > 12
    assert len(of("curl")) > 30
    assert len(of("xlt")) > 20
    assert len(helped()) > 30


@pytest.mark.parametrize(("page", "command"), [*of("xlt"), *helped(), *inline()])
def test_every_xlt_command_has_a_verb_and_flags_that_exist(page, command):
    words = shlex.split(command, comments=True)
    assert words[0] == "xlt"
    verb = LazyGroup().get_command(None, words[1])
    assert verb is not None, (page, command)
    rest = words[2:]
    if isinstance(verb, click.Group):
        verb, rest = verb.commands[rest[0]], rest[1:]
    if "..." in rest or not any(word.startswith("-") for word in rest):
        return
    rest = [word for word in rest if word not in {">", "sets.json", "scores.json"}]
    if rest[-1].startswith("--") and "=" not in rest[-1]:  # a flag that is talked about
        assert any(rest[-1] in option.opts for option in verb.params), (page, command)
        return
    context = verb.make_context("xlt", rest, resilient_parsing=True)
    assert not context.args, (page, command)


@pytest.mark.parametrize(("page", "command"), of("pip"))
def test_pip_installs_from_the_clone_and_extras_that_exist(page, command):
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    known = set(setup["options.extras_require"])
    wanted = shlex.split(command, comments=True)[-1]
    match = re.fullmatch(r"\./(\[(?P<extras>[\w,]+)\])?", wanted)
    assert match, f"{page}: {command}: the package is on no index"
    assert set((match["extras"] or "cpu").split(",")) <= known


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "benchmarks/README.md"])
def test_no_page_installs_xlt_by_name(page):
    assert not re.search(r"pip install [\"']?xlt", (ROOT / page).read_text())


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_commands_of_xlt_says_how_the_shell_finds_it(page):
    listed = commands(page)
    first = next((i for i, text in enumerate(listed) if text.startswith("xlt")), None)
    if first is not None:
        assert ". .venv/bin/activate" in listed[:first], page


@pytest.mark.parametrize(("page", "command"), of("curl"))
def test_a_curl_example_has_a_body_that_is_json(page, command):
    words = shlex.split(command)
    if "-d" in words:
        json.loads(words[words.index("-d") + 1])


@pytest.mark.parametrize(
    ("page", "command"), [*of("docker"), *of("kubectl"), *of("make"), *of("git")]
)
def test_other_commands_can_be_read(page, command):
    assert subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def clone(tmp_path_factory, tiny_world):
    """A folder as after `make setup`, with what the placeholders of the pages stand for."""
    folder = tmp_path_factory.mktemp("clone") / "xlt"
    folder.mkdir()
    (folder / ".venv" / "bin").mkdir(parents=True)
    real = Path(sys.executable).parent
    (folder / ".venv/bin/activate").write_text(f'PATH="{folder}/.venv/bin:$PATH"\n')
    (folder / ".venv/bin/xlt").write_text(f'#!/bin/sh\nexec "{real}/python" -m xlt "$@"\n')
    (folder / ".venv/bin/xlt").chmod(0o755)
    shell(folder, f"{folder}/.venv/bin/xlt train --model compact --data {tiny_world} "
          "--pretrain-steps 20 --steps 4 --intermediate csqa --target all --out RUN")  # fmt: skip
    shell(folder, f"{folder}/.venv/bin/xlt export RUN")
    shell(folder, f"{folder}/.venv/bin/xlt export RUN/phases/1-csqa --task csqa "
          "--out RUN/bundles/csqa")  # fmt: skip
    shell(folder, f"{folder}/.venv/bin/xlt eval RUN --tasks udpos,tatoeba --out RUN/results")
    for name in ("NEW", "OLD", "s1", "s2", "s3", "b1", "b2", "b3"):
        shutil.copytree(folder / "RUN/results", folder / name / "results")
    for name in ("ROOT", "download"):
        shutil.copytree(tiny_world, folder / name)
    shutil.copytree(folder / "RUN/encoder", folder / "xlm-roberta-base")
    shutil.copytree(folder / "RUN/targets/xquad", folder / "DIR")
    return folder


def shell(folder, text, **options):
    """Run a line as a user would, in a shell that knows nothing of the environment."""
    environment = {
        "PATH": PLAIN_PATH, "HOME": str(folder), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT / "src")),
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", text], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=1500, **options,
    )  # fmt: skip
    assert done.returncode in {0, *options.get("codes", ())}, (text, done.stderr[-2000:])
    return done


def smaller(command):
    """The same command with fewer steps: what is tested is that it runs."""
    words = shlex.split(command, comments=True)
    if words[:2] == ["xlt", "train"]:
        command = command.replace("--train-examples 200", "--train-examples 30")
        return f"{command.partition(' #')[0]} --steps 3 --force" + (
            " --pretrain-steps 10" if "compact" in words else ""
        )
    if words[:2] == ["xlt", "world"] and "--size" not in words:
        return f"{command.partition(' #')[0]} --size tiny"
    return command.replace("--size medium", "--size tiny")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(
    c.startswith("xlt") for c in commands(page))])  # fmt: skip
def test_every_command_of_a_page_runs_in_a_plain_shell(page, clone, tmp_path):
    folder = tmp_path / "xlt"
    shutil.copytree(clone, folder, symlinks=True)
    shutil.copytree(clone / "RUN", folder / "xlt-run")
    activated = "true"
    for name, text in files(page).items():
        (folder / name).write_text(text)
    if page == "docs/mine.md":
        (folder / "de.txt").write_text("ein Haus\nein Fluss\n")
        (folder / "en.txt.gz").write_bytes(gzip.compress(b"a house\na river\na mill\n"))
    for command in commands(page):
        if command.startswith(READ_ONLY) or command.startswith("curl"):
            continue
        if "../shared" in command and not (ROOT.parent / "shared/data").is_dir():
            continue
        if "../shared" in command:
            continue  # benchmarks/real_data.sh runs these whole
        if "data fetch" in command:
            continue  # needs the hub; its flags are read above
        if command == ". .venv/bin/activate":
            activated = f". {folder}/.venv/bin/activate"
            shell(folder, activated)
            continue
        if command.startswith("xlt serve"):
            serves(folder, f"{activated} && {command}")
            continue
        if command.startswith("xlt mine") and ("--labelled" in command or "ivf" in command):
            continue  # a labelled sample and faiss: tests of their own
        expected = {2} if "xlt eval RUN --tasks xquad" in command else set()
        if "--address head:" in command:
            expected = {4}  # no such machine here
        shown = f"{activated} && {smaller(command)}"
        done = subprocess.run(
            ["bash", "-c", shown], cwd=folder, capture_output=True, text=True, timeout=1500,
            env={"PATH": PLAIN_PATH, "HOME": str(folder), "HF_HUB_OFFLINE": "1",
                 "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip
        assert done.returncode in {0, *expected}, (page, command, done.stderr[-2000:])


def serves(folder, command):
    """Start a server as the page says, on a free port, wait for its models, and stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = f"{command.partition(' #')[0]} --port {port}"
    server = subprocess.Popen(
        ["bash", "-c", f"exec bash -c {shlex.quote(line)}"], cwd=folder, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PATH": PLAIN_PATH, "HOME": str(folder), "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    try:
        said = server.stdout.readline()
        assert f"serving on http://127.0.0.1:{port}" in said, server.stderr.read()[-2000:]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.2)
        raise AssertionError(f"{line}: nothing listens")
    finally:
        os.killpg(server.pid, 15)
        server.communicate(timeout=60)
