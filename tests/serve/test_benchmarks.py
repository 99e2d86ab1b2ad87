"""The serving benchmarks run, on a tiny model; their figures are not looked at."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not {0, 1} <= os.sched_getaffinity(0), reason="a core for the server and one for clients"
    ),
]


def run(project, script, *arguments):
    done = subprocess.run(
        [sys.executable, str(project / "benchmarks" / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_load_benchmark_runs(project, bundles, tmp_path):
    shown = run(project, "serve_load.py", "--model", bundles["encoder"], "--seconds", 1,
                "--rounds", 1, "--work", tmp_path, "--out", tmp_path / "out.json")  # fmt: skip
    result = json.loads((tmp_path / "out.json").read_text())
    assert set(result["figures"]) == {
        "xlt short", "xlt mixed", "xlt long", "null short", "raw short",
    }  # fmt: skip
    for figures in result["figures"].values():
        assert all(value > 0 for value in figures.values())
    assert len(result["claims"]) == 9
    for name, claim in result["claims"].items():
        assert name in shown
        assert claim["holds"] == (
            claim["value"] >= claim["least"] if claim["least"] else claim["value"] <= claim["most"]
        )


def test_the_overload_runs(project, bundles, tmp_path):
    shown = run(project, "serve_overload.py", "--model", bundles["encoder"], "--seconds", 1,
                "--times", 0.3, "--work", tmp_path)  # fmt: skip
    for exact in ("answers other than", "requests without an answer", "counters do not have"):
        (line,) = [line for line in shown.splitlines() if exact in line]
        assert line.startswith("holds"), line


def test_models_that_come_and_go_leave_no_memory_behind(project, make_bundle, tmp_path):
    bundle = make_bundle("encoder", mebibytes=200)
    shown = run(project, "serve_models.py", "--model", bundle, "--rounds", 20, "--check",
                "--work", tmp_path)  # fmt: skip
    result = json.loads(shown)
    assert result["answers"]["200"] > 100
    assert result["rss_mib"]["last"] <= result["rss_mib"]["allowed"]


def test_the_soak_runs(project, bundles, tmp_path):
    shown = run(project, "serve_soak.py", "--model", bundles["encoder"], "--minutes", 0.1,
                "--warm-up", 0.02, "--work", tmp_path)  # fmt: skip
    result = json.loads(shown)
    assert set(result["statuses"]) <= {"200", "400", "left"} and result["statuses"]["200"] > 100
    assert result["exit_code"] == 0 and result["rss_mib"]["last"] > 0
