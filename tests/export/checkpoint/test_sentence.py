"""Sentence models keep what their folder says: vectors equal sentence-transformers' to 1e-5."""

import json
import shutil

import numpy as np
import pytest

import xlt
from xlt.core.errors import ModelError, UsageError
from xlt.export import export
from xlt.export.checkpoint.fetching import fetch
from xlt.export.checkpoint.reading import read_checkpoint

OLD = "sentence_transformers.models."
NEW = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "Normalize": "sentence_transformers.sentence_transformer.modules.normalize.Normalize",
}
TEXTS = [
    "The ferry is late.",
    "Паром опаздывает, и никто не ждёт.",
    "船晚点了。",
    "seven old houses stand beside the river and a mill turns " * 4,
]
WINDOW = 16  # of the tiny ModernBERT's local attention


def sentence_folder(base, target, pooling, *, layers=(), names=None, limit=64, prompts=None):
    """A copy of a checkpoint as sentence-transformers writes it."""
    shutil.copytree(base, target)
    kinds = ["Transformer", "Pooling", *(name for name, _ in layers)]
    modules = []
    for n, kind in enumerate(kinds):
        place = f"{n}_{kind}" if n else ""
        (target / place).mkdir(exist_ok=True)
        named = OLD + kind if names is None else names[kind]
        modules.append({"idx": n, "name": str(n), "path": place, "type": named})
    (target / "modules.json").write_text(json.dumps(modules))
    width = json.loads((base / "config.json").read_text()).get("hidden_size", 32)
    settings = {"word_embedding_dimension": width, **pooling}
    (target / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    (target / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": limit}))
    for n, (kind, given) in enumerate(layers, 2):
        if kind == "Dense":
            write_dense(target / f"{n}_Dense", **given)
    if prompts is not None:
        (target / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return target


def write_dense(folder, inputs=32, outputs=24, activation="torch.nn.modules.activation.Tanh"):
    import torch
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(8)
    weights = {
        "linear.weight": torch.randn(outputs, inputs, generator=draw),
        "linear.bias": torch.randn(outputs, generator=draw),
    }
    save_file(weights, str(folder / "model.safetensors"))
    settings = {
        "in_features": inputs, "out_features": outputs, "bias": True,
        "activation_function": activation,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings))


def theirs(folder, texts, **settings):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(folder), device="cpu", model_kwargs={"attn_implementation": "eager"}, **settings
    )
    return model.encode(texts, normalize_embeddings=True)


def same_vectors(folder, tmp_path, texts=TEXTS, **flags):
    """Export, and compare our engine with sentence-transformers on the checkpoint."""
    expected = theirs(folder, texts)
    [made] = export(folder, out=tmp_path / "bundle", **flags)
    found = xlt.open(made.path).encode(texts)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5
    return made.path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("names", [None, NEW])
def test_bert_with_a_dense_layer_is_labse_s_shape(checkpoints, tmp_path, names):
    folder = sentence_folder(
        checkpoints("bert", "embed"), tmp_path / "s",
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
        layers=[("Dense", {}), ("Normalize", {})], names=names,
    )  # fmt: skip
    bundle = same_vectors(folder, tmp_path)
    manifest = json.loads((bundle / "xlt.json").read_text())
    assert manifest["after_pooling"] == [{"type": "dense", "path": "2_Dense", "activation": "tanh"}]
    assert "2_Dense/model.safetensors" in manifest["files"]


@pytest.mark.filterwarnings("ignore")
def test_e5_s_prompt_is_what_the_engine_puts_before_a_text(checkpoints, tmp_path):
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "},
               "default_prompt_name": "query"}  # fmt: skip
    folder = sentence_folder(
        checkpoints(kind="embed"), tmp_path / "s", {"pooling_mode": "mean"},
        layers=[("Normalize", {})], prompts=prompts,
    )  # fmt: skip
    bundle = same_vectors(folder, tmp_path)
    engine = xlt.open(bundle)
    bare = engine.encode(TEXTS, prompt="")
    assert np.abs(engine.encode(TEXTS) - bare).max() > 1e-3
    assert np.array_equal(engine.encode(["query: " + t for t in TEXTS], prompt=""),
                          engine.encode(TEXTS))  # fmt: skip
    written = json.loads((bundle / "config_sentence_transformers.json").read_text())
    assert written["default_prompt_name"] == "query"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["weightedmean", "lasttoken"])
