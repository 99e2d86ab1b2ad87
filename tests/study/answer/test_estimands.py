"""Difference between groups of languages, trend over an axis, best arm: planted and null."""

import itertools
import json
import math

import numpy as np
import pytest

from xlt.core.errors import DataError
from xlt.study.answer.answer import answer
from xlt.study.answer.contrast import minus
from xlt.study.answer.difference import exchange, exchange_power
from xlt.study.answer.estimands import effect_sum
from xlt.study.answer.folder import open_folder
from xlt.study.answer.scores import read_scores
from xlt.study.answer.trend import axis_value, axis_values, trend_of

# five Indo-European branches, five other families
MANY = ("en", "de", "nl", "el", "hi", "ur", "fr", "es", "ru", "sw", "th", "tr", "vi", "fi", "ka")
EUROPEAN = {"de", "nl", "el", "hi", "ur", "fr", "es", "ru"}


def of(folder):
    return answer(open_folder(folder))


def difference(made_up, size, langs=MANY, **more):
    def effect(arm, task, lang, axes):
        return size * (arm == "mnli" and lang not in EUROPEAN)

    asked = {"kind": "effect_difference", "between": ["non-indo-european", "indo-european"]}
    return of(made_up(langs=langs, effect=effect, estimand=asked, **more))


@pytest.mark.parametrize(("size", "word"), [(0.5, "More:"), (-0.5, "Less:")])
def test_a_difference_between_families_that_was_planted_is_found(made_up, size, word):
    found = difference(made_up, size)
    (primary,) = found.primary
    assert found.sentence.startswith(word)
    assert primary.low < primary.estimate < primary.high
    # 5 Indo-European branches (Germanic without English), 6 other families
    assert primary.floor == pytest.approx(1 / math.comb(11, 5))
    assert "Germanic" in primary.note and "Kartvelian" in primary.note
    assert "462 ways" in primary.note


def test_no_difference_is_not_found_and_the_sentence_says_what_would_have_been(made_up):
    found = difference(made_up, 0.0)
    assert found.sentence.startswith("The data cannot tell:")
    assert f"{found.primary[0].detectable:.1f} points would have been found" in found.sentence


def test_with_few_families_it_cannot_be_told_whatever_the_effect(made_up):
    found = difference(made_up, 1.5, langs=("en", "de", "fr", "sw", "tr"))
    assert found.primary[0].floor == pytest.approx(2 / 6)
    assert found.primary[0].p >= 2 / 6
    assert found.sentence.startswith("Cannot tell with these languages: no p below .333")


def test_ten_languages_of_one_branch_are_one_unit(made_up):
    found = difference(made_up, 1.0, langs=("en", "de", "nl", "af", "sw", "tr", "vi", "fi"))
    assert found.primary[0].floor == pytest.approx(1 / 5)
    assert found.primary[0].low is None, "one unit has no spread"
    assert "no bounded 95 % interval" in found.sentence


def test_the_permutation_test_counts_all_ways():
    rng = np.random.default_rng(5)
    effects = rng.normal(size=(2, 7))
    effects[1, 3] = np.nan
    first = np.array([1, 1, 1, 0, 0, 0, 0], dtype=bool)

    def apart(chosen):
        both = [np.nanmean(row[chosen]) - np.nanmean(row[~chosen]) for row in effects]
        return np.mean(both)

    ways = []
    for places in itertools.combinations(range(7), 3):
        chosen = np.zeros(7, dtype=bool)
        chosen[list(places)] = True
        ways.append(abs(apart(chosen)))
    got = exchange(effects, first)
    assert got.estimate == pytest.approx(apart(first))
    assert got.p == pytest.approx(np.mean(np.array(ways) >= abs(apart(first)) - 1e-9))
    assert (got.ways, got.floor) == (35, 1 / 35)


def test_a_trend_over_training_examples_has_the_planted_sign(made_up):
    def effect(arm, task, lang, axes):
        share = axis_value(axes["train_examples"])
        return -0.3 * math.log10(share) * (arm == "mnli")  # helps most where data are few

    found = of(made_up(axes={"train_examples": ["1%", "10%", None]}, effect=effect,
                       estimand={"kind": "trend", "over": "train_examples"}))  # fmt: skip
    (primary,) = found.primary
    assert found.sentence.startswith("It shrinks:")
    assert primary.note == "points per tenfold examples"
    by_share = {
        dict(f.axes)["train_examples"]: f.estimate
        for f in found.findings
        if f.kind == "effect" and f.group == "transfer"
    }
    slope = (by_share["all"] - by_share["1%"]) / 2
    assert primary.estimate == pytest.approx(slope, abs=0.2)


def test_a_trend_over_the_number_of_tasks(made_up):
    folder = made_up(
        arms=("none", "one", "two", "three"),
        effect=lambda arm, task, lang, axes: 0.2 * ("none", "one", "two", "three").index(arm),
        estimand={"kind": "trend", "over": "tasks", "arms": ["one", "two", "three"]},
    )
    plan = folder / "plan.json"
    text = (
        plan.read_text().replace('["two"]', '["two", "b"]').replace('["three"]', '["three,b", "c"]')
    )
    plan.write_text(text)
    found = of(folder)
    assert found.sentence.startswith("It grows:")
    assert found.primary[0].note == "points per task in sequence"


