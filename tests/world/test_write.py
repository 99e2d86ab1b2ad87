"""The data root: the same bytes everywhere, whole or not at all, read back by the readers."""

import gzip
import json
import os
import subprocess
import sys

import pytest

from xlt.core.errors import UsageError
from xlt.core.tasks.table import GROUPS, INTERMEDIATE, TARGETS, TASKS
from xlt.data import DataRoot, overlaps, training_sets
from xlt.world import SIZES, write_world
from xlt.world.files.formats import gzip_stored
from xlt.world.files.write import measure

# A change of any byte of a world needs a new VERSION in world/write.py and new hashes here.
TINY_1 = "858ca1874ab5c074b7b0c62af523bde4ed473fa71b391012b093c273559791b8"
TINY_7 = "af3c5b2ff42c4cae2052dff5b841ed926d6f3f60134e13a455f97e7b7af0825f"
LANGS = ["en", "qaa", "qab", "qba", "qbb", "qca", "qcb"]


@pytest.fixture(scope="module")
def root(tiny_world):
    return DataRoot(tiny_world)


def test_bytes_are_those_of_this_version(tiny_world, tmp_path):
    assert measure(tiny_world)["sha256"] == TINY_1
    assert write_world(tmp_path / "w", size="tiny", seed=7)["sha256"] == TINY_7


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_bytes_do_not_depend_on_the_hash_seed(tmp_path, hash_seed):
    code = (
        "import sys; from pathlib import Path; from xlt.world import write_world;"
        "print(write_world(Path(sys.argv[1]), size='tiny', seed=1)['sha256'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "w"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == TINY_1


def test_writing_needs_no_numpy(tmp_path):
    code = (
        "import sys; sys.modules['numpy'] = None; from pathlib import Path;"
        "from xlt.world import write_world; write_world(Path(sys.argv[1]), size='tiny')"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "w"], check=True, timeout=120)


def test_gzip_of_any_length_opens_and_names_nothing(tmp_path):
    for n in (0, 1, 65535, 65536, 200000):
        data = bytes(i * i % 251 for i in range(n))
        packed = gzip_stored(data)
        assert gzip.decompress(packed) == data
        assert packed[3:8] == bytes(5)  # no name, no time


def test_record_counts_what_is_there(tiny_world):
    record = json.loads((tiny_world / "world.json").read_text())
    assert record["languages"] == LANGS
    assert record["files"] == sum(record["folders"].values()) + 2  # languages, references
    assert record["size"] == "tiny" and record["seed"] == 1


def test_a_changed_byte_changes_the_hash(tiny_world, tmp_path):
    copy = tmp_path / "w"
    write_world(copy, size="tiny", seed=1)
    target = copy / "xnli" / "test-en.tsv"
    target.write_bytes(target.read_bytes()[:-2] + b"x\n")
    assert measure(copy)["sha256"] != measure(tiny_world)["sha256"]


def test_full_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        write_world(tmp_path, size="tiny")
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_force_replaces_and_a_failure_keeps_the_old_root(tmp_path):
    out = tmp_path / "w"
    write_world(out, size="tiny", seed=2)
    before = measure(out)

    def stop(name):
        if name == "text":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_world(out, size="tiny", seed=3, force=True, step=stop)
    assert measure(out) == before
    assert list(tmp_path.iterdir()) == [out]
    assert write_world(out, size="tiny", seed=3, force=True)["sha256"] != before["sha256"]


def test_killed_writer_leaves_nothing_to_believe(tmp_path):
    out = tmp_path / "w"
    code = (
        "import os, signal, sys; from pathlib import Path; from xlt.world import write_world\n"
        "def stop(name):\n"
        "    if name == 'choices': os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_world(Path(sys.argv[1]), size='tiny', step=stop)"
    )
    done = subprocess.run([sys.executable, "-c", code, out], check=False, timeout=120)
    assert done.returncode == -9
    assert not out.exists()


