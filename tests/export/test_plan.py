"""Which bundles an export writes, for which tasks, cut where."""

import json
import shutil

import pytest

from xlt.core.artifacts.runs import Run
from xlt.core.errors import ModelError, UsageError
from xlt.core.tasks.table import TASKS
from xlt.export.config import ExportConfig
from xlt.export.plan import find_model, plan


def job_of(folder, tmp_path, task=None, **flags):
    jobs = plan(find_model(folder), ExportConfig(out=tmp_path / "out", task=task, **flags))
    assert len(jobs) == 1
    return jobs[0]


def test_checkpoint_with_known_labels_needs_no_task(checkpoints, tmp_path):
    job = job_of(checkpoints(), tmp_path)
    assert (job.task.name, job.answers) == ("xnli", ("xnli",))
    assert job.task.labels == ("contradiction", "entailment", "neutral")
    assert job.trained_on["declared"] is False


def test_labels_are_spelled_as_the_task_spells_them(checkpoints, tmp_path):
    folder = checkpoints(labels=("NEUTRAL", "Entailment", "CONTRADICTION"))
    job = job_of(folder, tmp_path, "mnli")
    assert job.task.labels == ("neutral", "entailment", "contradiction")
    assert job.answers == ("xnli", "mnli")


def test_numbered_labels_stand_for_numbers(checkpoints, tmp_path):
    folder = checkpoints(labels=("LABEL_0", "LABEL_1"))
    assert job_of(folder, tmp_path, "pawsx").task.labels == ("0", "1")
    with pytest.raises(UsageError, match="does not say which task of kind pair"):
        job_of(folder, tmp_path)
    with pytest.raises(ModelError, match=r"LABEL_0, LABEL_1.*3 labels \(entailment"):
        job_of(folder, tmp_path, "xnli")


def test_unknown_named_labels_make_a_task_of_their_own(checkpoints, tmp_path):
    job = job_of(checkpoints(labels=("bad", "good")), tmp_path)
    assert (job.task.name, job.task.role, job.task.labels) == ("out", "user", ("bad", "good"))


def test_span_head_answers_the_tasks_with_the_same_training_data(checkpoints, tmp_path):
    folder = checkpoints(kind="span")
    assert job_of(folder, tmp_path, "squad").answers == ("xquad", "mlqa", "squad")
    assert job_of(folder, tmp_path, "tydiqa").answers == ("tydiqa",)
    with pytest.raises(UsageError, match="kind span") as caught:
        job_of(folder, tmp_path)
    assert "xquad mlqa tydiqa" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "task"), [("embed", "xnli"), ("tag", "xquad"), ("pair", "bucc2018")]
)
def test_wrong_kind_names_both(checkpoints, tmp_path, kind, task):
    with pytest.raises(ModelError, match=f"kind {kind}.*kind {TASKS[task].kind}"):
        job_of(checkpoints(kind=kind), tmp_path, task)


def test_unknown_task_is_suggested(checkpoints, tmp_path):
    with pytest.raises(UsageError, match="did you mean 'xnli'"):
        job_of(checkpoints(), tmp_path, "xnlli")


@pytest.mark.parametrize(("blocks", "layer"), [(24, 14), (12, 8), (3, 3)])
def test_default_block_is_xtremes_choice(checkpoints, tmp_path, blocks, layer):
    job = job_of(checkpoints(kind="embed", blocks=blocks), tmp_path)
    assert (job.layer, job.pooling) == (layer, "mean")
    assert job.answers == ("bucc2018", "tatoeba")
    assert job.task.name == "tatoeba"


def test_block_can_be_chosen_within_the_depth(checkpoints, tmp_path):
    folder = checkpoints(kind="embed", blocks=12)
    assert job_of(folder, tmp_path, layer="last").layer == 12
    assert job_of(folder, tmp_path, layer=1, pooling="cls").layer == 1
    assert job_of(folder, tmp_path, layer=0).layer == 0
    for wrong in ("13", "-1"):
        with pytest.raises(UsageError, match=r"has blocks 1\.\.12"):
            job_of(folder, tmp_path, layer=wrong)


