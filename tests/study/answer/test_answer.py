"""Made-up studies with a planted effect, none, and harm: sign, interval and sentence."""

import pytest

from xlt.core.errors import DataError
from xlt.study.answer.answer import answer
from xlt.study.answer.folder import open_folder
from xlt.study.answer.groups import seen_langs


def of(folder):
    return answer(open_folder(folder))


def planted(size):
    return lambda arm, task, lang, axes: size if arm == "mnli" else 0.0


@pytest.mark.parametrize(
    ("size", "word"), [(0.4, "It helps:"), (-0.4, "It harms:"), (0.0, "The data cannot tell:")]
)
def test_an_effect_that_was_planted_is_told_with_its_sign(made_up, size, word):
    found = of(made_up(effect=planted(size), targets=("xnli", "pawsx")))
    assert found.sentence.startswith(word)
    (primary,) = found.primary
    assert primary.low < primary.estimate < primary.high
    assert (primary.seeds, primary.units, primary.standing) == (5, 5, "headline")
    assert "5 seeds" in found.sentence and "4 languages" in found.sentence
    assert f"{primary.estimate:+.1f} points" in found.sentence
    if size:
        assert primary.low * primary.high > 0
    else:
        assert f"{primary.detectable:.1f} points would have been found" in found.sentence
        assert not any(finding.sure for finding in found.findings if finding.group != "en")


def test_one_seed_gives_no_conclusion_however_large_the_effect(made_up):
    found = of(made_up(seeds=1, effect=planted(1.0)))
    assert found.sentence.startswith("No conclusion: one seed.")
    assert found.primary[0].p is None and found.primary[0].low is None
    assert found.primary[0].detectable > 0


def test_fewer_than_five_intermediate_seeds_are_exploratory(made_up):
    found = of(made_up(seeds=3, effect=planted(0.5)))
    assert found.sentence.startswith("Exploratory (3 seeds, a headline needs 5). It helps:")
    assert found.primary[0].standing == "exploratory"


def test_target_seeds_of_one_intermediate_seed_are_no_seeds_of_their_own(made_up):
    found = of(made_up(seeds=4, target_seeds=3, effect=planted(0.3)))
    (primary,) = found.primary
    assert (primary.seeds, primary.units) == (4, 12)
    assert found.sentence.startswith("Exploratory")


def test_arms_with_the_targets_own_data_stay_out_of_the_headline(made_up):
    def effect(arm, task, lang, axes):
        return 2.0 * (arm == "mnli" and task == "xnli")

    found = of(made_up(targets=("xnli", "pawsx"), same_data=(("mnli", "xnli"),), effect=effect))
    assert found.primary[0].tasks == ("pawsx",)
    assert not found.primary[0].sure
    (xnli,) = [f for f in found.findings if f.tasks == ("xnli",) and f.group == "transfer"]
    assert xnli.same_data and xnli.sure and xnli.standing == "exploratory"


def test_languages_seen_in_labelled_training_are_apart(made_up):
    def effect(arm, task, lang, axes):
        return 1.0 * (arm == "mnli" and lang == "de")

    found = of(made_up(labelled={"mnli": ("de",)}, effect=effect))
    assert seen_langs(found.scores, ["mnli"], "xnli") == {"de"}
    assert set(found.primary[0].langs) == {"fr", "sw", "tr"}
    assert not found.primary[0].sure
    (seen,) = [finding for finding in found.findings if finding.group == "seen"]
    assert seen.langs == ("de",) and seen.sure


def test_a_missing_cell_is_named_and_does_not_shift_the_pairs(made_up):
    folder = made_up(seeds=5, unfinished=("none-xnli-2",), effect=planted(0.4))
    found = of(folder)
    assert open_folder(folder).missing == ["none-xnli-2"]
    assert found.primary[0].seeds == 4
    whole = of(made_up(seeds=5, effect=planted(0.4))).primary[0].by_seed
    # the draws of the made-up study differ after the cell that is left out; the number does not
    assert len(whole) == 5
    assert found.problems == ["1 of 10 cells are not finished"]


def test_pairs_share_a_number_not_a_place(made_up):
    folder = made_up(seeds=3)
    units = {(cell.arm, cell.unit) for cell in open_folder(folder).cells}
    assert units == {(arm, unit) for arm in ("none", "mnli") for unit in (1, 2, 3)}


def test_everything_but_the_primary_is_corrected_together(made_up):
    found = of(made_up(arms=("none", "mnli", "qqp"), targets=("xnli", "pawsx")))
    tested = [finding for finding in found.findings if finding.p is not None]
    assert len(tested) > 20
    assert all(finding.adjusted >= finding.p - 1e-12 for finding in tested)
    assert found.primary[0].adjusted == found.primary[0].p


def test_a_question_of_each_arm_is_one_sentence(made_up):
    found = of(made_up(
        arms=("none", "helps", "null", "harms"), estimand={"arms": ["each"]},
        effect=lambda arm, task, lang, axes: {"helps": 0.5, "harms": -0.5}.get(arm, 0.0),
    ))  # fmt: skip
    assert [finding.arm for finding in found.primary] == ["helps", "null", "harms"]
    assert "helps helps (+" in found.sentence
    assert "null cannot be told from the baseline (" in found.sentence
    assert "harms harms (-" in found.sentence
    assert found.sentence.count(". ") == 0


def test_an_estimand_that_was_changed_after_the_run_is_told(made_up):
    folder = made_up(seeds=2)
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace('"languages": "transfer"', '"languages": "de"'))
    assert any("hashed" in problem for problem in of(folder).problems)