def test_an_axis_that_is_no_number_is_refused():
    assert axis_value("0.1%") == pytest.approx(0.001)
    with pytest.raises(DataError, match="fp16"):
        axis_value("fp16")


def best(made_up, effect, **more):
    return of(made_up(
        arms=("none", "a", "b", "c"), targets=("xnli", "pawsx"), items=200, seed_noise=0.15,
        baseline_seeds=15, effect=effect, estimand={"kind": "best_of", "arms": ["each"]}, **more,
    ))  # fmt: skip


def test_the_best_of_three_equal_arms_is_no_better_than_the_best_of_three_seeds(made_up):
    estimates = [
        best(made_up, lambda arm, task, lang, axes: 0.0, number=number).primary[0].estimate
        for number in range(6)
    ]
    assert abs(np.mean(estimates)) < 2 * np.std(estimates) / math.sqrt(6) + 0.5
    # against the mean of the baseline the same choice looks like a gain of points


def test_an_arm_that_helps_is_chosen_and_the_gain_is_found(made_up):
    found = best(made_up, lambda arm, task, lang, axes: 0.6 * (arm == "b"))
    assert {choice.arm for choice in found.choices} == {"b"}
    assert {(c.candidates, c.baseline_candidates) for c in found.choices} == {(3, 3)}
    assert found.primary[0].seeds == 5
    assert found.sentence.startswith("It helps: the best arm per target")


def test_a_control_with_fewer_seeds_than_arms_is_no_headline(made_up):
    found = of(made_up(
        arms=("none", "a", "b", "c"), seeds=2, estimand={"kind": "best_of", "arms": ["each"]},
    ))  # fmt: skip
    assert not found.primary[0].fair
    assert "fewer seeds to choose from" in found.primary[0].note


def test_retrieval_uses_one_checkpoint_chosen_by_mean_english_dev(made_up):
    def effect(arm, task, lang, axes):
        if task == "tatoeba":
            return 0.5 * (arm == "a")
        return 0.8 * (arm == "b") if task == "xnli" else 0.3 * (arm == "b")

    found = of(made_up(
        arms=("none", "a", "b"), targets=("xnli", "pawsx", "tatoeba"), baseline_seeds=10,
        effect=effect, estimand={"kind": "best_of", "arms": ["a", "b"]},
    ))  # fmt: skip
    chosen = {choice.arm for choice in found.choices if choice.task == "tatoeba"}
    assert chosen == {"b"}, "a is better on the test languages, which must not choose"


def test_a_target_with_fewer_seeds_and_fewer_families_beside_another_one(made_up):
    """A natural study with XNLI once and UD-POS three times had no report: shapes differed."""
    folder = made_up(
        arms=("none", "nli"), targets=("udpos", "xnli"), seeds=3, langs=MANY,
        effect=lambda arm, task, lang, axes: 1.0 * (arm == "nli"),
        unfinished=tuple(f"{arm}-xnli-{unit}" for arm in ("none", "nli") for unit in (2, 3)),
        estimand={"kind": "effect_difference", "tasks": ["udpos"], "arms": ["nli"],
                  "between": ["non-indo-european", "indo-european"]},
    )  # fmt: skip
    for path in folder.glob("store/eval-*-xnli-*/results.json"):
        record = json.loads(path.read_text())
        record["cells"] = [cell for cell in record["cells"] if cell["lang"] not in {"fi", "ka"}]
        path.write_text(json.dumps(record))
    found = of(folder)
    assert found.primary[0].seeds == 3
    both = [
        one for one in found.findings if one.kind == "effect_difference" and len(one.tasks) == 2
    ]
    assert [one.seeds for one in both] == [1], "the one seed that both targets have"


def test_arms_with_fewer_seeds_leave_the_choice_of_a_unit_fair(made_up):
    """Units in which only one arm was there had one to choose from, the control three."""
    effects = [
        best(made_up, lambda *_: 0.0, arm_seeds={"b": 1, "c": 1}, number=n) for n in range(4)
    ]
    for found in effects:
        assert {(c.candidates, c.baseline_candidates) for c in found.choices} == {(3, 3)}
        assert found.primary[0].standing == "one seed"
        assert found.sentence.startswith("No conclusion: one seed.")


def test_a_failed_target_does_not_change_by_what_retrieval_is_chosen(made_up):
    def effect(arm, task, lang, axes):
        return (-0.8 if task == "xnli" else 0.8) + 0.3 * (arm == "b")

    found = of(made_up(
        arms=("none", "a", "b"), targets=("xnli", "pawsx", "tatoeba"), baseline_seeds=10,
        effect=effect, estimand={"kind": "best_of", "arms": ["a", "b"]},
        unfinished=("b-pawsx-2",),
    ))  # fmt: skip
    chosen = {c.unit: c.arm for c in found.choices if c.task == "tatoeba"}
    assert chosen[2] == "b", "by XNLI, which both were tuned on; a's mean has a higher PAWS-X in it"


