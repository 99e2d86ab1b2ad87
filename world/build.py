"""Every file of a world: what is drawn, for which split, in which language, in which layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from xlt.world.choices import endings, inferred, known
from xlt.world.concepts import draw_concepts
from xlt.world.draw import Draw, balanced
from xlt.world.events import Event, Facts, Phrase
from xlt.world.formats import Folder, squad_json
from xlt.world.grammar import Grammar, text_of
from xlt.world.lexicon import LANGUAGES, Speech, build_lexicons, languages_json
from xlt.world.nli import Inference, inferences
from xlt.world.paraphrase import planted, question_pairs, rewordings
from xlt.world.questions import STYLES, Asked, Reading, Style, read_aloud, readings
from xlt.world.retrieval import distinct_events, mine, side
from xlt.world.sizes import Size
from xlt.world.tagging import tagged, tagging_events, tagging_names
from xlt.world.text import document, parallel_saying, say

__all__ = ["World", "make_world", "write_all"]

LETTERS = "ABCDE"


@dataclass(frozen=True, kw_only=True)
class World:
    """One world: its facts, its languages with their grammars, and how much is written."""

    seed: int
    size: Size
    facts: Facts
    grammars: dict[str, Grammar]

    def draw(self, *key: object) -> Draw:
        """The stream of randomness of one file set."""
        return Draw(self.seed, *key)

    @property
    def english(self) -> Grammar:
        """The grammar of the language that plays English."""
        return self.grammars["en"]

    @property
    def speeches(self) -> tuple[Speech, ...]:
        """The languages of this world, English first."""
        return tuple(grammar.speech for grammar in self.grammars.values())

    @property
    def foreign(self) -> list[str]:
        """The codes of all languages but English."""
        return [code for code in self.grammars if code != "en"]


def make_world(size: Size, seed: int) -> World:
    """Draw the concepts and the languages of a world."""
    speeches = LANGUAGES[: size.languages]
    lexicons = build_lexicons(seed, speeches)
    return World(
        seed=seed,
        size=size,
        facts=Facts(seed=seed, concepts=draw_concepts(Draw(seed, "concepts"))),
        grammars={speech.code: Grammar(speech, lexicons[speech.code]) for speech in speeches},
    )


def write_all(world: World, folder: Folder, step: Callable[[str], None]) -> None:
    """Write the whole data root; `step` is told the name of each part before it is written."""
    parts: dict[str, Callable[[World, Folder], None]] = {
        "languages": write_languages,
        "inference": write_inference,
        "paraphrase": write_paraphrase,
        "tagging": write_tagging,
        "questions": write_questions,
        "choices": write_choices,
        "retrieval": write_retrieval,
        "text": write_text,
        "planted": write_planted,
    }
    for name, write in parts.items():
        step(name)
        write(world, folder)


def write_languages(world: World, folder: Folder) -> None:
    """`languages.json`."""
    folder.json("languages.json", languages_json(world.speeches), indent=1)


def _sentence(grammar: Grammar, event: Event, ask: str = "") -> str:
    return text_of(grammar.sentence(event, ask))


def _premise(grammar: Grammar, item: Inference) -> str:
    return " ".join(_sentence(grammar, event) for event in item.premise)


def _nli_rows(grammar: Grammar, name: str, items: Iterable[Inference]) -> list[dict[str, Any]]:
    """Rows of MultiNLI and SNLI."""
    return [
        {
            "gold_label": item.label,
            "pairID": f"{name}-{i}",
            "sentence1": _premise(grammar, item),
            "sentence2": _sentence(grammar, item.hypothesis),
        }
        for i, item in enumerate(items)
    ]


def write_inference(world: World, folder: Folder) -> None:
    """MNLI (with translations), SNLI, three rounds of ANLI, and XNLI's dev and test sets."""
    facts, size, en = world.facts, world.size, world.english
    train = inferences(facts, world.draw("mnli", "train"), "train", size.train["mnli"])
    matched = inferences(facts, world.draw("mnli", "dev"), "dev", size.dev)
    for split, items in (("train", train), ("dev_matched", matched)):
        rows = _nli_rows(en, f"mnli-{split}", items)
        folder.jsonl(f"multinli_1.0/multinli_1.0_{split}.jsonl", rows)
    for lang in size.translated:
        rows = _nli_rows(world.grammars[lang], "mnli-train", train)
        folder.jsonl(f"translated/{lang}/mnli/train.jsonl", rows)
    for split, n in (("train", size.train["snli"]), ("dev", size.dev)):
        items = inferences(facts, world.draw("snli", split), split, n, extra=1)
        rows = _nli_rows(en, f"snli-{split}", items)
        folder.jsonl(f"snli_1.0/snli_1.0_{split}.jsonl", rows)
        for k in (1, 2, 3):
            n_round = n if split == "dev" else size.train["anli"] * k
            draw = world.draw("anli", k, split)
            items = inferences(facts, draw, split, n_round, extra=k, sentences=2)
            folder.jsonl(
                f"anli_v1.0/R{k}/{split}.jsonl",
                (
                    {
                        "uid": f"anli-r{k}-{split}-{i}",
                        "context": _premise(en, item),
                        "hypothesis": _sentence(en, item.hypothesis),
                        "label": item.label[0],
                    }
                    for i, item in enumerate(items)
                ),
            )
    for split, n in (("dev", size.dev), ("test", size.test["xnli"])):
        items = inferences(facts, world.draw("xnli", split), split, n)
        for code, grammar in world.grammars.items():
            rows_of = (
                (_premise(grammar, item), _sentence(grammar, item.hypothesis), item.label)
                for item in items
            )
            folder.tsv(f"xnli/{split}-{code}.tsv", rows_of)


