"""What a folder of weights says about itself, and what is refused."""

import json
import shutil

import pytest

from xlt.core.errors import ModelError
from xlt.export.checkpoint.fetching import fetch
from xlt.export.checkpoint.reading import read_checkpoint
from xlt.export.config import ExportConfig
from xlt.export.plan import find_model, plan


def edited(folder, target, **changes):
    """A copy of a checkpoint with other values in config.json."""
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, **changes}))
    return target


@pytest.mark.parametrize("kind", ["pair", "choice", "tag", "span", "embed"])
def test_kind_is_read_from_the_head(checkpoints, kind):
    found = read_checkpoint(checkpoints(kind=kind))
    assert (found.kind, found.depth, found.model_type) == (kind, 3, "xlm-roberta")


def test_masked_lm_is_a_plain_encoder(checkpoints):
    assert read_checkpoint(checkpoints(kind="mlm")).kind == "embed"


def test_depth_of_distilbert(checkpoints):
    assert read_checkpoint(checkpoints("distilbert", "embed", blocks=2)).depth == 2


def test_labels_come_in_the_order_of_the_logits(checkpoints):
    found = read_checkpoint(checkpoints())
    assert found.labels == ("contradiction", "entailment", "neutral")


def test_more_than_ten_labels_are_ordered_as_numbers(checkpoints, tmp_path):
    labels = {str(n): f"L{n}" for n in reversed(range(12))}
    found = read_checkpoint(edited(checkpoints(), tmp_path / "c", id2label=labels))
    assert found.labels[9:] == ("L9", "L10", "L11")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architectures": ["XLMRobertaForCausalLM"]}, "XLMRobertaForCausalLM"),
        ({"architectures": None}, "names no architecture"),
        ({"id2label": {"0": "a", "2": "b"}}, "does not count 0..1"),
        ({"id2label": ["a", "b"]}, "id2label"),
        ({"num_hidden_layers": None}, "how many blocks"),
    ],
)
def test_foreign_configurations_are_refused(checkpoints, tmp_path, changes, said):
    with pytest.raises(ModelError, match=said):
        read_checkpoint(edited(checkpoints(), tmp_path / "c", **changes))


