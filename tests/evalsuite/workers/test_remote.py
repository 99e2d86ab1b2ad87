"""What a worker of a cluster answers; it refuses what the caller does not see."""

import pickle
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from xlt.core.errors import DataError, ModelError
from xlt.core.inference.engine import Engine
from xlt.evalsuite.compute.identity import identify
from xlt.evalsuite.plan.config import EvalConfig
from xlt.evalsuite.plan.inputs import find_inputs
from xlt.evalsuite.plan.plan import make_plan
from xlt.evalsuite.workers import remote
from xlt.evalsuite.workers.job import Job
from xlt.evalsuite.workers.remote import answer_cell, answer_texts

HINT = "a folder that all machines share"


@dataclass(kw_only=True)
class Alone:
    """A cluster whose only worker is this process; everything travels as bytes."""

    plan: Any
    run: str = "one"
    pieces: list[int] = field(default_factory=list)

    def fetch_plan(self):
        return pickle.loads(pickle.dumps(replace(self.plan, cells=())))

    def vectors(self, bundle, pieces):
        for piece in pieces:
            self.pieces.append(len(piece))
            yield answer_texts(self, pickle.loads(pickle.dumps(bundle)), piece)


@pytest.fixture
def asked(make, root, tmp_path):
    """(cluster, the job of xnli in German), with bundles of one's own."""
    models = make.bundles(tmp_path / "models")
    remote._kept.clear()
    config = EvalConfig(models=(models,), data=root, out=tmp_path / "r", engine="ray", threads=1)
    plan = make_plan(config)

    def job(name):
        cell = next(cell for cell in plan.cells if cell.name == name)
        inputs = find_inputs(plan.root, cell)
        found = Job(cell=cell, inputs=inputs, identity=identify(plan, cell, inputs))
        return pickle.loads(pickle.dumps(found))

    yield Alone(plan=plan), job
    remote._kept.clear()


def answer(asked, name):
    cluster, job = asked
    return pickle.loads(pickle.dumps(answer_cell(cluster, job(name))))


def test_paths_do_not_depend_on_the_folder_of_a_worker(asked):
    cluster, job = asked
    assert cluster.plan.root.path.is_absolute()
    assert job("xnli/de").cell.bundle.path.is_absolute()
    assert all(path.is_absolute() for path in job("xnli/de").inputs.files.paths)


def test_a_cell_is_computed_and_the_model_stays_loaded(asked, monkeypatch):
    assert answer(asked, "xnli/de").unpack().outcome.metrics["accuracy"] == pytest.approx(200 / 3)
    monkeypatch.setattr(Engine, "open", None)
    assert answer(asked, "xnli/sw").unpack().outcome.metrics["accuracy"] == 50


def test_texts_of_a_retrieval_cell_go_out_in_pieces_and_come_back_in_order(asked, monkeypatch):
    whole = answer(asked, "tatoeba/de").unpack()
    monkeypatch.setattr(remote, "TEXTS", 3)
    cluster, _ = asked
    cluster.pieces.clear()
    assert answer(asked, "tatoeba/de").unpack().outcome.predictions == whole.outcome.predictions
    assert cluster.pieces == [3, 1, 3, 1]


def test_vectors_of_pieces_are_those_of_the_whole(asked):
    cluster, job = asked
    bundle = job("tatoeba/de").cell.bundle
    texts = ["katze", "baum mond", "regen", "cat tree"]
    with_all = answer_texts(cluster, bundle, texts).unpack()
    by_one = [answer_texts(cluster, bundle, [text]).unpack() for text in texts]
    np.testing.assert_array_equal(with_all, np.concatenate(by_one))


def test_other_data_at_the_same_path_are_refused(asked, root):
    cluster, job = asked
    one = job("xnli/de")
    (root / "xnli/test-de.tsv").write_text("x no\tx\tcontradiction\n")
    reply = answer_cell(cluster, one)
    with pytest.raises(DataError, match=r"not the same on .* as for the caller: data changed"):
        reply.unpack()
    assert HINT in reply.error.hint and not reply.fatal


def test_data_that_are_not_there_are_refused(asked, root):
    cluster, job = asked
    one = job("xnli/de")
    (root / "xnli/test-de.tsv").unlink()
    with pytest.raises(DataError, match=r"test-de\.tsv") as caught:
        answer_cell(cluster, one).unpack()
    assert HINT in caught.value.hint


def test_another_bundle_at_the_same_path_ends_the_evaluation(asked, make, tmp_path):
    cluster, job = asked
    one = job("xnli/de")
    table = make.tables()["xnli"][:, ::-1].copy()
    make.bundle(tmp_path / "models/xnli", "xnli", table=table)
    reply = answer_cell(cluster, one)
    assert reply.fatal
    with pytest.raises(ModelError, match="is another bundle on"):
        reply.unpack()


@pytest.mark.parametrize("name", ["xnli/de", "tatoeba/de"])
def test_a_model_that_does_not_load_ends_the_evaluation(asked, name):
    cluster, job = asked
    one = job(name)
    one.cell.bundle.onnx_path.write_bytes(b"damaged")
    reply = answer_cell(cluster, one)
    assert reply.fatal and isinstance(reply.error, ModelError)


def test_an_error_that_cannot_travel_becomes_text(asked, monkeypatch):
    class Odd(Exception):
        def __reduce__(self):
            raise TypeError("no copies")

    def fails(*arguments):
        raise Odd("strange")

    monkeypatch.setattr(remote, "compute", fails)
    reply = answer(asked, "xnli/de")
    with pytest.raises(RuntimeError, match="Odd: strange") as caught:
        reply.unpack()
    assert "raise Odd" in str(caught.value.__cause__)
