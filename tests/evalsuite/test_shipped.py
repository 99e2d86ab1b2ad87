"""Sets beyond XTREME through `xlt eval`: their own suites, in no average of XTREME's."""

import json

import pytest

from xlt.core.tasks.table import XTREME
from xlt.data import DataRoot
from xlt.evalsuite import evaluate

EXTRA = {
    "udpos/test-lt.tsv": "dog\tNOUN\nruns\tVERB\n\ndog\tVERB\n",
    "panx/test-pl.tsv": "Ada\tB-PER\nlives\tO\nin\tO\nBonn\tB-LOC\n",
    "tatoeba/tatoeba.ron-eng.ron": "katze\nbaum\n",
    "tatoeba/tatoeba.ron-eng.eng": "cat\ntree\n",
}
USE = {"xtreme-r-udpos": "udpos", "xtreme-r-panx": "panx", "xtreme-r-tatoeba": "encoder",
       "xtreme-r-xquad": "xquad"}  # fmt: skip


def test_extra_languages_of_xtreme_r_are_scored_and_no_average_of_xtreme_moves(
    bundles, root, make, tmp_path
):
    plain = evaluate(bundles, root, out=tmp_path / "plain", threads=1).record
    make.root(root, {**EXTRA, "xquad/xquad.ro.json": make.squad(("q", "x forty x", "forty"))})
    found = evaluate(
        bundles, root, tasks="all", langs="all", out=tmp_path / "r", threads=1,
        use=USE, task_files=list(USE), submission=tmp_path / "sub",
    )  # fmt: skip
    assert found.scores("xtreme-r-udpos")["lt"] == pytest.approx(100 * 2 / 3)
    assert found.scores("xtreme-r-panx")["pl"] == 100
    assert found.scores("xtreme-r-tatoeba")["ro"] == 100
    assert found.scores("xtreme-r-xquad")["ro"] == 100
    record = found.record
    assert record["all_task"] == plain["all_task"]
    assert record["groups"] == plain["groups"]
    for name in plain["tasks"]:
        for average in ("avg_metric", "partial_avg_metric"):
            assert record["tasks"][name].get(average) == plain["tasks"][name].get(average), name
    handed_in = {path.parent.name for path in (tmp_path / "sub").rglob("*.*")}
    assert handed_in and not handed_in & set(USE)


def test_xcopa_runs_on_the_real_files(make, shared_data, tmp_path):
    """A model that knows no word answers the first choice, which is right as often as in gold."""
    model = make.bundle(tmp_path / "choice", "hellaswag")
    found = evaluate(
        model, shared_data, "xcopa", langs="sw,vi,qu", use={"xcopa": "choice"},
        task_files=["xcopa"], out=tmp_path / "r", threads=1,
    )  # fmt: skip
    task = DataRoot(shared_data, task_files=["xcopa"]).tasks["xcopa"]
    assert task.suite == "xcopa" != XTREME
    for lang in ("sw", "vi", "qu"):
        path = shared_data / f"xcopa/data/{lang}/test.{lang}.jsonl"
        labels = [json.loads(line)["label"] for line in path.read_text().splitlines()]
        assert found.score("xcopa", lang) == pytest.approx(100 * labels.count(0) / len(labels))
    assert found.record["all_task"] is None and not found.record["groups"]


def test_ntrex_runs_on_the_real_files(bundles, make, shared_data, tmp_path):
    table = make.tables()["tatoeba"]
    table[1] = 1  # the unknown word, which all of these texts are made of
    model = make.bundle(tmp_path / "m", "tatoeba", name="m", table=table)
    found = evaluate(
        model, shared_data, "ntrex", "de", use={"ntrex": "m"}, task_files=["ntrex"],
        out=tmp_path / "r", threads=1,
    )  # fmt: skip
    assert {cell["lang"]: cell["n"] for cell in found.cells} == {"de": 1997}
    lines = (tmp_path / "r/predictions/ntrex/test-de.tsv").read_text().splitlines()
    assert len(lines) == 1997
