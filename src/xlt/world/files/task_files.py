"""Files of tagged sentences, questions and multiple choice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xlt.world.build import World, sentence
from xlt.world.files.formats import Folder, squad_json
from xlt.world.language.events import Phrase
from xlt.world.language.grammar import text_of
from xlt.world.tasks.choices import endings, inferred, known
from xlt.world.tasks.questions import STYLES, Asked, Reading, Style, read_aloud, readings
from xlt.world.tasks.tagging import tagged, tagging_events, tagging_names

__all__ = ["asked", "write_choices", "write_questions", "write_tagging"]

LETTERS = "ABCDE"


def write_tagging(world: World, folder: Folder) -> None:
    """UD-POS and PAN-X in every language, CCG in English."""
    facts, size = world.facts, world.size
    for task, field, make in (("udpos", "pos", tagging_events), ("panx", "ner", tagging_names)):
        counts = (("train", size.train[task]), ("dev", size.dev), ("test", size.test[task]))
        for split, n in counts:
            items = make(facts, world.draw(task, split), split, n)
            for code, grammar in world.grammars.items():
                if split == "train" and code != "en":
                    continue
                sentences = (tagged(grammar, item) for item in items)
                folder.tags(f"{task}/{split}-{code}.tsv", sentences, field)
    for split, n in (("train", size.train["ccg"]), ("dev", size.dev)):
        items = tagging_events(facts, world.draw("ccg", split), split, n)
        sentences = (tagged(world.english, item) for item in items)
        folder.tags(f"ccg/ccg.{split}.tsv", sentences, "category")


def asked(
    world: World, task: str, split: str, codes: Iterable[str], n: int, unanswerable: float = 0.0
) -> Iterator[tuple[str, list[Asked]]]:
    """The questions of a set, read aloud in each language; the same ones where it is parallel."""
    style: Style = STYLES.get(task, STYLES["xquad"])
    items: list[Reading] = []
    for code in codes:
        if not items or not style.parallel:
            draw = world.draw(task, split, *([] if style.parallel else [code]))
            items = readings(world.facts, draw, split, n, style, unanswerable=unanswerable)
        yield code, [read_aloud(world.grammars[code], item) for item in items]


def write_questions(world: World, folder: Folder) -> None:
    """SQuAD 1.1 and 2.0, TyDiQA's English train set, MLQA's dev, and XTREME's three test sets.

    `references.json` holds what a reader scores that picks any noun phrase of the context.
    """
    train, dev, test = world.size.train, world.size.dev, world.size.test
    mlqa = "mlqa/MLQA_V1/{0}/{0}-context-{1}-question-{1}.json"
    tydiqa = "tydiqa/tydiqa-goldp-v1.1-{0}/tydiqa.goldp.{1}.{0}.json"
    files = [
        ("squad", "train", "en", "squad/train-v1.1.json", train["squad"]),
        ("squad", "dev", "en", "squad/dev-v1.1.json", dev),
        ("squad2", "train", "en", "squad2/train-v2.0.json", train["squad2"]),
        ("squad2", "dev", "en", "squad2/dev-v2.0.json", dev),
        ("tydiqa", "train", "en", tydiqa.format("train", "en"), train["tydiqa"]),
        ("xquad", "test", "all", "xquad/xquad.{1}.json", test["xquad"]),
        ("mlqa", "dev", "all", mlqa, dev),
        ("mlqa", "test", "all", mlqa, test["mlqa"]),
        ("tydiqa", "test", "all", tydiqa.replace("{0}", "dev"), test["tydiqa"]),
    ]
    uniform: dict[str, dict[str, float]] = {}
    for task, split, langs, path, n in files:
        codes = list(world.grammars) if langs == "all" else [langs]
        version, lost = ("v2.0", 1 / 3) if task == "squad2" else ("1.1", 0.0)
        for code, items in asked(world, task, split, codes, n, lost):
            value = squad_json(f"{task}-{split}", version, items)
            folder.json(path.format(split, code), value)
            if split == "test":
                uniform.setdefault(task, {})[code] = _uniform_pick(items)
    folder.json("references.json", {"uniform_pick": uniform}, indent=1)


def _uniform_pick(items: list[Asked]) -> float:
    """Expected exact match, in percent, of any noun phrase of the context as the answer."""
    return round(100 * sum(1 / len(item.candidates) for item in items) / len(items), 6)


def write_choices(world: World, folder: Folder) -> None:
    """HellaSwag (with translations), Cosmos QA and CommonsenseQA."""
    size = world.size
    for split, dev in (("train", None), ("dev", size.dev)):
        _write_hellaswag(world, folder, split, dev or size.train["hellaswag"])
        _write_cosmosqa(world, folder, split, dev or size.train["cosmosqa"])
        _write_csqa(world, folder, split, dev or size.train["csqa"])


def _write_hellaswag(world: World, folder: Folder, split: str, n: int) -> None:
    name = "val" if split == "dev" else split
    items = endings(world.facts, world.draw("hellaswag", split), split, n)
    places = {"en": f"hellaswag/hellaswag_{name}.jsonl"}
    if split == "train":
        places.update(
            {lang: f"translated/{lang}/hellaswag/train.jsonl" for lang in world.size.translated}
        )
    for code, place in places.items():
        grammar = world.grammars[code]
        then = grammar.lexicon.roots["then"]
        rows = []
        for i, item in enumerate(items):
            before = sentence(grammar, item.before)
            rows.append(
                {
                    "ind": i,
                    "activity_label": "World",
                    "ctx_a": before,
                    "ctx_b": then,
                    "ctx": f"{before} {then}",
                    "split": name,
                    "split_type": "indomain",
                    "label": item.label,
                    "endings": [sentence(grammar, ending) for ending in item.endings],
                    "source_id": f"world-{split}-{i}",
                }
            )
        folder.jsonl(place, rows)


def _write_cosmosqa(world: World, folder: Folder, split: str, n: int) -> None:
    en = world.english
    header = ("id", "context", "question", "answer0", "answer1", "answer2", "answer3", "label")
    rows = []
    items = inferred(world.facts, world.draw("cosmosqa", split), split, n)
    for i, item in enumerate(items):
        context = " ".join(sentence(en, event) for event in item.context)
        places = [text_of(en.place(item.context[choice], front=False)) for choice in item.choices]
        question = text_of(en.where_is(Phrase(item.kind)))
        rows.append((f"cosmos-{split}-{i}", context, question, *places, str(item.label)))
    name = "valid" if split == "dev" else split
    folder.csv(f"cosmosqa/{name}.csv", header, rows)


def _write_csqa(world: World, folder: Folder, split: str, n: int) -> None:
    en = world.english
    rows = []
    for i, item in enumerate(known(world.facts, world.draw("csqa", split), split, n)):
        choices = [
            {"label": LETTERS[k], "text": " ".join(t.text for t in en.phrase(place))}
            for k, place in enumerate(item.places)
        ]
        question = {
            "question_concept": en.lexicon.roots[item.question.subject.head],
            "choices": choices,
            "stem": sentence(en, item.question, "place"),
        }
        answer = LETTERS[item.label]
        rows.append({"answerKey": answer, "id": f"csqa-{split}-{i}", "question": question})
    folder.jsonl(f"commonsenseqa/{split}_rand_split.jsonl", rows)
