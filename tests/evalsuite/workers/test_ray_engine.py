"""Cells over a Ray cluster: the bytes are those of one process, whoever dies on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xlt.core.errors import MissingExtra
from xlt.core.tasks.table import TASKS
from xlt.evalsuite import evaluate

pytest.importorskip("ray", reason="Ray is not installed")


def content(folder):
    """Every file that is compared; times are not."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "measured.json"
    }


@pytest.fixture
def paired(root, make):
    """A root with a pair of two languages and a cell that cannot be read."""
    pair = "mlqa/MLQA_V1/test/test-context-de-question-en.json"
    (root / pair).write_text(make.squad(("m1", "x Rhein", "Rhein"), ("m2", "x zehn", "x")))
    (root / "pawsx/test-fr.tsv").write_text("one column\n")
    return root


def test_a_cluster_gives_the_bytes_of_one_process(run_xlt, ray_cluster, bundles, paired, tmp_path):
    command = ["eval", bundles, "--data", paired, "--cross", "--both-directions"]
    here = run_xlt(*command, "--out", tmp_path / "here", "--threads", 2)
    over = ["--out", tmp_path / "ray", "--engine", "ray", "--address", ray_cluster.address]
    done = run_xlt(*command, *over)
    assert (here.returncode, done.returncode) == (7, 7), done.stderr
    assert done.stdout.replace(str(tmp_path / "ray"), str(tmp_path / "here")) == here.stdout
    expected, found = content(tmp_path / "here"), content(tmp_path / "ray")
    failed = "failed/pawsx-test-fr.txt"
    assert "no known header" in expected.pop(failed).decode()
    assert "no known header" in found.pop(failed).decode()
    assert found == expected
    record = json.loads((tmp_path / "ray/results.json").read_text())
    assert len(record["cells"]) == 19 and len(record["cross"]["mlqa"]) == 3
    measured = json.loads((tmp_path / "ray/measured.json").read_text())["cells"]
    assert {cell["engine"] for cell in measured.values()} == {"ray"}
    assert {cell["threads"] for cell in measured.values()} == {1}


def test_more_threads_than_any_machine_has_are_told(run_xlt, ray_cluster, bundles, root, tmp_path):
    done = run_xlt(
        "eval", bundles, "--data", root, "--tasks", "xnli", "--out", tmp_path / "r",
        "--engine", "ray", "--address", ray_cluster.address, "--threads", 64,
    )  # fmt: skip
    assert done.returncode == 2
    assert "a worker needs 64 CPUs; the largest machine of the cluster has 2" in done.stderr


def test_without_ray_the_extra_is_named_before_any_work(bundles, root, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for module in ("xlt.evalsuite.workers.ray_engine", "xlt.core.inference.cluster"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(MissingExtra, match="'ray' is not installed") as caught:
        evaluate(bundles, root, out=tmp_path / "r", engine="ray")
    assert "[study]" in caught.value.hint
    assert not (tmp_path / "r").exists()


def busy_workers(raylet):
    """Pids of the processes of a machine that compute a cell now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            title = (folder / "cmdline").read_text()
        except OSError:  # it has just ended
            continue
        if parent == raylet and title.startswith("ray::answer_cell"):
            found.append(int(folder.name))
    return found


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_machine_cost_only_their_cells(
    run_xlt, ray_cluster, bundles, make, tmp_path
):
    rows = make.files["xnli/test-en.tsv"] * 4000
    files = {f"xnli/test-{lang}.tsv": rows for lang in TASKS["xnli"].languages}
    root = make.root(tmp_path / "root", files)
    command = ["eval", bundles / "xnli", "--data", root, "--tasks", "xnli"]
    assert run_xlt(*command, "--out", tmp_path / "here").returncode == 0
    over = ["--out", tmp_path / "ray", "--engine", "ray", "--address", ray_cluster.address]
    machines = [ray_cluster.add_node(num_cpus=1) for _ in range(2)]
    raylets = [machine.all_processes["raylet"][0].process.pid for machine in machines]
    victims = []
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "xlt", *map(str, command + over)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        ) as run:  # fmt: skip
            until = time.monotonic() + 120
            while run.poll() is None and time.monotonic() < until and len(victims) < 2:
                if not victims and (busy := busy_workers(raylets[0])):
                    os.kill(busy[0], signal.SIGKILL)
                    victims.append("worker")
                elif victims and busy_workers(raylets[1]):
                    ray_cluster.remove_node(machines.pop(), allow_graceful=False)
                    victims.append("machine")
                time.sleep(0.01)
            talk = run.communicate(timeout=240)[1]
    finally:
        for machine in machines:
            ray_cluster.remove_node(machine)
    assert victims == ["worker", "machine"], talk
    assert run.returncode == 0, talk
    assert content(tmp_path / "ray") == content(tmp_path / "here")


@pytest.mark.slow
def test_without_an_address_a_cluster_of_this_machine_starts_and_ends(
    run_xlt, bundles, root, tmp_path
):
    command = ["eval", bundles, "--data", root, "--tasks", "tatoeba,xnli"]
    assert run_xlt(*command, "--out", tmp_path / "here").returncode == 0
    done = run_xlt(*command, "--out", tmp_path / "ray", "--engine", "ray")
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "ray") == content(tmp_path / "here")


def test_nobody_at_the_address_is_exit_4(run_xlt, bundles, root, tmp_path):
    done = run_xlt(
        "eval", bundles, "--data", root, "--tasks", "xnli", "--out", tmp_path / "r",
        "--engine", "ray", "--address", "127.0.0.1:9",
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "error: no Ray cluster at 127.0.0.1:9: " in done.stderr
