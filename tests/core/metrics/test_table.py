"""Scores on small invented inputs: values worked out by hand, and errors that say where."""

import pickle

import numpy as np
import pytest

from xlt.core.errors import DataError, UsageError
from xlt.core.metrics.counts import LengthMismatch
from xlt.core.metrics.table import METRICS, counts, measure
from xlt.core.tasks.table import TASKS


def test_every_task_names_a_metric_that_exists():
    assert {task.metric for task in TASKS.values()} <= set(METRICS)


def test_accuracy_compares_whole_strings():
    assert measure("accuracy", ["0", "1", "", "5"], ["0", "1", "", "05"], "en") == {
        "accuracy": 75.0
    }


def test_pairs_are_sets_so_duplicates_count_once():
    gold = [("a", "x"), ("b", "y"), ("b", "y")]
    found = [("a", "x"), ("a", "x"), ("c", "z"), ("d", "w")]
    scores = measure("bucc", gold, found, "de")
    assert scores["precision"] == pytest.approx(100 / 3)
    assert scores["recall"] == 50.0
    assert scores["f1"] == pytest.approx(40.0)


@pytest.mark.parametrize("gold, found", [([], []), ([("a", "x")], []), ([], [("a", "x")])])
def test_pairs_without_a_hit_score_nothing(gold, found):
    assert set(measure("bucc", gold, found, "de").values()) == {0.0}


def test_a_third_column_makes_another_pair():
    assert measure("bucc", [("a", "x")], [("a", "x", "")], "de")["f1"] == 0.0


def test_a_task_without_a_metric_has_no_scores():
    assert measure("none", ["text"], ["text"], "en") == {}


def test_unknown_metric_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'accuracy'"):
        measure("acuracy", ["a"], ["a"], "en")


@pytest.mark.parametrize("metric", ["accuracy", "tatoeba"])
def test_lengths_that_differ_are_an_error_with_place_and_counts(metric):
    with pytest.raises(LengthMismatch, match=r"2 predicted examples for 3 in gold.*item 2") as info:
        measure(metric, ["a", "b", "c"], ["a", "b"], "en")
    assert (info.value.index, info.value.expected, info.value.found) == (2, 3, 2)


def test_a_length_error_survives_a_process_border():
    fault = LengthMismatch(index=4, expected=7, found=6, unit="tags")
    copy = pickle.loads(pickle.dumps(fault))
    assert (copy.message, copy.index, copy.unit) == (fault.message, 4, "tags")


@pytest.mark.parametrize(
    "metric, empty", [("accuracy", []), ("tag_f1", []), ("tag_f1", [[]]), ("squad", {})]
)
def test_nothing_to_score_is_a_data_error(metric, empty):
    with pytest.raises(DataError, match="to score"):
        measure(metric, empty, empty, "en")


def test_counts_give_intervals_the_same_scores_as_measure():
    gold = [["NOUN", "NOUN", "VERB"], ["DET"], ["SYM", "SYM"]]
    found = [["NOUN", "VERB", "VERB"], ["DET"], ["SYM", "NOUN"]]
    rows_N5 = counts("tag_f1", gold, found, "en")
    assert rows_N5.shape == (3, 5)
    twice = METRICS["tag_f1"].combine(np.stack([rows_N5.sum(axis=0), rows_N5[1]]))
    assert twice["f1"][0] == pytest.approx(measure("tag_f1", gold, found, "en")["f1"])
    assert twice["f1"][1] == 100.0
