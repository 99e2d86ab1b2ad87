"""A run from start to end: folders that transformers opens, heads, labels, lineage, resume."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from xlt.core.artifacts.runs import Run
from xlt.core.errors import CheckFailed, DataError, ModelError, UsageError
from xlt.train import fit

pytestmark = pytest.mark.usefixtures("silent")


def tensors(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    a, b = tensors(one), tensors(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


KINDS = {
    "pawsx": AutoModelForSequenceClassification,
    "udpos": AutoModelForTokenClassification,
    "xquad": AutoModelForQuestionAnswering,
}


def test_every_kind_trains_and_transformers_opens_what_is_written(
    config, root, models_of, tmp_path
):
    run = fit(
        config(
            root, models_of("xlm-roberta"), tmp_path, intermediate=("mnli", "hellaswag"),
            target=tuple(KINDS), precision="fp32",
        )
    )  # fmt: skip
    assert run.status == "done" and Run.open(tmp_path).record == run.record
    assert set(run.targets) == set(KINDS)
    for name, auto in KINDS.items():
        model, report = auto.from_pretrained(run.targets[name], output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"]
        assert AutoTokenizer.from_pretrained(run.targets[name])("la fisa").input_ids
        del model
    tagger = AutoModelForTokenClassification.from_pretrained(run.targets["udpos"])
    assert tagger.config.id2label[7] == "NOUN" and tagger.config.label2id["NOUN"] == 7
    AutoModelForMultipleChoice.from_pretrained(tmp_path / "phases/2-hellaswag")
    _, report = AutoModel.from_pretrained(run.encoder, output_loading_info=True)
    assert all("pooler" in name for name in report["missing_keys"])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "encoder", "log.jsonl", "measured.json", "phases", "recipe.yaml", "run.json", "targets",
    ]  # fmt: skip


def test_encoder_is_that_of_the_last_phase_and_its_head_is_dropped(
    config, root, models_of, tmp_path
):
    run = fit(config(root, models_of("xlm-roberta"), tmp_path, intermediate=("mnli",)))
    phase, encoder = tensors(tmp_path / "phases/1-mnli"), tensors(run.encoder)
    assert not run.targets, "no target by default when a phase is asked for"
    assert all(torch.equal(encoder[n], phase[f"roberta.{n}"]) for n in encoder)
    assert not any("classifier" in name for name in encoder)


def test_encoder_without_phases_is_the_base_model(config, root, models_of, tmp_path):
    base = models_of("xlm-roberta")
    run = fit(config(root, base, tmp_path, target=()))
    given = tensors(base)
    assert all(torch.equal(given[n], t) for n, t in tensors(run.encoder).items())


def test_two_phases_of_one_kind_do_not_share_a_head(config, root, models_of, tmp_path):
    model = models_of("bert")
    fit(config(root, model, tmp_path / "a", intermediate=("mnli", "mnli"), steps=1, lr=1e-9))
    first, second = (tensors(tmp_path / "a/phases" / n) for n in ("1-mnli", "2-mnli"))
    assert not torch.allclose(first["classifier.weight"], second["classifier.weight"], atol=1e-3)


def test_targets_with_the_same_training_data_are_trained_once(config, root, models_of, tmp_path):
    run = fit(config(root, models_of("bert"), tmp_path, target=("mlqa", "xquad"), steps=2))
    assert list(run.record["targets"]) == ["mlqa"]
    assert run.record["targets"]["mlqa"]["serves"] == ["mlqa", "xquad"]


def test_all_targets_are_those_with_training_data(config, root, models_of, tmp_path):
    run = fit(config(root, models_of("bert"), tmp_path, target=("all",), steps=1))
    assert set(run.record["targets"]) == {"xnli", "pawsx", "udpos", "xquad"}


def test_learns_what_can_be_learnt_and_stores_baselines_beside(config, root, models_of, tmp_path):
    run = fit(
        config(root, models_of("xlm-roberta"), tmp_path, target=("udpos",), epochs=15.0, lr=5e-3)
    )
    entry = run.record["targets"]["udpos"]
    assert entry["dev"]["token_accuracy"] > 90
    assert entry["baseline"]["label"] == "DET"  # as frequent as NOUN, first by name
    assert 20 < entry["baseline"]["majority"]["token_accuracy"] < 40
    assert entry["baseline"]["per_word"]["token_accuracy"] == 100.0
    assert entry["best_step"] <= entry["steps"]


def test_lineage_names_data_versions_and_seed(config, root, models_of, tmp_path):
    file = tmp_path / "other.tsv"
    file.write_text((root / "xnli/train-en.tsv").read_text()[:-1])
    run = fit(
        config(
            root, models_of("bert"), tmp_path / "run", intermediate=("mnli",), steps=1,
            train_split=(("mnli", file),), seed=5,
        )
    )  # fmt: skip
    lineage = json.loads((tmp_path / "run/run.json").read_text())["lineage"]
    assert lineage == run.record["lineage"]
    assert lineage["data"][0]["paths"] == [str(file)]
    assert lineage["non_standard"] == {"mnli": str(file)}
    assert lineage["seed"] == 5 and {"torch", "transformers", "xlt"} <= lineage["versions"].keys()
    assert lineage["phases"][0]["tasks"] == ["mnli"]
    assert lineage["overlaps"] == []


def test_run_as_base_carries_its_lineage_on(config, root, models_of, tmp_path):
    fit(config(root, models_of("bert"), tmp_path / "a", intermediate=("mnli",), steps=1))
    run = fit(config(root, tmp_path / "a", tmp_path / "b", target=("udpos",), steps=1))
    phases = run.record["lineage"]["phases"]
    assert [(p["name"], p.get("inherited")) for p in phases] == [("1-mnli", True)]
    assert {d["task"] for d in run.record["lineage"]["data"]} >= {"mnli", "udpos"}
    assert run.record["lineage"]["base_model"] == str(models_of("bert"))


def test_smaller_training_sets_lie_inside_larger_ones(config, root, models_of):
    from xlt.train.plan.plan import make_plan

    def examples(amount):
        plan = make_plan(
            config(root, models_of("bert"), root / "x", target=("udpos",), train_examples=amount)
        )
        return {e.id for e in plan.targets[0].parts[0].examples}

    assert len(examples("10%")) == 9
    assert examples("10%") < examples("20") < examples("50%")


def test_same_seed_same_bits_other_seed_other_bits(config, root, models_of, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fit(
            config(
                root, models_of("xlm-roberta"), tmp_path / name, target=("udpos", "xquad"),
                seed=seed, steps=6,
            )
        )  # fmt: skip
    for target in ("targets/udpos", "targets/xquad"):
        assert same(tmp_path / "a" / target, tmp_path / "b" / target)
        assert not same(tmp_path / "a" / target, tmp_path / "c" / target)
    assert (tmp_path / "a/log.jsonl").read_bytes() == (tmp_path / "b/log.jsonl").read_bytes()


def test_finished_run_is_returned_and_other_flags_are_refused(config, root, models_of, tmp_path):
    first = config(root, models_of("bert"), tmp_path, target=("udpos",), steps=1)
    fit(first)
    before = (tmp_path / "targets/udpos/model.safetensors").stat().st_mtime_ns
    assert fit(replace(first, resume=True)).status == "done"
    assert (tmp_path / "targets/udpos/model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="steps: 1 -> 2"):
        fit(replace(first, resume=True, steps=2))
    with pytest.raises(UsageError, match="not empty"):
        fit(first)
    assert fit(replace(first, force=True)).status == "done"


def test_best_weights_on_dev_are_kept_and_patience_stops(config, root, models_of, tmp_path):
    run = fit(
        config(
            root, models_of("xlm-roberta"), tmp_path, target=("udpos",), epochs=30.0, lr=5e-3,
            eval_every=4, patience=2,
        )
    )  # fmt: skip
    entry = run.record["targets"]["udpos"]
    looks = [
        line for line in map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
        if "dev" in line
    ]  # fmt: skip
    best = max(looks, key=lambda line: line["dev"]["selection"])
    assert entry["best_step"] == best["step"]
    assert entry["steps"] == looks[-1]["step"] == best["step"] + 8 < 30 * 12


def test_loss_that_is_not_finite_stops_with_step_and_checkpoint(
    config, root, models_of, tmp_path, monkeypatch
):
    import xlt.train.finetune.phase as phase

    true, calls = phase.task_loss, []

    def broken(model, micro):
        calls.append(1)
        return true(model, micro) * (float("nan") if len(calls) == 5 else 1.0)

    monkeypatch.setattr(phase, "task_loss", broken)
    with pytest.raises(CheckFailed, match=r"loss nan.* in step 5 of udpos") as caught:
        fit(config(root, models_of("bert"), tmp_path, target=("udpos",), save_every=2))
    assert "step-000000004" in caught.value.hint
    assert Run.open(tmp_path).status == "running"
    monkeypatch.setattr(phase, "task_loss", true)
    again = config(root, models_of("bert"), tmp_path, target=("udpos",), resume=True)
    assert fit(again).status == "done"


@pytest.mark.parametrize(
    ("said", "caught"),
    [
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.", UsageError),
        ("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.", UsageError),
        ("shapes cannot be multiplied", RuntimeError),
    ],
)
def test_memory_that_runs_out_on_the_cpu_is_told_from_other_faults(
    config, root, models_of, tmp_path, monkeypatch, said, caught
):
    def full(model, micro):
        raise RuntimeError(said)

    monkeypatch.setattr("xlt.train.finetune.phase.task_loss", full)
    with pytest.raises(caught) as error:
        fit(config(root, models_of("bert"), tmp_path, target=("udpos",)))
    if caught is UsageError:
        assert "out of memory in step 1 of udpos" in error.value.message
        assert "--batch-size" in error.value.hint
    else:
        assert str(error.value) == said


@pytest.mark.parametrize(
    ("error", "caught"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), UsageError),
        (MemoryError("Unable to allocate 2 GiB for an array"), UsageError),
        (RuntimeError("shapes cannot be multiplied"), RuntimeError),
    ],
)
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("torch.optim.AdamW.step", "out of memory in step 1 of udpos (8 rows at once)"),
        ("xlt.train.finetune.prepared.dev_scores", "out of memory in dev scores after step"),
    ],
)
def test_memory_that_runs_out_in_the_update_or_the_dev_scores_is_the_same_plain_error(
    config, root, models_of, tmp_path, monkeypatch, place, said, error, caught
):
    def full(*arguments, **flags):
        raise error

    monkeypatch.setattr(place, full)
    with pytest.raises(caught) as found:
        fit(config(root, models_of("bert"), tmp_path, target=("udpos",)))
    if caught is UsageError:
        assert said in found.value.message
        assert "--batch-size" in found.value.hint
        assert found.value.__cause__ is error
    else:
        assert found.value is error


def break_weights(folder):
    (folder / "model.safetensors").write_bytes(b"no weights")


def break_config(folder):
    (folder / "config.json").unlink()


def break_tokenizer(folder):
    for path in folder.glob("*token*"):
        path.unlink()


@pytest.mark.parametrize("broken", [break_weights, break_config, break_tokenizer])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("resume", [True, False])
def test_a_model_that_does_not_load_leaves_no_run_behind(
    config, root, models_of, tmp_path, broken, there, resume
):
    import shutil

    model, out = tmp_path / "model", tmp_path / "run"
    shutil.copytree(models_of("bert"), model)
    broken(model)
    if there:
        out.mkdir()
    with pytest.raises(ModelError):
        fit(config(root, model, out, target=("udpos",), resume=resume))
    assert out.is_dir() == there
    assert not there or not list(out.iterdir())
    assert fit(config(root, models_of("bert"), out, target=("udpos",))).status == "done"


def headless_config(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert-generation"}))


@pytest.mark.parametrize("broken", [break_weights, break_config, break_tokenizer, headless_config])
def test_force_keeps_the_old_run_when_the_new_model_does_not_load(
    config, root, models_of, tmp_path, broken
):
    import shutil

    model, out = tmp_path / "model", tmp_path / "run"
    fit(config(root, models_of("bert"), out, target=("udpos",), steps=1))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    shutil.copytree(models_of("bert"), model)
    broken(model)
    with pytest.raises(ModelError):
        fit(config(root, model, out, target=("udpos",), force=True))
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "run"]


def test_force_may_start_from_the_run_that_it_replaces(config, root, models_of, tmp_path):
    out = tmp_path / "run"
    fit(config(root, models_of("bert"), out, intermediate=("mnli",), steps=2))
    old = tensors(out / "encoder")
    run = fit(config(root, out, out, target=(), force=True))
    assert all(torch.equal(old[name], value) for name, value in tensors(run.encoder).items())
    assert [phase["name"] for phase in run.record["lineage"]["phases"]] == ["1-mnli"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_an_id_that_is_not_there_leaves_no_run_behind(config, root, tmp_path):
    with pytest.raises(ModelError, match="no-such/model"):
        fit(config(root, "no-such/model", tmp_path / "run", target=("udpos",)))
    assert not (tmp_path / "run").exists()


def test_a_model_without_the_head_leaves_no_run_behind(
    config, root, models_of, tmp_path, monkeypatch
):
    def headless(*arguments, **flags):
        raise ModelError("bert models have no head for udpos", "choose another --model")

    with monkeypatch.context() as patch:
        patch.setattr("xlt.train.finetune.phase.fresh_head", headless)
        with pytest.raises(ModelError, match="no head"):
            fit(config(root, models_of("bert"), tmp_path / "run", target=("udpos",)))
    assert not (tmp_path / "run").exists()


def test_what_was_learnt_is_kept_when_a_later_part_does_not_load(
    config, root, models_of, tmp_path, monkeypatch
):
    import xlt.train.finetune.phase as phase

    true = phase.fresh_head

    def second_fails(folder, task, *arguments):
        if task.name == "udpos":
            raise ModelError("no head", "choose another --model")
        return true(folder, task, *arguments)

    wanted = config(root, models_of("bert"), tmp_path, target=("pawsx", "udpos"))
    with monkeypatch.context() as patch:
        patch.setattr(phase, "fresh_head", second_fails)
        with pytest.raises(ModelError, match="no head"):
            fit(wanted)
    run = Run.open(tmp_path)
    assert run.status == "running" and list(run.targets) == ["pawsx"]
    assert fit(replace(wanted, resume=True)).status == "done"


def test_changed_data_are_not_trained_on_by_resume(config, root, models_of, tmp_path):
    import shutil

    data = tmp_path / "data"
    shutil.copytree(root, data)
    first = config(data, models_of("bert"), tmp_path / "run", target=("udpos",), steps=1)
    fit(first)
    record = json.loads((tmp_path / "run/run.json").read_text())
    (tmp_path / "run/run.json").write_text(json.dumps({**record, "status": "running"}))
    with (data / "udpos/train-en.tsv").open("a") as stream:
        stream.write("\nla\tDET\n")
    with pytest.raises(DataError, match="changed since"):
        fit(replace(first, resume=True))


def test_training_on_test_items_needs_consent_and_is_named(config, root, models_of, tmp_path):
    import shutil

    data = tmp_path / "data"
    shutil.copytree(root, data)
    shutil.copy(data / "squad/train-v1.1.json", data / "xquad/xquad.en.json")
    wanted = config(data, models_of("bert"), tmp_path / "run", target=("xquad",), steps=1)
    with pytest.raises(DataError, match="xquad en test") as caught:
        fit(wanted)
    assert "--allow-overlap" in caught.value.hint and not (tmp_path / "run").exists()
    run = fit(replace(wanted, allow_overlap=True))
    assert run.record["lineage"]["overlaps"][0]["test_task"] == "xquad"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"target": ("tydiqa",)}, DataError, ["tydiqa", "train", ".en.train.json"]),
        ({"target": ("udpso",)}, UsageError, ["udpso", "udpos"]),
        ({"intermediate": ("tatoeba", "bucc2018", "x")}, UsageError, ["3 mistakes", "tatoeba"]),
        ({"target": ("mnli",)}, UsageError, ["mnli", "intermediate"]),
        ({"train_split": (("qqp", "f"),)}, UsageError, ["qqp", "no phase or target"]),
        ({"target": ("udpos",), "train_examples": "1000"}, UsageError, ["1000", "90"]),
        ({"device": "cuda:7"}, ModelError, ["cuda:7"]),
    ],
)
def test_mistakes_are_named_before_anything_is_written(
    config, changes, error, words, root, models_of, tmp_path
):
    with pytest.raises(error) as caught:
        fit(config(root, models_of("bert"), tmp_path / "run", **changes))
    said = f"{caught.value.message} {caught.value.hint}"
    assert all(word in said for word in words), said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"auto_map": {"AutoModel": "code.Model"}}, "names code to run"),
        ({"_attn_implementation": "someone/kernel"}, "foreign attention kernel"),
        ({"vocab_size": 10**11}, "vocab_size"),
        ({"model_type": "no-such-model"}, "none that transformers has"),
    ],
)
def test_a_foreign_configuration_is_read_before_transformers_acts_on_it(
    config, changes, words, root, models_of, tmp_path, monkeypatch
):
    import shutil

    import transformers

    model = tmp_path / "model"
    shutil.copytree(models_of("bert"), model)
    settings = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**settings, **changes}))

    def acted(*arguments, **flags):
        raise AssertionError("transformers has read the configuration")

    for name in ("AutoConfig", "AutoModel", "AutoTokenizer"):
        monkeypatch.setattr(getattr(transformers, name), "from_pretrained", acted)
    with pytest.raises(ModelError, match=words):
        fit(config(root, model, tmp_path / "run", target=("udpos",)))
    assert not (tmp_path / "run").exists()


def test_model_that_is_not_there_is_a_model_error(config, root, tmp_path):
    (tmp_path / "empty").mkdir()
    for model, words in (
        ("./nowhere", "no such folder"),
        (str(tmp_path / "empty"), "no config.json"),
        ("nobody/has-this-model", "cannot load"),
    ):
        with pytest.raises(ModelError, match=words):
            fit(config(root, model, tmp_path / "run", target=("udpos",)))
        assert not (tmp_path / "run/targets").exists()


def test_unfinished_run_is_no_base_model(config, root, models_of, tmp_path):
    Run.create(tmp_path / "a", {}, force=False, resume=False).close()
    with pytest.raises(ModelError, match="not finished"):
        fit(config(root, tmp_path / "a", tmp_path / "b", target=("udpos",)))


def test_tokenizer_larger_than_the_model_is_refused(config, root, models_of, tmp_path):
    import shutil

    shutil.copytree(models_of("bert"), tmp_path / "model")
    path = tmp_path / "model/tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"].update({f"new{k}": 1000 + k for k in range(300)})
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="the tokenizer has"):
        fit(config(root, tmp_path / "model", tmp_path / "run", target=("udpos",)))


def test_a_missing_head_is_found_before_the_first_phase(
    config, root, models_of, tmp_path, monkeypatch
):
    import transformers

    def no_head(config, **asked):
        raise ValueError("Unrecognized configuration class")

    monkeypatch.setattr(transformers.AutoModelForQuestionAnswering, "from_config", no_head)
    wanted = config(root, models_of("bert"), tmp_path / "run", target=("udpos", "xquad"))
    with pytest.raises(ModelError, match="bert models have no head for xquad"):
        fit(wanted)
    assert not (tmp_path / "run").exists()
