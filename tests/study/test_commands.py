"""`xlt study` as it is typed."""

import json

import pytest

FILE = """\
study: 1
name: two
question: Does an NLI phase help on the tiny world?
estimand: {kind: effect, arm: mnli, baseline: none}
base: {model: compact, pretrain: mlm, steps: 8}
arms:
  none: {}
  mnli: {intermediate: [mnli]}
axes: {targets: [udpos, encoder]}
scales:
  demo: {world: tiny}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(FILE)
    return path


def test_a_dry_run_shows_the_plan_and_writes_nothing(run_xlt, file, tmp_path):
    done = run_xlt("study", "run", file, "--scale", "demo", "--out", "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "4 cells; 13 stages (1 world, 4 train, 4 export, 4 eval)" in done.stdout
    assert "minutes of one core" in done.stdout or "s of one core" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two.yaml"]


def test_a_plan_is_written_with_its_estimand_and_its_cost(run_xlt, file, tmp_path):
    done = run_xlt("study", "plan", file, "--scale", "demo", "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "out/plan.json").read_text())
    told = json.loads(done.stdout)
    assert told["estimand_hash"] == plan["estimand_hash"] == plan["registered"]["estimand_hash"]
    assert plan["estimand"]["arm"] == ["mnli"]
    assert plan["estimates"]["seconds"] > 0
    found = run_xlt("study", "status", "out", "--json")
    assert json.loads(found.stdout)["stages"]["waiting"] == 13


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "papr", "--out", "out"), 2, "did you mean 'paper'"),
        (("run", "two.yaml", "--out", "out"), 2, "no data root given"),
        (("run", "two.yaml", "--out", "out", "--scale", "tny"), 2, "no scale 'tny'"),
        (("status", "nowhere"), 3, "no such file"),
    ],
)
def test_mistakes_have_their_exit_codes(run_xlt, file, words, code, said):
    done = run_xlt("study", *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "hint: " in done.stderr


def test_the_shipped_studies_are_listed(run_xlt):
    done = run_xlt("study", "list")
    assert done.returncode == 0
    assert "families: Does English intermediate training help languages" in done.stdout


@pytest.mark.slow
def test_a_study_runs_from_world_to_scores_and_a_second_run_does_nothing(run_xlt, file, tmp_path):
    words = ("study", "run", file, "--scale", "demo", "--out", "out", "--jobs", "2")
    done = run_xlt(*words, timeout=1500)
    assert done.returncode == 0, done.stderr
    cells = sorted((tmp_path / "out/cells").glob("*.json"))
    assert len(cells) == 4
    for path in cells:
        cell = json.loads(path.read_text())
        assert "English-dev pick" in cell["results"]
        for place in cell["results"].values():  # by the rule that picked the checkpoint
            results = json.loads((tmp_path / "out/store" / place / "results.json").read_text())
            assert set(results["tasks"]) == set(cell["cell"]["tasks"])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/store").rglob("*.json")}
    again = run_xlt(*words)
    assert again.returncode == 0, again.stderr
    assert "started" not in again.stderr
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/store").rglob("*.json")}
    assert after == before


@pytest.mark.slow
def test_a_cluster_gives_the_same_table(run_xlt, file, tmp_path, ray_cluster):
    words = ("study", "run", file, "--scale", "demo", "--threads", "1")
    over = ("--engine", "ray", "--address", ray_cluster.address)
    for more in (("--out", "here"), ("--out", "there", *over)):
        done = run_xlt(*words, *more, timeout=1500)
        assert done.returncode == 0, done.stderr
    tables = []
    for out in ("here", "there"):
        told = run_xlt("study", "report", out)
        assert told.returncode == 0, told.stderr
        rows = (tmp_path / out / "table.csv").read_text().splitlines()
        seconds = rows[0].split(",").index("train_seconds")
        tables.append([[v for k, v in enumerate(r.split(",")) if k != seconds] for r in rows])
    assert len(tables[0]) > 20
    assert tables[0] == tables[1]