def test_missing_folder_config_and_weights(checkpoints, tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        read_checkpoint(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"no config\.json"):
        read_checkpoint(tmp_path)
    copy = edited(checkpoints(), tmp_path / "c")
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        read_checkpoint(copy)
    (copy / "config.json").write_text("{")
    with pytest.raises(ModelError, match="not valid JSON"):
        read_checkpoint(copy)


def sentence_model(folder, target, pooling, extra=()):
    shutil.copytree(folder, target)
    names = ["Transformer", "Pooling", *extra]
    modules = [
        {"path": f"{n}_{name}" if n else "", "type": f"sentence_transformers.models.{name}"}
        for n, name in enumerate(names)
    ]
    (target / "modules.json").write_text(json.dumps(modules))
    (target / "1_Pooling").mkdir()
    (target / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (target / "sentence_bert_config.json").write_text('{"max_seq_length": 24}')
    return target


@pytest.mark.parametrize(
    ("settings", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, "last"),
        ({"pooling_mode": "mean", "embedding_dimension": 32}, "mean"),
    ],
)
def test_sentence_models_keep_their_pooling(checkpoints, tmp_path, settings, pooling):
    folder = sentence_model(checkpoints(kind="embed"), tmp_path / "s", settings)
    sentence = read_checkpoint(folder).sentence
    assert (sentence.pooling, sentence.max_length) == (pooling, 24)


def test_poolings_and_layers_that_the_graph_lacks_are_refused(checkpoints, tmp_path):
    base = checkpoints(kind="embed")
    both = {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}
    with pytest.raises(ModelError, match="pools by"):
        read_checkpoint(sentence_model(base, tmp_path / "a", both))
    with pytest.raises(ModelError, match=r"Pooling \+ LayerNorm"):
        read_checkpoint(
            sentence_model(base, tmp_path / "b", {"pooling_mode": "cls"}, ("LayerNorm",))
        )


def test_prompts_and_their_default_are_read(checkpoints, tmp_path):
    folder = sentence_model(checkpoints(kind="embed"), tmp_path / "s", {"pooling_mode": "mean"})
    settings = folder / "config_sentence_transformers.json"
    settings.write_text('{"prompts": {"query": "query: "}, "default_prompt_name": null}')
    assert read_checkpoint(folder).sentence.pooling == "mean"
    assert read_checkpoint(folder).sentence.prompts == {"query": "query: "}
    settings.write_text('{"prompts": ["query: "]}')
    with pytest.raises(ModelError, match="not an object of texts"):
        read_checkpoint(folder)
    settings.write_text('{"prompts": {"query": "query: ", "doc": ""}, "default_prompt_name": "x"}')
    with pytest.raises(ModelError, match="default_prompt_name 'x' is none of its prompts"):
        read_checkpoint(folder)
    settings.write_text(
        '{"prompts": {"query": "query: ", "doc": ""}, "default_prompt_name": "query"}'
    )
    found = read_checkpoint(folder).sentence
    assert found.default_prompt == "query"
    assert found.prompts == {"query": "query: ", "doc": ""}  # asking for none must be possible


def test_prompts_that_the_pooling_leaves_out_are_not_kept(checkpoints, tmp_path):
    pooling = {"pooling_mode": "mean", "include_prompt": False}
    folder = sentence_model(checkpoints(kind="embed"), tmp_path / "s", pooling)
    settings = folder / "config_sentence_transformers.json"
    settings.write_text('{"prompts": {"query": "query: "}}')
    assert read_checkpoint(folder).sentence.prompts == {}


def test_hash_follows_weights_and_tokenizer_and_not_other_files(checkpoints, tmp_path):
    copy = edited(checkpoints(), tmp_path / "c")
    first = read_checkpoint(copy).sha256()
    (copy / "notes.txt").write_text("hello")
    assert read_checkpoint(copy).sha256() == first
    tokenizer = copy / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    assert read_checkpoint(copy).sha256() != first


def test_hub_model_that_cannot_be_fetched_is_exit_4():
    with pytest.raises(ModelError, match="no such folder, not in the hub's cache"):
        fetch("nobody/no-such-model")  # offline, as all tests are
    with pytest.raises(ModelError, match="no such folder"):
        fetch("some/deep/path/that/is/not/there")


def test_hub_model_in_the_cache_is_found_with_its_revision(checkpoints, tmp_path, monkeypatch):
    import transformers.utils.hub

    monkeypatch.setattr(transformers.utils.hub, "TRANSFORMERS_CACHE", str(tmp_path))
    model = tmp_path / "models--somebody--tiny"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit)
    shutil.copytree(checkpoints(), model / "snapshots" / commit)
    job = plan(find_model("somebody/tiny"), ExportConfig(out=tmp_path / "o"))[0]
    assert job.checkpoint.path.name == commit
    assert job.lineage["base_model"] == "somebody/tiny"
    assert job.lineage["revision"] == commit


def test_local_checkpoints_do_not_tell_where_they_lay(checkpoints, tmp_path):
    folder = checkpoints()
    job = plan(find_model(folder), ExportConfig(out=tmp_path))[0]
    assert job.lineage == {"base_model": folder.name, "phases": []}


def test_a_tokenizer_that_transformers_5_saved_is_exported_and_opens_everywhere(
    checkpoints, tmp_path
):
    """It has a class that version 4 does not know, and no special_tokens_map.json: exit 4."""
    from transformers import AutoTokenizer

    from xlt.export import export

    folder = edited(checkpoints(kind="embed"), tmp_path / "c")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    newer = {**settings, "tokenizer_class": "TokenizersBackend", "backend": "tokenizers"}
    (folder / "tokenizer_config.json").write_text(json.dumps(newer))
    (folder / "special_tokens_map.json").unlink()
    [made] = export(folder, out=tmp_path / "b")
    ours = AutoTokenizer.from_pretrained(str(made.path))
    theirs = AutoTokenizer.from_pretrained(str(checkpoints(kind="embed")))
    assert ours("a ferry")["input_ids"] == theirs("a ferry")["input_ids"]
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert (made.path / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
