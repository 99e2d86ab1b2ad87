"""Results that somebody damaged: exit 3 with what is wrong, or a report without that part."""

import copy
import json

import pytest

from xlt.core.errors import DataError
from xlt.evalsuite import evaluate
from xlt.evalsuite.report.compare import compare
from xlt.evalsuite.report.page.build import ReportConfig, build_report
from xlt.evalsuite.report.results import Results

pytest.importorskip("jinja2")  # the light environment has no pages

JUNK = [None, True, -1, 1e308, "", "x", [], [7], {}, {"x": 7}]


def places(value, path=()):
    """Paths of all fields of a record, the first of a list standing for all."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def changed(record, path, junk):
    """The record with junk at a place; no place at all where the junk is `...`."""
    copied = copy.deepcopy(record)
    at = copied
    for key in path[:-1]:
        at = at[key]
    if junk is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = junk
    return copied


@pytest.fixture(scope="module")
def whole(bundles, make, tmp_path_factory):
    """Results with pairs of languages, and a copy of the folder to damage."""
    base = tmp_path_factory.mktemp("whole")
    root = make.root(base / "root")
    text = make.squad(("m1", "x Rhein", "Rhein"))
    (root / "mlqa/MLQA_V1/test/test-context-de-question-en.json").write_text(text)
    return evaluate(bundles, root, tasks="mlqa,xnli", langs="en,de", cross=True, threads=1,
                    out=base / "r")  # fmt: skip


def tried(folder, record, other):
    """Open, compare and show; the error, if there is one."""
    (folder / "results.json").write_text(json.dumps(record))
    try:
        built = build_report(ReportConfig(results=(folder,), baseline=(other,), examples=0))
        built.html()
        built.text("csv")
        compare(Results.open(other), Results.open(folder, comparable=True))
    except DataError as error:
        assert error.exit_code == 3 and error.hint
        return error
    return None


def copy_of(whole, folder):
    for path in whole.path.rglob("*"):
        if path.is_file() and path.parent.name != "cells":
            target = folder / path.relative_to(whole.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return folder


def check(whole, folder, step):
    copy_of(whole, folder)
    record = json.loads((whole.path / "results.json").read_text())
    record["data"] = ""
    assert tried(folder, record, whole.path) is None
    refused, crashes = 0, []
    cases = [(p, junk) for p in places(record) if p for junk in [..., *JUNK]]
    assert len(cases) > 500
    for path, junk in cases[::step]:
        try:
            refused += tried(folder, changed(record, path, junk), whole.path) is not None
        except Exception as error:
            crashes.append(f"{path} = {junk!r}: {error!r}")
    assert crashes == []
    assert refused > len(cases) / step / 10


def test_no_field_of_a_record_can_be_damaged_into_a_crash(whole, tmp_path):
    check(whole, tmp_path / "r", 61)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_field_of_a_record_can_be_damaged_into_a_crash_with_any_junk(whole, tmp_path):
    check(whole, tmp_path / "r", 2)


@pytest.mark.parametrize(
    ("path", "junk", "message"),
    [
        (("schema",), [7], "not the results of this version"),
        (("bundles", "xnli", "trained_on", "tasks"), True, "trained_on.tasks is True"),
        (("tasks", "xnli", "extra_langs"), 7, "tasks.xnli.extra_langs is 7"),
        (("missing", "xnli"), "fr", "missing.xnli is 'fr'"),
        (("cross", "mlqa", 0), "x", "cross.mlqa[0] is no object"),
        (("cells", 0, "flags"), [7], "flags has 7"),
        (("cells", 0, "interval"), {"low": 3}, "interval is {'low': 3}"),
        (("cells", 0, "n"), True, "n is True"),
    ],
)
def test_what_is_wrong_is_named(whole, tmp_path, path, junk, message):
    folder = copy_of(whole, tmp_path / "r")
    record = json.loads((folder / "results.json").read_text())
    assert message in tried(folder, changed(record, path, junk), whole.path).message


def test_items_that_are_damaged_are_named(whole, tmp_path, make):
    folder = copy_of(whole, tmp_path / "r")
    record = json.loads((folder / "results.json").read_text())
    for cell in record["cells"]:
        cell["parts"]["data"] = "another"
    path = folder / "items/xnli/test-en.npz"
    path.write_bytes(path.read_bytes()[:100])
    error = tried(folder, record, whole.path)
    assert "items/xnli/test-en.npz" in error.message


def test_pairs_of_languages_are_a_grid_of_the_report(whole):
    built = build_report(ReportConfig(results=(whole.path,)))
    sheet = next(sheet for sheet in built.sheets() if sheet.name == "cross-mlqa")
    assert sheet.header == ["context", "en", "de", "others"]
    assert sheet.rows == [["en", 100.0, None, None], ["de", 100.0, 100.0, 100.0]]
    page = built.html()
    assert "mlqa: context and question in two languages" in page
    assert "context de, question en" in page
    assert any(sheet.name == "overview" and sheet.rows[0][0] == "xnli" for sheet in built.sheets())


def test_a_task_file_of_ones_own_has_examples_in_the_report(make, tmp_path, run_xlt):
    root = make.root(tmp_path / "root")
    rows = "first,second,verdict\nx yes,x,entailment\nx no,x,neutral\n"
    (root / "mine").mkdir()
    (root / "mine/test-en.csv").write_text(rows)
    task = tmp_path / "mine.yaml"
    task.write_text(
        "name: mine\nkind: pair\nlabels: [entailment, neutral, contradiction]\n"
        "languages: [en]\nfiles: {test: 'mine/test-{lang}.csv'}\n"
        "columns: {text_a: first, text_b: second, label: verdict}\n"
    )
    model = make.bundle(tmp_path / "m", "xnli")
    out = tmp_path / "r"
    evaluate(model, root, tasks="mine", task_files=task, use={"mine": "m"}, out=out, threads=1)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    done = run_xlt("report", out, "--task-file", task, "--out", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text()
    assert "left out" not in done.stderr and "x yes" in page and "contradiction" in page
    done = run_xlt("report", out, "--out", tmp_path / "r.html")
    assert "mine/en: no examples, there is no task mine in the data root" in done.stderr
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
