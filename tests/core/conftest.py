"""Tiny tokenizers of every family, written as Hugging Face folders; trained here, no downloads."""

import json

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "the cat sat on the mat and the dog sat on the cat",
    "a quick brown fox jumps over the lazy dog, doesn't it?",
    "where did the river begin? it began in the hills of the north.",
    "der Hund schläft unter dem Tisch, die Katze wärmt sich am Ofen.",
    "собака спит под столом, а кошка греется у печки.",
    "狗睡在桌子底下。猫在火炉旁取暖。",
    "الكلب ينام تحت الطاولة",
    "หมานอนอยู่ใต้โต๊ะ",
    "unbelievable internationalisation of wonderful counterexamples 1984 2026",
]
BERT = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
ROBERTA = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}


def template(names, *, double, types):
    sep, second = f"{names['sep']}", ":1" if types else ""
    middle = f"{sep} {sep}" if double else sep
    specials = list(names.values())
    return processors.TemplateProcessing(
        single=f"{names['cls']} $A {sep}",
        pair=f"{names['cls']} $A {middle} $B{second} {sep}{second}",
        special_tokens=[(names[key], specials.index(names[key])) for key in ("cls", "sep")],
    )


def wordpiece(names):
    tokenizer = Tokenizer(models.WordPiece(unk_token=names["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=list(names.values()), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def unigram(names):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(" {2,}", " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=220,
        special_tokens=list(names.values()),
        unk_token=names["unk"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def byte_level(names):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(names.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


# family -> tokenizer, special tokens, double separator, types, tokenizer class, config
FAMILIES = {
    "bert": (wordpiece, BERT, False, True, "BertTokenizerFast",
             {"max_position_embeddings": 512, "type_vocab_size": 2, "pad_token_id": 0}),
    "distilbert": (wordpiece, BERT, False, False, "DistilBertTokenizerFast",
                   {"max_position_embeddings": 512, "pad_token_id": 0}),
    "xlm-roberta": (unigram, ROBERTA, True, False, "XLMRobertaTokenizerFast",
                    {"max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}),
    "roberta": (byte_level, ROBERTA, True, False, "RobertaTokenizerFast",
                {"max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}),
    "deberta-v2": (unigram, BERT, False, True, "PreTrainedTokenizerFast",
                   {"max_position_embeddings": 512, "type_vocab_size": 0, "pad_token_id": 0}),
    "modernbert": (byte_level, BERT, False, False, "PreTrainedTokenizerFast",
                   {"max_position_embeddings": 8192, "pad_token_id": 0}),
}  # fmt: skip


def write_model_folder(folder, family, **config):
    """A tokenizer and a config.json of one family, with changes to the config."""
    train, names, double, types, cls, settings = FAMILIES[family]
    tokenizer = train(names)
    tokenizer.post_processor = template(names, double=double, types=types)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {f"{key}_token": text for key, text in names.items()}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": cls, "do_lower_case": False, **named})
    )
    (folder / "special_tokens_map.json").write_text(json.dumps(named))
    values = {"model_type": family, "vocab_size": tokenizer.get_vocab_size(), **settings, **config}
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory):
    """family -> folder with its tokenizer; do not write into them."""
    root = tmp_path_factory.mktemp("families")
    return {family: write_model_folder(root / family, family) for family in FAMILIES}


@pytest.fixture
def model_folder(tmp_path):
    """Write a folder of one family with a changed config: model_folder("roberta", x=1)."""

    def write(family, **config):
        return write_model_folder(tmp_path / family, family, **config)

    return write


@pytest.fixture(scope="session")
def texts():
    """A few sentences in several scripts."""
    return tuple(TEXTS)
