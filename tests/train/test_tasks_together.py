"""Several tasks in one phase: a mixture, masked LM beside it, a target with a joint task."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification

import xlt.train.finetune.phase as phase_module
import xlt.train.loop.loop as loop
from xlt.core.artifacts.runs import Run
from xlt.core.errors import DataError, UsageError
from xlt.core.tasks.table import INTERMEDIATE
from xlt.data import DataRoot
from xlt.train import fit
from xlt.train.finetune.heads import Heads
from xlt.train.plan.choose import choose
from xlt.train.plan.plan import make_plan

pytestmark = pytest.mark.usefixtures("silent")


def tensors(folder):
    return load_file(folder / "model.safetensors")


def assert_same(one, other):
    a, b = tensors(one), tensors(other)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("family", ["xlm-roberta", "bert", "distilbert"])
def test_tasks_of_every_kind_share_one_encoder(config, family, root, models_of, tmp_path):
    run = fit(
        config(
            root, models_of(family), tmp_path, intermediate=("mnli,squad,hellaswag",),
            target=("udpos",), epochs=2.0,
        )
    )  # fmt: skip
    (entry,) = run.record["lineage"]["phases"]
    assert entry["name"] == "1-mnli+squad+hellaswag"
    assert entry["tasks"] == ["mnli", "squad", "hellaswag"]
    assert set(entry["others"]) == {"squad", "hellaswag"}
    assert set(entry["dev"]) == {"accuracy"} and "f1" in entry["others"]["squad"]["dev"]
    assert entry["others"]["hellaswag"]["baseline"]["uniform"]["accuracy"] == 25.0
    # 54 pairs (6 are held out), 40 questions, 40 choices, once an epoch each
    assert entry["draws"] == {"mnli": 7, "squad": 5, "hellaswag": 5} and entry["steps"] == 34
    AutoModelForTokenClassification.from_pretrained(run.targets["udpos"])


def test_all_is_the_nine_intermediate_tasks_in_one_phase(config, root, models_of, tmp_path):
    wanted = config(
        root, models_of("bert"), tmp_path, intermediate=("all", "mnli"), joint=("all",),
        target=("udpos",),
    )  # fmt: skip
    chosen = choose(wanted, DataRoot(root))
    assert [[task.name for task in phase] for phase in chosen.intermediate] == [
        ["anli+", "mnli", "qqp", "squad", "squad2", "hellaswag", "ccg", "cosmosqa", "csqa"],
        ["mnli"],
    ]
    assert [task.name for task in chosen.joint] == list(INTERMEDIATE)


def test_the_weights_are_chosen_by_the_mean_of_all_dev_sets(config, root, models_of, tmp_path):
    fit(
        config(
            root, models_of("bert"), tmp_path, intermediate=("mnli,hellaswag",), eval_every=4
        )
    )  # fmt: skip
    lines = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    looks = [line["dev"] for line in lines if "dev" in line]
    assert looks
    for dev in looks:
        mean = (dev["accuracy"] + dev["hellaswag.accuracy"]) / 2
        assert dev["selection"] == pytest.approx(mean)


def test_a_mixture_of_one_task_is_the_task_to_the_bit(
    config, root, models_of, tmp_path, monkeypatch
):
    """The phase's model under the wrapper of several heads, and without it."""
    model = models_of("bert")
    fit(config(root, model, tmp_path / "alone", intermediate=("mnli",)))
    true = phase_module.fresh_head
    monkeypatch.setattr(phase_module, "fresh_head", lambda *given: Heads(("mnli",), [true(*given)]))
    fit(config(root, model, tmp_path / "mixture", intermediate=("mnli",), mix="temperature:2"))
    assert_same(tmp_path / "alone/phases/1-mnli", tmp_path / "mixture/phases/1-mnli")
    assert_same(tmp_path / "alone/encoder", tmp_path / "mixture/encoder")


MIXED = {
    "intermediate": ("mnli,hellaswag",), "with_mlm": True, "mlm_ratio": 0.3, "target": ("udpos",),
    "joint": ("mnli",), "save_every": 4, "eval_every": 6,
}  # fmt: skip


