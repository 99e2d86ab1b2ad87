"""Models that do not work are refused when they are loaded, and what was served is served still."""

import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from xlt.core.artifacts.bundle import MANIFEST, write_manifest
from xlt.core.errors import ModelError
from xlt.core.tasks.table import TASKS
from xlt.serve.auth import Keys
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.models import Models
from xlt.serve.compute.sources import Loading, Source
from xlt.serve.compute.vetting import Vetting

ADMIN = "admin-key-0123456789"
KEY = {"x-api-key": ADMIN}
CLASSIFY = {"inputs": ["the cat"], "model": "xnli"}


@pytest.fixture(scope="module")
def swapping(run_server, bundles, tmp_path_factory):
    """A server with a good model, and the repository of bad ones."""
    root = tmp_path_factory.mktemp("repository")
    shutil.copytree(bundles["xnli"], root / "good")
    running = run_server({"xnli": bundles["xnli"]}, admin_keys=Keys([ADMIN]), repository=root)
    yield running, root
    running.stop()


def copy_of(bundles, root, name, bundle="xnli"):
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundles[bundle], folder)
    return folder


def renew(folder, **fields):
    """Write the manifest again, with other fields."""
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["schema"], manifest["files"]
    (folder / MANIFEST).unlink()
    write_manifest(folder, {**manifest, **fields})


def with_weights(folder, value):
    path = folder / "onnx/model.onnx"
    model = onnx.load(str(path))
    for weights in model.graph.initializer:
        if weights.name == "head":
            array = np.full_like(numpy_helper.to_array(weights), value)
            weights.CopyFrom(numpy_helper.from_array(array, "head"))
    onnx.save(model, str(path))
    renew(folder)


def load(running, name, bundle):
    return running.call("POST", "/admin/models", {"name": name, "bundle": bundle}, KEY)


def refused(swapping, bundle, *says):
    """A load of a bad bundle in place of the good model is 422 and changes nothing."""
    running, _ = swapping
    before = running.post("/v1/classify", CLASSIFY)
    status, _, answer = load(running, "xnli", bundle)
    assert (status, answer["error"]["code"]) == (422, "bad_model"), answer
    for part in says:
        assert part in answer["error"]["message"], answer
    assert running.post("/v1/classify", CLASSIFY) == before
    assert running.call("GET", "/health/ready")[0] == 200


@pytest.mark.parametrize("kind", ["xnli", "csqa", "panx", "xquad", "encoder"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(bundles, tmp_path, kind, value):
    folder = copy_of(bundles, tmp_path, kind, kind)
    with_weights(folder, value)
    for warm_up in (True, False):
        models = Models(Loading(device="cpu", threads=1, warm_up=warm_up), Metrics())
        with pytest.raises(ModelError, match="NaN or infinite"):
            models.load(Source(name="m", path=folder))


@pytest.mark.parametrize(("kind", "task"), [("xnli", "xnli"), ("panx", "panx")])
@pytest.mark.parametrize("change", [-1, 1])
def test_labels_that_do_not_fit_the_graph_are_refused(bundles, tmp_path, kind, task, change):
    folder = copy_of(bundles, tmp_path, kind, kind)
    labels = [*TASKS[task].labels, "one-more"][: len(TASKS[task].labels) + change]
    renew(folder, task={**TASKS[task].to_json(), "labels": labels})
    models = Models(Loading(device="cpu", threads=1, warm_up=False), Metrics())
    with pytest.raises(ModelError):
        models.load(Source(name="m", path=folder))


def test_a_bad_model_does_not_take_the_place_of_a_good_one(swapping, bundles):
    _, root = swapping
    with_weights(copy_of(bundles, root, "nan"), np.nan)
    refused(swapping, "nan", "NaN")
    task = {**TASKS["xnli"].to_json(), "labels": ["yes", "no"]}
    renew(copy_of(bundles, root, "labels"), task=task)
    refused(swapping, "labels")
    assert load(swapping[0], "xnli", "good")[0] == 200


def change_tokenizer(folder, **parts):
    path = folder / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **parts}))
    renew(folder)


def growing(char, by, times):
    step = {"type": "Replace", "pattern": {"String": char}, "content": char * by}
    return {"type": "Sequence", "normalizers": [step] * times}


@pytest.mark.parametrize(
    "normalizer", [growing("e", 10, 12), growing("e", 1000, 1), growing("\u2603", 100, 1)]
)
def test_a_tokenizer_that_expands_without_bound_is_refused(swapping, bundles, normalizer):
    """Also where it grows what no text of ours holds."""
    running, root = swapping
    change_tokenizer(copy_of(bundles, root, "grows"), normalizer=normalizer)
    started = time.monotonic()
    refused(swapping, "grows", "tokenizer")
    assert time.monotonic() - started < 90
    assert running.call("GET", "/health/live")[0] == 200


