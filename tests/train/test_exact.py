"""What a run says when something ends, and what it knows about where its model comes from."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from xlt.core.artifacts.runs import Run
from xlt.core.errors import CheckFailed, ModelError, UsageError
from xlt.train import fit
from xlt.train.plan.plan import make_plan

pytestmark = pytest.mark.usefixtures("silent")


def same(one, other):
    a, b = (load_file(folder / "model.safetensors") for folder in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_loss_that_is_not_finite_names_step_examples_and_checkpoint(
    config, root, models_of, tmp_path, monkeypatch
):
    import xlt.train.finetune.phase as phase

    true, steps = phase.task_loss, []

    def broken(model, micro):
        steps.append(micro.head)
        return true(model, micro) * (float("nan") if len(steps) == 4 else 1.0)

    monkeypatch.setattr(phase, "task_loss", broken)
    wanted = config(
        root, models_of("bert"), tmp_path, target=("pawsx",), save_every=1, batch_size=3
    )
    with pytest.raises(CheckFailed, match=r"in step 4 of pawsx") as caught:
        fit(wanted)
    part = make_plan(wanted).targets[0].parts[0]
    names = caught.value.message.partition("pawsx: ")[2].rstrip(")").split(", ")
    assert len(names) == 3 and set(names) <= {example.id for example in part.examples}
    assert "step-000000003" in caught.value.hint


@pytest.mark.parametrize("place", ["checkpoint", "folder"])
def test_a_full_disk_is_no_bug_of_ours(config, root, models_of, tmp_path, monkeypatch, place):
    def full(*arguments, **flags):
        raise SafetensorError("Error while serializing: I/O error: No space left (os error 28)")

    if place == "checkpoint":
        monkeypatch.setattr("xlt.train.loop.state.save_file", full)
    else:
        monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", full)
    with pytest.raises(UsageError, match="No space left") as caught:
        fit(config(root, models_of("bert"), tmp_path / "run", target=("udpos",), save_every=1))
    assert "fewer phases and targets" in caught.value.hint


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from xlt.cli.main import main
import xlt.train.run
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
main(sys.argv[1:])
"""


def test_a_limit_of_the_system_on_files_ends_in_two_lines(root, models_of, tmp_path):
    flags = ["train", "--model", models_of("bert"), "--data", root, "--target", "udpos",
             "--out", tmp_path / "run", "--threads", "1"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, flags)], capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=200,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: cannot write") and hint.startswith("hint: free some space")


def test_memory_that_runs_out_while_the_model_is_made_is_told(
    config, root, models_of, tmp_path, monkeypatch
):
    def full(*arguments):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")

    monkeypatch.setattr("xlt.train.finetune.phase.fresh_head", full)
    with pytest.raises(UsageError, match="out of memory in the model of udpos") as caught:
        fit(config(root, models_of("bert"), tmp_path, target=("udpos",)))
    assert "--part-tokens" in caught.value.hint


def test_the_plan_states_peak_and_final_disk(config, root, models_of, tmp_path):
    plan = make_plan(
        config(root, models_of("bert"), tmp_path / "r", intermediate=("mnli",), target=("udpos",))
    )
    size = (models_of("bert") / "model.safetensors").stat().st_size
    disk = plan.to_json()["disk_bytes"]
    # a phase, the encoder and a target; a copy of the base, two checkpoints, two best weights
    assert disk == {"final": 3 * size, "peak": (3 + 1 + 6 + 2) * size}
    assert "disk: at most" in str(plan) and "are free" in str(plan)
    run = fit(config(root, models_of("bert"), tmp_path / "r", intermediate=("mnli",), steps=1))
    written = sum(p.stat().st_size for p in run.path.rglob("*.safetensors"))
    assert written < disk["final"] * 1.5


def test_a_plan_with_too_little_disk_says_so(config, root, models_of, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "xlt.train.plan.disk.shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(9, 8, 1)
    )
    assert "too few" in str(make_plan(config(root, models_of("bert"), tmp_path / "r")))


@pytest.mark.parametrize(
    ("card", "flag", "by", "text"),
    [
        ("---\ndatasets:\n- xnli\n- squad\n---\n# A model\n", "books", "card", "xnli, squad"),
        ("---\ndatasets: wiki\n---\n", None, "card", "wiki"),
        ("---\nlicense: mit\n---\n", "web pairs, NLI", "flag", "web pairs, NLI"),
        ("---\n: [\n---\n", None, None, "not declared"),
        ("# no front matter\n---\ndatasets: [x]\n---\n", None, None, "not declared"),
        (None, None, None, "not declared"),
    ],
)
def test_what_the_base_was_trained_on_is_carried_on(
    config, card, flag, by, text, root, models_of, tmp_path
):
    model = tmp_path / "model"
    shutil.copytree(models_of("bert"), model)
    if card is not None:
        (model / "README.md").write_text(card)
    fit(config(root, model, tmp_path / "a", target=(), steps=1, trained_on=flag))
    run = fit(config(root, tmp_path / "a", tmp_path / "b", target=("udpos",), steps=1))
    for one in (Run.open(tmp_path / "a"), run):
        told = one.record["lineage"]["trained_before"]
        assert (told["by"], told["text"]) == (by, text)


def test_a_run_that_declares_nothing_may_be_declared_later(config, root, models_of, tmp_path):
    fit(config(root, models_of("bert"), tmp_path / "a", target=(), steps=1))
    run = fit(config(root, tmp_path / "a", tmp_path / "b", target=(), trained_on="books"))
    assert run.record["lineage"]["trained_before"]["text"] == "books"


