"""Labels follow from the text: a small reader of English parses it and applies the stated rules."""

import csv
from collections import Counter
from typing import NamedTuple

import pytest

from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot
from xlt.world.build import make_world, sentence
from xlt.world.language.concepts import BUSINESS, CLASS_SIZES, all_concepts, opposite
from xlt.world.language.events import Event, Phrase
from xlt.world.language.grammar import find, text_of
from xlt.world.language.lexicon import LANGUAGES
from xlt.world.sizes import SIZES
from xlt.world.tasks.nli import LABELS, artefact, inferences, relation
from xlt.world.tasks.paraphrase import planted, question_pairs, rewordings
from xlt.world.tasks.questions import STYLES, read_aloud, readings


@pytest.fixture(scope="module")
def world():
    return make_world(SIZES["tiny"], 1)


@pytest.fixture(scope="module")
def root(tiny_world):
    return DataRoot(tiny_world)


class Said(NamedTuple):
    """What the reader got out of a sentence."""

    subject: frozenset
    verb: str
    object: frozenset
    place: frozenset
    time: str
    manner: str
    negated: bool
    wh: str


class Reader:
    """Reads English sentences of the world with a dictionary and four rules of word order."""

    def __init__(self, world):
        lexicon = world.english.lexicon
        self.meaning = {}
        for concept in all_concepts():
            root, kind = lexicon.roots[concept], concept.partition(".")[0]
            if kind == "do":
                self.meaning[root + lexicon.affixes["past"]] = concept
            else:
                self.meaning[root] = concept
                if kind in CLASS_SIZES or kind == "kind":
                    self.meaning[root + lexicon.affixes["many"]] = concept + " many"
        self.meaning.update({name: key for key, name in lexicon.names.items()})

    def words(self, text):
        return [self.meaning.get(word, word) for word in text.split()]

    def sentences(self, text):
        one = []
        for word in self.words(text):
            if word in ".?":
                yield self.read(one)
                one = []
            else:
                one.append(word)

    def read(self, words):
        time = next((w for w in words if w.startswith("time.")), "")
        manner = next((w for w in words if w.startswith("manner.")), "")
        wh = next((w for w in words if w in ("who", "what", "where")), "")
        rest = [w for w in words if w not in (time, manner, "not")]
        at = next(i for i, w in enumerate(rest) if w.startswith("do."))
        before, verb, after = rest[:at], rest[at], rest[at + 1 :]
        before, place = self.split_place(before, front=True)
        after, late_place = self.split_place(after, front=False)
        return Said(
            self.phrase(before), verb, self.phrase(after), place or late_place, time, manner,
            "not" in words, wh,
        )  # fmt: skip

    def split_place(self, words, front):
        """Cut `in the garden` off; in front, its noun phrase ends at its noun or name."""
        at = next((i for i, w in enumerate(words) if w in ("in", "near")), None)
        if at is None:
            return words, frozenset()
        if not front:
            return words[:at], frozenset(words[at:])
        end = at + 2
        while words[end - 1] in ("the", "a"):
            end += 1
        if words[end - 1].startswith("name.") and self.is_second(words, end):
            end += 1
        return words[:at] + words[end:], frozenset(words[at:end])

    def is_second(self, words, end):
        """Two names in a row before the subject's own words: all but the subject are the place."""
        names = [w for w in words[end - 1 :] if w.startswith("name.")]
        return len(words) > end and words[end].startswith("name.") and len(names) != 2

    @staticmethod
    def phrase(words):
        return frozenset(w for w in words if w not in ("the", "a", "who", "what", "where"))


def kinds(phrase):
    """The phrase with each noun replaced by its hypernym."""
    out = set()
    for word in phrase:
        head, many = word.partition(" ")[::2]
        first = head.partition(".")[0]
        out.add((f"kind.{first}" if first in CLASS_SIZES else head) + (" many" if many else ""))
    return frozenset(out)


def says(phrase, claim):
    return claim <= phrase or claim <= phrase | kinds(phrase)


def covers(premise, claim):
    return (
        premise.verb == claim.verb
        and says(premise.subject, claim.subject)
        and says(premise.object, claim.object)
        and claim.place <= premise.place
        and claim.time in ("", premise.time)
        and claim.manner in ("", premise.manner)
    )


