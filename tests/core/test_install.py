"""Hints that install an extra name the clone: the package is on no index."""

import json
import re
import sys
from importlib import metadata

import pytest

from xlt.core.errors import MissingExtra
from xlt.core.install import pip_line


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """installed(url): as if pip had installed xlt from there."""

    def set_to(url):
        folder = tmp_path / "site" / "xlt-9.9.dist-info"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: xlt\nVersion: 9.9\n")
        (folder / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {}}))
        monkeypatch.setattr(
            metadata, "distribution", lambda name: metadata.PathDistribution(folder)
        )

    return set_to


def test_the_line_names_the_clone_it_was_installed_from(installed, tmp_path, monkeypatch):
    clone = tmp_path / "my clone"
    clone.mkdir()
    (clone / "setup.cfg").touch()
    installed(clone.as_uri())
    assert pip_line("report") == f'pip install "{clone}[report]"'
    monkeypatch.chdir(clone)
    assert pip_line("report") == 'pip install "./[report]"'


@pytest.mark.parametrize("url", ["file:///gone/away", "https://example.org/xlt.git", ""])
def test_the_line_is_for_a_clone_where_none_is_known(installed, url):
    installed(url)
    assert pip_line("report") == 'pip install "./[report]"  # in a clone of xlt'


def test_an_environment_that_is_not_on_the_path_has_its_own_pip(installed, tmp_path, monkeypatch):
    installed("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    assert pip_line("cpu").startswith(f"{sys.executable} -m pip install ")


def test_the_hint_of_a_missing_extra_is_that_line():
    assert re.fullmatch(r'pip install ".+\[report\]".*', MissingExtra("jinja2", "report").hint)
