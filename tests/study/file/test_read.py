"""Study files: what is read, and how mistakes are told."""

import pytest

from xlt.core.errors import UsageError
from xlt.study.file.flags import FLAGS
from xlt.study.file.read import read_study

GOOD = """\
study: 1
question: Does it help?
estimand: {kind: effect, arm: mnli, baseline: none, tasks: [xnli]}
base:
  model: compact
  lr: 1e-3
arms:
  none: {}
  mnli: {intermediate: [mnli]}
  twice: {intermediate: [mnli, squad], control: shuffled, target: {epochs: 2}}
axes:
  targets: [xnli, udpos, encoder]
  train_examples: [null, 10%]
  seeds: {intermediate: 5}
scales:
  demo: {world: small, seeds: {intermediate: 1}, arms: [none, mnli], base: {steps: 9}}
"""


def write(folder, text):
    path = folder / "one.yaml"
    path.write_text(text)
    return path


def test_a_file_is_read_at_both_scales(tmp_path):
    path = write(tmp_path, GOOD)
    full, demo = read_study(path), read_study(path, "demo")
    assert full.name == "one"
    assert full.base == {"model": "compact", "lr": "0.001"}
    assert [arm.name for arm in full.arms] == ["none", "mnli", "twice"]
    assert full.arms[2].phases == ("mnli", "squad")
    assert full.arms[2].target == {"epochs": "2"}
    assert full.axes == {"train_examples": (None, "10%")}
    assert full.targets == ("xnli", "udpos", "encoder")
    assert (full.seeds.intermediate, full.world) == (5, None)
    assert [arm.name for arm in demo.arms] == ["none", "mnli"]
    assert (demo.seeds.intermediate, demo.world) == (1, ("small", 1))
    assert demo.base == {"model": "compact", "lr": "0.001", "steps": "9"}
    assert demo.targets == full.targets


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path):
    text = (
        GOOD.replace("  lr: 1e-3", "  lr: fast\n  lrr: 1")
        .replace("arm: mnli, baseline: none", "arm: mnl, baseline: none")
        .replace("  mnli: {intermediate: [mnli]}", "  mnli: {intermediate: [mnlii]}")
        .replace("[xnli, udpos, encoder]", "[xnli, udpo, encoder]")
        .replace("  seeds: {intermediate: 5}", "  sed: {intermediate: 5}")
    )
    with pytest.raises(UsageError) as caught:
        read_study(write(tmp_path, text))
    told = caught.value.mistakes
    assert "one.yaml:3: estimand: arm 'mnl' is no arm; did you mean 'mnli'?" in told
    assert "one.yaml:6: lr: 'fast' is not a number" in told
    assert "one.yaml:7: base flag 'lrr' is not known; did you mean 'lr'?" in told
    assert "one.yaml:10: arm mnli: task 'mnlii' is not known; did you mean 'mnli'?" in told
    assert "one.yaml:13: target 'udpo' is not known; did you mean 'udpos'?" in told
    assert "one.yaml:15: axis 'sed' is not known; did you mean 'seeds'?" in told
    assert len(told) == 6


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("arms:\n", "arms: 3\nx:\n", "arms: a mapping"),
        ("kind: effect,", "kind: trend,", "'over' names the axis"),
        ("kind: effect,", "kind: effect_difference,", "the two groups of languages"),
        ("control: shuffled", "control: shufled", "did you mean 'shuffled'"),
        ("  none: {}", "  none: {seeds: 0}", "0 is not a whole number of 1 or more"),
        ("  none: {}", "  none: {with_mlm: true}", "with_mlm needs an intermediate task"),
        ("10%]", "0%]", "neither a number of examples nor a percentage"),
        ("10%]", "10%, 10%]", "is there twice"),
        ("model: compact", "lr: 1", "no 'model'"),
        ("  none: {}", "  none: {}\n  none: {}", "'none' is there twice (line 8)"),
        ("world: small", "world: smal", "'smal' is none of tiny"),
        ("arms: [none, mnli]", "arms: [none, mnly]", "did you mean 'mnli'"),
        ("intermediate: 5", "intermediate: 0", "not a whole number of 1 or more"),
        ("lr: 1e-3", "epochs: -1", "epochs: -1.0 must be above 0"),
        ("lr: 1e-3", "max_length: -4", "max_length: -4 must be at least 8"),
        ("lr: 1e-3", "precision: fp16", "precision: 'fp16' is none of fp32, bf16"),
        ("lr: 1e-3", "pretrain: [svd, mml]", "'mml' is none of svd, mlm, tlm, none; did you mean"),
        ("lr: 1e-3", "set: {mnli: {lrr: 1}}", "no such hyper-parameter; did you mean 'lr'?"),
        ("lr: 1e-3", "set: {mnli: {epochs: 0}}", "mnli.epochs=0 must be above 0"),
        ("[mnli, squad], control", "[mnli, squad], mix: foo, control", "'foo' is none of prop"),
        ("arm: mnli", "arm: none", "'none' is the baseline: it has no effect"),
        ("arm: mnli", "arm: [each, mnli, none]", "'none' is the baseline"),
        ("tasks: [xnli]", "languages: german", "languages: unknown language 'german'"),
        ("encoder]", "tatoeba]", "write 'encoder'"),
        ("tasks: [xnli]", "tasks: [panx]", "task 'panx' is no target of the study"),
        ("study: 1", "study: 2", "this version reads 1"),
        ("question: Does it help?\n", "", "no 'question'"),
    ],
)
def test_a_mistake_is_told(tmp_path, old, new, said):
    assert old in GOOD
    with pytest.raises(UsageError, match=r"one\.yaml:\d+: ") as caught:
        read_study(write(tmp_path, GOOD.replace(old, new)))
    assert said in caught.value.message


def test_all_examples_have_no_place_on_a_trend_with_numbers_of_examples(tmp_path):
    text = GOOD.replace("kind: effect,", "kind: trend, over: train_examples,")
    assert read_study(write(tmp_path, text)).axes["train_examples"] == (None, "10%")
    with pytest.raises(UsageError, match=r"one\.yaml:3: .*give percentages beside it"):
        read_study(write(tmp_path, text.replace("10%]", "100]")))


def test_broken_yaml_names_its_line(tmp_path):
    with pytest.raises(UsageError, match=r"one\.yaml:4: not valid YAML"):
        read_study(write(tmp_path, "study: 1\nquestion: x\nbase: {model\narms: 1"))


def test_an_unknown_scale_names_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match=r"no scale 'dem'; did you mean 'demo'"):
        read_study(write(tmp_path, GOOD), "dem")


def test_the_flags_are_those_of_the_trainer():
    """A flag that `xlt train` gains or loses has to be looked at here too."""
    from xlt.train.command import train

    of_train = {param.name for param in train.params} - {
        "data", "out", "intermediate", "joint", "control", "target", "data_seed",
        "settings", "save_every", "resume", "force", "threads", "device", "dry_run", "as_json",
        "tensorboard",
    }  # fmt: skip
    assert set(FLAGS) - {"set"} == {"config" if n == "recipe" else n for n in of_train}
