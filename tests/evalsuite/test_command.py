"""The verb `xlt eval`: what it prints, and every exit code."""

import json

import pytest

from xlt.core.metrics.official import read_predictions
from xlt.core.tasks.table import TARGETS, TASKS


@pytest.fixture
def xlt_eval(run_xlt, bundles, root, tmp_path):
    """Run `xlt eval` on all bundles; the results go to tmp_path/res."""

    def run(*arguments, model=bundles, data=root):
        return run_xlt(
            "eval", *([model] if model else []), "--data", data, "--out", tmp_path / "res",
            "--threads", 1, *arguments,
        )  # fmt: skip

    return run


def lines_of(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_nine_tasks_end_with_one_screen_and_the_rest_is_in_a_file(xlt_eval, tmp_path):
    done = xlt_eval()
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 or str(tmp_path) in line for line in done.stdout.splitlines())
    lines = lines_of(done.stdout)
    assert len(lines) <= 24
    assert lines[0] == "task score langs English others gap worst unseen"
    assert "xnli 72.2* 3 100.0 58.3 41.7 sw 50.0 50.0" in lines
    assert [line.split()[0] for line in lines[2:11]] == list(TARGETS)
    assert f"languages, metrics, families and remarks: {tmp_path / 'res/tables.txt'}" in lines
    assert any(line.startswith("published, XLM-R: xnli 79.2 pawsx 86.4") for line in lines)


def test_tables_fit_a_terminal_and_say_what_they_mean(xlt_eval, tmp_path):
    done = xlt_eval()
    text = (tmp_path / "res/tables.txt").read_text()
    assert max(map(len, text.splitlines())) <= 80
    lines = lines_of(text)
    assert done.stdout.splitlines()[2] in text
    assert "xnli test bundle xnli, fp32" in lines
    assert "accuracy 66.7 100.0 50.0" in lines
    assert "n 3 4 2" in lines
    assert "partial mean 72.2 English 100.0 mean without English 58.3 gap 41.7" in lines
    assert "mean of 3: de en sw" in lines
    assert "missing, 5 of 7: es fr ja ko zh" in lines
    assert "family: Indo-European 83.3 (2) Niger-Congo 50.0 (1)" in lines
    assert "Indo-European: Indo-European 83.3 (2) other 50.0 (1)" in lines
    assert "majority 50.0 33.3 -" in lines
    assert "margin thresholds, from dev: de 2.275" in lines
    assert "unlabelled: predictions written, no score: sw" in lines
    assert "* not all official languages: a partial mean, not an XTREME score" in lines
    assert any(line.startswith("xnli 72.2* 3 ") for line in lines)
    nine = next(line for line in lines if line.startswith("all nine tasks: "))
    assert nine.endswith("*")
    assert "results: " in done.stderr


def test_json_is_the_results_file_and_nothing_else(xlt_eval, tmp_path):
    done = xlt_eval("--tasks", "xnli", "--json")
    assert done.returncode == 0
    assert done.stdout == (tmp_path / "res/results.json").read_text()
    assert json.loads(done.stdout)["tasks"]["xnli"]["accuracy"]["sw"] == 50.0


def test_json_of_nine_tasks_has_published_rows_beside_ours_and_in_no_mean(xlt_eval, tmp_path):
    record = json.loads(xlt_eval("--json").stdout)
    rows = {(r["task"], r["metric"], r["model"]): r for r in record["published"]}
    assert rows["xquad", "f1", "XLM-R"]["langs"]["de"] == 80.4
    assert rows["xquad", "f1", "XLM-R"]["source"].startswith("deepmind/xquad")
    assert rows["all", "score", "XLM-R"]["mean"] == 68.1
    assert record["tasks"]["xnli"]["partial_avg_metric"] == pytest.approx(650 / 9)
    lines = lines_of((tmp_path / "res/tables.txt").read_text())
    assert "published mean, accuracy: mBERT 65.4 XLM 69.1 XLM-R 79.2 X-STILTs 80.4" in lines
    assert "published, f1, XLM-R: en 86.5 de 80.4" in lines
    assert "published in: google-research/multilingual-t5: README, table of results" in lines


