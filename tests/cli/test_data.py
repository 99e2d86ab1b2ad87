"""`xlt tasks`, `xlt langs`, `xlt data check` and `xlt data fetch` as a user types them."""

import gzip
import json

import pytest
from click.testing import CliRunner

from xlt.cli.main import xlt
from xlt.core.errors import DataError, UsageError
from xlt.core.show import terminal as show
from xlt.core.tasks.table import TASKS


@pytest.fixture
def call(monkeypatch):
    """Run the command in this process; errors come out as they are raised."""
    monkeypatch.setattr(show, "QUIET", False)

    def run(*arguments):
        result = CliRunner().invoke(xlt, [str(word) for word in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text), newline="")
    return path


LONG = "this premise is long enough to mean something\tand so is this hypothesis"


@pytest.fixture
def root(tmp_path):
    put(tmp_path, "pawsx/train-en.tsv", f"{LONG}\t1\nb\tc\t0\n")
    put(tmp_path, "pawsx/test-en.tsv", f"{LONG}\t0\nd\te\t1\n")
    put(tmp_path, "pawsx/test-de.tsv", "d\te\nf\tg\n")
    put(tmp_path, "udpos/de_gsd-ud-test.conllu",
        "1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_\n1\tzu\t_\tADP\t_\t_\t3\tx\t_\t_\n"
        "2\tdem\t_\tDET\t_\t_\t3\tx\t_\t_\n3\tHaus\t_\tNOUN\t_\t_\t0\tx\t_\t_\n\n")  # fmt: skip
    return tmp_path


def test_tasks_fit_on_a_screen_and_name_every_task(call):
    lines = call("tasks").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert {line.split()[0] for line in lines[2:]} == set(TASKS)


def test_tasks_as_json_has_the_promised_fields(call):
    records = json.loads(call("tasks", "--json").stdout)
    assert [record["name"] for record in records] == list(TASKS)
    assert set(records[0]) == {
        "name", "kind", "role", "group", "languages", "labels", "metric", "source",
    }  # fmt: skip
    assert {record["role"] for record in records} == {"target", "intermediate"}


def test_langs_fit_on_a_screen(call):
    lines = call("langs").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) == 52


def test_langs_with_long_names_leave_codes_out_rather_than_run_over(call, tmp_path):
    record = {"code": "qaa", "name": "A rather long name indeed", "family": "Aldic",
              "branch": "North", "script": "Latn", "constructed": True}  # fmt: skip
    put(tmp_path, "languages.json", [record])
    lines = call("langs", "--data", tmp_path).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "tatoeba" not in lines[0]
    assert len(lines) == 54


def test_langs_as_json_and_by_selection(call):
    records = json.loads(call("langs", "--langs", "family:Uralic", "--json").stdout)
    assert [record["code"] for record in records] == ["et", "fi", "hu"]
    assert set(records[0]) == {
        "code", "iso639_3", "tatoeba", "name", "family", "branch", "script", "indo_european",
        "constructed", "tasks",
    }  # fmt: skip
    assert records[1]["tasks"] == ["udpos", "panx", "tydiqa", "tatoeba"]


def test_langs_names_a_root_s_constructed_languages(call, tmp_path):
    record = {"code": "qaa", "name": "Alda", "family": "Aldic", "branch": "North",
              "script": "Latn", "constructed": True}  # fmt: skip
    put(tmp_path, "languages.json", [record])
    text = call("langs", "--data", tmp_path, "--langs", "en,qaa").stdout
    assert "Alda *" in text
    assert "* constructed language" in text
    assert "English *" not in text


def test_an_unknown_language_is_a_usage_error(call):
    with pytest.raises(UsageError, match="did you mean 'de'"):
        call("langs", "--langs", "german")


def test_check_prints_sets_labels_notes_and_overlap(call, root):
    text = call("data", "check", "--data", root).stdout
    assert max(map(len, text.splitlines())) <= 80
    rows = [line.split() for line in text.splitlines()]
    assert ["pawsx", "train", "en", "2", "yes"] in [row[:5] for row in rows]
    assert ["pawsx", "test", "de", "2", "no"] in [row[:5] for row in rows]
    assert "pawsx test de: no labels" in text
    assert "1 multiword tokens fused" in text
    assert ["pawsx", "train", "en", "pawsx", "en", "1", "0", "1", "0", "2"] in rows
    assert "pawsx: no test set for es fr ja ko zh" in text
    assert "no files of: xnli panx" in text


def test_check_as_json_has_the_promised_fields(call, root):
    result = call("data", "check", "--data", root, "--json")
    records = json.loads(result.stdout)
    assert [(one["task"], one["split"], one["lang"]) for one in records] == [
        ("pawsx", "train", "en"), ("pawsx", "test", "de"), ("pawsx", "test", "en"),
        ("udpos", "test", "de"),
    ]  # fmt: skip
    assert {"task", "lang", "split", "n", "labelled", "path", "sha256", "overlap"} <= set(
        records[0]
    )
    assert records[0]["path"] == "pawsx/train-en.tsv"
    (overlap,) = records[0]["overlap"]
    assert (overlap["test_task"], overlap["test_lang"], overlap["items"]) == ("pawsx", "en", 1)


