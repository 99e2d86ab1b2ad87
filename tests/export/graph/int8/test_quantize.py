"""int8 graphs: close to fp32, the same alone, batched and padded, weights in their range."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from xlt.core.inference.session import Session
from xlt.core.kinds.table import KINDS
from xlt.export.checkpoint.reading import read_checkpoint
from xlt.export.checkpoint.weights import load_model
from xlt.export.graph.convert import convert
from xlt.export.graph.int8.quantize import calibrate, quantize
from xlt.export.graph.int8.recipe import LIMITS, SITES, Recipe
from xlt.export.graph.int8.rounding import compensated
from xlt.export.graph.int8.scales import quantize_columns
from xlt.export.graph.sentence import SentenceEncoder

RNG = np.random.default_rng(11)
HIDDEN = "last_hidden_state"


def feeds_of(rows, names, *, pad_to=0):
    """A batch of rows of token ids, padded with 1."""
    width = max(pad_to, *(len(row) for row in rows))
    ids = np.ones((len(rows), width), np.int64)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
        mask[place, : len(row)] = 1
    found = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: found[name] for name in names}


def random_rows(*lengths):
    return [RNG.integers(5, 300, length) for length in lengths]


@pytest.fixture(scope="module")
def graphs(checkpoints, tmp_path_factory):
    """graphs(model_type, kind) -> (fp32 file, input names, calibration)."""
    made = {}

    def get(model_type="xlm-roberta", kind="embed"):
        if (model_type, kind) not in made:
            path = tmp_path_factory.mktemp("graph") / "model.onnx"
            checkpoint = read_checkpoint(checkpoints(model_type, kind))
            model = load_model(checkpoint)
            if kind == "embed":
                model = SentenceEncoder(model, pooling="mean")
            names = ["input_ids", "attention_mask"] + ["token_type_ids"] * (model_type == "bert")
            convert(model, path, kind=KINDS[kind], inputs=names, model_type=model_type)
            feeds = [feeds_of([row], names) for row in random_rows(*range(4, 60, 3))]
            if kind == "choice":
                feeds = [{name: array[None] for name, array in one.items()} for one in feeds]
            made[model_type, kind] = path, names, calibrate(path, feeds)
        return made[model_type, kind]

    return get


def int8_of(path, seen, tmp_path, **choices):
    target = tmp_path / "int8.onnx"
    done = quantize(path, target, Recipe(**choices), seen)
    return target, done


def cosines(a, b):
    a, b = a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


FAMILIES = [("xlm-roberta", 3, 0), ("bert", 3, 0), ("modernbert", 0, 4), ("deberta-v2", 0, 4)]


@pytest.mark.parametrize(("model_type", "blocks", "at_least"), FAMILIES)
def test_int8_is_close_to_fp32_in_every_family(graphs, tmp_path, model_type, blocks, at_least):
    path, names, seen = graphs(model_type)
    target, done = int8_of(path, seen, tmp_path)
    assert done.blocks == blocks
    assert done.products >= at_least
    assert done.embeddings == 1
    onnx.checker.check_model(str(target))
    feeds = feeds_of(random_rows(7, 20, 33), names)
    (exact,) = Session(path, device="cpu", threads=1).run(feeds, [HIDDEN])
    (got,) = Session(target, device="cpu", threads=1, int8=True).run(feeds, [HIDDEN])
    keep = feeds["attention_mask"] == 1
    assert cosines(exact[keep], got[keep]).mean() > 0.995


@pytest.mark.parametrize("model_type", ["xlm-roberta", "bert", "distilbert", "modernbert"])
@pytest.mark.parametrize("limit", sorted(LIMITS.values()))
def test_a_hidden_state_is_the_same_alone_batched_and_padded(graphs, tmp_path, model_type, limit):
    path, names, seen = graphs(model_type)
    target, _ = int8_of(path, seen, tmp_path, limit=limit)
    session = Session(target, device="cpu", threads=1, int8=True)
    rows = random_rows(5, 17, 17, 31, 44, 6, 90)
    alone = [session.run(feeds_of([row], names), [HIDDEN])[0][0] for row in rows]
    for trial in range(12):
        order = np.random.default_rng(trial).permutation(len(rows))[: 1 + trial % 7]
        feeds = feeds_of([rows[i] for i in order], names, pad_to=int(RNG.integers(120)))
        (hidden,) = session.run(feeds, [HIDDEN])
        for place, row in enumerate(order):
            assert np.array_equal(hidden[place, : len(rows[row])], alone[row])


def test_the_pooled_output_in_the_graph_moves_by_rounding_alone(graphs, tmp_path):
    path, names, seen = graphs()
    target, _ = int8_of(path, seen, tmp_path)
    session = Session(target, device="cpu", threads=1, int8=True)
    rows = random_rows(5, 17, 31)
    (batched,) = session.run(feeds_of(rows, names, pad_to=70), ["sentence_embedding"])
    for row, vector in zip(rows, batched, strict=True):
        (alone,) = session.run(feeds_of([row], names), ["sentence_embedding"])
        assert np.abs(alone[0] - vector).max() < 1e-6


@pytest.mark.parametrize("precision", sorted(LIMITS))
def test_weights_lie_within_the_limit_of_their_variant(graphs, tmp_path, precision):
    path, _, seen = graphs()
    target, _ = int8_of(path, seen, tmp_path, limit=LIMITS[precision])
    model = onnx.load(str(target))
    weights = {n.input[1] for n in model.graph.node if n.op_type == "MatMulIntegerToFloat"}
    sizes = [
        int(np.abs(numpy_helper.to_array(one).astype(int)).max())
        for one in model.graph.initializer
        if one.name in weights
    ]
    assert len(sizes) == 3 * 6
    assert max(sizes) <= LIMITS[precision] < 2 * max(sizes)


@pytest.mark.parametrize("kind", ["pair", "tag", "span", "choice"])
def test_heads_follow_and_stay_in_fp32(graphs, tmp_path, kind):
    path, names, seen = graphs(kind=kind)
    target, done = int8_of(path, seen, tmp_path)
    assert done.blocks == 3
    rows = random_rows(12, 12, 9, 12)
    feeds = feeds_of(rows, names)
    if kind == "choice":
        feeds = {name: array.reshape(2, 2, -1) for name, array in feeds.items()}
    outputs = list(KINDS[kind].outputs)
    exact = Session(path, device="cpu", threads=1).run(feeds, outputs)
    got = Session(target, device="cpu", threads=1, int8=True).run(feeds, outputs)
    for a, b in zip(exact, got, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() < 0.15 * np.abs(a).max()


def test_sum_and_norm_are_not_fused_in_int8_sessions(graphs, tmp_path):
    path, _, seen = graphs()
    target, _ = int8_of(path, seen, tmp_path)

    def kinds(**left_out):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "seen.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(
            str(target), options, providers=["CPUExecutionProvider"], **left_out
        )
        return {node.op_type for node in onnx.load(str(tmp_path / "seen.onnx")).graph.node}

    assert "SkipLayerNormalization" not in kinds(disabled_optimizers=["SkipLayerNormFusion"])
    fused = []
    load = onnxruntime.InferenceSession

    def watch(*arguments, **settings):
        fused.append(settings.get("disabled_optimizers"))
        return load(*arguments, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnxruntime, "InferenceSession", watch)
        Session(target, device="cpu", threads=1, int8=True)
        Session(target, device="cpu", threads=1)
    assert fused == [["SkipLayerNormFusion"], None]


@pytest.mark.parametrize("mode", ["row", "fp32", "static"])
def test_every_mode_of_a_scale_works_at_every_product(graphs, tmp_path, mode):
    path, names, seen = graphs()
    choices = {"modes": dict.fromkeys(SITES, mode), "embeddings": mode != "fp32"}
    target, _ = int8_of(path, seen, tmp_path, limit=127, **choices)
    feeds = feeds_of(random_rows(30, 30), names)
    (exact,) = Session(path, device="cpu", threads=1).run(feeds, [HIDDEN])
    (got,) = Session(target, device="cpu", threads=1, int8=True).run(feeds, [HIDDEN])
    assert cosines(exact, got).min() > (0.999999 if mode == "fp32" else 0.98)


def test_one_product_may_have_a_mode_of_its_own(graphs, tmp_path):
    path, _, seen = graphs()
    target, _ = int8_of(path, seen, tmp_path, special={(1, "outer"): "fp32"})
    kinds = [node.op_type for node in onnx.load(str(target)).graph.node]
    assert kinds.count("MatMulIntegerToFloat") == 3 * 6 - 1


def test_same_graph_same_bytes(graphs, tmp_path):
    path, _, seen = graphs()
    first = int8_of(path, seen, tmp_path)[0].read_bytes()
    assert int8_of(path, seen, tmp_path)[0].read_bytes() == first
    assert len(first) < 0.6 * path.stat().st_size


def test_calibration_leaves_no_file_behind(graphs):
    path, _, _ = graphs()
    assert [one.name for one in path.parent.iterdir()] == ["model.onnx"]


def test_an_outlier_in_other_text_is_clipped_and_nothing_else_moves(graphs, tmp_path):
    """Static scales come from calibration: what lies far beyond is cut off, not wrapped round."""
    path, names, seen = graphs()
    model = onnx.load(str(path))
    for tensor in model.graph.initializer:
        if tensor.name.endswith("word_embeddings.weight"):
            table = numpy_helper.to_array(tensor).copy()
            table[4] = 60.0  # a token that calibration has not met
            table[4, ::2] *= -1
            tensor.CopyFrom(numpy_helper.from_array(table, tensor.name))
    changed = tmp_path / "outlier.onnx"
    onnx.save(model, str(changed))
    target, _ = int8_of(changed, seen, tmp_path, limit=127)
    rows = [np.array([0, 4, 4, 9, 4, 2]), random_rows(20)[0]]
    feeds = feeds_of(rows, names)
    (exact,) = Session(changed, device="cpu", threads=1).run(feeds, [HIDDEN])
    (got,) = Session(target, device="cpu", threads=1, int8=True).run(feeds, [HIDDEN])
    assert np.isfinite(got).all()
    assert cosines(exact[0, :6], got[0, :6]).min() > 0.9
    assert cosines(exact[1], got[1]).min() > 0.98


def test_rounding_makes_up_for_its_errors_on_text_it_has_not_seen():
    """Columns of an activation go together; what one weight loses another can give back."""
    draw = np.random.default_rng(5)
    mixed_KK = draw.normal(size=(48, 48)).astype(np.float32)
    sample_RK, other_RK = (
        (draw.normal(size=(600, 48)).astype(np.float32) ** 3) @ mixed_KK for _ in range(2)
    )
    weight_KN = draw.normal(size=(48, 32)).astype(np.float32)
    nearest = quantize_columns(weight_KN, 64)
    whole_KN = compensated(weight_KN, nearest.scale_N, sample_RK.T @ sample_RK, 64)
    assert whole_KN.dtype == np.int8 and np.abs(whole_KN.astype(int)).max() <= 64

    def lost(found_KN):
        wrong_RN = other_RK @ (found_KN * nearest.scale_N - weight_KN)
        return float(np.square(wrong_RN).mean())

    assert lost(whole_KN) < 0.7 * lost(nearest.weight_KN)


def test_rounding_stands_columns_that_calibration_never_saw():
    draw = np.random.default_rng(6)
    sample_RK = draw.normal(size=(5, 40)).astype(np.float32)  # fewer rows than columns
    sample_RK[:, :7] = 0
    weight_KN = draw.normal(size=(40, 8)).astype(np.float32)
    nearest = quantize_columns(weight_KN, 127)
    gram_KK = sample_RK.T @ sample_RK
    found_KN = compensated(weight_KN, nearest.scale_N, gram_KK, 127)
    assert np.array_equal(found_KN[:7], nearest.weight_KN[:7])
    silent_KN = compensated(weight_KN, nearest.scale_N, gram_KK * 0, 127)
    assert np.array_equal(silent_KN, nearest.weight_KN)