def test_dev_sets_and_invented_languages_have_no_published_rows(xlt_eval, root, tmp_path):
    (root / "xnli/dev-de.tsv").write_bytes((root / "xnli/test-de.tsv").read_bytes())
    done = xlt_eval("--tasks", "xnli", "--split", "dev", "--json")
    assert json.loads(done.stdout)["published"] == []
    table = [{"code": "sw", "name": "Aa", "family": "F", "branch": "B", "script": "Latn",
              "constructed": True}]  # fmt: skip
    (root / "languages.json").write_text(json.dumps(table))
    done = xlt_eval("--tasks", "xnli", "--json")
    assert json.loads(done.stdout)["published"] == []


def test_means_leave_out_what_training_had_seen_and_undeclared_data_leave_out_nothing(
    xlt_eval, make, root, tmp_path
):
    done = xlt_eval("--tasks", "xnli,panx", "--json")
    found = json.loads(done.stdout)["seen"]["xnli"]
    assert found["declared"] and found["langs"] == ["de", "en", "sw"]
    left = {name: (rest["langs"], rest["mean"]) for name, rest in found["without"].items()}
    assert left == {
        "task in the language": (["de", "sw"], pytest.approx(175 / 3)),
        "language": (["sw"], 50),
        "task or language": ([], None),
    }
    line = "mean without what training had seen: task in the language 58.3 (2)"
    tables = lines_of((tmp_path / "res/tables.txt").read_text())
    assert any(one.startswith(line) for one in tables)
    unknown = make.bundle(tmp_path / "unknown", "xnli", trained_on={"declared": False})
    done = xlt_eval("--json", model=unknown)
    found = json.loads(done.stdout)["seen"]["xnli"]
    assert not found["declared"] and found["without"] == {} and found["mean"] is not None
    screen = xlt_eval(model=unknown).stdout
    assert "the base model's not counted; not declared: xnli" in " ".join(screen.split())


def test_training_data_told_in_words_make_no_language_new(xlt_eval, make, tmp_path):
    """All languages of a foreign model counted as unseen when a card told of its data."""
    told = {"declared": True, "tasks": [], "languages": [], "data": [], "by": "flag",
            "base": "web pairs in 94 languages"}  # fmt: skip
    model = make.bundle(tmp_path / "told", "xnli", trained_on=told)
    record = json.loads(xlt_eval("--json", model=model).stdout)
    assert record["seen"]["xnli"]["without"] == {}
    assert {flag for cell in record["cells"] for flag in cell["flags"]} == {
        "training data told in words, not by language"
    }


def test_a_rerun_says_what_was_kept_and_why_the_rest_was_not(xlt_eval, root):
    xlt_eval("--tasks", "xnli")
    path = root / "xnli/test-sw.tsv"
    path.write_text(path.read_text() + "x maybe\tx\tneutral\n")
    done = xlt_eval("--tasks", "xnli")
    assert "xnli: kept 2 of 3: de en" in done.stderr
    assert "xnli: redone: data changed: sw" in done.stderr


def test_a_short_run_has_no_line_a_cell(xlt_eval):
    done = xlt_eval()
    assert done.returncode == 0
    assert "xnli/sw" not in done.stderr and len(done.stderr.splitlines()) < 6