def test_check_compares_with_tests_that_are_not_listed(call, root):
    put(root, "xnli/train-en.tsv", f"{LONG}\tneutral\n")
    records = json.loads(
        call("data", "check", "--data", root, "--tasks", "mnli", "--langs", "en", "--json").stdout
    )
    assert [one["task"] for one in records] == ["mnli"]
    assert records[0]["overlap"][0]["test_task"] == "pawsx"


def test_check_lists_parallel_text_beside_retrieval_tests(call, tmp_path):
    put(tmp_path, "tatoeba/tatoeba.deu-eng.deu", "Zwei lange Worte hier\nEins\n")
    put(tmp_path, "tatoeba/tatoeba.deu-eng.eng", "Two long words here\nOne\n")
    put(tmp_path, "parallel/en-de.tsv", "Two long words here\tZwei lange Worte hier\n")
    records = json.loads(call("data", "check", "--data", tmp_path, "--json").stdout)
    assert [one["task"] for one in records] == ["tatoeba", "parallel"]
    assert records[1]["path"] == "parallel/en-de.tsv"
    assert records[1]["overlap"][0]["by_text"] == 1


def test_check_of_chosen_tasks_and_languages(call, root):
    records = json.loads(
        call("data", "check", "--data", root, "--tasks", "pawsx", "--langs", "-en", "--json").stdout
    )
    assert [(one["task"], one["lang"]) for one in records] == [("pawsx", "de")]


def test_check_reports_every_wrong_set_and_still_lists_the_others(call, root):
    put(root, "pawsx/test-fr.tsv", "a\tb\t7\n")
    put(root, "panx/dev-de.tsv", "a\tB-DOG\n")
    with pytest.raises(DataError, match=r"2 sets are wrong, first: .*test-fr\.tsv: line 1"):
        call("data", "check", "--data", root)


def test_check_of_an_empty_root(call, tmp_path):
    with pytest.raises(DataError, match="has no files of xnli"):
        call("data", "check", "--data", tmp_path, "--tasks", "xnli")


@pytest.mark.parametrize(
    ("make", "arguments", "code", "parts"),
    [
        (None, ["check", "--data", "nowhere"], 3, ["data root nowhere is not a folder"]),
        (None, ["check"], 2, ["no data root given", "--data ROOT"]),
        (None, ["check", "--data", ".", "--tasks", "xnil"], 2, ["'xnil'", "did you mean 'xnli'"]),
        (None, ["check", "--data", ".", "--langs", "sww"], 2, ["'sww'", "did you mean 'sw'"]),
        (lambda root: put(root, "xnli/dev-de.tsv", ""), ["check", "--data", "."], 3, ["empty"]),
        (lambda root: (root / "xnli").mkdir() or (root / "xnli/dev-de.tsv.gz").write_bytes(
            gzip.compress(b"a\tb\tneutral\n" * 99)[:40]), ["check", "--data", "."], 3,
         ["dev-de.tsv.gz"]),
        (lambda root: put(root, "w.yaml", "name: a\n"),
         ["check", "--data", ".", "--task-file", "w.yaml"], 2, ["w.yaml", "kind is None"]),
        (None, ["fetch", "--data", "new", "--tasks", "qqp", "--hub", "nohub"], 3,
         ["nohub/nyu-mll/glue/qqp/train-*.parquet"]),
    ],
)  # fmt: skip
def test_errors_are_two_lines_and_have_their_exit_code(run_xlt, tmp_path, make, arguments, code,
                                                       parts):  # fmt: skip
    if make:
        make(tmp_path)
    result = run_xlt("-q", "data", *arguments)
    assert result.returncode == code
    first, second = result.stderr.strip().splitlines()[-2:]
    assert first.startswith("error: ")
    assert second.startswith("hint: ")
    for part in parts:
        assert part in result.stderr


def test_fetch_lists_files_and_continues(call, tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("datasets")
    for split in ("train", "validation"):
        path = tmp_path / f"hub/nyu-mll/glue/qqp/{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"question1": "a", "question2": "b", "label": 1}]
        parquet.write_table(pa.Table.from_pylist(rows), path)
    words = ("data", "fetch", "--data", tmp_path / "root", "--tasks", "qqp",
             "--hub", tmp_path / "hub")  # fmt: skip
    text = call(*words).stdout
    assert "qqp/train.jsonl" in text
    assert "fetched" in text
    again = json.loads(call(*words, "--json").stdout)
    assert [one["fresh"] for one in again] == [False, False]
