"""Subsets of items: by the hypothesis alone, by what a question asks; the same in all languages."""

import json

import numpy as np
import pytest

from xlt.study.answer.answer import answer
from xlt.study.answer.folder import open_folder
from xlt.study.answer.items import hypothesis_only, item_subsets, question_type
from xlt.study.answer.scores import read_scores
from xlt.study.answer.table import COLUMNS, long_table


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Why did the lamp go out?", "reason or manner"),
        ("In what year was the bridge built?", "name, place or time"),
        ("How many lamps are there?", "amount"),
        ("How does the lamp work?", "reason or manner"),
        ("Name the river.", "other"),
        ("Who knows how many lamps there are?", "name, place or time"),
        ("The show is what?", "name, place or time"),
    ],
)
def test_the_first_question_word_tells_what_is_asked(question, kind):
    assert question_type(question) == kind


def test_a_hypothesis_that_gives_its_label_away_is_found():
    train = [("nobody sleeps", "contradiction"), ("nobody eats", "contradiction"),
             ("a dog sleeps", "entailment"), ("a dog eats", "entailment")]  # fmt: skip
    told = hypothesis_only(train, ["nobody runs", "a cat sleeps"], ["entailment", "contradiction"])
    assert told == ["contradiction", "entailment"]


ITEMS = 200


def write_root(tmp_path, items):
    """English hypotheses give the label away in the first half of the items."""
    (tmp_path / "mnli").mkdir()
    (tmp_path / "xnli").mkdir()
    labels = ["entailment", "contradiction"]
    words = {"entailment": "some lamp glows", "contradiction": "nobody sees"}
    train = "".join(
        json.dumps({"gold_label": labels[n % 2], "sentence1": f"a lamp {n}",
                    "sentence2": f"{words[labels[n % 2]]} {n}"}) + "\n"
        for n in range(40)
    )  # fmt: skip
    (tmp_path / "mnli" / "multinli_1.0_train.jsonl").write_text(train)
    for lang, mark in (("en", ""), ("sw", " (sw)")):
        lines = []
        for n in range(items):
            label = labels[n % 2]
            told = words[label] if n < items // 2 else words[labels[1 - n % 2]]
            lines.append(f"a premise{mark} {n}\t{told if lang == 'en' else 'x'} q\t{label}\n")
        (tmp_path / "xnli" / f"test-{lang}.tsv").write_text("".join(lines))
    return tmp_path


def test_items_that_the_hypothesis_misleads_are_the_same_in_every_language(tmp_path, made_up):
    root = write_root(tmp_path, 20)
    subsets = item_subsets(root, [("xnli", "en"), ("xnli", "sw")])
    hard = subsets["inference: hypothesis alone misleads"]
    assert hard["xnli", "sw"].tolist() == [False] * 10 + [True] * 10
    assert np.array_equal(hard["xnli", "en"], hard["xnli", "sw"])
    folder = open_folder(made_up(items=20, langs=("en", "sw"), seeds=2))
    part = read_scores(folder, hard)
    whole = read_scores(folder)
    key = next(iter(part.linear))
    assert part.linear[key]["xnli", "sw"].n == 10
    easy = read_scores(folder, subsets["surface: hypothesis alone suffices"])
    both = part.linear[key]["xnli", "sw"].score + easy.linear[key]["xnli", "sw"].score
    assert both / 2 == pytest.approx(whole.linear[key]["xnli", "sw"].score)


def test_the_long_table_has_a_row_a_score_and_the_axes_as_columns(made_up):
    folder = open_folder(
        made_up(seeds=2, axes={"train_examples": ["10%", None]}, same_data=(("mnli", "xnli"),))
    )
    table = long_table(folder, read_scores(folder))
    assert tuple(table.header) == (*COLUMNS, "train_examples", "same_data", "seen", "train_seconds")
    rows = table.to_json()["rows"]
    # 2 arms, 2 points, 2 seeds, 5 languages, score and accuracy
    assert len(rows) == 2 * 2 * 2 * 5 * 2
    one = next(r for r in rows if r["arm"] == "mnli" and r["lang"] == "sw")
    assert (one["family"], one["train_examples"], one["same_data"]) == ("Niger-Congo", "10%", 1)
    assert one["train_seconds"] == 180.0
    assert table.csv().count("\n") == len(rows) + 1


@pytest.mark.parametrize(("size", "word"), [(0.9, "More:"), (-0.9, "Less:"), (0.0, "The data c")])
def test_an_effect_on_items_that_need_inference_is_told_apart(tmp_path, made_up, size, word):
    root = write_root(tmp_path, ITEMS)

    def effect(arm, task, lang, axes):
        return size * (arm == "mnli") * (np.arange(ITEMS) >= ITEMS // 2)

    found = answer(open_folder(made_up(
        effect=effect, items=ITEMS, langs=("en", "sw"), data=str(root),
        estimand={"kind": "item_difference"},
    )))  # fmt: skip
    (primary,) = found.primary
    assert found.sentence.startswith(word)
    assert primary.clusters == ITEMS
    by_group = {f.group: f.estimate for f in found.findings if f.tasks == ("xnli",)}
    apart = by_group["inference: hypothesis alone misleads"]
    apart -= by_group["surface: hypothesis alone suffices"]
    assert primary.estimate == pytest.approx(apart)


def test_without_the_data_root_items_cannot_be_told_apart(made_up):
    found = answer(open_folder(made_up(estimand={"kind": "item_difference"})))
    assert found.primary == []
    assert found.sentence.startswith("The data cannot tell")