def with_opposites(said):
    for role in ("subject", "object"):
        for word in getattr(said, role):
            if word.startswith("quality."):
                yield said._replace(**{role: getattr(said, role) - {word} | {opposite(word)}})
    if said.manner:
        yield said._replace(manner=opposite(said.manner))


def verdict(premise, hypothesis):
    undone = covers(premise._replace(verb=opposite(premise.verb)), hypothesis)
    if hypothesis.negated:
        return {(True, False): "contradiction", (False, True): "entailment"}.get(
            (covers(premise, hypothesis), undone), "neutral"
        )
    if covers(premise, hypothesis):
        return "entailment"
    against = undone or any(covers(other, hypothesis) for other in with_opposites(premise))
    return "contradiction" if against else "neutral"


def ambiguous_front(text):
    """Fronted two-word names before a name as subject cannot be cut by a reader without commas."""
    return sum(word[0].isupper() for word in text.split()) > 2


@pytest.mark.parametrize("name", ["mnli", "snli"])
def test_inference_labels_follow_from_the_text(world, root, name):
    reader = Reader(world)
    part = {"mnli": "multinli_1.0/multinli_1.0_train", "snli": "snli_1.0/snli_1.0_train"}[name]
    pairs = root.read(TASKS["mnli"], "en", "train", file=root.path / f"{part}.jsonl").examples
    read = 0
    for pair in pairs:
        if ambiguous_front(pair.text_a) or ambiguous_front(pair.text_b):
            continue
        (premise,), (hypothesis,) = reader.sentences(pair.text_a), reader.sentences(pair.text_b)
        assert verdict(premise, hypothesis) == pair.label, pair
        read += 1
    assert read > len(pairs) / 2


def test_anli_premises_have_one_sentence_that_decides(world, root):
    reader = Reader(world)
    path = root.path / "anli_v1.0" / "R2" / "train.jsonl"
    for pair in root.read(TASKS["mnli"], "en", "train", file=path).examples:
        if ambiguous_front(pair.text_a) or ambiguous_front(pair.text_b):
            continue
        (hypothesis,) = reader.sentences(pair.text_b)
        found = {verdict(premise, hypothesis) for premise in reader.sentences(pair.text_a)}
        assert found <= {pair.label, "neutral"}


@pytest.mark.parametrize("sentences", [1, 2])
@pytest.mark.parametrize("split", ["train", "test"])
def test_inference_labels_are_balanced_and_their_rule_is_the_published_one(world, split, sentences):
    items = inferences(world.facts, world.draw("x", split), split, 301, sentences=sentences)
    count = Counter(item.label for item in items)
    assert sorted(count.values()) == [100, 100, 101] and set(count) == set(LABELS)
    for item in items:
        assert item.label in {relation(premise, item.hypothesis) for premise in item.premise}
        assert world.facts.split_of(item.hypothesis) == split
        assert all(world.facts.split_of(premise) == split for premise in item.premise)


def event(**changes):
    whole = Event(
        Phrase("person.1", adjective="quality.1+"), "do.4+", Phrase("tool.2"), "in",
        Phrase("place.3"), "time.1", "manner.0+",
    )  # fmt: skip
    return whole._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "entailment"),
        ({"time": "", "place": None, "relation": ""}, "entailment"),
        ({"object": Phrase("kind.tool")}, "entailment"),
        ({"object": Phrase("tool.3")}, "neutral"),
        ({"time": "time.2"}, "neutral"),
        ({"relation": "near"}, "neutral"),
        ({"verb": "do.4-"}, "contradiction"),
        ({"manner": "manner.0-"}, "contradiction"),
        ({"subject": Phrase("person.1", adjective="quality.1-")}, "contradiction"),
        ({"subject": Phrase("person.1", number="many")}, "neutral"),
        ({"negated": True}, "contradiction"),
        ({"negated": True, "time": ""}, "contradiction"),
        ({"negated": True, "verb": "do.4-"}, "entailment"),
        ({"negated": True, "time": "time.2"}, "neutral"),
    ],
)
def test_relation(changes, label):
    assert relation(event(), event(**changes)) == label


def test_generalising_is_not_symmetric():
    general = event(object=Phrase("kind.tool"))
    assert relation(event(), general) == "entailment"
    assert relation(general, event()) == "neutral"


