"""Foreign configurations: no code, no foreign kernels, no absurd sizes; ordinary ones pass."""

import json

import pytest

from xlt.core.artifacts.foreign import vet_config, vet_folder
from xlt.core.errors import ModelError

PLAIN = {
    "model_type": "bert", "vocab_size": 119_547, "hidden_size": 768, "num_hidden_layers": 12,
    "max_position_embeddings": 512, "id2label": {"0": "auto_map"}, "label2id": {"auto_map": 0},
    "rope_scaling": {"factor": 8.0}, "layer_types": ["full_attention"] * 12,
    "attn_implementation": None, "_attn_implementation": "sdpa", "auto_map": {},
}  # fmt: skip
KNOWN = {"bert", "xlm-roberta"}


def test_an_ordinary_configuration_passes():
    vet_config(PLAIN, "config.json", KNOWN)
    vet_config({**PLAIN, "model_type": "odd"}, "config.json", None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"auto_map": {"AutoConfig": "code.Config"}}, "code.Config"),
        ({"text_config": {"auto_map": {"AutoModel": "x.Y"}}}, "auto_map"),
        ({"parts": [[{"custom_pipelines": {"a": {}}}], {"auto_map": "x"}]}, "code to run"),
        ({"custom_pipelines": {"task": {"impl": "a.B"}}}, "custom_pipelines"),
        ({"attn_implementation": "someone/kernel"}, "someone/kernel"),
        ({"_attn_implementation_internal": "someone/kernel@main:f"}, "kernel"),
        ({"text_config": {"_attn_implementation": {"": "someone/kernel"}}}, "kernel"),
        ({"model_type": "my-own"}, "'my-own'"),
        ({"model_type": ["bert"]}, "model_type"),
        ({"vocab_size": 10**12}, "vocab_size"),
        ({"hidden_size": -1}, "hidden_size -1"),
        ({"text_config": {"num_hidden_layers": 1e9}}, "num_hidden_layers"),
    ],
)
def test_what_runs_code_or_exhausts_memory_is_refused(changes, words):
    with pytest.raises(ModelError, match=r"config\.json") as caught:
        vet_config({**PLAIN, **changes}, "m/config.json", KNOWN)
    assert words in caught.value.message


def test_both_files_of_a_folder_are_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(PLAIN))
    vet_folder(tmp_path, KNOWN)
    (tmp_path / "tokenizer_config.json").write_text(
        '{"auto_map": {"AutoTokenizer": ["t.T", null]}}'
    )
    with pytest.raises(ModelError, match=r"tokenizer_config\.json names code"):
        vet_folder(tmp_path, KNOWN)
    (tmp_path / "tokenizer_config.json").write_text("[]")
    with pytest.raises(ModelError, match="JSON object"):
        vet_folder(tmp_path, KNOWN)


def test_depth_without_end_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    with pytest.raises(ModelError):
        vet_folder(tmp_path, KNOWN)