def test_all_flag_mistakes_come_at_once():
    with pytest.raises(UsageError, match="8 mistakes") as caught:
        ExportConfig(
            precision="fp32,int9", layer="half", pooling="max", dimensions="8,0,wide,8",
            device="gpu", threads=0,
        ).check()  # fmt: skip
    for said in (
        "int9",
        "half",
        "max",
        "dimensions '0'",
        "wide",
        "8 is given twice",
        "gpu",
        "--threads 0",
    ):
        assert said in caught.value.message


def test_encoder_flags_without_an_encoder(checkpoints, tmp_path):
    with pytest.raises(UsageError, match="--layer, --pooling, --dimensions: for encoders alone"):
        job_of(checkpoints(), tmp_path, layer="2", pooling="mean", dimensions="8")


@pytest.mark.parametrize("given", ["16, 4,8", [8, 4, 16], (16, 8, 4)])
def test_dimensions_are_recorded_in_order(checkpoints, tmp_path, given):
    folder = checkpoints(kind="embed")
    assert job_of(folder, tmp_path, dimensions=given).dimensions == (4, 8, 16)
    assert job_of(folder, tmp_path).dimensions == ()


@pytest.mark.parametrize("model_type", ["xlm-roberta", "distilbert"])
def test_dimensions_are_below_the_encoders_width(checkpoints, tmp_path, model_type):
    folder = checkpoints(model_type, kind="embed")
    assert job_of(folder, tmp_path, dimensions="31").dimensions == (31,)
    with pytest.raises(UsageError, match="gives vectors of 32"):
        job_of(folder, tmp_path, dimensions="8,32")


@pytest.mark.parametrize("given", ["", "0", "-4", "8,", "4.5", "٤", "9" * 12, [True], [8, 8]])
def test_what_is_no_list_of_widths_is_refused(given):
    with pytest.raises(UsageError, match="--dimensions"):
        ExportConfig(dimensions=given).check()


def test_dimensions_of_a_run_are_the_encoders(run_folder):
    jobs = plan(find_model(run_folder), ExportConfig(dimensions="8"))
    assert [job.dimensions for job in jobs] == [(), (), (8,)]


def test_checkpoint_needs_out(checkpoints):
    with pytest.raises(UsageError, match="needs --out"):
        plan(find_model(checkpoints()), ExportConfig())


def test_run_gives_every_target_and_the_encoder(run_folder):
    jobs = plan(find_model(run_folder), ExportConfig())
    assert [job.name for job in jobs] == ["xquad", "udpos", "encoder"]
    assert jobs[0].target == run_folder / "bundles" / "xquad"
    assert jobs[0].answers == ("xquad", "mlqa")
    udpos, encoder = jobs[1:]
    assert udpos.task.labels == tuple(reversed(TASKS["udpos"].labels))
    assert (dict(udpos.dev)["f1"], dict(udpos.baseline)) == (81.25, {"label": "NOUN"})
    assert udpos.trained_on["tasks"] == ["mnli", "udpos"]
    assert [d["task"] for d in udpos.trained_on["data"]] == ["mnli", "udpos"]
    assert encoder.trained_on["tasks"] == ["mnli"]
    assert encoder.lineage["base_model"] == "tiny"


def test_task_of_a_run_chooses_the_bundle_that_answers_it(run_folder):
    run = find_model(run_folder)
    for task, name in (("mlqa", "xquad"), ("bucc2018", "encoder")):
        jobs = plan(run, ExportConfig(task=task))
        assert [job.name for job in jobs] == [name]
    with pytest.raises(UsageError, match="has no model for it; did you mean 'udpos'"):
        plan(run, ExportConfig(task="upos"))