def test_paraphrases_share_their_words_and_differ_in_roles(world):
    for item in rewordings(world.facts, world.draw("p"), "train", 200):
        one, other = sentence(world.english, item.first), sentence(world.english, item.second)
        assert one != other and Counter(one.split()) == Counter(other.split())
        unordered = [e._replace(front="") for e in (item.first, item.second)]
        assert (unordered[0] == unordered[1]) == item.same


def test_planted_labels_and_cue_are_independent(world):
    items = planted(world.facts, world.draw("q"), "train", 400)
    assert set(Counter((item.same, item.fronted) for item in items).values()) == {100}
    assert all(bool(item.first.front) == item.fronted != bool(item.second.front) for item in items)


def test_what_a_hypothesis_alone_suggests_is_right_once_in_three_times(world):
    items = inferences(world.facts, world.draw("q2"), "train", 3000)
    right = sum(artefact(item.hypothesis) == item.label for item in items)
    assert abs(right - 1000) < 4 * (3000 * 2 / 9) ** 0.5
    assert {artefact(item.hypothesis) for item in items} == set(LABELS)


def test_duplicate_questions_have_one_answer(world):
    for twin in question_pairs(world.facts, world.draw("r"), "dev", 200):
        cores = [(e.subject, e.verb, e.object, role) for e, role in (twin.first, twin.second)]
        assert (cores[0] == cores[1]) == twin.same
        texts = [sentence(world.english, *question) for question in (twin.first, twin.second)]
        assert texts[0] != texts[1]


@pytest.mark.parametrize("lang", ["en", "qab", "qbb", "qcb"])
@pytest.mark.parametrize("task", list(STYLES))
def test_answers_stand_at_their_offset_and_only_once(world, lang, task):
    for item in readings(world.facts, world.draw("s", task), "test", 100, STYLES[task]):
        asked = read_aloud(world.grammars[lang], item)
        texts = [text for _, text in asked.candidates]
        assert asked.context[asked.start : asked.start + len(asked.answer)] == asked.answer
        assert texts.count(asked.answer) == 1
        for start, text in asked.candidates:
            assert asked.context[start : start + len(text)] == text


def test_a_question_has_one_answer_in_its_context(world):
    """No other event of the context fits: same verb means other arguments named."""
    for item in readings(world.facts, world.draw("t"), "train", 300, STYLES["xquad"]):
        named = [role for role in ("subject", "object") if role != item.role]
        wanted = {role: item.question.phrases.get(role) for role in named}
        fits = [
            event.verb == item.question.verb
            and all(
                (event.phrases.get(role) or Phrase("")).head == (phrase or Phrase("")).head
                for role, phrase in wanted.items()
            )
            for event in item.context
        ]
        assert sum(fits) == 1 and fits[item.target]


def test_a_third_of_squad2_has_no_answer(root):
    examples = root.read(TASKS["squad2"], "en", "train").examples
    assert sum(not one.answers for one in examples) == round(len(examples) / 3)


def test_hellaswag_undoes_what_was_done(world, root):
    reader = Reader(world)
    then = world.english.lexicon.roots["then"]
    for item in root.read(TASKS["hellaswag"], "en", "train").examples:
        if ambiguous_front(item.prompt):
            continue
        (before,) = reader.sentences(item.prompt)
        read = [next(reader.sentences(text.removeprefix(then))) for text in item.choices]
        right = read[item.label]
        assert right.verb == opposite(before.verb)
        same_object = [one.object <= before.object for one in read]
        assert same_object[item.label] and sum(same_object) == 2
        assert [one.verb for one in read].count(right.verb) == 2


