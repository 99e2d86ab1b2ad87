"""Tiny random checkpoints of real architectures, made once a session."""

import json
from importlib import resources

import pytest

from xlt.core.artifacts.runs import Run
from xlt.core.tasks.table import TASKS

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
AUTO = {
    "pair": "AutoModelForSequenceClassification",
    "choice": "AutoModelForMultipleChoice",
    "tag": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
    "embed": "AutoModel",
    "mlm": "AutoModelForMaskedLM",
}
NLI = ("contradiction", "entailment", "neutral")  # not the order of the task table


def texts():
    """Our probe texts: enough to learn a tokenizer in 14 scripts from."""
    entries = json.loads(
        resources.files("xlt.core.inference").joinpath("probe.json").read_text("utf-8")
    )
    return [entry[key] for entry in entries for key in ("text", "other", "question")]


def write_tokenizer(folder, family):
    """A BPE tokenizer with RoBERTa's or BERT's special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    roberta = family == "roberta"
    names = ("<s>", "</s>", "<unk>", "<pad>", "<mask>") if roberta else (
        "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]")  # fmt: skip
    cls, sep, unk, padding, mask = names
    order = [cls, padding, sep, unk, mask]  # RoBERTa's ids: 0 <s>, 1 <pad>, 2 </s>
    tokenizer = Tokenizer(models.BPE(unk_token=unk))
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Metaspace() if roberta else pre_tokenizers.BertPreTokenizer()
    )
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=order, show_progress=False)
    tokenizer.train_from_iterator(texts(), trainer)
    middle = f"{sep} {sep} $B {sep}" if roberta else f"{sep} $B:1 {sep}:1"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {middle}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (cls, sep)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {
        "cls_token": cls, "sep_token": sep, "unk_token": unk, "pad_token": padding,
        "mask_token": mask,
    }  # fmt: skip
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 128, **special}
    if family != "bert":
        settings["model_input_names"] = ["input_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return tokenizer.get_vocab_size()


def make_checkpoint(folder, model_type, kind, *, labels=(), blocks=3, seed=0, **settings):
    """Save a random model and its tokenizer, as `save_pretrained` would."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    roberta = model_type == "xlm-roberta"
    family = "roberta" if roberta else "bert" if model_type == "bert" else "plain"
    size = write_tokenizer(folder, family)
    common = {
        **SIZES, "num_hidden_layers": blocks, "vocab_size": size, "pad_token_id": 1,
        "max_position_embeddings": 130, **settings,
    }  # fmt: skip
    if model_type == "distilbert":
        common |= {"dim": 32, "n_layers": blocks, "n_heads": 4, "hidden_dim": 64}
        for name in (*SIZES, "num_hidden_layers"):
            common.pop(name)
    if model_type == "modernbert":
        common |= {"cls_token_id": 0, "sep_token_id": 2, "bos_token_id": 0, "eos_token_id": 2}
        common |= {"global_attn_every_n_layers": 2, "local_attention": 16}
    config = transformers.AutoConfig.for_model(model_type, **common)
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
    torch.manual_seed(seed)
    model = getattr(transformers, AUTO[kind]).from_config(config)
    with torch.no_grad():  # random models are nearly constant; let answers differ
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.mul_(4.0)
            elif "bias" in name:
                weight.normal_(0.0, 0.1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """checkpoints(model_type, kind, ...) -> folder; equal calls give the same folder."""
    made = {}

    def get(model_type="xlm-roberta", kind="pair", **settings):
        if kind == "pair":
            settings.setdefault("labels", NLI)
        if kind == "tag":
            settings.setdefault("labels", tuple(reversed(TASKS["udpos"].labels)))
        key = repr((model_type, kind, sorted(settings.items())))
        if key not in made:
            folder = tmp_path_factory.mktemp("checkpoint") / f"{model_type}-{kind}"
            made[key] = make_checkpoint(folder, model_type, kind, **settings)
        return made[key]

    return get


def make_run(path, checkpoints):
    """A finished run with two targets and an encoder."""
    import shutil

    data = [
        {"task": "mnli", "lang": "en", "split": "train", "n": 9, "sha256": "0", "paths": ["a"]},
        {"task": "mnli", "lang": "en", "split": "dev", "n": 3, "sha256": "1", "paths": ["b"]},
        {"task": "udpos", "lang": "en", "split": "train", "n": 7, "sha256": "2", "paths": ["c"]},
    ]
    run = Run.create(path, {"seed": 1}, force=False, resume=False)
    for name, kind in (("xquad", "span"), ("udpos", "tag")):
        shutil.copytree(checkpoints(kind=kind), path / "targets" / name)
    shutil.copytree(checkpoints(kind="embed", blocks=4), path / "encoder")
    run.save(
        encoder="encoder",
        lineage={
            "base_model": "tiny",
            "phases": [{"name": "mnli", "tasks": ["mnli"], "path": "phases/1-mnli"}],
            "data": data, "overlaps": [], "seed": 1, "versions": {},
        },
        targets={
            "xquad": {
                "path": "targets/xquad", "task": TASKS["xquad"].to_json(),
                "serves": ["xquad", "mlqa"], "dev": {"f1": 12.5}, "baseline": {},
            },
            "udpos": {
                "path": "targets/udpos", "task": TASKS["udpos"].to_json(),
                "serves": ["udpos"], "dev": {"f1": 81.25, "token_accuracy": 90.0},
                "baseline": {"label": "NOUN"},
            },
        },
    )  # fmt: skip
    run.finish()
    return path


@pytest.fixture(scope="session")
def new_run(checkpoints):
    """new_run(path): write a finished run there."""
    return lambda path: make_run(path, checkpoints)


@pytest.fixture
def run_folder(tmp_path, new_run):
    """A finished run in a folder of its own."""
    return new_run(tmp_path / "run")