def test_dry_run_tells_and_touches_nothing(xlt_eval, tmp_path):
    done = xlt_eval("--dry-run")
    assert done.returncode == 0
    assert "new: de en sw" in lines_of(done.stdout)
    assert not (tmp_path / "res").exists()
    done = xlt_eval("--dry-run", "--json", "--tasks", "xnli")
    assert json.loads(done.stdout) == dict.fromkeys(("xnli/de", "xnli/en", "xnli/sw"), "new")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--tasks", "xkwad"], "unknown task 'xkwad'; did you mean 'xquad'", "known:"),
        (["--langs", "swa"], "unknown language 'swa'", "family:"),
        (["--use", "xquad"], "--use 'xquad' is not TASK=NAME", "--use xquad=tydiqa"),
        (["--min-score", "xnli=x"], "is not TASK=X", "--min-score xnli.sw=60"),
        (["--max-drop", "1"], "--max-drop needs --against", "name the results"),
        (["--split", "dev", "--submission", "sub"], "needs --split test", "leave out --split"),
        (["--split", "train"], "Invalid value", "--help"),
        (["--tasks", "mnli"], "no bundle answers mnli", "--use mnli=xnli"),
    ],
)
def test_wrong_usage_is_exit_2_with_a_next_step(xlt_eval, arguments, message, hint):
    done = xlt_eval(*arguments)
    assert done.returncode == 2
    error, advice = done.stderr.strip().splitlines()[-2:]
    assert error.startswith("error: ")
    assert message in error
    assert advice.startswith("hint: ")
    assert hint in advice
    assert done.stdout == ""


def test_no_data_root_at_all_is_exit_2(run_xlt, bundles):
    done = run_xlt("eval", bundles)
    assert done.returncode == 2
    assert "no data root given" in done.stderr


def test_missing_data_is_exit_3_with_the_paths_tried(xlt_eval):
    done = xlt_eval("--tasks", "pawsx", "--langs", "th")
    assert done.returncode == 3
    assert "no test data of pawsx for --langs th" in done.stderr
    assert "pawsx/test-de.tsv" in done.stderr
    done = xlt_eval(data="nowhere")
    assert done.returncode == 3


def test_missing_and_damaged_models_are_exit_4(xlt_eval, make, tmp_path):
    assert xlt_eval(model="nothing").returncode == 4
    model = make.bundle(tmp_path / "m", "udpos")
    (model / "tokenizer.json").write_text("{}")
    done = xlt_eval(model=model)
    assert done.returncode == 4
    assert "SHA-256" in done.stderr


def test_without_a_model_the_run_here_is_taken(xlt_eval):
    done = xlt_eval(model=None)
    assert done.returncode == 4
    assert "xlt-run" in done.stderr


def test_a_device_that_is_not_there_is_exit_4(xlt_eval):
    done = xlt_eval("--device", "cuda:7", "--tasks", "xnli")
    assert done.returncode == 4
    assert "--device cpu" in done.stderr


def test_a_score_below_the_floor_is_exit_5_after_the_tables(xlt_eval):
    floors = ["--min-score", "xnli.sw=60,xnli=90", "--min-score", "pawsx=75"]
    done = xlt_eval("--tasks", "xnli,pawsx", "--allow-missing", *floors)
    assert done.returncode == 5
    assert "xnli.sw is 50, below 60; xnli is 72.22222, below 90" in done.stderr
    assert done.stdout.startswith("task ") and "tables.txt" in done.stdout
    assert xlt_eval("--tasks", "xnli,pawsx", "--min-score", "xnli.sw=50").returncode == 0


def test_a_drop_against_other_results_is_exit_5(xlt_eval, run_xlt, make, root, tmp_path):
    xlt_eval("--tasks", "xnli")
    table = make.tables()["xnli"].copy()
    table[:, 0] = 5
    worse = make.bundle(tmp_path / "worse", "xnli", table=table)
    command = ["eval", worse, "--data", root, "--out", tmp_path / "worse-res",
               "--langs", "de,en,sw", "--against", tmp_path / "res"]  # fmt: skip
    done = run_xlt(*command, "--max-drop", 1)
    assert done.returncode == 5
    assert "xnli.en fell by" in done.stderr
    assert "against" in done.stdout
    assert run_xlt(*command, "--max-drop", 100).returncode == 0
    assert run_xlt(*command, "--against", tmp_path / "none").returncode == 3