def test_a_compact_model_was_trained_on_nothing_before(config, root, tmp_path):
    run = fit(config(root, "compact", tmp_path, target=(), pretrain=("svd",), vocab_size=300))
    assert run.record["lineage"]["trained_before"]["by"] == "xlt"


def test_numbers_of_choices_may_differ(config, root, models_of, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(root, data)
    (data / "tasks").mkdir()
    (data / "tasks/odd.yaml").write_text(
        "name: odd\nkind: choice\nn_choices: 0\nlanguages: [en]\n"
        "files: {train: odd/train.jsonl, dev: odd/dev.jsonl}\n"
    )
    (data / "odd").mkdir()
    for split, count in (("train", 24), ("dev", 9)):
        rows = [
            {"id": f"{split}{k}", "prompt": "la fisa", "label": 0,
             "choices": ["vadi", "seko", "bilu", "nata dora"][: 2 + k % 3]}
            for k in range(count)
        ]  # fmt: skip
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (data / f"odd/{split}.jsonl").write_text(text)
    run = fit(config(data, models_of("bert"), tmp_path / "run", target=("odd",), epochs=2.0))
    entry = run.record["targets"]["odd"]
    assert entry["rows"] == 24 and 0 <= entry["dev"]["accuracy"] <= 100
    chances = [1 / (2 + k % 3) for k in range(9)]
    assert entry["baseline"]["uniform"]["accuracy"] == pytest.approx(100 * sum(chances) / 9)


def test_gradients_do_not_depend_on_checkpointing_or_the_cut(config, root, models_of, tmp_path):
    given = {"target": ("udpos",), "steps": 4}
    for name, more in (
        ("usual", {}), ("less", {"gradient_checkpointing": True}), ("cut", {"part_tokens": 32}),
        ("eager", {"attention": "eager"}),
    ):  # fmt: skip
        model = without_dropout(models_of("xlm-roberta"), tmp_path)
        fit(config(root, model, tmp_path / name, **given, **more))
    assert same(tmp_path / "usual/targets/udpos", tmp_path / "less/targets/udpos")
    first = load_file(tmp_path / "usual/targets/udpos/model.safetensors")
    for name in ("cut", "eager"):
        other = load_file(tmp_path / name / "targets/udpos/model.safetensors")
        for key, value in first.items():
            torch.testing.assert_close(value, other[key], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("wanted", ["sdpa", "eager"])
def test_attention_is_computed_as_asked(config, wanted, root, models_of, tmp_path, monkeypatch):
    import xlt.train.finetune.phase as phase

    true, seen = phase.task_loss, set()

    def loss(model, micro):
        seen.add(model.config._attn_implementation)
        return true(model, micro)

    monkeypatch.setattr(phase, "task_loss", loss)
    asked = {} if wanted == "sdpa" else {"attention": wanted}
    fit(config(root, models_of("bert"), tmp_path, target=("udpos",), steps=1, **asked))
    assert seen == {wanted}


def without_dropout(folder, tmp_path):
    target = tmp_path / "still"
    shutil.copytree(folder, target, dirs_exist_ok=True)
    settings = json.loads((target / "config.json").read_text())
    settings |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (target / "config.json").write_text(json.dumps(settings))
    return target


def test_gradient_checkpointing_runs_the_layers_twice(
    config, root, models_of, tmp_path, monkeypatch
):
    from transformers.models.bert.modeling_bert import BertSelfOutput

    calls, true = [], BertSelfOutput.forward

    def counted(self, *given):
        calls.append(torch.is_grad_enabled())
        return true(self, *given)

    monkeypatch.setattr(BertSelfOutput, "forward", counted)
    wanted = {"target": ("udpos",), "steps": 1, "part_tokens": 10**6}
    fit(config(root, models_of("bert"), tmp_path / "a", **wanted))
    usual = sum(calls)
    calls.clear()
    fit(config(root, models_of("bert"), tmp_path / "b", gradient_checkpointing=True, **wanted))
    assert sum(calls) > usual


def test_a_family_without_gradient_checkpointing_is_told(
    config, root, models_of, tmp_path, monkeypatch
):
    from transformers import BertPreTrainedModel

    monkeypatch.setattr(BertPreTrainedModel, "supports_gradient_checkpointing", False)
    with pytest.raises(ModelError, match="no gradient checkpointing"):
        fit(
            config(
                root, models_of("bert"), tmp_path, target=("udpos",), gradient_checkpointing=True
            )
        )  # fmt: skip


def test_a_first_dev_score_below_the_baseline_points_at_the_learning_rate(
    config, root, models_of, tmp_path, monkeypatch
):
    told = []
    monkeypatch.setattr("xlt.train.finetune.phase.note", told.append)
    fit(config(root, models_of("bert"), tmp_path / "a", target=("udpos",), lr=1e-9, eval_every=4))
    warned = [line for line in told if "below" in line]
    assert len(warned) == 1 and "per_word" in warned[0] and "learning rate (1e-09" in warned[0]
    told.clear()
    monkeypatch.setattr(
        "xlt.train.finetune.prepared.dev_scores",
        lambda *given: {"f1": 100.0, "token_accuracy": 100.0, "selection": 100.0},
    )
    fit(config(root, models_of("bert"), tmp_path / "b", target=("udpos",), steps=2))
    assert not [line for line in told if "below" in line]
