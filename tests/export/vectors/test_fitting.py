"""--sweep-layers and --post center: one pass, target data named, train and dev text only."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModel

import xlt
from xlt.core.errors import DataError, UsageError
from xlt.export import export
from xlt.export.vectors.sweep import sweep

TEXTS = ["The ferry is late.", "船晚点了。", "seven old houses stand beside the river"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data root with text in three languages, parallel text and a test set."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "text").mkdir()
    (folder / "parallel").mkdir()
    words = "river house mill sea boat stone bridge field tree road".split()
    lines = [f"the {a} is near the {b} and the {c}" for a in words for b in words for c in words]
    for lang, start in (("en", 0), ("de", 40), ("sw", 80)):
        (folder / "text" / f"{lang}.txt").write_text("\n".join(lines[start : start + 60]) + "\n")
    pairs = [f"{line}\t{line} ja\n" for line in lines[:30]]
    (folder / "parallel" / "en-de.tsv").write_text("".join(pairs))
    return folder


@pytest.fixture(scope="module")
def folder(checkpoints):
    return checkpoints(kind="embed", blocks=4)


def test_center_takes_the_mean_of_the_languages_away(folder, root, tmp_path):
    [plain] = export(folder, out=tmp_path / "plain", layer=3, data=root)
    [made] = export(folder, out=tmp_path / "made", layer=3, post="center", data=root)
    assert made.parity["fp32"]["passed"]
    means = []
    engine = xlt.open(plain.path)
    rows = {}
    for lang in ("de", "en", "sw"):
        texts = (root / "text" / f"{lang}.txt").read_text().splitlines()
        if lang == "de":  # the English side of the pairs is among the English lines already
            pairs = (root / "parallel" / "en-de.tsv").read_text().splitlines()
            texts += [pair.split("\t")[1] for pair in pairs]
        hidden = engine.for_tokens().predict(texts)
        means.append(np.mean([one.astype(np.float64).mean(0) for one in hidden], axis=0))
    for text in TEXTS:
        rows[text] = engine.for_tokens().predict([text])[0].astype(np.float64).mean(0)
    mean = np.mean(means, axis=0)
    expected = np.stack([(rows[t] - mean) / np.linalg.norm(rows[t] - mean) for t in TEXTS])
    assert np.abs(xlt.open(made.path).encode(TEXTS) - expected).max() < 1e-5
    post = json.loads((made.path / "xlt.json").read_text())["lineage"]["post"]
    assert post["fitted_on"]["languages"] == ["de", "en", "sw"]
    assert post["fitted_on"]["sources"] == ["parallel", "text"]
    assert "is taken away; no test text was read" in (made.path / "README.md").read_text()


@pytest.mark.filterwarnings("ignore")
def test_center_is_in_the_graph_and_other_tools_apply_it(folder, root, tmp_path):
    import onnxruntime
    from sentence_transformers import SentenceTransformer

    [made] = export(folder, out=tmp_path / "made", layer=2, post="center", data=root)
    engine = xlt.open(made.path)
    expected = engine.encode(TEXTS)
    session = onnxruntime.InferenceSession(str(made.path / "onnx/model.onnx"))
    for text, vector in zip(TEXTS, expected, strict=True):
        ids = engine.encode_rows([text])[0].ids.astype(np.int64)[None]
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        assert np.abs(session.run(["sentence_embedding"], feeds)[0][0] - vector).max() < 1e-5
    opened = SentenceTransformer(str(made.path), backend="onnx", device="cpu")
    assert np.abs(opened.encode(TEXTS) - expected).max() < 1e-5


def test_no_test_set_is_read(folder, root, tmp_path):
    [first] = export(folder, out=tmp_path / "a", layer=2, post="center", data=root)
    place = root / "tatoeba"
    place.mkdir()
    (place / "de-en.de").write_text("ein Satz nur im Test\n" * 5)
    (place / "de-en.en").write_text("a sentence of the test only\n" * 5)
    [second] = export(folder, out=tmp_path / "a", layer=2, post="center", data=root)
    assert second.status == "kept"  # so its text is no input of the bundle
    assert first.path == second.path


def test_the_sweep_takes_one_pass_and_says_what_it_was_chosen_on(
    folder, root, tmp_path, monkeypatch
):
    passes = []
    forward = AutoModel.from_pretrained(folder).__class__.forward

    def counted(self, *arguments, **settings):
        passes.append(bool(settings.get("output_hidden_states")))
        return forward(self, *arguments, **settings)

    monkeypatch.setattr(AutoModel.from_pretrained(folder).__class__, "forward", counted)
    [made] = export(folder, out=tmp_path / "made", sweep_layers=True, data=root)
    manifest = json.loads((made.path / "xlt.json").read_text())
    chosen = manifest["lineage"]["layer_sweep"]
    assert chosen["label"] == "chosen on target-language data"
    assert sorted(chosen["mean"]) == ["1", "2", "3", "4"]
    assert manifest["layer"] == chosen["chosen"]
    assert chosen["pairs"] == {"parallel/de": 30}
    best = max(chosen["mean"].values())
    assert chosen["mean"][str(chosen["chosen"])] == best
    assert "not zero-shot" in (made.path / "README.md").read_text()
    assert (
        json.loads((made.path / "config.json").read_text())["num_hidden_layers"]
        == (chosen["chosen"])
    )
    assert any(passes)
    root_of_eval = tmp_path / "eval"
    place = root_of_eval / "tatoeba"
    place.mkdir(parents=True)
    for side in ("de", "en"):
        (place / f"de-en.{side}").write_text("".join(f"line {n} {side}\n" for n in range(5)))
    results = xlt.evaluate(made.path, root_of_eval, "tatoeba", "de", out=tmp_path / "res")
    [cell] = results.record["cells"]
    assert "layer chosen on target-language data" in cell["flags"]


def test_every_block_of_a_sweep_is_its_own_hidden_state(folder, root):
    from xlt.core.encode.encoder import Encoder
    from xlt.export.vectors.layers import block_vectors

    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    encoder = Encoder.load(folder, max_length=64)
    found = block_vectors(
        model, encoder, TEXTS, blocks=range(1, 5), depth=4, pooling="mean",
        inputs=["input_ids", "attention_mask"],
    )  # fmt: skip
    for place, row in enumerate(encoder.join(0, encoder.tokenise([t])[t], None) for t in TEXTS):
        ids = torch.tensor(row.ids.astype(np.int64))[None]
        with torch.no_grad():
            states = model(input_ids=ids, output_hidden_states=True).hidden_states
        for block in range(1, 5):
            expected = states[block][0].mean(0).numpy()
            assert np.abs(found[block][place] - expected).max() < 1e-5


def test_the_lowest_of_equal_blocks_wins():
    same = np.eye(3, dtype=np.float32)
    worse = np.ones((3, 3), np.float32)
    best, record = sweep(
        {"parallel/de": [("a", "b")] * 3}, lambda texts: {1: worse, 2: same, 3: same}
    )
    assert best == 2
    assert record["mean"]["2"] == 100.0


def test_what_cannot_be_fitted_is_said_before_any_work(folder, checkpoints, tmp_path, root):
    with pytest.raises(UsageError, match="--post center: no data root"):
        export(folder, out=tmp_path / "b", post="center")
    with pytest.raises(UsageError, match="one of them chooses"):
        export(folder, out=tmp_path / "b", layer=2, sweep_layers=True, data=root)
    with pytest.raises(UsageError, match="--sweep-layers: for encoders alone"):
        export(checkpoints(), out=tmp_path / "b", sweep_layers=True, data=root)
    (tmp_path / "empty" / "text").mkdir(parents=True)
    with pytest.raises(DataError, match="no train or dev text"):
        export(folder, out=tmp_path / "b", post="center", data=tmp_path / "empty")
    with pytest.raises(DataError, match="to compare blocks on"):
        export(folder, out=tmp_path / "b", sweep_layers=True, data=tmp_path / "empty")
