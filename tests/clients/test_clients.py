"""Unmodified clients against a running server, each set of packages in its own environment."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
HERE = Path(__file__).parent
SCRIPTS = {
    "cohere_v1_v2": "cohere",
    "haystack_tei": "haystack",
    "hub": "hub",
    "infinity": "infinity",
    "langchain": "langchain",
    "litellm_providers": "litellm",
    "llamaindex_tei": "llamaindex",
    "triton_http": "triton",
}


def run(*command, **more):
    """A program's output; it has to succeed."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "NO_PROXY": "*",
    }
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=environ, **more
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def test_every_script_is_run():
    scripts = {path.stem for path in (HERE / "scripts").glob("*.py")} - {"common", "generated"}
    assert scripts == set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_client(server, environment, script):
    run(environment(SCRIPTS[script]), HERE / "scripts" / f"{script}.py", server.url)


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java")
def test_java_s_client_offers_an_upgrade_and_is_answered(server, tmp_path):
    answer = run("java", HERE / "scripts" / "Embed.java", server.url, cwd=tmp_path)
    assert answer.split() == ["200"] * 5


def test_a_python_client_made_from_the_document_calls_every_route(server, environment, tmp_path):
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(server.call("GET", "/openapi.json")[2]))
    python = environment("openapi")
    generator = python.parent / "openapi-python-client"
    told = run(generator, "generate", "--path", document, "--meta", "none", "--output-path",
               tmp_path / "xlt_client", "--fail-on-warning", cwd=tmp_path)  # fmt: skip
    assert "WARNING" not in told.upper()
    run(python, HERE / "scripts" / "generated.py", server.url, document, cwd=tmp_path)


@pytest.mark.skipif(shutil.which("npx") is None, reason="no npm")
def test_types_of_typescript_leave_optional_fields_optional(server, tmp_path):
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(server.call("GET", "/openapi.json")[2]))
    types = (HERE / "requirements" / "npm.txt").read_text().split()
    packages = [part for name in types for part in ("--package", name)]
    run("npx", "--yes", *packages, "openapi-typescript", document, "-o", tmp_path / "xlt.ts",
        cwd=tmp_path)  # fmt: skip
    shutil.copy(HERE / "scripts" / "bodies.ts", tmp_path)
    run("npx", "--yes", *packages, "tsc", "--strict", "--noEmit", "--target", "es2022",
        "bodies.ts", cwd=tmp_path)  # fmt: skip
