"""docs/serve.md: every example runs, every answer has the shape shown, every route is there."""

import json
import os
import re
import shlex
import subprocess

import pytest

from xlt.serve.auth import Keys
from xlt.serve.limits import Limits
from xlt.serve.routes.table import operations
from xlt.serve.settings import Settings

ADMIN = "the-admin-key-of-yours"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOST = "localhost:8080"


@pytest.fixture(scope="module")
def text(project):
    return (project / "docs" / "serve.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def examples(text):
    """(command, expected answer or None) of each curl example, in the order of the page."""
    blocks = [(match[1], match[2], match.start(), match.end()) for match in BLOCK.finditer(text)]
    found = []
    for place, (kind, body, _, end) in enumerate(blocks):
        if kind == "sh":
            following = blocks[place + 1 : place + 2]
            answered = following and following[0][0] == "json" and following[0][2] <= end + 1
            command = body.strip().replace("\\\n", " ")
            found.append((command, json.loads(following[0][1]) if answered else None))
    return found


@pytest.fixture(scope="module")
def documented(run_server, bundles):
    """A server as the page describes it."""
    return run_server(
        bundles, admin_keys=Keys([ADMIN]), repository=next(iter(bundles.values())).parent
    )


def run_curl(command, server, tmp_path):
    """(status, body) of a command of the page, asked of a server on another port."""
    assert command.startswith("curl ") and HOST in command
    words = shlex.split(command.replace(HOST, f"127.0.0.1:{server.port}"))
    out = tmp_path / "body"
    done = subprocess.run(
        [*words, "--silent", "--show-error", "--noproxy", "*", "-o", str(out),
         "-w", "%{http_code}"],
        capture_output=True, text=True, timeout=30, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 0, (command, done.stderr)
    return int(done.stdout), out.read_text()


def check_shape(shown, found, where="$"):
    """The answer shown is a shortened one of the same shape: no key or type that is not there."""
    if shown == "…":
        return
    if isinstance(shown, dict):
        assert isinstance(found, dict), where
        if where.endswith(".scores"):
            return  # the keys are the model's labels
        assert set(shown) ^ set(found) <= {"truncated"}, (where, set(shown) ^ set(found))
        for key, value in shown.items():
            check_shape(value, found[key], f"{where}.{key}")
    elif isinstance(shown, list):
        assert isinstance(found, list), where
        parts = [part for part in shown if part != "…"]
        for place, part in enumerate(parts[: len(found)]):
            check_shape(part, found[place], f"{where}[{place}]")
        if parts and not where.endswith((".entities", ".matches")):
            assert found, (where, "empty")
    elif isinstance(shown, bool) or shown is None or isinstance(shown, str):
        assert type(found) is type(shown), (where, found)
    else:
        assert isinstance(found, int | float), (where, found)


def test_every_example_runs(examples, documented, tmp_path):
    assert len(examples) > 30
    for command, shown in examples:
        status, body = run_curl(command, documented, tmp_path)
        if shown is None:
            assert status == 200 and body
        elif isinstance(shown, dict) and "error" in shown:
            found = json.loads(body)
            assert 400 <= status < 500, (command, status)
            check_shape(shown, found)
            assert found["error"]["code"] == shown["error"]["code"]
        else:
            assert status == 200, (command, body)
            check_shape(shown, json.loads(body))


def test_every_example_runs_against_a_full_run_where_two_models_fit_a_route(
    examples, run_server, bundles, tmp_path
):
    """The page's examples named no model: 400 as soon as both pair tasks were there."""
    twins = {"pawsx": "xnli", "udpos": "panx", "tydiqa": "xquad"}
    served = {**bundles, **{name: bundles[twin] for name, twin in twins.items()}}
    repository = next(iter(bundles.values())).parent
    server = run_server(served, admin_keys=Keys([ADMIN]), repository=repository)
    for command, shown in examples:
        status, body = run_curl(command, server, tmp_path)
        refused = isinstance(shown, dict) and "error" in shown
        assert (400 <= status < 500) if refused else status == 200, (command, body)


def test_shapes_are_compared():
    check_shape({"a": [1.5, "…"]}, {"a": [2.5, 3, 4]})
    for shown, found in [({"a": 1}, {"b": 1}), ({"a": 1}, {"a": "1"}), ({"a": 1}, {"a": 1, "b": 2}),
                         ([1], []), ([[1]], [{}])]:  # fmt: skip
        with pytest.raises(AssertionError):
            check_shape(shown, found)


def test_every_route_has_an_example(examples, text):
    settings = Settings(admin_keys=Keys([ADMIN]))
    paths = {(o.method, o.path) for o in operations(settings) if o.group != "pages"}
    asked = set()
    for command, _ in examples:
        words = shlex.split(command)
        (address,) = [word for word in words if HOST in word]
        path = address.removeprefix(HOST).partition("?")[0]
        method = (
            words[words.index("-X") + 1] if "-X" in words else "POST" if "-d" in words else "GET"
        )
        asked.add((method, path))
    for method, path in sorted(paths):
        if "{version}" in path:
            continue  # the page says that /versions/1 may stand behind the name
        pattern = re.compile(re.sub(r"\{\w+\}", r"[^/]+", path))
        assert any(m == method and pattern.fullmatch(p) for m, p in asked), (method, path)
    assert "/versions/1" in text


def test_the_limits_of_the_page_are_the_servers(text):
    rows = dict(re.findall(r"^\| `--([\w-]+)` \| ([\d.]+) \|", text, re.MULTILINE))
    limits = Limits()
    assert len(rows) == 9
    for flag, value in rows.items():
        assert float(value) == getattr(limits, flag.replace("-", "_")), flag


def test_the_series_of_the_page_are_there(text, documented):
    _, _, body = documented.call("GET", "/metrics")
    there = body.decode()
    named = set(re.findall(r"`(xlt_\w+)`", text))
    assert len(named) > 15
    missing = [name for name in named if not re.search(rf"^# TYPE {name} ", there, re.MULTILINE)]
    assert missing == []


def test_the_error_codes_of_the_page_are_in_the_server(text, project):
    source = "".join(path.read_text() for path in (project / "src/xlt/serve").rglob("*.py"))
    table = text[text.index("| status |") : text.index("## Batching")]
    codes = [code for row in re.findall(r"^\| \d+ \| (.*?) \|", table, re.MULTILINE)
             for code in re.findall(r"`(\w+)`", row)]  # fmt: skip
    assert len(codes) > 15
    assert [code for code in codes if f'"{code}"' not in source] == []


def test_flags_named_on_the_page_exist(text):
    from xlt.serve.command import serve

    known = {name for parameter in serve.params for name in parameter.opts}
    named = set(re.findall(r"`(--[a-z-]+)", text))
    assert named - known == set()


def test_the_python_examples_run(text, server, capsys):
    pytest.importorskip("openai")
    blocks = [match[2] for match in BLOCK.finditer(text) if match[1] == "python"]
    assert len(blocks) == 2
    for block in blocks:
        assert HOST in block
        exec(compile(block.replace(HOST, f"127.0.0.1:{server.port}"), "serve.md", "exec"), {})
    assert "encoder" in capsys.readouterr().out
