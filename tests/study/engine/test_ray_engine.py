"""`--engine ray`: the same cells as the local engine, whatever dies."""

import json
import signal
import threading
import time

import pytest

from xlt.core.errors import ModelError, PartlyDone, UsageError
from xlt.study.engine.run import run_study

pytest.importorskip("ray", reason="Ray is not installed")

from xlt.core.inference.cluster import connected, ray
from xlt.study.engine.ray_engine import Cluster, run_ray


@pytest.fixture(scope="module")
def connection(ray_cluster):
    """One connection for all tests here: its workers stay warm, a study uses what is open."""
    with connected(ray_cluster.address, None):
        yield


@pytest.fixture
def run(bench, ray_cluster, connection):
    def start(out="out", drop_weights=False, **more):
        given = {"address": ray_cluster.address, "program": bench.program, **more}
        plan, store = bench.plan(), bench.store()
        if "url" in given:
            store = type(store)(bench.folder / out / "store")
        engine = Cluster(**given)
        return run_study(
            plan, bench.folder / out, store, lambda found: run_ray(found, engine),
            drop_weights=drop_weights,
        )  # fmt: skip

    return start


def cells(folder):
    """Every cell without its seconds."""
    found = {path.stem: json.loads(path.read_text()) for path in (folder / "cells").glob("*.json")}
    return {name: {k: v for k, v in cell.items() if k != "seconds"} for name, cell in found.items()}


def test_it_writes_the_cells_of_the_local_engine(bench, run):
    progress = run()
    assert not progress.missing()
    once = bench.counts()
    assert set(once.values()) == {1}
    run("again")
    assert bench.counts() == once
    bench.run("local")  # the same store: nothing is left to do
    assert bench.counts() == once
    assert cells(bench.folder / "out") == cells(bench.folder / "local")
    assert len(cells(bench.folder / "out")) == 8


@pytest.mark.slow
def test_weights_that_nothing_needs_any_more_are_removed(bench, run):
    assert run(drop_weights=True).freed > 0
    assert not list((bench.folder / "store").rglob("*.safetensors"))
    assert not run("again").missing()
    assert set(bench.counts().values()) == {1}


def test_a_failed_stage_holds_back_its_dependants_alone(bench, run):
    bench.set(fail="mnli")
    with pytest.raises(PartlyDone, match="it is told to fail") as caught:
        run()
    assert "4 of 8 cells are missing" in caught.value.message
    assert len(cells(bench.folder / "out")) == 4
    bench.set(fail="")
    assert not run().missing()


@pytest.mark.slow
def test_a_store_behind_a_url_holds_what_is_done_and_the_folder_its_small_files(bench, run):
    url = f"file://{bench.folder}/far"
    progress = run(url=url)
    assert not progress.missing()
    far = bench.folder / "far"
    cell = progress.plan.cells[0]
    export, scored = (cell.stages[name] for name in ("export", "eval"))
    assert (far / export / "bundles/model.safetensors").is_file()
    assert (far / export / "stage.json").is_file()
    assert (bench.folder / "out/store" / scored / "results/results.json").is_file()
    assert not (bench.folder / "out/store" / export / "bundles/model.safetensors").exists()
    before = bench.counts()
    assert set(before.values()) == {1}
    assert not run("other", url=url).missing()
    assert bench.counts() == before


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"threads": 64}, UsageError, "a stage needs 64 CPUs"),
        ({"url": "nosuch://x/y"}, UsageError, "--store nosuch://x/y"),
    ],
)
def test_what_cannot_work_is_told(run, more, error, said):
    with pytest.raises(error, match=said):
        run(**more)


def test_nobody_at_the_address_is_told(run, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ModelError, match="no Ray cluster at 127"):
        run(address="127.0.0.1:9")


def test_where_nothing_is_left_to_do_no_cluster_is_needed(bench, run, monkeypatch):
    bench.run("local")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    assert not run(address="127.0.0.1:9").missing()


@pytest.mark.slow
def test_a_machine_that_dies_costs_its_stages_alone(bench, run, ray_cluster):
    bench.set(seconds=3)
    machines = [ray_cluster.add_node(num_cpus=2) for _ in range(2)]
    raylets = [one.all_processes["raylet"][0].process for one in machines]

    def kill():
        while sum(bench.counts("end").values()) < 3 or len(bench.counts()) < 6:
            time.sleep(0.1)
        raylets[0].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        progress = run()
    finally:
        killer.join()
        for one in machines:
            ray_cluster.remove_node(one, allow_graceful=False)
    assert not progress.missing()
    assert len(cells(bench.folder / "out")) == 8
    assert max(bench.counts().values()) <= 2
