"""benchmarks/independent.py: no prediction differs from code that shares nothing with ours."""

import importlib.util
import re
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="the light install has no torch")
pytest.importorskip("sentence_transformers")

ROW = re.compile(r"\| (\w+) \| (\w+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|")


@pytest.fixture
def script(project, monkeypatch):
    monkeypatch.syspath_prepend(str(project / "benchmarks"))
    spec = importlib.util.spec_from_file_location(
        "independent", project / "benchmarks/independent.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_prediction_of_any_kind_differs_from_plain_transformers(project, tmp_path):
    done = subprocess.run(
        [sys.executable, project / "benchmarks/independent.py", "--out", tmp_path,
         "--langs", "en,qaa,qca", "--limit", "20"],
        capture_output=True, text=True, check=False, cwd=project,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [tuple(match.groups()) for match in ROW.finditer(done.stdout)]
    assert {(task, lang) for task, lang, *_ in rows} == {
        *((task, lang) for task in ("xnli", "udpos", "xquad") for lang in ("en", "qaa", "qca")),
        ("hellaswag", "en"), ("tatoeba", "qaa"), ("tatoeba", "qca"),
    }  # fmt: skip
    assert all(int(items) >= 20 for _, _, items, *_ in rows)
    assert {unexplained for *_, unexplained in rows} == {"0"}
    assert "align_to_words=True" in done.stdout and "align_to_words=False" in done.stdout


def test_a_difference_counts_by_its_reason(script, capsys):
    found = script.code.Found(
        ["a", "a", "a", "the end"],
        [{"a"}, {"a", "b"}, {"a"}, {"the end"}],
        [{}, {}, {}, {"the end.": "characters"}],
    )
    counted = script.compare(found, ["a", "b", "b", "the end."])
    assert counted == {"items": 4, "rounding": 1, "unexplained": 1, "characters": 1}
    assert "unexplained: 'b' is ours, 'a' theirs" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="4 independent answers, 1 of xlt"):
        script.compare(found, ["a"])


def test_a_token_belongs_to_the_window_with_most_context(script):
    # two windows of 200 and 172 tokens, the second from token 128 on: they share 128..199
    owner = [script.code.most_context(place, [200, 172]) for place in range(300)]
    assert owner[:129] == [0] * 129 and owner[199:] == [1] * 101
    assert sorted(owner) == owner


@pytest.mark.parametrize("limit", [1, 3])
def test_files_are_cut_to_their_first_items(script, make, tmp_path, limit):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("a\tb\tneutral\n" * 9)
    script.cut(pairs, tmp_path / "cut/pairs.tsv", "xnli", limit)
    assert len((tmp_path / "cut/pairs.tsv").read_text().splitlines()) == limit
    tags = tmp_path / "tags.tsv"
    tags.write_text("a\tDET\nb\tNOUN\n\n" * 5)
    script.cut(tags, tmp_path / "cut/tags.tsv", "udpos", limit)
    assert (tmp_path / "cut/tags.tsv").read_text().count("NOUN") == limit
    asked = tmp_path / "q.json"
    asked.write_text(make.squad(*((f"q{n}", "x forty x", "forty") for n in range(5))))
    script.cut(asked, tmp_path / "cut/q.json", "xquad", limit)
    assert len(list(script.code.questions(tmp_path / "cut/q.json"))) == limit