def write_paraphrase(world: World, folder: Folder) -> None:
    """PAWS-X in every language; QQP in English, its train set also translated."""
    facts, size = world.facts, world.size
    counts = (("train", size.train["pawsx"]), ("dev", size.dev), ("test", size.test["pawsx"]))
    for split, n in counts:
        items = rewordings(facts, world.draw("pawsx", split), split, n)
        for code, grammar in world.grammars.items():
            if split == "train" and code != "en":
                continue
            folder.tsv(
                f"pawsx/{split}-{code}.tsv",
                (
                    (_sentence(grammar, one.first), _sentence(grammar, one.second), _bit(one.same))
                    for one in items
                ),
            )
    for split, n in (("train", size.train["qqp"]), ("dev", size.dev)):
        twins = question_pairs(facts, world.draw("qqp", split), split, n)
        places = {"en": "QQP"}
        if split == "train":
            places.update({lang: f"translated/{lang}/qqp" for lang in size.translated})
        for code, place in places.items():
            grammar = world.grammars[code]
            header = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
            rows = [
                (str(i), str(2 * i), str(2 * i + 1), _sentence(grammar, *twin.first),
                 _sentence(grammar, *twin.second), _bit(twin.same))
                for i, twin in enumerate(twins)
            ]  # fmt: skip
            folder.tsv(f"{place}/{split}.tsv", [header, *rows])


def _bit(value: bool) -> str:
    return "1" if value else "0"


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
            before = _sentence(grammar, item.before)
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
                    "endings": [_sentence(grammar, ending) for ending in item.endings],
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
        context = " ".join(_sentence(en, event) for event in item.context)
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
            "stem": _sentence(en, item.question, "place"),
        }
        answer = LETTERS[item.label]
        rows.append({"answerKey": answer, "id": f"csqa-{split}-{i}", "question": question})
    folder.jsonl(f"commonsenseqa/{split}_rand_split.jsonl", rows)


def write_retrieval(world: World, folder: Folder) -> None:
    """Tatoeba (test) and BUCC 2018 (dev and test, each with gold pairs)."""
    facts, size = world.facts, world.size
    n = size.test["tatoeba"]
    events = distinct_events(facts, world.draw("tatoeba"), "test", n, set())
    english = [_sentence(world.english, event) for event in events]
    for code in world.foreign:
        name = f"tatoeba/tatoeba.{code}-eng"
        folder.lines(f"{name}.{code}", (_sentence(world.grammars[code], e) for e in events))
        folder.lines(f"{name}.eng", english)
    for split, share in (("dev", 2), ("test", 1)):
        counts = [count // share for count in size.bucc]
        for code in world.foreign:
            draw = world.draw("bucc2018", split, code)
            problem = mine(facts, draw, split, *counts)
            collections = {
                lang: side(world.grammars[lang], draw, problem.common + own)
                for lang, own in ((code, problem.foreign_only), ("en", problem.english_only))
            }
            name = f"bucc2018/{code}-en.{split}"
            for lang, sentences in collections.items():
                folder.tsv(f"{name}.{lang}", sorted(sentences))
            ids = [[i for i, _ in collections[lang][: counts[0]]] for lang in (code, "en")]
            folder.tsv(f"{name}.gold", sorted(zip(*ids, strict=True)))


def write_text(world: World, folder: Folder) -> None:
    """Monolingual documents of every language, and pairs of each with English."""
    facts, size = world.facts, world.size
    for code, grammar in world.grammars.items():
        draw = world.draw("text", code)
        documents = (say(grammar, document(facts, draw)) for _ in range(size.documents))
        folder.lines(f"text/{code}.txt.gz", documents)
    for code in world.foreign:
        draw = world.draw("parallel", code)
        sayings = [parallel_saying(facts, draw) for _ in range(size.pairs)]
        pairs = ((say(world.english, said), say(world.grammars[code], said)) for said in sayings)
        folder.tsv(f"parallel/en-{code}.tsv.gz", pairs)


def write_planted(world: World, folder: Folder) -> None:
    """Four label sets over the same English pairs: skill, null, harm and inverted."""
    for split, n in (("train", world.size.planted), ("dev", world.size.dev)):
        draw = world.draw("planted", split)
        items = planted(world.facts, draw, split, n)
        truth = [item.same for item in items]
        labels = {
            "skill": truth,
            "null": _unrelated(draw, truth),
            "harm": [item.fronted for item in items],
            "inverted": [not same for same in truth],
        }
        texts = [
            (_sentence(world.english, item.first), _sentence(world.english, item.second))
            for item in items
        ]
        for name, values in labels.items():
            rows = ((*pair, _bit(value)) for pair, value in zip(texts, values, strict=True))
            folder.tsv(f"planted/{name}/{split}.tsv", rows)


def _unrelated(draw: Draw, truth: list[bool]) -> list[bool]:
    """Labels that agree with half of the true ones of each class: they say nothing."""
    streams = {value: balanced(draw, (True, False), truth.count(value)) for value in (True, False)}
    return [next(streams[value]) for value in truth]