def test_checkpoint_inside_a_run_keeps_what_the_run_knows(run_folder, tmp_path):
    job = job_of(run_folder / "targets" / "xquad", tmp_path)
    assert job.answers == ("xquad", "mlqa")
    assert job.target == tmp_path / "out"
    assert job_of(run_folder / "encoder", tmp_path).trained_on["declared"] is True


def test_a_target_of_a_run_keeps_its_lineage_under_another_task(run_folder, tmp_path):
    job = job_of(run_folder / "targets" / "udpos", tmp_path, task="udpos")
    assert job.trained_on["declared"] and job.trained_on["tasks"] == ["mnli", "udpos"]
    assert job.lineage["base_model"] == "tiny" and job.answers == ("udpos",)
    job = job_of(run_folder / "targets" / "xquad", tmp_path, task="tydiqa")
    assert job.trained_on["tasks"] == ["mnli", "squad"] and job.answers == ("tydiqa",)
    job = job_of(run_folder / "encoder", tmp_path, task="tatoeba")
    assert job.trained_on["tasks"] == ["mnli"] and job.trained_on["declared"]


def test_a_phase_of_a_run_keeps_the_lineage_up_to_itself(run_folder, tmp_path):
    record = json.loads((run_folder / "run.json").read_text())
    first = {"name": "1-qqp", "tasks": ["qqp"], "path": "phases/1-qqp", "dev": {"accuracy": 9.0}}
    later = {"name": "2-anli+", "tasks": ["anli+"], "path": "phases/2-anli+"}
    record["lineage"]["phases"] = [first, later]
    (run_folder / "run.json").write_text(json.dumps(record))
    (run_folder / "phases").mkdir(exist_ok=True)
    shutil.copytree(run_folder / "encoder", run_folder / "phases/1-qqp")
    job = job_of(run_folder / "phases/1-qqp", tmp_path)
    assert job.trained_on["declared"] and job.trained_on["tasks"] == ["qqp"]
    assert job.lineage["phases"] == [first] and job.lineage["base_model"] == "tiny"
    assert dict(job.dev) == {"accuracy": 9.0}


def test_a_folder_that_only_lies_in_a_run_is_not_declared(run_folder, tmp_path):
    shutil.copytree(run_folder / "encoder", run_folder / "phases/copy")
    assert job_of(run_folder / "phases/copy", tmp_path).trained_on["declared"] is False


def test_empty_run_and_no_model(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "r", {}, force=False, resume=False)
    run.close()
    with pytest.raises(ModelError, match="holds no trained model"):
        plan(find_model(tmp_path / "r"), ExportConfig())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="no model named"):
        find_model(None)


def test_default_run_is_xlt_run(run_folder, tmp_path, monkeypatch):
    run_folder.rename(tmp_path / "xlt-run")
    monkeypatch.chdir(tmp_path)
    assert isinstance(find_model(None), Run)


def test_labels_of_a_run_must_be_the_heads(run_folder):
    path = run_folder / "run.json"
    record = json.loads(path.read_text())
    record["targets"]["udpos"]["task"]["labels"] = ["A", "B"]
    path.write_text(json.dumps(record))
    with pytest.raises(ModelError, match=r"17 labels .* 2 labels \(A, B\)"):
        plan(find_model(run_folder), ExportConfig())


def test_kept_weights_of_a_target_keep_its_lineage_and_have_no_scores_of_the_pick(
    run_folder, tmp_path
):
    kept = run_folder / "checkpoints/udpos/step-000000012"
    shutil.copytree(run_folder / "targets/udpos", kept)
    job = job_of(kept, tmp_path)
    assert job.trained_on["tasks"] == ["mnli", "udpos"] and job.answers == ("udpos",)
    assert job.lineage["training"]["checkpoint"] == "step-000000012"
    assert not job.dev and dict(job.baseline) == {"label": "NOUN"}
