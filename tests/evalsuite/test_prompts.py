"""Prompts of a bundle: chosen by task, on both sides, recorded, and part of a cell's key."""

import json

import pytest

from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import UsageError
from xlt.core.tasks.table import TASKS
from xlt.evalsuite import evaluate
from xlt.evalsuite.plan.prompts import choose_prompt, parse_prompts

PROMPTS = {"query": "salt ", "document": "iron ", "sts": "rain "}


@pytest.fixture
def encoder(make, tmp_path):
    """Its prompts are words with vectors of their own, so that they move every similarity."""
    return make.bundle(tmp_path / "encoder", "tatoeba", answers=["bucc2018", "tatoeba"],
                       prompts=PROMPTS)  # fmt: skip


def opened(make, folder, **fields):
    return Bundle.open(make.bundle(folder, "tatoeba", **fields))


def run(encoder, root, out, **flags):
    return evaluate(encoder, root, out=out, threads=1, **{"tasks": "tatoeba", **flags})


def test_the_rule_is_asked_then_task_then_default_then_query(make, tmp_path):
    task = TASKS["tatoeba"]

    def chosen(asked=(), **fields):
        bundle = opened(make, tmp_path / str(len(list(tmp_path.iterdir()))), **fields)
        found = choose_prompt(bundle, task, parse_prompts(asked))
        return found.name, found.text, found.rule

    named = {**PROMPTS, "tatoeba": "sand "}
    assert chosen(prompts=PROMPTS) == ("query", "salt ", "symmetric")
    assert chosen(prompts=PROMPTS, default_prompt_name="sts") == ("sts", "rain ", "default")
    assert chosen(prompts=named, default_prompt_name="sts") == ("tatoeba", "sand ", "task")
    assert chosen(["document"], prompts=named) == ("document", "iron ", "asked")
    assert chosen(["query,tatoeba=none"], prompts=named) == (None, "", "asked")
    assert chosen(["bucc2018=document"], prompts=PROMPTS)[0] == "query"
    assert chosen() == (None, "", "none")
    assert chosen(prompts={"document": "iron "}) == (None, "", "none")


def test_tasks_without_vectors_have_no_prompt(bundles):
    bundle = Bundle.open(bundles / "xnli")
    assert choose_prompt(bundle, TASKS["xnli"], {}) is None


def test_the_prompt_stands_before_both_sides_and_is_recorded(encoder, root, make, tmp_path):
    found = run(encoder, root, tmp_path / "a", prompt="document")
    prompt = found.record["prompts"]["tatoeba"]
    assert prompt == {"bundle": "encoder", "name": "document", "text": "iron ", "rule": "asked"}
    plain = make.bundle(tmp_path / "plain", "tatoeba")
    for name in ("deu", "swh"):
        for side in (name, "eng"):
            path = root / f"tatoeba/tatoeba.{name}-eng.{side}"
            lines = path.read_text().splitlines()
            path.write_text("".join(f"iron {line}\n" for line in lines))
    by_hand = run(plain, root, tmp_path / "b")
    for lang in ("de", "sw"):
        texts = [(r.path / f"predictions/tatoeba/test-{lang}.tsv").read_bytes()
                 for r in (found, by_hand)]  # fmt: skip
        assert texts[0] == texts[1]
    assert found.scores("tatoeba") == by_hand.scores("tatoeba")
    assert by_hand.record["prompts"]["tatoeba"]["rule"] == "none"


def test_another_prompt_is_another_cell_and_the_same_one_is_kept(encoder, root, tmp_path):
    out = tmp_path / "out"
    first = run(encoder, root, out)
    assert first.record["prompts"]["tatoeba"]["name"] == "query"
    assert set(run(encoder, root, out).status.values()) == {"kept"}
    assert set(run(encoder, root, out, prompt="query").status.values()) == {"kept"}
    assert set(run(encoder, root, out, prompt="none").status.values()) == {
        "redone: settings changed"
    }


def test_each_task_may_have_its_own(encoder, root, tmp_path):
    found = run(encoder, root, tmp_path / "out", tasks="tatoeba,bucc2018",
                prompt=["tatoeba=document", "bucc2018=none"])  # fmt: skip
    names = {task: one["name"] for task, one in found.record["prompts"].items()}
    assert names == {"tatoeba": "document", "bucc2018": None}
    tables = (tmp_path / "out/tables.txt").read_text()
    assert "before every text: 'iron ' (prompt document)" in tables
    assert "matched by: ratio margin, means over 4 neighbours" in tables
    assert "matched by: nearest foreign sentence of each English one, cosine" in tables


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("passage", "has the prompts query, document, sts"),
        ("xnli=query", "names xnli, which is not evaluated here"),
        ("tatoeba=", "neither NAME nor TASK=NAME"),
        (["query", "document"], "gives all tasks both query and document"),
    ],
)
def test_mistakes_of_prompts_are_usage_errors(encoder, root, tmp_path, prompt, message):
    with pytest.raises(UsageError, match=message):
        run(encoder, root, tmp_path / "out", prompt=prompt)


def test_the_command_takes_prompts_and_says_which_it_used(encoder, root, run_xlt):
    done = run_xlt("eval", encoder, "--data", root, "--tasks", "tatoeba", "--prompt", "sts",
                   "--json", "--out", "o")  # fmt: skip
    assert json.loads(done.stdout)["prompts"]["tatoeba"]["text"] == "rain "
    done = run_xlt("eval", encoder, "--data", root, "--prompt", "stz", "--out", "o")
    assert done.returncode == 2 and "did you mean 'sts'" in done.stderr