def test_a_folder_without_a_plan_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no plan\.json there"):
        open_folder(tmp_path)


def test_a_study_of_which_nothing_is_finished_says_so(made_up):
    folder = made_up(seeds=1, unfinished=("none-xnli-1", "mnli-xnli-1"))
    assert of(folder).sentence.startswith("The data cannot tell: no pair of cells")


def test_arms_of_different_seeds_are_told_each_with_its_own(made_up):
    found = of(
        made_up(
            arms=("none", "mnli", "qqp", "ccg"), arm_seeds={"qqp": 3, "ccg": 1},
            estimand={"arms": ["each"]}, effect=lambda arm, *_: 0.4 * (arm != "none"),
        )
    )  # fmt: skip
    assert found.sentence.startswith("Against none, after correction for 2 arms: mnli helps (")
    assert "5 seeds" in found.sentence.split("; qqp")[0]
    assert "exploratory" not in found.sentence.split("; qqp")[0]
    assert "3 seeds" in found.sentence.split("; qqp")[1].split("; ccg")[0]
    assert "exploratory" in found.sentence.split("; qqp")[1].split("; ccg")[0]
    assert "ccg has one seed" in found.sentence
    assert [finding.seeds for finding in found.primary] == [5, 3, 1]


def test_an_arm_that_has_seen_one_targets_data_is_told_with_the_targets_that_are_left(made_up):
    found = of(
        made_up(
            arms=("none", "mnli", "qqp"), targets=("xnli", "pawsx"), same_data=(("qqp", "xnli"),),
            estimand={"arms": ["each"]}, effect=lambda arm, *_: 0.4 * (arm != "none"),
        )
    )  # fmt: skip
    mine, theirs = found.sentence.split("; qqp ")
    assert "on the mean of xnli and pawsx" in mine
    assert "on pawsx" in theirs and "xnli" not in theirs


def test_what_would_have_been_found_counts_the_correction(made_up):
    found = of(made_up(arms=("none", "mnli", "qqp", "ccg"), estimand={"arms": ["each"]}))
    alone = next(f for f in found.findings if (f.arm, f.group) == ("mnli", "transfer"))
    among = next(f for f in found.primary if f.arm == "mnli")
    assert among.by_seed == alone.by_seed
    assert among.detectable > 1.2 * alone.detectable


def test_a_changed_question_is_no_headline(made_up):
    folder = made_up(effect=planted(0.5))
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace('"languages": "transfer"', '"languages": "de,fr"'))
    found = of(folder)
    assert found.primary[0].standing == "exploratory"
    assert found.sentence.startswith("Exploratory (the question is not the one hashed before")


@pytest.mark.parametrize("targets", [("xnli", "tatoeba"), ("tatoeba", "xnli")])
def test_an_encoder_stands_beside_the_trainings_that_began_from_it(made_up, targets):
    """Two target seeds an intermediate seed: unit 2 of the target is of intermediate seed 1."""
    found = of(
        made_up(targets=targets, encoders=("tatoeba",), seeds=5, target_seeds=2,
                effect=planted(0.3))
    )  # fmt: skip
    (primary,) = found.primary
    assert (primary.seeds, primary.units) == (5, 10)
    assert primary.standing == "headline"
    each = {f.tasks[0]: f for f in found.findings
            if len(f.tasks) == 1 and (f.kind, f.group) == ("effect", "transfer")}  # fmt: skip
    assert each["tatoeba"].units == 5
    mean = [(a + b) / 2 for a, b in zip(*(one.by_seed for one in each.values()), strict=True)]
    assert primary.by_seed == pytest.approx(mean)


def test_several_targets_are_pooled_only_where_both_sides_have_them(made_up):
    found = of(
        made_up(arms=("none", "mnli", "longer"), targets=("xnli", "pawsx", "tatoeba"),
                arm_targets={"longer": ("xnli", "pawsx")})
    )  # fmt: skip
    pooled = {f.arm: f.tasks for f in found.findings
              if f.kind == "effect" and f.group == "transfer" and len(f.tasks) > 1}  # fmt: skip
    assert pooled == {"mnli": ("xnli", "pawsx", "tatoeba"), "longer": ("xnli", "pawsx")}


def test_a_pooled_row_that_is_one_target_is_not_there_twice(made_up):
    found = of(made_up(targets=("xnli", "pawsx"), same_data=(("mnli", "xnli"),)))
    rows = [(f.arm, f.tasks) for f in found.findings if (f.kind, f.group) == ("effect", "transfer")]
    assert sorted(rows) == [("mnli", ("pawsx",)), ("mnli", ("xnli",))]


def test_a_half_finished_question_says_so_and_corrects_for_all_arms(made_up):
    """Arms of which nothing was finished left the correction, and the sentence."""
    arms = ("none", "mnli", "qqp")
    settings = {"arms": arms, "estimand": {"arms": ["each"]}, "effect": planted(0.3)}
    whole, half = (
        of(made_up(**settings, unfinished=tuple(f"qqp-xnli-{n}" for n in gone)))
        for gone in ((), range(1, 6))
    )
    assert half.sentence.startswith("So far (5 of 15 cells of this question are missing): Against")
    assert "after correction for 2 arms" in half.sentence
    assert "qqp: nothing is finished" in half.sentence
    assert half.primary[0].adjusted == pytest.approx(min(1.0, 2 * half.primary[0].p))
    assert not whole.sentence.startswith("So far")
    other = of(made_up(arms=arms, unfinished=("qqp-xnli-1",)))
    assert not other.sentence.startswith("So far"), "the question is about mnli"