def test_a_manifest_nested_too_deeply_is_refused(swapping, bundles):
    _, root = swapping
    folder = copy_of(bundles, root, "deep")
    (folder / MANIFEST).write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    refused(swapping, "deep", "nested")
    copy_of(bundles, root, "deep")
    (folder / "tokenizer.json").write_text("[" * 100_000 + "]" * 100_000)
    renew(folder)
    refused(swapping, "deep", "nested")


def test_links_out_of_the_repository_are_refused(swapping, bundles, tmp_path):
    _, root = swapping
    folder = copy_of(bundles, root, "links")
    outside = tmp_path / "model.onnx"
    shutil.copy(folder / "onnx/model.onnx", outside)
    (folder / "onnx/model.onnx").unlink()
    (folder / "onnx/model.onnx").symlink_to(outside)
    refused(swapping, "links", "out of the repository")
    shutil.rmtree(folder / "onnx")
    (folder / "onnx").symlink_to(tmp_path)
    refused(swapping, "links", "out of the repository")
    (folder / "onnx").unlink()
    (folder / "onnx").symlink_to(folder / "onnx")
    refused(swapping, "links")


def test_links_inside_the_repository_are_followed(swapping, bundles):
    running, root = swapping
    folder = copy_of(bundles, root, "shared")
    (folder / "onnx/model.onnx").unlink()
    (folder / "onnx/model.onnx").symlink_to(root / "good/onnx/model.onnx")
    assert load(running, "shared", "shared")[0] == 200
    assert running.call("DELETE", "/admin/models/shared", headers=KEY)[0] == 200


@pytest.mark.parametrize("name", ["notes.txt", MANIFEST, "onnx/model.onnx"])
def test_a_pipe_in_place_of_a_file_is_refused_at_once(swapping, bundles, name):
    folder = copy_of(bundles, swapping[1], "pipe")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    started = time.monotonic()
    refused(swapping, "pipe", "regular file")
    assert time.monotonic() - started < 10


def test_huge_json_files_are_refused_unread(swapping, bundles):
    folder = copy_of(bundles, swapping[1], "huge")
    with (folder / "config.json").open("wb") as stream:
        stream.truncate(1 << 40)  # sparse
    refused(swapping, "huge", "at most")


def test_other_loads_go_on_while_a_bad_one_is_looked_at(swapping, bundles, monkeypatch):
    running, root = swapping
    copy_of(bundles, root, "slow")
    entered, go = threading.Event(), threading.Event()
    real = Vetting.vet

    def vet(self, folder, inside):
        if folder.name == "slow":
            entered.set()
            assert go.wait(30)
        real(self, folder, inside)

    monkeypatch.setattr(Vetting, "vet", vet)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(load, running, "slow", "slow")
        assert entered.wait(10)
        assert load(running, "quick", "good")[0] == 200
        go.set()
        assert slow.result()[0] == 200
    for name in ("slow", "quick"):
        running.call("DELETE", f"/admin/models/{name}", headers=KEY)


def test_a_tokenizer_that_takes_too_long_is_ended(bundles, tmp_path):
    folder = copy_of(bundles, tmp_path, "late")
    with pytest.raises(ModelError, match="did not split"):
        Vetting(seconds=0.01).vet(folder, tmp_path)


def test_a_tokenizer_within_its_bounds_passes(bundles, tmp_path):
    for name in bundles:
        Vetting().vet(bundles[name], bundles[name].parent)


def test_outputs_that_cannot_be_decoded_make_the_server_unready(run_server, bundles, monkeypatch):
    running = run_server({"xnli": bundles["xnli"]})
    kind = type(running.app.state.models.table["xnli"].engine)

    def broken(self, items, rows, outputs):
        raise ModelError("no labels")

    with monkeypatch.context() as patch:
        patch.setattr(kind, "decode", broken)
        for _ in range(21):
            status, _, answer = running.call("POST", "/v1/classify", {"inputs": ["a"]})
            assert (status, answer["error"]["code"]) == (500, "model_error")
        running.wait(lambda: running.app.state.ready is not None)
        assert running.call("GET", "/health/ready")[0] == 503
    assert running.total("xlt_failed_rows_total", reason="undecoded") == 21
    running.wait(lambda: running.call("POST", "/v1/classify", {"inputs": ["a"]})[0] == 200)
    running.call("POST", "/v1/classify", {"inputs": ["a"]})
    running.wait(lambda: running.app.state.ready is None)
    running.stop()


def test_an_item_that_cannot_be_decoded_costs_only_itself(run_server, bundles, monkeypatch):
    running = run_server({"xnli": bundles["xnli"]})
    kind = type(running.app.state.models.table["xnli"].engine)
    real = kind.decode

    def picky(self, items, rows, outputs):
        if any(item.text_a == "b" for item in items):
            raise ModelError("no labels")
        return real(self, items, rows, outputs)

    right = running.post("/v1/classify", {"inputs": ["a", "c"]})["data"]
    monkeypatch.setattr(kind, "decode", picky)
    found = running.post("/v1/classify", {"inputs": ["a", "b", "c"]})["data"]
    assert found[0] == right[0] and found[2]["scores"] == right[1]["scores"]
    assert found[1]["error"]["code"] == "model_error"
    running.stop()