def test_poolings_by_name(checkpoints, tmp_path, mode):
    folder = sentence_folder(
        checkpoints(kind="embed"), tmp_path / "s", {"pooling_mode": mode}, limit=20
    )
    same_vectors(folder, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_modernbert_with_lengths_at_multiples_of_its_window(checkpoints, tmp_path):
    folder = sentence_folder(
        checkpoints("modernbert", "embed"), tmp_path / "s", {"pooling_mode": "mean"}, limit=128
    )
    bundle = tmp_path / "bundle"
    export(folder, out=bundle)
    encoder = xlt.open(bundle).encoder
    texts = []
    for tokens in (WINDOW // 2, WINDOW, 2 * WINDOW, 3 * WINDOW, 5, 7 * WINDOW):
        words = "the river runs past seven old houses and a mill ".split() * 20
        text = next(
            " ".join(words[:n]) for n in range(1, 200)
            if len(encoder.tokenise([" ".join(words[:n])])[" ".join(words[:n])]) + 2 >= tokens
        )  # fmt: skip
        texts.append(text)
    found, expected = xlt.open(bundle).encode(texts), theirs(folder, texts)
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_opens_a_bundle_with_a_dense_layer(checkpoints, tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = sentence_folder(
        checkpoints(kind="embed"), tmp_path / "s", {"pooling_mode": "mean"},
        layers=[("Normalize", {}), ("Dense", {"activation": "torch.nn.modules.activation.GELU"})],
    )  # fmt: skip
    bundle = same_vectors(folder, tmp_path)
    opened = SentenceTransformer(str(bundle), backend="onnx", device="cpu")
    assert np.abs(opened.encode(TEXTS) - theirs(folder, TEXTS)).max() < 1e-5


def test_vectors_after_a_dense_layer_do_not_depend_on_the_batch(checkpoints, tmp_path):
    folder = sentence_folder(
        checkpoints("bert", "embed"), tmp_path / "s", {"pooling_mode": "mean"},
        layers=[("Dense", {})],
    )  # fmt: skip
    [made] = export(folder, out=tmp_path / "b")
    together = xlt.open(made.path, batch_tokens=4096).encode(TEXTS)
    alone = np.stack([xlt.open(made.path, batch_tokens=8).encode(text)[0] for text in TEXTS])
    assert np.array_equal(together, alone)


def test_a_prompt_of_the_user_s_own_and_one_that_is_mistyped(checkpoints, tmp_path):
    base = checkpoints(kind="embed")
    [made] = export(base, out=tmp_path / "b", prompt="query: ")
    manifest = json.loads((made.path / "xlt.json").read_text())
    assert manifest["prompts"] == {"default": "query: "}
    assert manifest["default_prompt_name"] == "default"
    with pytest.raises(UsageError, match="--prompt quer: the model has no prompts"):
        export(base, out=tmp_path / "c", prompt="quer")


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ([("Transformer", ""), ("Pooling", "1_Pooling"), ("Dropout", "2")], "Dropout"),
        ([("Transformer", ""), ("Normalize", "1")], "Transformer \\+ Normalize"),
        ([("StaticEmbedding", "")], "StaticEmbedding"),
        ([("Transformer", "0_Transformer"), ("Pooling", "1_Pooling")], "0_Transformer is not a"),
        ([("Transformer", ""), ("Pooling", "../other")], "outside the folder"),
    ],
)
def test_modules_that_are_not_known_are_exit_4_and_never_mean(checkpoints, tmp_path, modules, said):
    folder = sentence_folder(checkpoints(kind="embed"), tmp_path / "s", {"pooling_mode": "mean"})
    listed = [{"path": path, "type": OLD + kind} for kind, path in modules]
    (folder / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(ModelError, match=said):
        read_checkpoint(folder)


def test_modules_of_a_model_s_own_code_are_refused(checkpoints, tmp_path):
    folder = sentence_folder(checkpoints(kind="embed"), tmp_path / "s", {"pooling_mode": "mean"})
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "custom_st.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match=r"names code to run \(custom_st\.Transformer\)"):
        read_checkpoint(folder)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "normalizer", [None, {"type": "NFC"}, {"type": "Sequence", "normalizers": [{"type": "NFKC"}]}]
)
def test_texts_are_lowered_where_the_settings_say_so(checkpoints, tmp_path, normalizer):
    """Such models were refused unless their tokenizer lowered texts by itself."""
    folder = sentence_folder(checkpoints(kind="embed"), tmp_path / "s", {"pooling_mode": "mean"})
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = normalizer
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = folder / "sentence_bert_config.json"
    settings.write_text('{"max_seq_length": 20, "do_lower_case": true}')
    loud = [*TEXTS, "THE FERRY IS LATE.", "ΟΔΥΣΣΕΥΣ ΚΑΙ ΠΗΝΕΛΟΠΗ", "İSTANBUL'DA YAĞMUR"]
    bundle = same_vectors(folder, tmp_path, loud)
    engine = xlt.open(bundle)
    assert np.array_equal(engine.encode("THE FERRY"), engine.encode("the ferry"))
    from sentence_transformers import SentenceTransformer

    opened = SentenceTransformer(str(bundle), backend="onnx", device="cpu")
    assert np.abs(opened.encode(loud) - engine.encode(loud)).max() < 1e-5


def test_a_tokenizer_that_lowers_texts_is_kept_byte_for_byte(checkpoints, tmp_path):
    folder = sentence_folder(checkpoints(kind="embed"), tmp_path / "s", {"pooling_mode": "mean"})
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Lowercase"}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}')
    [made] = export(folder, out=tmp_path / "b")
    assert (made.path / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def old_folder(base, target):
    """Versions 0 and 1 of the library keep the model beside its pooling, in a folder of its own."""
    sentence_folder(base, target, {"pooling_mode_cls_token": True}, layers=[("Dense", {})])
    place = target / "0_Transformer"
    place.mkdir()
    for part in list(target.iterdir()):
        if part.is_file() and part.name != "modules.json":
            part.rename(place / part.name)
    modules = json.loads((target / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (target / "modules.json").write_text(json.dumps(modules))
    return target


@pytest.mark.filterwarnings("ignore")
def test_a_transformer_in_a_folder_of_its_own(checkpoints, tmp_path, monkeypatch):
    """Such models were refused: open it in a current version and save it again."""
    folder = old_folder(checkpoints("bert", "embed"), tmp_path / "s")
    bundle = same_vectors(folder, tmp_path)
    found = read_checkpoint(folder)
    assert (found.sentence.max_length, found.sentence.pooling) == (64, "cls")
    before = found.sha256()
    settings = folder / "0_Transformer/sentence_bert_config.json"
    settings.write_text('{"max_seq_length": 20}')
    assert read_checkpoint(folder).sha256() != before
    assert (bundle / "onnx/model.onnx").is_file() and not (bundle / "0_Transformer").exists()


def test_an_old_sentence_model_is_opened_by_its_folder_and_by_its_name(
    checkpoints, tmp_path, monkeypatch
):
    import transformers.utils.hub

    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    hub = tmp_path / "home/hub"
    monkeypatch.setattr(transformers.utils.hub, "TRANSFORMERS_CACHE", str(hub))
    commit = "0123456789abcdef0123456789abcdef01234567"
    model = hub / "models--somebody--old"
    (model / "refs").mkdir(parents=True)
    (model / "refs/main").write_text(commit)
    folder = old_folder(checkpoints("bert", "embed"), model / "snapshots" / commit)
    assert fetch("somebody/old") == folder
    engine = xlt.open("hf:somebody/old")
    assert engine.encode("a ferry").shape == (1, 24)
    assert np.array_equal(xlt.open(folder).encode("a ferry"), engine.encode("a ferry"))


def test_limit_of_another_architecture_s_name_is_found(checkpoints, tmp_path):
    folder = sentence_folder(checkpoints(kind="embed"), tmp_path / "s", {"pooling_mode": "mean"})
    (folder / "sentence_bert_config.json").rename(folder / "sentence_roberta_config.json")
    assert read_checkpoint(folder).sentence.max_length == 64


def test_a_dense_layer_that_does_not_fit_is_exit_4(checkpoints, tmp_path):
    base = checkpoints(kind="embed")
    folder = sentence_folder(
        base, tmp_path / "a", {"pooling_mode": "mean"}, layers=[("Dense", {"inputs": 30})]
    )
    with pytest.raises(ModelError, match="takes 30 numbers, and is given 32"):
        read_checkpoint(folder)
    folder = sentence_folder(
        base, tmp_path / "b", {"pooling_mode": "mean"},
        layers=[("Dense", {"activation": "my.code.Swish"})],
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"activation 'my\.code\.Swish'"):
        read_checkpoint(folder)


def test_weights_in_a_pickle_are_loaded_only_when_it_is_said(checkpoints, tmp_path):
    import torch
    from safetensors.torch import load_file

    folder = tmp_path / "p"
    shutil.copytree(checkpoints(), folder)
    weights = load_file(str(folder / "model.safetensors"))
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="a pickle") as caught:
        export(folder, out=tmp_path / "b")
    assert "--allow-pickle" in caught.value.hint
    [made] = export(folder, out=tmp_path / "b", allow_pickle=True)
    assert made.status == "exported"


def test_an_index_of_weights_that_leads_out_of_the_folder_is_refused(checkpoints, tmp_path):
    folder = tmp_path / "i"
    shutil.copytree(checkpoints(), folder)
    index = {"weight_map": {"a": "../../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="not the name of a file beside it"):
        read_checkpoint(folder)
