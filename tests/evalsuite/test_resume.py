"""A killed evaluation goes on where it was and ends with the same bytes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from xlt.core.artifacts.bundle import write_manifest
from xlt.core.errors import CheckFailed, ModelError, UsageError
from xlt.evalsuite import evaluate
from xlt.evalsuite.report.submission import write_submission
from xlt.evalsuite.workers import here

# Runs an evaluation and kills the process at the k-th file that is put in place, just before
# (half = 0) or just after (half = 1).
VICTIM = """
import os, pathlib, signal, sys
from xlt.evalsuite import evaluate
bundles, root, out, number, half = sys.argv[1:]
real, seen = pathlib.Path.replace, 0
def replace(self, target):
    global seen
    seen += 1
    if seen == int(number) and half == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    moved = real(self, target)
    if seen == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    return moved
pathlib.Path.replace = replace
evaluate(bundles, root, out=out, threads=1)
"""


def kill_at(bundles, root, out, number, half):
    arguments = [sys.executable, "-c", VICTIM, bundles, root, out, number, half]
    done = subprocess.run(
        [str(word) for word in arguments], capture_output=True, check=False, timeout=120
    )
    return done.returncode


def content(folder):
    """Every file that is compared; times and what a kill left unfinished are not."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "measured.json" and path.suffix != ".part"
    }


@pytest.fixture(scope="module")
def undisturbed(bundles, make, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    root = make.root(folder / "root")
    evaluate(bundles, root, out=folder / "out")
    return root, content(folder / "out")


def check(bundles, undisturbed, out, number, half):
    root, expected = undisturbed
    assert kill_at(bundles, root, out, number, half) == -signal.SIGKILL
    evaluate(bundles, root, out=out)
    assert content(out) == expected


def places(undisturbed, seed, n):
    """Random places (k-th file, before or after) out of all that an evaluation puts in place."""
    _, files = undisturbed
    written = len(files) + sum(name.startswith("cells/") for name in files)  # and measured.json
    rng = random.Random(seed)
    return [(number, rng.randint(0, 1)) for number in rng.sample(range(1, written + 1), n)]


def test_killed_at_three_random_places_the_bytes_are_the_same(bundles, undisturbed, tmp_path):
    for number, half in places(undisturbed, 3, 3):
        check(bundles, undisturbed, tmp_path / str(number), number, half)


@pytest.mark.slow
def test_killed_at_twenty_random_places_the_bytes_are_the_same(bundles, undisturbed, tmp_path):
    for number, half in places(undisturbed, 20, 20):
        check(bundles, undisturbed, tmp_path / str(number), number, half)


@pytest.mark.slow
def test_killed_at_random_moments_the_bytes_are_the_same(bundles, undisturbed, tmp_path):
    """By the clock, not by the file: also in the middle of a computation, several times in one."""
    root, expected = undisturbed

    def victim(out):
        command = [sys.executable, "-c", VICTIM, bundles, root, out, "0", "0"]
        return subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)

    begun = time.monotonic()
    assert victim(tmp_path / "whole").wait(timeout=120) == 0
    whole = time.monotonic() - begun  # a fast machine must not be through before the first kill
    rng, killed = random.Random(5), 0
    for share in (0.5, 0.6, 0.7, 0.8, 0.85, 0.9):
        with victim(tmp_path / "killed") as running:
            try:
                running.wait(timeout=whole * share * rng.uniform(0.8, 1.0))
            except subprocess.TimeoutExpired:
                running.kill()
                killed += 1
    assert killed
    evaluate(bundles, root, out=tmp_path / "killed")
    assert content(tmp_path / "killed") == expected


def test_killed_twice_in_one_folder_the_bytes_are_the_same(bundles, undisturbed, tmp_path):
    root, expected = undisturbed
    for number in (13, 27):
        assert kill_at(bundles, root, tmp_path, number, 0) == -signal.SIGKILL
    results = evaluate(bundles, root, out=tmp_path)
    assert list(results.status.values()).count("kept") >= 8
    assert content(tmp_path) == expected


