"""One test through the whole path: train, export, eval, score, serve, as a user types it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from xlt.core.errors import UsageError


@pytest.fixture(scope="module")
def work(tiny_world, tmp_path_factory):
    """A folder with a trained, exported and evaluated run."""
    folder = tmp_path_factory.mktemp("pipeline")

    def xlt(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "xlt", *map(str, arguments)],
            cwd=folder, capture_output=True, text=True, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    xlt("train", "--model", "compact", "--data", tiny_world, "--pretrain-steps", 10, "--steps", 20,
        "--intermediate", "mnli", "--target", "xnli,udpos,xquad,mlqa", "--threads", 1)  # fmt: skip
    xlt("export", "--dimensions", "16,8")
    folder.joinpath("table.txt").write_text(xlt("eval", "--langs", "all", "--threads", 1))
    return folder


def test_run_export_and_eval_work_as_typed_in_one_folder(work):
    run = json.loads((work / "xlt-run" / "run.json").read_text())
    assert run["status"] == "done"
    assert run["targets"]["xquad"]["serves"] == ["xquad", "mlqa"]
    assert [phase["tasks"] for phase in run["lineage"]["phases"]][-1] == ["mnli"]
    bundles = {path.name for path in (work / "xlt-run" / "bundles").iterdir()}
    assert bundles == {"xnli", "udpos", "xquad", "encoder"}
    results = json.loads((work / "xlt-run" / "results" / "results.json").read_text())
    assert set(results["tasks"]) == {"xnli", "udpos", "xquad", "mlqa", "bucc2018", "tatoeba"}
    screen = (work / "table.txt").read_text()
    tables = (work / "xlt-run" / "results" / "tables.txt").read_text()
    assert "Cedar" in tables and "tables.txt" in screen
    assert max(map(len, [*screen.splitlines(), *tables.splitlines()])) <= 80
    assert len(screen.splitlines()) <= 24


def test_every_language_of_the_root_gets_a_score(work):
    results = json.loads((work / "xlt-run" / "results" / "results.json").read_text())
    for task, metric in (("xnli", "accuracy"), ("udpos", "token_accuracy"), ("mlqa", "f1")):
        scores = results["tasks"][task][metric]
        assert set(scores) == {"en", "qaa", "qab", "qba", "qbb", "qca", "qcb"}
        assert all(0 <= score <= 100 for score in scores.values())


def test_official_scorer_reads_the_predictions_and_agrees(work, tiny_world):
    from xlt.core.metrics.official import read_predictions
    from xlt.core.metrics.table import measure
    from xlt.core.tasks.table import TASKS
    from xlt.data import DataRoot

    results = json.loads((work / "xlt-run" / "results" / "results.json").read_text())
    gold = DataRoot(tiny_world).read(TASKS["udpos"], "qca", "test")
    path = work / "xlt-run" / "results" / "predictions" / "udpos" / "test-qca.tsv"
    predicted = read_predictions(TASKS["udpos"], path)
    again = measure("tag_f1", [list(e.tags) for e in gold.examples], predicted, "qca")
    assert again["f1"] == results["tasks"]["udpos"]["f1"]["qca"]


@pytest.fixture(scope="module")
def client(work):
    """A client of `xlt serve` on the bundles of the run."""
    from xlt import Client

    server = subprocess.Popen(
        [sys.executable, "-m", "xlt", "serve", "xlt-run", "--port", "0", "--threads", "1"],
        cwd=work, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with server:
        try:
            url = server.stdout.readline().strip().removeprefix("serving on ")
            with Client(url) as client:
                yield client
        finally:
            server.terminate()
    assert server.returncode == 0


def test_server_gives_the_labels_that_eval_wrote(work, client, tiny_world):
    from xlt.core.tasks.table import TASKS
    from xlt.data import DataRoot

    examples = DataRoot(tiny_world).read(TASKS["xnli"], "qba", "test").examples
    served = client.classify([(e.text_a, e.text_b) for e in examples], model="xnli")
    path = work / "xlt-run" / "results" / "predictions" / "xnli" / "test-qba.tsv"
    assert [answer.label for answer in served] == path.read_text().split()


def test_server_cuts_vectors_to_the_widths_named_at_the_export(client):
    texts = ["the cat sleeps", "a river in the north"]
    full = client.embed(texts)
    for width in (8, 16):
        cut = full[:, :width] / np.linalg.norm(full[:, :width], axis=1, keepdims=True)
        assert np.allclose(client.embed(texts, dimensions=width), cut, atol=1e-6)
    for width in (4, 12, full.shape[1] + 1):
        with pytest.raises(UsageError, match=f"not {width}"):
            client.embed(texts, dimensions=width)