def test_gates_do_not_hold_when_languages_have_vanished(xlt_eval, run_xlt, root, tmp_path):
    xlt_eval("--tasks", "xnli")
    (root / "xnli/test-sw.tsv").rename(root / "kept-elsewhere")
    other = ["--tasks", "xnli", "--out", tmp_path / "other"]
    done = xlt_eval(*other, "--min-score", "xnli=70")
    assert done.returncode == 5
    assert "xnli looks at missing scores: ar bg el" in done.stderr
    assert "--allow-missing" in done.stderr.splitlines()[-1]
    assert xlt_eval(*other, "--langs", "en,de", "--min-score", "xnli=70").returncode == 0
    assert xlt_eval(*other, "--min-score", "xnli=70", "--allow-missing").returncode == 0
    assert xlt_eval(*other, "--min-score", "xnli.sw=10").returncode == 5
    against = ["--against", tmp_path / "res"]
    done = xlt_eval(*other, *against, "--max-drop", 1)
    assert done.returncode == 5
    assert "xnli.sw is missing" in done.stderr
    assert xlt_eval(*other, *against, "--max-drop", 1, "--allow-missing").returncode == 0
    assert xlt_eval(*other, *against, "--langs", "en,de", "--max-drop", 1).returncode == 0


def test_languages_that_only_the_baseline_has_are_listed_as_missing(xlt_eval, make, root, tmp_path):
    table = [{"code": "qaa", "name": "Aa", "family": "F", "branch": "B", "script": "Latn"}]
    (root / "languages.json").write_text(json.dumps(table))
    (root / "xnli/test-qaa.tsv").write_text(make.files["xnli/test-sw.tsv"])
    xlt_eval("--tasks", "xnli")
    (root / "xnli/test-qaa.tsv").unlink()
    (root / "languages.json").unlink()
    arguments = ["--tasks", "xnli", "--out", tmp_path / "other", "--against", tmp_path / "res"]
    done = xlt_eval(*arguments, "--json")
    assert "qaa" in json.loads(done.stdout)["missing"]["xnli"]
    assert "xnli.qaa is missing" in xlt_eval(*arguments, "--max-drop", 1).stderr


def test_against_compares_the_items_that_both_have_and_says_how_many(
    xlt_eval, make, root, tmp_path
):
    """Scores over other items were subtracted from each other."""
    xlt_eval("--tasks", "xnli")
    # the wrong one of three is gone, a new right one is there
    (root / "xnli/test-de.tsv").write_text(
        "x yes\tx\tentailment\nx\tmaybe\tneutral\nx x no\tx\tcontradiction\n"
    )
    arguments = ["--tasks", "xnli", "--out", tmp_path / "other", "--against", tmp_path / "res"]
    done = xlt_eval(*arguments)
    assert done.returncode == 0, done.stderr
    lines = lines_of((tmp_path / "other/comparison.txt").read_text())
    assert "xnli +0.0 (mean of 3): de +0.0 en +0.0 sw +0.0" in lines
    assert "xnli, other items than before: de 2 common of 3 and 3" in lines
    done = xlt_eval(*arguments, "--max-drop", 50, "--allow-missing")
    assert done.returncode == 5
    assert "xnli.de has other items than before (2 common of 3 and 3)" in done.stderr


def test_nine_tasks_against_others_still_fit_one_screen(xlt_eval, tmp_path):
    xlt_eval()
    done = xlt_eval("--out", tmp_path / "other", "--against", tmp_path / "res")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 24 and all(len(x) <= 80 or str(tmp_path) in x for x in lines)
    assert lines[0].split()[-1] == "change"
    assert "xnli 72.2* 3 100.0 58.3 41.7 sw 50.0 50.0 +0.0" in lines_of(done.stdout)
    detail = (tmp_path / "other/comparison.txt").read_text()
    assert "xnli +0.0 (mean of 3): de +0.0 en +0.0 sw +0.0" in lines_of(detail)
    assert not (tmp_path / "res/comparison.txt").exists()
    xlt_eval("--out", tmp_path / "other")
    assert not (tmp_path / "other/comparison.txt").exists()


def test_against_results_without_a_common_item_is_exit_3(xlt_eval, root, tmp_path):
    xlt_eval("--tasks", "xnli", "--langs", "de")
    (root / "xnli/test-de.tsv").write_text("x x yes\tx\tentailment\nx x no\tx\tneutral\n")
    arguments = ["--tasks", "xnli", "--langs", "de", "--out", tmp_path / "other"]
    done = xlt_eval(*arguments, "--against", tmp_path / "res")
    assert done.returncode == 3
    assert "have no scored item in common" in done.stderr
    done = xlt_eval(*arguments, "--against", tmp_path / "res", "--max-drop", 5, "--json")
    assert done.returncode == 3


