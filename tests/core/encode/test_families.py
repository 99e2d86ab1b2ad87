"""Rows of model families: limits and token types; what their modules are called is tested here too,
against transformers' own classes."""

import pytest

from xlt.core.encode.families import FAMILIES, GENERAL, family_of
from xlt.core.encode.model import usable_length, uses_types

NOT_A_CLASS = {"mluke"}  # transformers opens such checkpoints as `luke`
NO_MASKED_LM = {"lilt"}
OWN = {
    "distilbert": {"dim": 24, "n_layers": 4, "n_heads": 2, "hidden_dim": 32},
    "longformer": {"attention_window": 8},
    "luke": {"entity_vocab_size": 4, "entity_emb_size": 8},
    "modernbert": {
        "cls_token_id": 0, "sep_token_id": 2, "bos_token_id": 0, "eos_token_id": 2,
        "global_attn_every_n_layers": 2, "local_attention": 16,
    },
    "xmod": {"default_language": "en_XX", "languages": ("en_XX",), "pre_norm": True},
}  # fmt: skip


def random_model(name, auto="AutoModel"):
    """A tiny random model of the family; its norms differ from the identity."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    common = {"vocab_size": 60, "pad_token_id": 1, "max_position_embeddings": 40}
    if name != "distilbert":
        common |= {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 2,
                   "intermediate_size": 32}  # fmt: skip
    config = transformers.AutoConfig.for_model(name, **common, **OWN.get(name, {}))
    config._attn_implementation = "eager"
    torch.manual_seed(3)
    model = getattr(transformers, auto).from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return model


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - NOT_A_CLASS))
def test_cut_by_the_row_gives_transformers_hidden_state(name):
    torch = pytest.importorskip("torch")
    from xlt.export.graph.sentence import cut_blocks

    model = random_model(name)
    row = family_of(model.config.model_type)
    assert row is FAMILIES[name]
    assert any(row.embeddings in parameter for parameter, _ in model.named_parameters())
    config = model.config.to_dict()
    assert config[next(key for key in row.depth if key in config)] == 4
    assert config[next(key for key in row.width if key in config)] == 24
    assert all(key in config for key in row.dropout)
    ids = torch.randint(5, 60, (2, 8), generator=torch.Generator().manual_seed(1))
    feeds = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        expected = model(**feeds, output_hidden_states=True).hidden_states[2]
        assert len(model.get_submodule(row.blocks)) == 4
        cut_blocks(model, 2, 4)
        assert len(model.get_submodule(row.blocks)) == 2
        got = model(**feeds).last_hidden_state
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - NOT_A_CLASS - NO_MASKED_LM))
def test_masked_lm_head_of_the_row_gives_transformers_logits(name):
    torch = pytest.importorskip("torch")
    model = random_model(name, "AutoModelForMaskedLM")
    ids = torch.randint(5, 60, (2, 8), generator=torch.Generator().manual_seed(1))
    feeds = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        logits = model.base_model(**feeds).last_hidden_state
        for path in family_of(name).mlm_head:
            logits = model.get_submodule(path)(logits)
        torch.testing.assert_close(logits, model(**feeds).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["distilbert", "modernbert", "mpnet"])
def test_models_without_token_types_get_none_whatever_the_tokenizer_says(name):
    names = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
    assert not uses_types({"model_type": name}, names)
    assert uses_types({"model_type": "bert"}, names)


def test_family_without_a_row_follows_the_general_rules():
    assert family_of("unheard-of") is family_of(None) is GENERAL
    config = {"model_type": "unheard-of", "max_position_embeddings": 80, "type_vocab_size": 2}
    assert usable_length(config, {}) == 80
    assert uses_types(config, {})
