"""Facts about tokens: counted by hand on a tokenizer of words; no key and no score holds them."""

import json

import pytest

from xlt.core.inference.engine import Engine
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot
from xlt.evalsuite import evaluate
from xlt.evalsuite.compute.tokens import token_facts


def facts(bundles, root, bundle, task, lang):
    engine = Engine.open(bundles / bundle, threads=1)
    return token_facts(
        engine.encoder, engine.task.kind, DataRoot(root).read(TASKS[task], lang, "test")
    )


def test_each_distinct_text_counts_once(bundles, root):
    # "x yes", "x", "x no", "maybe"; "x" stands in every pair
    found = facts(bundles, root, "xnli", "xnli", "en")
    assert (found["words"], found["tokens"], found["characters"]) == (6, 6, 13)
    assert found["tokens_per_word"] == 1
    assert found["characters_per_token"] == pytest.approx(13 / 6)
    assert found["unknown"] == found["truncated"] == 0


def test_unknown_tokens_and_cut_items_are_told_in_percent(bundles, root):
    long = "word " * 40
    (root / "xnli/test-en.tsv").write_text(f"x yes\tnever\tentailment\n{long}\tx\tneutral\n")
    found = facts(bundles, root, "xnli", "xnli", "en")
    assert found["tokens"] == 2 + 1 + 40 + 1
    assert found["unknown"] == pytest.approx(100 * 41 / 44)
    assert found["truncated"] == 50


@pytest.mark.parametrize(
    ("bundle", "task", "lang", "words"),
    [("udpos", "udpos", "de", 4), ("xquad", "xquad", "de", 9), ("encoder", "tatoeba", "sw", 4)],
)
def test_words_of_every_kind(bundles, root, bundle, task, lang, words):
    # der hund läuft | hund; where is x, x Rhein x, x zehn x; the foreign side of a bitext
    assert facts(bundles, root, bundle, task, lang)["words"] == words


def test_the_facts_stand_in_measured_json_alone(bundles, root, tmp_path):
    results = evaluate(bundles, root, tasks="xnli,tatoeba", out=tmp_path / "out", threads=1)
    told = json.loads((tmp_path / "out" / "measured.json").read_text())["cells"]
    assert told["xnli/test-en"]["tokens"]["tokens_per_word"] == 1
    assert told["tatoeba/test-sw"]["tokens"]["words"] == 4
    assert "tokens" not in json.dumps(results.record)
    assert not any("tokens" in p.read_text() for p in (tmp_path / "out" / "cells").iterdir())