def test_what_a_kill_left_unfinished_is_swept_away(bundles, root, tmp_path):
    out = tmp_path / "out"
    evaluate(bundles, root, out=out, threads=1)
    left = next(out.rglob("*.tsv")).with_name(".test-qaa.tsv.a59ftuad.part")
    left.write_text("half a")
    evaluate(bundles, root, out=out, threads=1)
    assert not left.exists()


def test_a_second_call_computes_nothing(bundles, root, tmp_path, monkeypatch):
    first = evaluate(bundles, root, out=tmp_path / "r")
    assert set(first.status.values()) == {"new"}
    before = content(tmp_path / "r")

    def refuse(*arguments, **options):
        raise AssertionError("an engine was opened")

    monkeypatch.setattr("xlt.core.inference.engine.Engine.open", refuse)
    second = evaluate(bundles, root, out=tmp_path / "r")
    assert set(second.status.values()) == {"kept"}
    assert content(tmp_path / "r") == before


def test_only_the_changed_language_is_redone(bundles, root, tmp_path):
    evaluate(bundles, root, "xnli,udpos", out=tmp_path / "r")
    path = root / "xnli/test-de.tsv"
    path.write_text(path.read_text() + "x yes\tx\tentailment\n")
    results = evaluate(bundles, root, "xnli,udpos", out=tmp_path / "r")
    changed = {name: why for name, why in results.status.items() if why != "kept"}
    assert changed == {"xnli/de": "redone: data changed"}
    assert results.score("xnli", "de") == pytest.approx(75)


def test_data_that_change_during_a_run_are_not_stored_under_their_old_key(
    bundles, root, tmp_path, monkeypatch
):
    path = root / "xnli/test-de.tsv"
    before = path.read_text()
    compute = here.compute

    def edited(plan, job, engines):
        path.write_text(before + "x yes\tx\tentailment\n")
        return compute(plan, job, engines)

    monkeypatch.setattr(here, "compute", edited)
    first = evaluate(bundles, root, "xnli", out=tmp_path / "r")
    assert "xnli/de" not in first.status
    monkeypatch.undo()
    path.write_text(before)
    second = evaluate(bundles, root, "xnli", out=tmp_path / "r")
    assert second.status["xnli/de"] != "kept"
    assert second.score("xnli", "de") != pytest.approx(75)


def test_a_change_of_buccs_dev_set_redoes_its_test_cell(bundles, root, tmp_path):
    evaluate(bundles, root, "bucc2018", out=tmp_path / "r")
    (root / "bucc2018/de-en.dev.gold").write_text("de-1\ten-1\n")
    results = evaluate(bundles, root, "bucc2018", out=tmp_path / "r")
    assert results.status == {"bucc2018/de": "redone: data changed"}


def test_another_model_redoes_the_cells(make, root, tmp_path):
    first = make.bundle(tmp_path / "one", "udpos", name="tagger")
    table = make.tables()["udpos"][:, ::-1].copy()
    second = make.bundle(tmp_path / "two", "udpos", name="tagger", table=table)
    evaluate(first, root, langs="en", out=tmp_path / "r")
    results = evaluate(second, root, langs="en", out=tmp_path / "r")
    assert results.status == {"udpos/en": "redone: model changed"}
    assert len(list((tmp_path / "r/cells").iterdir())) == 1


def test_a_smaller_call_keeps_the_other_cells_for_later(bundles, root, tmp_path):
    evaluate(bundles, root, "xnli,udpos", out=tmp_path / "r")
    small = evaluate(bundles, root, "xnli", "en", out=tmp_path / "r")
    assert [(c["task"], c["lang"]) for c in small.cells] == [("xnli", "en")]
    again = evaluate(bundles, root, "xnli,udpos", out=tmp_path / "r")
    assert set(again.status.values()) == {"kept"}


