"""Recipes: precedence, all mistakes at once, shipped ones, and what a run writes back."""

import re
from importlib import resources
from pathlib import Path

import pytest
import yaml

from xlt.core.errors import UsageError
from xlt.core.tasks.table import TASKS
from xlt.train import TrainConfig, fit
from xlt.train.plan.hyper import resolve
from xlt.train.plan.plan import make_plan
from xlt.train.plan.recipe import read_recipe, shipped, with_flags


def written(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def config(recipe, *settings, **typed):
    return TrainConfig(**{"model": "m", "data": Path("d"), **with_flags(recipe, typed, settings)})


def hyper(one, task="mnli", phase="1-mnli"):
    return resolve(one, TASKS[task], compact=False, aligned=False, phase=phase)


def test_fields_have_the_types_of_the_flags(tmp_path):
    recipe = read_recipe(
        written(
            tmp_path,
            "model: some/model\nintermediate: [mnli, 'squad,qqp']\ntarget: udpos\nlr: 1e-5\n"
            "train-examples: 10%\nepochs: 2\nwith_mlm: true\nseed: 3\n"
            "train_split: {mnli: a.jsonl}\nset: {pair: {batch-size: 4}}\n",
        )
    )
    one = config(recipe, data=Path("d"))
    one.check()
    assert one.intermediate == ("mnli", "squad,qqp") and one.target == ("udpos",)
    assert one.lr == 1e-5 and one.epochs == 2.0 and one.with_mlm and one.seed == 3
    assert one.train_split == (("mnli", Path("a.jsonl")),)
    assert one.settings == (("pair", "batch_size", 4.0),)


def test_the_more_exact_scope_wins_and_typed_flags_win_over_the_file(tmp_path):
    recipe = read_recipe(
        written(
            tmp_path,
            "lr: 1e-5\nset:\n  pair: {lr: 2e-5, epochs: 7}\n  mnli: {lr: 3e-5}\n"
            "  1-mnli: {lr: 4e-5}\n",
        )
    )
    one = config(recipe)
    assert hyper(one).lr == 4e-5 and hyper(one, phase="2-mnli").lr == 3e-5
    assert hyper(one, "qqp", "1-qqp").lr == 2e-5 and hyper(one, "udpos", "udpos").lr == 1e-5
    assert hyper(one).epochs == 7
    typed = config(recipe, lr=0.5)
    assert {hyper(typed, task, "x").lr for task in ("mnli", "qqp", "udpos")} == {0.5}
    assert hyper(typed).lr == 0.5 and hyper(typed).epochs == 7
    exact = config(recipe, ("1-mnli", "lr", 0.25), lr=0.5)
    assert hyper(exact).lr == 0.25 and hyper(exact, phase="2-mnli").lr == 0.5


def test_all_mistakes_of_a_recipe_come_at_once(tmp_path):
    path = written(
        tmp_path, "lrate: 1\nepochs: many\nbf16: yes\nset: {pair: {lr: fast}, tag: 3}\nseed: 1.5\n"
    )
    with pytest.raises(UsageError) as caught:
        read_recipe(path)
    said = caught.value.message
    assert said.startswith("6 mistakes")
    assert all(w in said for w in ("lrate", "'many'", "bf16", "pair.lr", "tag", "1.5")), said


@pytest.mark.parametrize(
    ("text", "words"), [("[1, 2]", "no mapping"), ("a: [", "not YAML"), ("resume: true", "resume")]
)
def test_what_is_no_recipe_is_told(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        read_recipe(written(tmp_path, text))


def test_an_unknown_name_lists_ours():
    with pytest.raises(UsageError) as caught:
        read_recipe("xlm-roberta-larg")
    assert "did you mean 'xlm-roberta-large'" in caught.value.message
    assert "mbert" in caught.value.hint


def test_settings_are_checked(root, models_of, tmp_path):
    def plan(*settings):
        return make_plan(
            TrainConfig(
                model=str(models_of("bert")), data=root, out=tmp_path / "r", settings=settings,
                intermediate=("mnli",), target=("udpos",),
            )
        )  # fmt: skip

    with pytest.raises(UsageError, match=r"^3 mistakes") as caught:
        plan(("1-mnli", "lrate", 1.0), ("udpos", "lr", 7.0), ("tag", "batch_size", 2.5))
    assert "lrate" in caught.value.message
    with pytest.raises(UsageError, match="2-mnli") as caught:
        plan(("2-mnli", "lr", 0.1))
    assert "1-mnli udpos" in caught.value.hint
    made = plan(("1-mnli", "lr", 0.25), ("udpos", "lr", 0.5), ("tag", "epochs", 3.0))
    assert [phase.hyper.lr for phase in made.phases] == [0.25, 0.5]
    assert made.targets[0].hyper.epochs == 3.0


def test_settings_of_a_mixture_hold_for_the_whole_phase(root, models_of, tmp_path):
    made = make_plan(
        TrainConfig(
            model=str(models_of("bert")), data=root, out=tmp_path / "r",
            intermediate=("mnli,squad",),
            settings=(("1-mnli+squad", "lr", 0.5), ("squad", "batch_size", 3.0)),
        )
    )  # fmt: skip
    phase = made.intermediate[0]
    assert phase.hyper.lr == 0.5 and phase.hyper.epochs == 3.0
    assert [part.hyper.batch_size for part in phase.parts] == [32, 3]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_recipe_is_right_and_every_value_names_its_source(name):
    recipe = read_recipe(name)
    one = config({"model": "m", **recipe}, data=Path("d"))
    one.check()
    for scope, _, _ in one.settings:
        assert scope in TASKS or scope in {"pair", "tag", "span", "choice"}
    text = (resources.files("xlt.train") / "recipes" / f"{name}.yaml").read_text()
    sources = set(re.findall(r"^# \[(\w+)\]", text, re.M))
    for line in text.splitlines():
        if not line.startswith("#") and not re.match(r"(set|model):", line):
            named = set(re.findall(r"\[(\w+)\]", line.partition("#")[2]))
            assert named and named <= sources, line


def test_the_recipes_of_the_issue_are_there():
    assert set(shipped()) == {
        "xlm-roberta-large", "xlm-roberta-base", "mbert", "mdeberta-v3-base", "modernbert",
        "width-384",
    }  # fmt: skip


def test_a_run_writes_a_recipe_that_does_the_same_again(root, models_of, tmp_path, monkeypatch):
    monkeypatch.setattr("xlt.core.show.terminal.QUIET", True)
    given = {
        "model": str(models_of("bert")), "data": root, "intermediate": ("mnli,hellaswag",),
        "target": ("udpos",), "epochs": 1.0, "max_length": 48, "threads": 1, "batch_size": 8,
        "settings": (("udpos", "lr", 1e-3),), "mix": "temperature:2", "data_seed": 4,
    }  # fmt: skip
    first = fit(TrainConfig(out=tmp_path / "a", **given))
    content = yaml.safe_load((tmp_path / "a/recipe.yaml").read_text())
    assert content["set"]["udpos"]["lr"] == 1e-3
    assert content["set"]["1-mnli+hellaswag"]["lr"] == 1e-5
    recipe = read_recipe(tmp_path / "a/recipe.yaml")
    again = fit(TrainConfig(**{**recipe, "out": tmp_path / "b"}))
    name = "targets/udpos/model.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    for one, other in zip(
        first.record["lineage"]["phases"], again.record["lineage"]["phases"], strict=True
    ):
        assert one["hyper"] == other["hyper"] and one["dev"] == other["dev"]