def test_cosmos_asks_for_the_one_thing_of_a_class(world, root):
    reader = Reader(world)
    with (root.path / "cosmosqa" / "train.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            kind = next(w for w in reader.words(row["question"]) if w.startswith("kind."))
            right = frozenset(reader.words(row[f"answer{row['label']}"]))
            places = [s.place for s in reader.sentences(row["context"]) if kind in kinds(s.object)]
            assert places == [right]


def test_commonsense_choices_hold_one_usual_place(world, root):
    reader = Reader(world)
    for item in root.read(TASKS["csqa"], "en", "train").examples:
        (question,) = reader.sentences(item.prompt)
        noun = next(w for w in question.subject if w.partition(".")[0] in ("person", "animal"))
        usual = world.facts.concepts.found[noun.partition(" ")[0]]
        fits = [reader.words(choice)[-1] in usual for choice in item.choices]
        assert fits[item.label] and sum(fits) == 1


def test_verbs_and_relations_tell_the_kind_of_a_name(world, root):
    """The rule for ambiguous names: place after in or near, organisation with business verbs."""
    grammar = world.english
    business = {
        grammar.lexicon.roots[pair + sign] + grammar.lexicon.affixes["past"]
        for pair in BUSINESS
        for sign in "+-"
    }
    relations = {grammar.lexicon.roots[word] for word in ("in", "near")}
    seen = Counter()
    for one in root.read(TASKS["panx"], "en", "train").examples:
        if one.words[-1] != ".":
            continue
        for i, (before, tag) in enumerate(zip(("", *one.words), one.tags, strict=False)):
            if tag.startswith("B-"):
                kind = tag[2:]
                expected = (
                    "LOC" if before in relations else "ORG" if business & {*one.words} else "PER"
                )
                assert kind == expected, (i, one.words)
                seen[kind] += 1
    assert set(seen) == {"LOC", "ORG", "PER"}


def test_no_two_words_of_a_language_look_alike():
    world = make_world(SIZES["medium"], 3)
    for grammar in world.grammars.values():
        lexicon = grammar.lexicon
        past = lexicon.affixes["past"]
        forms = [root + past * key.startswith("do.") for key, root in lexicon.roots.items()]
        forms += [name.lower() for name in lexicon.names.values()]
        assert len(set(forms)) == len(forms)
        assert len(set(lexicon.affixes.values())) == len(lexicon.affixes)


def test_families_differ_in_cognates_and_script():
    world = make_world(SIZES["small"], 1)
    english = world.english.lexicon.roots

    def shared(code):
        roots = world.grammars[code].lexicon.roots
        return sum(roots[key] == english[key] for key in english) / len(english)

    share = {code: shared(code) for code in world.foreign}
    assert min(share["qaa"], share["qab"]) > max(share["qba"], share["qbb"]) > 0
    assert share["qca"] == share["qcb"] == 0
    cyrillic = "".join(world.grammars["qca"].lexicon.roots.values())
    assert all("а" <= letter <= "я" for letter in cyrillic)
    assert {spec.order for spec in LANGUAGES} == {"SVO", "SOV", "VSO"}


def test_word_order_and_affixes_of_each_family(world):
    said = Event(
        Phrase("person.1"), "do.4+", Phrase("tool.2", adjective="quality.1+"), negated=True
    )
    roles = {
        code: [part.role for part in grammar.sentence(said)]
        for code, grammar in world.grammars.items()
    }
    assert roles["en"] == ["subject", "verb", "object", "stop"]
    assert roles["qba"] == ["subject", "object", "verb", "stop"]
    assert roles["qca"] == ["verb", "subject", "object", "stop"]
    first = [token.pos for token in find_tokens(world, "qaa", said, "object")]
    assert first == ["DET", "NOUN", "ADJ"]
    assert [token.pos for token in find_tokens(world, "qab", said, "object")] == [
        "DET",
        "ADJ",
        "NOUN",
    ]
    birch = world.grammars["qba"].lexicon
    assert find(world.grammars["qba"].sentence(said), "object")[1].endswith(birch.affixes["object"])
    assert find(world.grammars["qba"].sentence(said), "verb")[1].endswith(birch.affixes["not"])
    cedar = world.grammars["qca"].lexicon
    assert find(world.grammars["qca"].sentence(said), "subject")[1].startswith(cedar.affixes["the"])
    assert text_of(world.grammars["qca"].sentence(said)).endswith(" .")


def find_tokens(world, code, said, role):
    return next(p.tokens for p in world.grammars[code].sentence(said) if p.role == role)


def test_every_place_is_usual_for_equally_many(world):
    count = Counter(place for places in world.facts.concepts.found.values() for place in places)
    assert len(count) == CLASS_SIZES["place"]
    assert max(count.values()) - min(count.values()) <= 1