def test_a_mixture_that_was_stopped_ends_with_the_same_bits(
    config, root, models_of, tmp_path, monkeypatch
):
    model = models_of("xlm-roberta")
    fit(config(root, model, tmp_path / "whole", **MIXED))
    true = loop._step
    for name, step in (("1-mnli+hellaswag", 9), ("udpos", 6)):

        def stop(job, optimizer, at, state, name=name, step=step):
            if job.name == name and at.step == step:
                raise KeyboardInterrupt
            return true(job, optimizer, at, state)

        monkeypatch.setattr(loop, "_step", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(config(root, model, tmp_path / "run", resume=True, **MIXED))
    monkeypatch.setattr(loop, "_step", true)
    fit(config(root, model, tmp_path / "run", resume=True, **MIXED))
    for part in ("phases/1-mnli+hellaswag", "encoder", "targets/udpos"):
        assert_same(tmp_path / "whole" / part, tmp_path / "run" / part)
    logs = [(tmp_path / out / "log.jsonl").read_bytes() for out in ("whole", "run")]
    assert logs[0] == logs[1]
    records = [Run.open(tmp_path / out).record for out in ("whole", "run")]
    assert records[0]["lineage"] == records[1]["lineage"]


def test_masked_lm_beside_a_task_has_its_share_of_the_steps(config, root, models_of, tmp_path):
    run = fit(
        config(
            root, masked(models_of("xlm-roberta"), tmp_path), tmp_path / "run",
            intermediate=("mnli",), with_mlm=True, mlm_ratio=0.5,
        )
    )  # fmt: skip
    (entry,) = run.record["lineage"]["phases"]
    assert entry["tasks"] == ["mnli", "mlm"] and entry["draws"] == {"mnli": 7, "mlm": 7}
    texts = [d for d in run.record["lineage"]["data"] if d["task"] == "text"]
    assert [d["lang"] for d in texts] == ["de", "en"] or [d["lang"] for d in texts] == ["en", "de"]
    given, got = tensors(models_of("xlm-roberta")), tensors(run.encoder)
    name = "embeddings.word_embeddings.weight"
    assert got[name].shape == given[name].shape


def masked(folder, tmp_path):
    """The model with a masked-LM head of its own and a mask token."""
    target = tmp_path / "masked"
    model = AutoModelForMaskedLM.from_pretrained(folder)
    with torch.no_grad():
        model.lm_head.dense.weight.fill_(0.125)
    model.save_pretrained(target)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (target / "tokenizer.json").write_text(json.dumps(tokenizer))
    names = json.loads((folder / "tokenizer_config.json").read_text())
    (target / "tokenizer_config.json").write_text(json.dumps(names))
    return target


def test_masked_lm_as_a_phase_starts_from_the_models_own_head(config, root, models_of, tmp_path):
    model = masked(models_of("xlm-roberta"), tmp_path)
    run = fit(config(root, model, tmp_path / "run", intermediate=("mlm",), steps=1, lr=1e-9))
    written = tensors(tmp_path / "run/phases/1-mlm")
    assert torch.allclose(written["lm_head.dense.weight"], torch.tensor(0.125), atol=1e-6)
    (entry,) = run.record["lineage"]["phases"]
    assert entry["tasks"] == ["mlm"] and entry["dev"] == {}
    AutoModelForMaskedLM.from_pretrained(tmp_path / "run/phases/1-mlm")


def test_masked_lm_as_a_phase_learns_the_text(config, root, models_of, tmp_path):
    fit(config(root, models_of("bert"), tmp_path, intermediate=("mlm",), epochs=8.0, lr=3e-3))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.9 * losses[0]


def test_masked_lm_of_a_compact_model_goes_on_with_its_head(config, root, tmp_path):
    fit(
        config(
            root, "compact", tmp_path, intermediate=("mlm",), steps=2, vocab_size=300,
            pretrain_steps=2, lr=1e-9,
        )
    )  # fmt: skip
    name = "cls.predictions.transform.dense.weight"
    before, after = (tensors(tmp_path / "phases" / p)[name] for p in ("0-pretrain", "1-mlm"))
    assert torch.allclose(before, after, atol=1e-6)


def test_masked_lm_without_text_is_told_before_anything_is_written(
    config, root, models_of, tmp_path
):
    import shutil

    data = tmp_path / "data"
    shutil.copytree(root, data)
    shutil.rmtree(data / "text")
    with pytest.raises(DataError, match="text/"):
        fit(config(data, models_of("bert"), tmp_path / "run", intermediate=("mlm",)))
    assert not (tmp_path / "run").exists()


def test_a_target_is_trained_jointly_and_selected_by_its_own_dev_set(
    config, root, models_of, tmp_path
):
    run = fit(
        config(root, models_of("bert"), tmp_path, target=("udpos",), joint=("mnli",), eval_every=5)
    )
    entry = run.record["targets"]["udpos"]
    assert entry["tasks"] == ["udpos", "mnli"] and not run.record["lineage"]["phases"]
    assert "accuracy" in entry["others"]["mnli"]["dev"]
    lines = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    for dev in [line["dev"] for line in lines if "dev" in line]:
        assert dev["selection"] == dev["f1"]
    model, report = AutoModelForTokenClassification.from_pretrained(
        run.targets["udpos"], output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert model.config.num_labels == 17


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"intermediate": ("mnli,mnli",)}, "twice"),
        ({"intermediate": ("mnli,squda",)}, "squda"),
        ({"intermediate": ("mnli",), "mix": "cap"}, "temperature:T"),
        ({"intermediate": ("mnli",), "mix": "temperature:0"}, "temperature:T"),
        ({"with_mlm": True, "target": ("udpos",)}, "--intermediate"),
        ({"intermediate": ("mnli",), "mlm_ratio": 0.5}, "--with-mlm"),
        ({"intermediate": ("mnli",), "with_mlm": True, "mlm_ratio": 1.0}, "0 < share < 1"),
        ({"target": (), "joint": ("mnli",)}, "--joint"),
        ({"target": ("udpos",), "joint": ("tatoeba",)}, "tatoeba"),
    ],
)
def test_mistakes_in_a_mixture_are_named(config, changes, words, root, models_of, tmp_path):
    with pytest.raises(UsageError) as caught:
        make_plan(config(root, models_of("bert"), tmp_path / "run", **changes))
    assert words in caught.value.message