def test_unknown_size_is_named_with_a_suggestion(tmp_path):
    with pytest.raises(UsageError, match=r"'smal'.*did you mean 'small'"):
        write_world(tmp_path / "w", size="smal")


def test_command_line_json_and_refusal(run_xlt, tmp_path):
    done = run_xlt("world", "--out", "w", "--size", "tiny", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["sha256"] == TINY_1 and record["out"] == "w"
    again = run_xlt("world", "--out", "w", "--size", "tiny")
    assert again.returncode == 2 and "--force" in again.stderr
    missing = run_xlt("world", "--size", "tiny")
    assert missing.returncode == 2 and "--out" in missing.stderr


def test_all_languages_are_named_as_constructed(root):
    for code in LANGS:
        language = root.languages[code]
        assert language.constructed and "constructed" in language.name
    assert {root.languages[code].family for code in LANGS} == {"Alder", "Birch", "Cedar"}
    assert root.languages["qca"].script == "Cyrl"


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_a_labelled_test_set_in_every_language(root, name):
    task = TASKS[name]
    langs = LANGS if task.kind != "embed" else LANGS[1:]
    assert sorted(root.langs(task, "test")) == langs
    for lang in langs:
        data = root.read(task, lang, "test")
        assert data.labelled, (lang, data.notes)
        assert not data.notes
        if task.kind == "embed":
            sides = data.bitext.foreign, data.bitext.english
            for side in sides:
                assert len({sentence.text for sentence in side}) == len(side)
        else:
            assert len(data.examples) == SIZES["tiny"].test[name]


@pytest.mark.parametrize("name", INTERMEDIATE)
def test_every_intermediate_task_can_be_trained_and_selected(root, name):
    training = training_sets(root, TASKS[name], seed=1)
    assert training.train.labelled and training.dev.labelled
    assert "held out" not in " ".join(training.notes)
    expected = dict(SIZES["tiny"].train)
    expected["anli+"] = expected["mnli"] + expected["snli"] + 6 * expected["anli"]
    assert len(training.train.examples) == expected[name]


@pytest.mark.parametrize("name", [t for t in TARGETS if t not in GROUPS["retrieval"]])
def test_every_target_can_be_trained(root, name):
    training = training_sets(root, TASKS[name], seed=1)
    assert training.train.labelled and training.dev.labelled


@pytest.mark.parametrize("name", ["xnli", "pawsx", "udpos", "panx", "mlqa"])
def test_dev_sets_exist_in_every_language(root, name):
    for lang in LANGS:
        assert root.read(TASKS[name], lang, "dev").labelled


def test_bucc_has_a_dev_gold_and_distractors_on_both_sides(root):
    gold, near, random = SIZES["tiny"].bucc
    for lang in LANGS[1:]:
        for split, share in (("dev", 2), ("test", 1)):
            bitext = root.read(TASKS["bucc2018"], lang, split).bitext
            assert len(bitext.gold) == gold // share
            assert len(bitext.foreign) == len(bitext.english) == (gold + near + random) // share


def test_translations_follow_the_english_items_one_to_one(root):
    for name in ("mnli", "qqp", "hellaswag"):
        english = root.read(TASKS[name], "en", "train").examples
        for lang in SIZES["tiny"].translated:
            other = root.read(TASKS[name], lang, "translated").examples
            assert [one.label for one in other] == [one.label for one in english]
            assert len({str(one) for one in other} & {str(one) for one in english}) == 0


def test_xnli_items_are_parallel_and_tydiqa_items_are_not(root):
    def labels(lang):
        return [one.label for one in root.read(TASKS["xnli"], lang, "test").examples]

    def answer_places(task, lang):
        questions = root.read(TASKS[task], lang, "test").examples
        return [one.answers[0].text in one.context.split(" . ")[0] for one in questions]

    assert labels("en") == labels("qcb")
    assert answer_places("xquad", "en") == answer_places("xquad", "qca")
    assert answer_places("tydiqa", "en") != answer_places("tydiqa", "qca")


def test_no_test_item_is_trained_on(root):
    for name in (*TARGETS, *INTERMEDIATE):
        task = TASKS[name]
        if task.kind == "embed":
            continue
        for split in ("train", "dev"):
            for lang in root.langs(task, split):
                assert overlaps(root, root.read(task, lang, split)) == []


def test_no_test_sentence_stands_in_any_text(root):
    """Sentences, not only whole items: none of a test set is in text/, parallel/ or training."""

    def sentences(text):
        parts = text.replace("?", ".").split(" . ")
        return {part.strip(" .") for part in parts if len(part.split()) > 3}

    for lang in LANGS:
        told = set().union(*map(sentences, root.text(lang)))
        if lang != "en":
            told |= set().union(*(sentences(other) for _, other in root.parallel(lang)))
        tested = set()
        for name in ("xnli", "pawsx"):
            for one in root.read(TASKS[name], lang, "test").examples:
                tested |= sentences(one.text_a) | sentences(one.text_b)
        for name in ("xquad", "mlqa", "tydiqa"):
            for one in root.read(TASKS[name], lang, "test").examples:
                tested |= sentences(one.context)
        for one in root.read(TASKS["udpos"], lang, "test").examples:
            tested |= sentences(" ".join(one.words))
        if lang != "en":
            for name in ("tatoeba", "bucc2018"):
                bitext = root.read(TASKS[name], lang, "test").bitext
                tested |= set().union(*(sentences(one.text) for one in bitext.foreign))
        assert tested and told
        assert not tested & told


def test_text_and_parallel_exist_for_every_language(root):
    assert sorted(root.text_langs()) == LANGS
    assert sorted(root.parallel_langs()) == LANGS[1:]
    assert len(list(root.text("qba"))) == SIZES["tiny"].documents
    assert len(list(root.parallel("qcb"))) == SIZES["tiny"].pairs


def test_languages_of_one_world_do_not_depend_on_its_size():
    from xlt.world.build import make_world

    small, medium = (make_world(SIZES[size], 5) for size in ("small", "medium"))
    for code, grammar in small.grammars.items():
        assert medium.grammars[code].lexicon == grammar.lexicon


def planted_labels(folder, names):
    """The labels of planted sets, by name, and the texts that all of them share."""
    root = DataRoot(folder, task_files=[folder / "planted" / f"{name}.yaml" for name in names])
    labels, texts = {}, set()
    for name in names:
        training = training_sets(root, root.tasks[f"planted-{name}"], seed=1)
        assert training.dev is not None
        labels[name] = [one.label for one in training.train.examples]
        texts.add(tuple((one.text_a, one.text_b) for one in training.train.examples))
        assert overlaps(root, training.train) == []
    assert len(texts) == 1  # one set of inputs, several sets of labels
    return labels, texts.pop()


def test_planted_sets_have_the_agreement_that_they_promise(tiny_world):
    names = ("skill", "null", "harm", "inverted")
    labels, _ = planted_labels(tiny_world, names)
    n = SIZES["tiny"].planted

    def agreement(one, other):
        return sum(a == b for a, b in zip(labels[one], labels[other], strict=True)) / n

    assert agreement("skill", "inverted") == 0
    assert agreement("skill", "harm") == agreement("skill", "null") == 0.5
    assert all(labels[name].count("1") == n // 2 for name in names)


def test_planted_inference_sets_have_the_agreement_that_they_promise(tiny_world):
    labels, texts = planted_labels(tiny_world, ("nli-skill", "nli-null", "nli-harm"))
    n = SIZES["tiny"].inference
    pairs = list(zip(labels["nli-skill"], labels["nli-null"], strict=True))
    assert sum(a == b for a, b in pairs) == pytest.approx(n / 3, abs=3)
    assert {labels["nli-skill"].count(label) for label in set(labels["nli-skill"])} == {n // 3}
    # what is harmful is a function of the second sentence alone
    by_hypothesis = {}
    for (_, second), label in zip(texts, labels["nli-harm"], strict=True):
        assert by_hypothesis.setdefault(second, label) == label
    assert len(set(labels["nli-harm"])) == 3
