"""The servers of tests/serve, and an environment for each set of packages."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("serve_fixtures", HERE.parent / "serve/conftest.py")
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)

bundles, make_bundle = fixtures.bundles, fixtures.make_bundle
run_server, server = fixtures.run_server, fixtures.server


@pytest.fixture(scope="session")
def environment():
    """environment("cohere") -> the Python of build/clients/cohere, with its pinned packages."""

    def made(name):
        wanted = HERE / "requirements" / f"{name}.txt"
        folder = HERE.parent.parent / "build" / "clients" / name
        python, mark = folder / "bin" / "python", folder / "installed.txt"
        if not mark.is_file() or mark.read_text() != wanted.read_text():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            install = [python, "-m", "pip", "install", "-q", "-r", wanted]
            done = subprocess.run(install, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            mark.write_text(wanted.read_text())
        return python

    return made