def test_the_best_of_intermediate_trainings_counts_those_and_not_target_seeds(made_up):
    found = of(made_up(
        arms=("none", "a", "b"), targets=("xnli", "tatoeba"), encoders=("tatoeba",),
        seeds=5, target_seeds=2, baseline_seeds=20, effect=lambda arm, *_: 0.5 * (arm == "b"),
        estimand={"kind": "best_of", "arms": ["a", "b"]},
    ))  # fmt: skip
    (primary,) = found.primary
    assert (primary.seeds, primary.units) == (5, 10)


def test_all_examples_have_no_place_between_numbers_of_examples(made_up):
    """`all` was 1 and stood left of 100: a growing effect was said to shrink."""
    with pytest.raises(DataError, match="'all' has no place on one axis with '100'"):
        of(made_up(axes={"train_examples": [100, 1000, None]},
                   estimand={"kind": "trend", "over": "train_examples"}))  # fmt: skip
    assert axis_values(["1%", "all"]) == [0.01, 1.0]
    assert axis_values(["100", "1000"]) == [100.0, 1000.0]


def test_a_trend_is_the_mean_of_the_arms_that_count(made_up):
    """An arm with the target's own data added nothing, and halved the slope of the other one."""
    points = {"1%": -1, "10%": 0, "all": 1}
    about = {
        "arms": ("none", "qqp", "mnli"), "axes": {"train_examples": ["1%", "10%", None]},
        "effect": lambda arm, task, lang, axes: 0.3 * points[axes["train_examples"]]
        * (arm != "none"),
    }  # fmt: skip
    asked = {"kind": "trend", "over": "train_examples", "arms": ["qqp", "mnli"]}
    found = of(made_up(**about, same_data=(("mnli", "xnli"),), estimand=asked))
    alone = trend_of(found.scores, {"qqp": 1}, "none", "train_examples", ["xnli"])
    assert found.primary[0].estimate == pytest.approx(alone.estimate)
    assert found.primary[0].arm == "qqp"


def test_a_trend_over_tasks_is_the_mean_over_another_axis(made_up):
    signs = {"10%": 1, "all": -1}
    folder = made_up(
        arms=("none", "one", "two"), axes={"train_examples": ["10%", None]},
        effect=lambda arm, task, lang, axes: 0.4 * ("none", "one", "two").index(arm)
        * signs[axes["train_examples"]],
        estimand={"kind": "trend", "over": "tasks", "arms": ["one", "two"]},
    )  # fmt: skip
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace('["two"]', '["two", "b"]'))
    found = of(folder)
    assert abs(found.primary[0].estimate) < 3
    assert found.primary[0].axes == ()


def test_the_best_arm_at_one_point_of_an_axis_is_told_with_the_point(made_up):
    found = of(made_up(
        arms=("none", "a", "b"), baseline_seeds=10, axes={"train_examples": ["10%", None]},
        effect=lambda arm, *_: 0.4 * (arm != "none"),
        estimand={"kind": "best_of", "arms": ["a", "b"]},
    ))  # fmt: skip
    assert "changes xnli (train_examples 10%)" in found.sentence


def test_what_no_exchange_could_show_has_no_detectable_size(made_up):
    asked = {"kind": "effect_difference", "between": ["non-indo-european", "indo-european"]}
    found = of(made_up(langs=("en", "de", "fr", "sw", "tr"), estimand=asked))
    assert found.primary[0].floor > 0.05
    assert found.primary[0].detectable == math.inf
    assert found.primary[0].to_json()["detectable"] is None


@pytest.mark.parametrize(("units", "size"), [(7, 3), (9, 4)])
def test_the_exchanges_find_four_of_five_of_what_is_said_to_be_detectable(units, size):
    true, rng = exchange_power(units, size), np.random.default_rng(77)
    first = np.arange(units) < size
    hits = sum(
        exchange((rng.normal(size=units) + true * first)[None], first).p <= 0.05 for _ in range(300)
    )
    assert 0.7 < hits / 300 < 0.9


def test_a_cluster_with_items_of_both_kinds_is_one_cluster(made_up):
    """Two questions of one paragraph were counted as two paragraphs."""
    groups, each = 30, 4
    folder = open_folder(made_up(
        targets=("xquad",), langs=("en", "de", "sw"), items=groups * each,
        items_of_a_cluster=each,
    ))  # fmt: skip
    mask = np.tile([True, True, False, False], groups)
    places = [("xquad", lang) for lang in ("en", "de", "sw")]
    parts = [read_scores(folder, dict.fromkeys(places, keep)) for keep in (mask, ~mask)]
    one, other = (effect_sum(part, ["mnli"], "none", [()], ["xquad"])[0] for part in parts)
    value = minus(one, other)
    assert value.values.shape == (5, groups)
    assert value.by_seed == pytest.approx(one.by_seed - other.by_seed)
    joint = (one.values - one.by_seed[:, None]) - (other.values - other.by_seed[:, None])
    assert value.values - value.by_seed[:, None] == pytest.approx(joint)