def test_force_redoes_all(bundles, root, tmp_path):
    evaluate(bundles, root, "xnli", out=tmp_path / "r")
    results = evaluate(bundles, root, "xnli", out=tmp_path / "r", force=True)
    assert set(results.status.values()) == {"redone: asked by --force"}


def test_the_splits_do_not_disturb_each_other(bundles, root, tmp_path, make):
    (root / "xnli/dev-de.tsv").write_text(make.files["xnli/test-de.tsv"])
    evaluate(bundles, root, "xnli", out=tmp_path / "r")
    dev = evaluate(bundles, root, "xnli", split="dev", out=tmp_path / "r")
    assert dev.record["split"] == "dev"
    again = evaluate(bundles, root, "xnli", out=tmp_path / "r")
    assert set(again.status.values()) == {"kept"}


def test_a_full_disk_stops_with_what_is_finished_kept(bundles, root, tmp_path):
    limited = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "sys.argv[0] = 'xlt'\nfrom xlt.cli.main import main\nmain(sys.argv[1:])\n"
    )
    command = ["eval", bundles, "--data", root, "--tasks", "xnli", "--out", tmp_path / "r"]
    done = subprocess.run(
        [sys.executable, "-c", limited, *map(str, command)],
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "error: cannot write" in done.stderr
    assert not (tmp_path / "r/results.json").exists()
    results = evaluate(bundles, root, "xnli", out=tmp_path / "r")
    assert results.score("xnli", "en") == 100


def rewrite(model, name, change):
    """Change one JSON file of a bundle and write its manifest again."""
    path = model / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    manifest = json.loads((model / "xlt.json").read_text())
    write_manifest(model, {k: v for k, v in manifest.items() if k not in {"schema", "files"}})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("tokenizer_config.json", lambda value: {**value, "model_max_length": 8}),
        ("config.json", lambda value: {**value, "max_position_embeddings": 8}),
        ("special_tokens_map.json", lambda value: {**value, "mask_token": "[UNK]"}),
    ],
)
def test_no_cell_is_kept_when_a_file_beside_the_tokenizer_has_changed(
    make, root, tmp_path, name, change
):
    model = make.bundle(tmp_path / "m", "xnli")
    long = "x x x x x x x x yes\tx\tentailment\n"
    (root / "xnli/test-sw.tsv").write_text(long + "x no\tx\tneutral\n")
    evaluate(model, root, langs="sw", out=tmp_path / "r")
    rewrite(model, name, change)
    again = evaluate(model, root, langs="sw", out=tmp_path / "r")
    assert again.status == {"xnli/sw": "redone: model changed"}
    fresh = evaluate(model, root, langs="sw", out=tmp_path / "fresh")
    assert again.record == fresh.record


