"""Which examples a phase trains on: subsets, held-out sets, translations, few shots, controls."""

import json
import shutil
from collections import Counter

import pytest

from xlt.core.errors import DataError, UsageError
from xlt.train import TrainConfig
from xlt.train.plan.plan import make_plan


@pytest.fixture
def plan(root, models_of, tmp_path):
    def make(data=root, **changes):
        given = {"model": str(models_of("bert")), "data": data, "out": tmp_path / "run"}
        return make_plan(TrainConfig(**{**given, "max_length": 48, **changes}))

    return make


@pytest.fixture
def more_data(root, tmp_path):
    """The root with German labelled data and a German translation of MNLI's stand-in."""
    data = tmp_path / "more"
    shutil.copytree(root, data)
    tagged = "\n".join(f"wort{k}\tNOUN\ngeht\tVERB\n.\tPUNCT\n" for k in range(30))
    (data / "udpos/train-de.tsv").write_text(tagged)
    pairs = [f"satz {k}\tzweiter satz {k}\tneutral\n" for k in range(20)]
    (data / "xnli/dev-de.tsv").write_text("".join(pairs))
    (data / "translated/de/mnli").mkdir(parents=True)
    rows = [
        json.dumps({"premise": f"vorher {k}", "hypothesis": f"nachher {k}", "label": k % 3})
        for k in range(50)
    ]
    (data / "translated/de/mnli/train.jsonl").write_text("\n".join(rows) + "\n")
    return data


def ids(part):
    return [example.id for example in part.examples]


def test_subsets_are_nested_and_do_not_move_with_the_seed(plan):
    def taken(amount, **changes):
        return set(
            ids(plan(target=("udpos",), train_examples=amount, **changes).targets[0].parts[0])
        )

    assert taken("1%") < taken("10%") < taken("20%") < taken("50") < taken("100%")
    assert len(taken("10%")) == 9 and len(taken("20%")) == 18
    assert taken("10%") == taken("10%", seed=7)
    assert taken("10%") != taken("10%", data_seed=7)


def test_what_is_held_out_follows_the_data_seed_alone(plan):
    def held(**changes):
        return ids_of_dev(plan(intermediate=("mnli",), **changes).intermediate[0])

    def ids_of_dev(phase):
        return {example.id for example in phase.parts[0].dev.examples}

    assert held() == held(seed=5)
    assert held() != held(data_seed=5)


def test_the_best_seed_on_dev_compares_the_same_items(plan):
    def parts(seed):
        one = plan(target=("pawsx",), train_examples="50%", dev_examples=3, seed=seed)
        return one.targets[0].parts[0]

    first, second = parts(1), parts(2)
    assert first.dev.examples == second.dev.examples and first.examples == second.examples


def test_dev_examples_are_a_nested_part_of_the_dev_set(plan):
    def dev(count):
        part = plan(target=("udpos",), dev_examples=count).targets[0].parts[0]
        return {example.id for example in part.dev.examples}

    assert len(dev(5)) == 5 and dev(5) < dev(12) < dev(None)
    assert dev(100_000) == dev(None)


def test_translations_are_trained_on_beside_the_english_examples(plan, more_data):
    part = plan(more_data, intermediate=("mnli",), translated=("de",)).intermediate[0].parts[0]
    assert [data.lang for data in part.trains] == ["en", "de"]
    assert part.trains[1].examples[0].text_a == "vorher 0" and len(part.trains[1].examples) == 50
    few = plan(
        more_data, intermediate=("mnli",), translated=("de",), train_examples="10%"
    ).intermediate[0].parts[0]  # fmt: skip
    assert [len(data.examples) for data in few.trains] == [6, 5]


def test_a_missing_translation_is_told_with_its_path(plan, more_data):
    with pytest.raises(DataError) as caught:
        plan(more_data, intermediate=("mnli",), translated=("de", "fr"))
    assert "translated/fr/mnli" in caught.value.hint


def test_few_shot_takes_the_train_split_else_dev_and_never_test(plan, more_data):
    part = plan(more_data, target=("udpos",), target_langs=("de:4",)).targets[0].parts[0]
    assert [(data.lang, len(data.examples)) for data in part.trains] == [("en", 90), ("de", 4)]
    assert all(example.words[1] == "geht" for example in part.trains[1].examples)
    assert part.dev.lang == "en"
    part = plan(more_data, target=("xnli",), target_langs=("de",)).targets[0].parts[0]
    assert len(part.trains[1].examples) == 20
    assert any("few-shot, de dev split" in note for note in part.trains[1].notes)
    with pytest.raises(DataError, match="neither a train nor a dev set"):
        plan(more_data, target=("udpos",), target_langs=("sw",))
    more = plan(more_data, target=("udpos",), target_langs=("de:9",)).targets[0].parts[0]
    few = plan(more_data, target=("udpos",), target_langs=("de:4",)).targets[0].parts[0]
    assert set(few.trains[1].examples) < set(more.trains[1].examples)


