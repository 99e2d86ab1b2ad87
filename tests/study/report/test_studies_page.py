"""benchmarks/studies.py writes what studies show into the pages, and nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def docs(tmp_path):
    """The two pages as they are before any study has run."""
    for name in ("studies.md", "questions.md"):
        text = (ROOT / "docs" / name).read_text()
        text = re.sub(r"(<!-- sentence [^>]+ -->).*?(<!-- end -->)", r"\1not run yet\2", text)
        text = re.sub(r"(?s)(<!-- tables [^>]+ -->).*?(<!-- end -->)", r"\1\2", text)
        (tmp_path / name).write_text(text)
    return tmp_path


def named(folder, name, scale):
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps({**plan, "name": name, "scale": scale}))
    return folder


def run(*words):
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/studies.py"), *map(str, words)],
        capture_output=True, text=True,
    )  # fmt: skip


def test_a_study_fills_its_own_places_and_no_others(docs, made_up):
    folder = named(made_up(effect=lambda arm, *_: 0.5 * (arm == "mnli")), "reasoning", "demo")
    before = {name: (docs / name).read_text() for name in ("studies.md", "questions.md")}
    done = run(folder, "--docs", docs)
    assert done.returncode == 0, done.stderr
    questions, studies = (docs / "questions.md").read_text(), (docs / "studies.md").read_text()
    place = questions.split("<!-- sentence reasoning demo -->")[1].split("<!-- end -->")[0]
    assert place.startswith("It helps: mnli, against none")
    assert place in studies
    assert studies.count("| arm | against |") == 1
    gone = before["questions.md"].count("not run yet") - questions.count("not run yet")
    assert gone == 1
    assert run(folder, "--docs", docs).returncode == 0
    assert (docs / "studies.md").read_text() == studies


def test_a_study_without_a_place_is_an_error(docs, made_up):
    done = run(named(made_up(seeds=1), "mine", "demo"), "--docs", docs)
    assert done.returncode != 0
    assert "no place for mine at scale demo" in done.stderr


def test_no_page_says_that_the_paper_was_reproduced():
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        text = " ".join(page.read_text().lower().split())
        text = text.replace("no number here reproduces the paper", "")
        assert "reproduces the paper" not in text, page
        assert "reproduced the paper" not in text, page
