"""The engine: the same bits under any batching, order kept, every kind from text to prediction."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xlt
from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import DataError, ModelError, UsageError
from xlt.core.inference.budget import Budget
from xlt.core.inference.engine import Engine
from xlt.core.kinds.choice import Picked
from xlt.core.kinds.pair import Label
from xlt.core.kinds.span import Span
from xlt.core.kinds.tag import Tags
from xlt.core.tasks.examples import Choice, Pair, Question, Sentence, Tagged

KINDS = ["pair", "choice", "tag", "span", "embed"]
WORDS = (
    "the cat sat on mat dog fox river began in north Hund Katze собака спит 狗睡 猫 الكلب".split()
)


@pytest.fixture(scope="session")
def engines(bundles):
    return {kind: Engine.open(folder, threads=1) for kind, folder in bundles.items()}


def make_items(kind, rng, count):
    """Random items of very different lengths."""

    def text(most):
        return " ".join(rng.choice(WORDS, rng.integers(0, most)))

    if kind == "pair":
        return [Pair(id=str(i), text_a=text(60), text_b=text(60) if i % 3 else None)
                for i in range(count)]  # fmt: skip
    if kind == "choice":
        return [Choice(id=str(i), prompt=text(30),
                       choices=tuple(text(20) for _ in range(rng.integers(1, 5))))
                for i in range(count)]  # fmt: skip
    if kind == "tag":
        return [Tagged(id=str(i), words=tuple(text(90).split())) for i in range(count)]
    if kind == "span":
        return [Question(id=str(i), question=text(20), context=text(150)) for i in range(count)]
    return [Sentence(id=str(i), text=text(80)) for i in range(count)]


def frozen(prediction):
    """A prediction as plain values with all its bits."""
    if isinstance(prediction, np.ndarray):
        return prediction.dtype.str, prediction.tobytes()
    if isinstance(prediction, Span):
        return prediction
    values = {name: getattr(prediction, name) for name in prediction.__dataclass_fields__}
    return tuple(frozen(v) if isinstance(v, np.ndarray) else v for v in values.values())


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**6), budget=st.integers(1, 3000), count=st.integers(1, 25))
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_have_the_same_bits_under_any_budget_and_order(
    engines, kind, seed, budget, count
):
    rng = np.random.default_rng(seed)
    items = make_items(kind, rng, count)
    alone = [frozen(engines[kind].predict([item])[0]) for item in items]
    other = replace(engines[kind], budget=Budget(budget))
    order = rng.permutation(count)
    together = other.predict([items[i] for i in order])
    assert [frozen(p) for p in together] == [alone[i] for i in order]


@pytest.mark.parametrize("kind", KINDS)
def test_thread_count_does_not_change_the_bits(engines, bundles, kind):
    items = make_items(kind, np.random.default_rng(3), 30)
    two = Engine.open(bundles[kind], threads=2)
    assert list(map(frozen, two.predict(items))) == list(map(frozen, engines[kind].predict(items)))


@pytest.mark.parametrize("kind", KINDS)
def test_no_items_make_no_predictions(engines, kind):
    ticks = []
    assert engines[kind].predict([], tick=ticks.append) == []
    assert sum(ticks) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_ticks_add_up_to_the_items(engines, kind):
    items = make_items(kind, np.random.default_rng(5), 40)
    items += items[:7]
    ticks = []
    replace(engines[kind], budget=Budget(300)).predict(items, tick=ticks.append)
    assert sum(ticks) == 47
    assert len(ticks) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_steps_give_the_bits_of_predict_for_rows_of_several_requests(engines, kind):
    engine = engines[kind]
    requests = [make_items(kind, np.random.default_rng(seed), 5) for seed in (1, 2, 3)]
    rows = [engine.encode_rows(items) for items in requests]
    outputs = iter(engine.run([row for mine in rows for row in mine]))
    for items, mine in zip(requests, rows, strict=True):
        found = engine.decode(items, mine, [next(outputs) for _ in mine])
        assert list(map(frozen, found)) == list(map(frozen, engine.predict(items)))


@pytest.mark.parametrize("kind", KINDS)
def test_threads_may_share_an_engine(engines, kind):
    lists = [make_items(kind, np.random.default_rng(seed), 12) for seed in range(8)]
    expected = [list(map(frozen, engines[kind].predict(items))) for items in lists]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(engines[kind].predict, lists))
    assert [list(map(frozen, predictions)) for predictions in found] == expected


def test_every_kind_has_its_own_prediction(engines, graphs):
    predictions = {
        kind: engines[kind].predict(make_items(kind, np.random.default_rng(1), 10))
        for kind in KINDS
    }
    types = {"pair": Label, "choice": Picked, "tag": Tags, "span": Span, "embed": np.ndarray}
    for kind, wanted in types.items():
        assert {type(prediction) for prediction in predictions[kind]} == {wanted}
    for label in predictions["pair"]:
        assert label.label == graphs.labels[label.index]
        assert label.index == label.probabilities.argmax()
    assert len({label.label for label in engines["pair"].predict(WORDS)}) > 1


def test_a_string_is_a_single_text(engines):
    (one,) = engines["pair"].predict(["the cat sat"])
    (two,) = engines["pair"].predict([Pair(id="", text_a="the cat sat")])
    assert frozen(one) == frozen(two)


def test_choices_may_differ_in_number(engines):
    items = [
        Choice(id="", prompt="the cat", choices=("sat", "ran", "sat")[:n]) for n in (3, 1, 2, 3)
    ]
    found = engines["choice"].predict(items)
    assert [len(picked.probabilities) for picked in found] == [3, 1, 2, 3]
    assert found[0].probabilities[0] == found[0].probabilities[2]


def test_every_word_gets_a_tag(engines):
    items = make_items("tag", np.random.default_rng(9), 40)
    assert any(len(engines["tag"].encode_rows([item])) > 1 for item in items)
    for item, found in zip(items, engines["tag"].predict(items), strict=True):
        assert len(found.tags) == len(found.scores) == len(item.words)


def test_answers_are_slices_of_their_context(engines):
    items = make_items("span", np.random.default_rng(9), 30)
    assert any(len(engines["span"].encode_rows([item])) > 1 for item in items)
    for item, found in zip(items, engines["span"].predict(items), strict=True):
        for span in (found, *found.n_best):
            assert item.context[span.start : span.end] == span.text == span.text.strip()


def test_embeddings_are_unit_vectors_of_the_graphs_own_pooling(engines, graphs):
    texts = ["the cat", "the dog", "the cat", "猫"]
    vectors = engines["embed"].embed(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, graphs.width)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])
    assert engines["embed"].embed([]).shape[0] == 0


def test_equal_texts_are_computed_once(engines, monkeypatch):
    engine = engines["embed"]
    seen = []
    run = type(engine.session).run
    monkeypatch.setattr(
        type(engine.session),
        "run",
        lambda self, feeds, names: seen.append(len(feeds["input_ids"])) or run(self, feeds, names),
    )
    engine.embed(["the cat", "a dog", "the cat"] * 10)
    assert sum(seen) == 2


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_token_vectors_are_pooled_as_the_bundle_says(make_bundle, bundles, pooling):
    folder = make_bundle("embed", outputs=["last_hidden_state"], pooling=pooling)
    engine = Engine.open(folder, threads=1)
    assert engine.outputs == ("last_hidden_state",)
    texts = ["the cat sat on the mat", "dog", "a 猫"]
    vectors = engine.embed(texts)
    for text, vector in zip(texts, vectors, strict=True):
        (row,) = engine.encode_rows([text])
        feeds = {"input_ids": row.ids[None], "attention_mask": np.ones((1, row.width))}
        (hidden,) = engine.session.run(feeds, ["last_hidden_state"])
        pooled = {"mean": hidden[0].mean(axis=0), "cls": hidden[0][0], "last": hidden[0][-1]}
        expected = pooled[pooling] / np.linalg.norm(pooled[pooling])
        assert np.allclose(vector, expected, atol=1e-6)
    in_graph = Engine.open(bundles["embed"], threads=1).embed(texts)
    assert np.allclose(in_graph, vectors, atol=1e-6) == (pooling == "cls")


def test_an_engine_for_tokens_gives_the_hidden_states_that_are_pooled(make_bundle, bundles):
    engine = Engine.open(bundles["embed"], threads=1)
    texts = [item.text for item in make_items("embed", np.random.default_rng(8), 9)]
    found = replace(engine.for_tokens(), budget=Budget(90)).predict(texts)
    for text, hidden_LD in zip(texts, found, strict=True):
        assert hidden_LD.dtype == np.float32
        assert len(hidden_LD) == engine.encode_rows([text])[0].width
        (alone,) = engine.for_tokens().predict([text])
        assert alone.tobytes() == hidden_LD.tobytes()
    pooled = make_bundle("embed", outputs=["last_hidden_state"], pooling="last")
    last = np.stack([hidden_LD[-1] / np.linalg.norm(hidden_LD[-1]) for hidden_LD in found])
    assert np.allclose(Engine.open(pooled, threads=1).embed(texts), last, atol=1e-6)
    with pytest.raises(ModelError, match="vectors of tokens"):
        engine.for_tokens().embed(texts)


def test_token_vectors_that_are_not_there_are_refused(make_bundle, engines):
    pooled = Engine.open(make_bundle("embed", outputs=["sentence_embedding"]), threads=1)
    for engine in (pooled, engines["pair"]):
        assert engine.token_output is None
        with pytest.raises(ModelError, match="no output last_hidden_state"):
            engine.for_tokens()


def test_token_types_are_fed_when_the_graph_wants_them(make_bundle):
    pair = Pair(id="", text_a="the cat", text_b="sat")
    typed = Engine.open(make_bundle("pair", name="a", family="bert", types=True), threads=1)
    untyped = Engine.open(make_bundle("pair", name="b", family="distilbert", types=True), threads=1)
    with_types, without = (engine.predict([pair])[0] for engine in (typed, untyped))
    assert not np.array_equal(with_types.probabilities, without.probabilities)


def test_other_kinds_make_no_embeddings(engines):
    with pytest.raises(ModelError, match="no sentence embeddings"):
        engines["tag"].embed(["a"])


def test_invalid_item_is_named_before_anything_runs(engines, monkeypatch):
    monkeypatch.setattr(type(engines["pair"].session), "run", None)
    with pytest.raises(DataError, match=r"item 1 .*surrogate"):
        engines["pair"].predict(["fine", Pair(id="x", text_a="\ud800")])


def test_output_that_is_not_finite_names_the_item(engines, monkeypatch):
    run = type(engines["pair"].session).run

    def overflow(self, feeds, names):
        (logits,) = run(self, feeds, names)
        logits[feeds["attention_mask"].sum(axis=1) > 6] = np.inf
        return [logits]

    monkeypatch.setattr(type(engines["pair"].session), "run", overflow)
    with pytest.raises(ModelError, match=r"item 1 \(id 'long'\).*not finite"):
        engines["pair"].predict(["a", Pair(id="long", text_a="the cat sat on the mat and the dog")])


def test_graph_without_the_needed_output_is_refused(make_bundle):
    folder = make_bundle("embed", outputs=["scores"])
    with pytest.raises(ModelError, match=r"sentence_embedding.*this graph has scores"):
        Engine.open(folder)


def test_labels_that_do_not_fit_the_graph_are_refused(make_bundle):
    for kind, item in (("pair", "a"), ("tag", Tagged(id="", words=("a",)))):
        folder = make_bundle(kind, task={"labels": ("x", "y")})
        with pytest.raises(ModelError, match="3 classes, its task 2 labels"):
            Engine.open(folder).predict([item])


def test_null_answers_come_with_their_score(make_bundle):
    engine = Engine.open(make_bundle("span", task={"null_answer": True}), threads=1)
    items = make_items("span", np.random.default_rng(4), 40)
    rows = engine.encode_rows(items)
    lowest = {}
    for row, output in zip(rows, engine.run(rows), strict=True):
        score = float(output["start_logits"][0]) + float(output["end_logits"][0])
        lowest[row.item] = min(score, lowest.get(row.item, np.inf))
    found = engine.predict(items)
    assert [span.null_score for span in found] == [lowest[i] for i in range(40)]
    assert all((span.text == "") <= (span.score >= span.null_score) for span in found)


def test_open_takes_a_bundle_its_path_or_a_folder_with_one(bundles, make_bundle, tmp_path):
    items = ["the cat"]
    expected = frozen(Engine.open(bundles["pair"]).predict(items)[0])
    assert frozen(xlt.open(str(bundles["pair"])).predict(items)[0]) == expected
    assert frozen(xlt.open(Bundle.open(bundles["pair"])).predict(items)[0]) == expected
    make_bundle("pair", name="only/pair")
    assert frozen(xlt.open(tmp_path / "only").predict(items)[0]) == expected


def test_open_refuses_a_folder_with_several_bundles(make_bundle, tmp_path):
    make_bundle("pair")
    make_bundle("tag")
    with pytest.raises(UsageError, match="2 bundles: pair, tag"):
        xlt.open(tmp_path)


def test_a_batch_of_no_tokens_is_refused(bundles):
    with pytest.raises(UsageError, match="holds nothing"):
        Engine.open(bundles["pair"], batch_tokens=0)


def test_the_package_offers_open_without_loading_it_early(project):
    import subprocess
    import sys

    code = (
        "import sys, xlt; assert 'xlt.core.inference.engine' not in sys.modules; "
        "xlt.open; assert 'xlt.core.inference.engine' in sys.modules; "
        "assert 'onnxruntime' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        xlt.nothing  # noqa: B018