def test_against_finds_equal_items_of_another_split_and_of_retrieval(xlt_eval, root, tmp_path):
    arguments = ["--tasks", "xnli,tatoeba,bucc2018", "--langs", "de"]
    xlt_eval(*arguments)
    (root / "xnli/dev-de.tsv").write_bytes((root / "xnli/test-de.tsv").read_bytes())
    other = ["--out", tmp_path / "other", "--against", tmp_path / "res"]
    done = xlt_eval(*arguments, *other, "--max-drop", 0)
    assert done.returncode == 0, done.stderr
    done = xlt_eval("--tasks", "xnli", "--langs", "de", "--split", "dev", *other, "--max-drop", 0)
    assert done.returncode == 0, done.stderr
    path = root / "tatoeba/tatoeba.deu-eng.deu"
    path.write_text(path.read_text().replace("regen", "sand"))
    done = xlt_eval(*arguments, *other, "--max-drop", 99)
    assert done.returncode == 5
    assert "tatoeba.de has other items than before (0 common of 4 and 4)" in done.stderr


def test_failed_cells_are_exit_7_and_the_rest_is_there(xlt_eval, root, tmp_path):
    (root / "xnli/test-sw.tsv").write_bytes(b"\xff\xfe no text\n")
    done = xlt_eval("--tasks", "xnli", "--min-score", "xnli=99")
    assert done.returncode == 7
    assert "1 of 3 cells failed: xnli/sw" in done.stderr
    assert "accuracy 66.7 100.0" in lines_of(done.stdout)
    assert (tmp_path / "res/failed/xnli-test-sw.txt").is_file()


def test_a_submission_has_the_official_files_and_nothing_else(xlt_eval, tmp_path):
    done = xlt_eval("--submission", tmp_path / "sub")
    assert done.returncode == 0, done.stderr
    files = {path.relative_to(tmp_path / "sub").as_posix() for path in
             (tmp_path / "sub").rglob("*") if path.is_file()}  # fmt: skip
    assert {"xnli/test-sw.tsv", "xquad/test-de.json", "bucc2018/test-de.tsv"} <= files
    assert len(files) == 19
    tags = read_predictions(TASKS["udpos"], tmp_path / "sub/udpos/test-de.tsv")
    assert tags == [["DET", "NOUN", "VERB"], ["NOUN"]]
    assert "submission: pawsx lacks es fr ja ko zh" in done.stderr
    assert xlt_eval("--submission", tmp_path / "sub").returncode == 0


def test_a_submission_never_overwrites_other_files(xlt_eval, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/thesis.tex").write_text("do not lose")
    done = xlt_eval("--submission", tmp_path / "sub")
    assert done.returncode == 2
    assert "thesis.tex" in done.stderr
    assert (tmp_path / "sub/thesis.tex").read_text() == "do not lose"


def test_help_ends_with_examples(run_xlt):
    done = run_xlt("eval", "--help")
    assert done.returncode == 0
    assert "xlt eval RUN --tasks xquad --use xquad=tydiqa" in done.stdout


def test_evaluating_needs_neither_torch_nor_transformers(bundles, root, tmp_path, run_xlt):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for name in ("torch", "transformers"):
        (blocked / f"{name}.py").write_text("raise RuntimeError('must not be imported')\n")
    done = run_xlt("eval", bundles, "--data", root, env={"PYTHONPATH": str(blocked)})
    assert done.returncode == 0, done.stderr


def test_the_configuration_has_exactly_the_flags():
    from xlt.evalsuite import EvalConfig
    from xlt.evalsuite.command import evaluate

    about_output = {"as_json", "dry_run", "help"}
    flags = {option.name for option in evaluate.params} - about_output
    assert flags == set(EvalConfig.__dataclass_fields__)
