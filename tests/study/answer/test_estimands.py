"""Difference between groups of languages, trend over an axis, best arm: planted and null."""

import itertools
import json
import math

import numpy as np
import pytest

from xlt.core.errors import DataError
from xlt.study.answer.answer import answer
from xlt.study.answer.difference import exchange
from xlt.study.answer.estimands import axis_value
from xlt.study.answer.folder import open_folder

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
