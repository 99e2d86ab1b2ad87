"""Estimates of time and disk: from the store's measurements where there are any."""

import json

import pytest

from xlt.study.file.read import read_study
from xlt.study.plan.estimate import EPOCHS, Known, estimate
from xlt.study.plan.expand import make_plan
from xlt.study.plan.show import describe_plan
from xlt.study.plan.sources import (
    WORLD_EXAMPLES,
    WORLD_LANGS,
    WORLD_SIZES,
    Digests,
    Source,
    WorldSource,
)

FILE = """\
study: 1
question: What does it cost?
estimand: {kind: effect, arm: mnli, baseline: none}
base: {model: MODEL}
arms: {none: {}, mnli: {intermediate: [mnli]}}
axes: {targets: [xnli, udpos], train_examples: [null, 10%]}
scales:
  demo: {world: small}
"""
NOTHING = Known(rates={}, sizes={})


def planned(folder, model="compact"):
    path = folder / "one.yaml"
    path.write_text(FILE.replace("MODEL", model))
    return make_plan(read_study(path, "demo"), None, None)


def trainings(plan, label):
    return [s for s in plan.stages.values() if s.verb == "train" and s.label == label]


def test_fewer_examples_cost_less_and_the_total_is_the_sum(tmp_path):
    plan = planned(tmp_path)
    cost = estimate(plan, NOTHING)
    whole, few = sorted(
        (cost["stages"][s.id] for s in trainings(plan, "compact-xnli-t1")),
        reverse=True,
    )
    assert whole == pytest.approx(5 + 9000 * 4 / 900)
    assert few == pytest.approx(5 + 900 * 4 / 900)
    assert cost["seconds"] == pytest.approx(sum(cost["stages"].values()))
    assert cost["gpu_hours"] is None
    assert "of one core" in describe_plan(plan, cost)


def test_what_the_store_has_measured_comes_first_and_what_is_done_costs_nothing(tmp_path):
    plan = planned(tmp_path)
    stage = next(s for s in plan.stages.values() if s.label == "compact-mnli-i1")
    folder = tmp_path / "store" / stage.id
    (folder / "run").mkdir(parents=True)
    record = {"verb": "train", "bytes": 123, "facts": dict(stage.facts)}
    (folder / "stage.json").write_text(json.dumps(record))
    (folder / "run/measured.json").write_text(json.dumps({"1-mnli": {"examples_per_second": 90.0}}))
    known = Known.of(tmp_path / "store", frozenset({stage.id}))
    cost = estimate(plan, known)
    assert stage.id not in cost["stages"]
    assert max(cost["stages"].values()) == pytest.approx(5 + 9000 * 4 / 90)
    assert (cost["done"], cost["measured"]) == (1, 4)  # xnli, twice in each arm


def test_gpu_hours_of_a_large_model_come_with_their_formula(tmp_path):
    plan = planned(tmp_path, "xlm-roberta-large")
    cost = estimate(plan, NOTHING)
    assert cost["gpu_hours"] > 0
    text = describe_plan(plan, cost)
    assert "GPU hours" in text
    assert "6 x (12 x layers x width^2)" in text
    # one epoch of MNLI's size by hand: 6 x 302e6 x 48 x 9000 x 3 / 1.2e14
    stage = next(s for s in plan.stages.values() if s.label.endswith("-mnli-i1"))
    only = type(plan)(**{**{n: getattr(plan, n) for n in plan.__slots__}, "stages": {"x": stage}})
    hours = 6 * 12 * 24 * 1024**2 * 48 * 9000 * 3 / 1.2e14 / 3600
    assert estimate(only, NOTHING)["gpu_hours"] == round(hours, 1)


def test_the_tables_are_the_trainers_and_the_worlds():
    from xlt.train.plan import hyper
    from xlt.world.sizes import SIZES

    for name, which in (("compact", "aligned"), ("other", "pretrained")):
        rows = hyper.DEFAULTS.items()
        assert EPOCHS[name] == {kind: getattr(row, which).epochs for kind, row in rows}
    for place, size in enumerate(WORLD_SIZES):
        train = SIZES[size].train
        for task, counts in WORLD_EXAMPLES.items():
            if task == "anli+":
                expected = train["mnli"] + train["snli"] + 6 * train["anli"]
            else:
                expected = train[task]
            assert counts[place] == expected, (task, size)
        world = WorldSource(size)
        assert world.count("planted-skill") == SIZES[size].planted
        assert world.count("planted-nli-skill") == SIZES[size].inference
        assert world.count("unheard-of") == 0


def test_the_worlds_dev_sets_are_known_before_it_is_built(tiny_world):
    world, root = WorldSource("tiny"), Source(tiny_world, Digests(None))
    for name in ("xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa"):
        assert world.dev_elsewhere(name) == root.dev_elsewhere(name), name
    assert set(WORLD_LANGS) == set(root.root.langs(root.task("xnli"), "test"))


def test_epochs_that_a_setting_gives_and_the_size_of_test_sets_count(tmp_path, tiny_world):
    """A study of a tiny root was said to take 31 hours: official test sets, default epochs."""
    text = FILE.replace(
        "base: {model: MODEL}", "base: {model: org/model, set: {pair: {epochs: 1}}}"
    )
    costs = {}
    for name, body in (("set", text), ("not", text.replace(", set: {pair: {epochs: 1}}", ""))):
        path = tmp_path / f"{name}.yaml"
        path.write_text(body.replace("xnli, udpos", "xnli"))
        plan = make_plan(read_study(path), tiny_world, None)
        costs[name] = plan, estimate(plan, NOTHING)["stages"]
    for label in ("model-xnli-t1", "model-mnli-i1"):
        (one, few), (three, many) = (
            next((c[s.id], c) for s in plan.stages.values() if s.label == label)
            for plan, c in (costs["set"], costs["not"])
        )
        assert few is not many
        assert three - 5 == pytest.approx(3 * (one - 5), rel=0.05)
    plan, cost = costs["set"]
    scored = [s for s in plan.stages.values() if s.verb == "eval"]
    assert all(0 < s.facts["bytes"]["xnli"] < 100_000 for s in scored)
    assert max(cost[s.id] for s in scored) < 300  # XNLI's own test sets would take 1.3 hours


@pytest.mark.parametrize(
    ("name", "text_bytes"),
    [("test-de.tsv", 1000), ("test-de.tsv.gz", 3000), ("de-ud-test.conllu", 100),
     ("de-ud-test.conllu.gz", 300)],
)  # fmt: skip
def test_files_are_worth_the_text_in_them(tmp_path, tiny_world, monkeypatch, name, text_bytes):
    path = tmp_path / name
    path.write_bytes(b"x" * 1000)
    source = Source(tiny_world, Digests(None))
    monkeypatch.setattr(source, "_scored", lambda *what: [path, path])
    assert source.test_bytes("udpos", "all", "test") == 2 * text_bytes