def test_few_shot_leaves_intermediate_tasks_alone(plan, more_data):
    one = plan(more_data, intermediate=("mnli",), target=("udpos",), target_langs=("de:4",))
    assert [data.lang for data in one.intermediate[0].parts[0].trains] == ["en"]


def test_more_shots_than_there_are_is_told(plan, more_data):
    with pytest.raises(UsageError, match="udpos has 30 in de"):
        plan(more_data, target=("udpos",), target_langs=("de:31",))


def control(plan, name, tasks=("mnli",), **changes):
    return plan(intermediate=tasks, control=name, target=("udpos",), **changes)


@pytest.mark.parametrize("task", ["mnli", "hellaswag", "squad", "udpos"])
def test_shuffled_keeps_inputs_and_labels_and_parts_them(plan, task):
    target = ("xnli",)
    true = plan(intermediate=(task,), target=target).intermediate[0].parts[0]
    made = plan(intermediate=(task,), target=target, control="shuffled").intermediate[0]
    part = made.parts[0]
    assert made.name == f"1-{task}-shuffled" and part.dev is None
    assert len(part.examples) == len(true.examples) and part.examples != true.examples
    for one, other in zip(true.examples, part.examples, strict=True):
        assert one.id == other.id
    if task == "mnli":
        assert Counter(e.label for e in part.examples) == Counter(e.label for e in true.examples)
        assert [e.text_a for e in part.examples] == [e.text_a for e in true.examples]
    if task == "udpos":
        counts = [Counter(t for e in p.examples for t in e.tags) for p in (true, part)]
        assert counts[0] == counts[1]
    if task == "squad":
        for example in part.examples:
            (answer,) = example.answers
            assert example.context[answer.start :].startswith(answer.text) and answer.text


def test_shuffled_is_the_same_for_every_seed(plan):
    def labels(**changes):
        part = control(plan, "shuffled", **changes).intermediate[0].parts[0]
        return [example.label for example in part.examples]

    assert labels() == labels(seed=9) != labels(data_seed=9)


def test_control_mlm_reads_the_inputs_of_the_task_and_no_other_text(plan):
    true = plan(intermediate=("mnli",)).intermediate[0].parts[0]
    phase = control(plan, "mlm").intermediate[0]
    part = phase.parts[0]
    assert phase.name == "1-mnli-mlm" and phase.tasks == ("mlm",)
    texts = [text for e in true.examples for text in (e.text_a, e.text_b)]
    assert [example.text for example in part.examples] == texts
    assert [data.lang for data in part.trains] == ["en"]


def test_control_fake_is_half_made_up_of_the_tasks_words(plan):
    part = control(plan, "fake").intermediate[0].parts[0]
    true = plan(intermediate=("mnli",)).intermediate[0].parts[0]
    real = {text for e in true.examples for text in (e.text_a, e.text_b)}
    words = {word for text in real for word in text.split()}
    examples = [*part.examples, *part.dev.examples]
    counts = Counter(example.label for example in examples)
    assert abs(counts["real"] - counts["fake"]) <= 1 and part.task.labels == ("real", "fake")
    assert all(example.text_a in real for example in examples if example.label == "real")
    fakes = [example.text_a for example in examples if example.label == "fake"]
    assert all(word in words for text in fakes for word in text.split())
    assert sum(text in real for text in fakes) < len(fakes) / 2
    assert not set(part.examples) & set(part.dev.examples)


def test_one_control_stands_in_for_all_tasks_of_a_phase(plan):
    phase = control(plan, "mlm", tasks=("mnli,hellaswag",)).intermediate[0]
    assert phase.tasks == ("mlm",) and len(phase.parts[0].trains) == 2


def test_control_longer_trains_no_phase(plan):
    one = control(plan, "longer")
    assert not one.intermediate and [phase.name for phase in one.counted] == ["1-mnli"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"control": "shufled", "intermediate": ("mnli",)}, "did you mean 'shuffled'"),
        ({"control": "fake", "target": ("udpos",)}, "--intermediate"),
        ({"control": "mlm", "intermediate": ("mlm",)}, "no labels to stand in for"),
        ({"control": "mlm", "intermediate": ("mnli",), "with_mlm": True}, "exclude each other"),
        ({"control": "fake", "intermediate": ("mnli",), "translated": ("de",)}, "English alone"),
        ({"target": ("udpos",), "target_langs": ("de:0",)}, "LANG:N"),
        ({"target": ("udpos",), "dev_examples": 0}, "--dev-examples"),
    ],
)
def test_mistakes_are_named(plan, changes, words):
    with pytest.raises(UsageError) as caught:
        plan(**changes)
    assert words in caught.value.message