def test_no_cell_is_kept_when_the_labels_of_a_task_file_have_changed(bundles, make, tmp_path):
    """The order of a task file's labels decides what a numbered gold label means."""
    text = (
        "name: mine\nkind: pair\nlabels: [{}]\nlanguages: [sw]\n"
        'files: {{test: "mine/{{lang}}.jsonl"}}\n'
        "columns: {{text_a: one, text_b: two, label: gold}}\n"
    )
    rows = [{"one": "x yes", "two": "x", "gold": 0}, {"one": "x no", "two": "x", "gold": 2}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    first = text.format("entailment, neutral, contradiction")
    root = make.root(tmp_path / "root", {"mine/sw.jsonl": lines, "tasks/mine.yaml": first})
    one = evaluate(bundles, root, "mine", use={"mine": "xnli"}, out=tmp_path / "r")
    assert one.score("mine", "sw") == 100
    second = text.format("neutral, entailment, contradiction")
    (root / "tasks/mine.yaml").write_text(second)
    again = evaluate(bundles, root, "mine", use={"mine": "xnli"}, out=tmp_path / "r")
    assert again.status == {"mine/sw": "redone: task changed"}
    fresh = evaluate(bundles, root, "mine", use={"mine": "xnli"}, out=tmp_path / "fresh")
    assert again.record == fresh.record
    assert again.score("mine", "sw") == 50


def test_what_only_averages_look_at_redoes_nothing(bundles, make, tmp_path):
    text = (
        "name: mine\nkind: pair\nlabels: [entailment, neutral, contradiction]\n"
        'languages: [{}]\nfiles: {{test: "mine/{{lang}}.jsonl"}}\n'
        "columns: {{text_a: one, text_b: two, label: gold}}\n"
    )
    row = json.dumps({"one": "x yes", "two": "x", "gold": "entailment"}) + "\n"
    files = {"mine/sw.jsonl": row, "tasks/mine.yaml": text.format("sw")}
    root = make.root(tmp_path / "root", files)
    evaluate(bundles, root, "mine", use={"mine": "xnli"}, out=tmp_path / "r")
    (root / "tasks/mine.yaml").write_text(text.format("sw, de"))
    again = evaluate(bundles, root, "mine", use={"mine": "xnli"}, out=tmp_path / "r")
    assert again.status == {"mine/sw": "kept"}


HOLDER = """
import pathlib, sys, time
from xlt.core.artifacts.lock import take_lock
take_lock(pathlib.Path(sys.argv[1]) / "results.lock")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that works in tmp_path/r."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "r")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_evaluation_in_one_folder_is_refused_and_names_the_first(
    bundles, root, tmp_path, holder
):
    with pytest.raises(UsageError, match=f"in use by pid {holder.pid} on ") as caught:
        evaluate(bundles, root, "xnli", out=tmp_path / "r")
    assert caught.value.exit_code == 2
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["results.lock"]


def test_the_folder_of_a_dead_evaluation_is_taken_over(bundles, root, tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / "r/results.lock").is_file()
    assert evaluate(bundles, root, "xnli", out=tmp_path / "r").score("xnli", "en") == 100
    assert not (tmp_path / "r/results.lock").exists()


def test_predictions_that_changed_behind_the_results_are_no_submission(bundles, root, tmp_path):
    results = evaluate(bundles, root, "xnli", out=tmp_path / "r")
    (tmp_path / "r/predictions/xnli/test-sw.tsv").write_text("neutral\nneutral\n")
    with pytest.raises(CheckFailed, match=r"test-sw\.tsv: not the file whose scores"):
        write_submission(results, tmp_path / "sub")
    assert not (tmp_path / "sub").exists()


def test_a_user_tasks_bundle_needs_no_task_file(bundles, make, tmp_path):
    """Without --task-file the bundle's own record says where the data are and what they mean."""
    from xlt.data.taskfile import load_task_file

    row = json.dumps({"one": "x yes", "two": "x", "gold": 1}) + "\n"
    root = make.root(tmp_path / "root", {"mine/sw.jsonl": row})
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nkind: pair\nlabels: [neutral, entailment, contradiction]\nlanguages: [sw]\n"
        'files: {test: "mine/{lang}.jsonl"}\ncolumns: {text_a: one, text_b: two, label: gold}\n'
    )
    user = load_task_file(tmp_path / "mine.yaml")
    model = tmp_path / "mine"
    shutil.copytree(bundles / "xnli", model)
    manifest = json.loads((model / "xlt.json").read_text())
    labels = manifest["task"]["labels"]
    record = {**user.to_json(), "task": {**user.task.to_json(), "labels": labels}}
    manifest |= {"name": "mine", "answers": ["mine"], "task_file": user.to_json(),
                 "task": record["task"]}  # fmt: skip
    (model / "xlt.json").write_text(json.dumps(manifest))
    found = evaluate(model, root, out=tmp_path / "r")
    assert found.score("mine", "sw") == 100
    named = evaluate(model, root, task_files=[tmp_path / "mine.yaml"], out=tmp_path / "named")
    assert named.record["cells"] == found.record["cells"]
    manifest["task_file"] = {"task": 1}
    (model / "xlt.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="not a task's record"):
        evaluate(model, root, out=tmp_path / "damaged")
