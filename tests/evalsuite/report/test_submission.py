"""The folder that is handed in, scored by XTREME's public script where its path is known."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from xlt.core.metrics.official import official_path, write_predictions
from xlt.core.metrics.score import score_folders
from xlt.core.tasks.languages import LANGUAGES
from xlt.core.tasks.table import TARGETS, TASKS
from xlt.data import DataRoot
from xlt.evalsuite import evaluate
from xlt.evalsuite.compute.rows import gold_in_order

SCRIPT = "XTREME_EVALUATE"  # evaluate.py of a clone of google-research/xtreme
PYTHON = "XTREME_PYTHON"  # an interpreter that has seqeval 0.0.12 [this one]
MODULES = "XTREME_PYTHONPATH"  # where seqeval is, if not there
CALL = """
import inspect, json, sys
sys.path.insert(0, sys.argv[1])
from evaluate import evaluate
versions = ["xtreme"] if "xtreme_version" in inspect.signature(evaluate).parameters else []
groups, tasks = evaluate(sys.argv[2], sys.argv[3], *versions)
json.dump({"groups": groups, "tasks": tasks}, open(sys.argv[4], "w"))
"""
ENGLISH = ["cat", "tree", "moon", "rain", "salt", "iron", "sand"]
FOREIGN = ["katze", "baum", "mond", "regen", "salz", "eisen", "staub"]


def rows(rng, words, classes, n):
    """Pair rows: a word decides what the model says, the gold label is another one in four."""
    names = sorted(set(classes.values()))
    chosen = [rng.choice(words) for _ in range(n)]
    return "".join(
        f"x {word}\tx\t{classes[word] if rng.random() < 0.75 else rng.choice(names)}\n"
        for word in chosen
    )


def tagged(rng, classes, n):
    names = sorted(set(classes.values()))
    sentences = []
    for _ in range(n):
        words = [rng.choice(sorted(classes)) for _ in range(rng.randint(1, 7))]
        tags = [classes[word] if rng.random() < 0.8 else rng.choice(names) for word in words]
        sentences.append("".join(f"{w}\t{t}\n" for w, t in zip(words, tags, strict=True)))
    return "\n".join(sentences) + "\n"


def questions(rng, make, n):
    found = []
    for number in range(n):
        words = ["x", rng.choice(["forty", "Rhein", "zehn"]), "the", "x"]
        context = " ".join(words)
        found.append((f"q{number}", context, rng.choice([words[1], words[1], context, "the"])))
    return make.squad(*found)


def texts(rng, words, n):
    """Distinct sentences of one or two words, as places in a list of words."""
    pairs = [(a,) for a in range(len(words))]
    pairs += [(a, b) for a in range(len(words)) for b in range(a)]
    return rng.sample(pairs, n)


def bitext(rng, n):
    """(foreign, English) lines; one in five is a translation of something else."""
    pairs = texts(rng, ENGLISH, n)
    english = [" ".join(ENGLISH[i] for i in pair) for pair in pairs]
    moved = [p if rng.random() < 0.8 else rng.choice(pairs) for p in pairs]
    return [" ".join(FOREIGN[i] for i in pair) for pair in moved], english


@pytest.fixture
def whole(make, tmp_path):
    """A data root with every task in all its languages."""
    files, rng = {}, random.Random(1)
    nli = {"yes": "entailment", "maybe": "neutral", "no": "contradiction"}
    upos = {"dog": "NOUN", "runs": "VERB", "the": "DET", ".": "PUNCT"}
    ner = {"Bonn": "B-LOC", "Ada": "B-PER", "Byron": "I-PER", "in": "O", "lives": "O"}
    for lang in TASKS["xnli"].languages:
        files[f"xnli/test-{lang}.tsv"] = rows(rng, sorted(nli), nli, 23)
    for lang in TASKS["pawsx"].languages:
        same = {"same": "1", "other": "0"}
        files[f"pawsx/test-{lang}.tsv"] = rows(rng, sorted(same), same, 19)
    for lang in TASKS["udpos"].languages:
        files[f"udpos/test-{lang}.tsv"] = tagged(rng, upos, 11)
    for lang in TASKS["panx"].languages:
        files[f"panx/test-{lang}.tsv"] = tagged(rng, ner, 13)
    for lang in TASKS["xquad"].languages:
        files[f"xquad/xquad.{lang}.json"] = questions(rng, make, 17)
    for lang in TASKS["mlqa"].languages:
        name = f"mlqa/MLQA_V1/test/test-context-{lang}-question-{lang}.json"
        files[name] = questions(rng, make, 14)
    for lang in TASKS["tydiqa"].languages:
        name = f"tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.{lang}.dev.json"
        files[name] = questions(rng, make, 7)
    for lang in TASKS["tatoeba"].languages:
        foreign, english = bitext(rng, 12)
        code = LANGUAGES[lang].tatoeba
        files[f"tatoeba/tatoeba.{code}-eng.{code}"] = "\n".join(foreign) + "\n"
        files[f"tatoeba/tatoeba.{code}-eng.eng"] = "\n".join(english) + "\n"
    for lang in TASKS["bucc2018"].languages:
        for split in ("dev", "test"):
            foreign, english = bitext(rng, 15)
            place = f"bucc2018/{lang}-en.{split}"
            files[f"{place}.{lang}"] = "".join(f"{lang}-{n}\t{t}\n" for n, t in enumerate(foreign))
            files[f"{place}.en"] = "".join(f"en-{n}\t{t}\n" for n, t in enumerate(english))
            files[f"{place}.gold"] = "".join(f"{lang}-{n}\ten-{n}\n" for n in range(9))
    return make.root(tmp_path / "root", files)


def write_labels(root, folder):
    """Gold in the official layout: of questions the data file itself, else as predictions are."""
    data = DataRoot(root)
    for name in TARGETS:
        task = TASKS[name]
        for lang in task.languages:
            target = official_path(folder, task, lang)
            target.parent.mkdir(parents=True, exist_ok=True)
            if task.kind == "span":
                (source,) = data.find(task, lang, "test").paths
                target.write_bytes(source.read_bytes())
            else:
                write_predictions(task, target, gold_in_order(task, data.read(task, lang, "test")))


@pytest.fixture
def handed_in(bundles, whole, tmp_path):
    """(results, the submission, the labels) of the whole benchmark."""
    results = evaluate(bundles, whole, out=tmp_path / "r", submission=tmp_path / "sub", threads=1)
    write_labels(whole, tmp_path / "labels")
    return results, tmp_path / "sub", tmp_path / "labels"


@pytest.mark.slow
def test_the_reader_of_score_finds_the_same_numbers_in_the_submission(handed_in):
    results, submission, labels = handed_in
    assert {path.parent.name for path in submission.rglob("*.*")} == set(TARGETS)
    assert sum(len(TASKS[name].languages) for name in TARGETS) == len(results.cells)
    scored = score_folders(submission, labels)
    for name in TARGETS:
        theirs = scored["tasks"][name]
        ours = results.record["tasks"][name]
        assert {metric: ours[metric] for metric in theirs} == theirs, name
    assert scored["all_task"] == results.record["all_task"]
    spread = {results.score(name) for name in TARGETS}
    assert len(spread) == len(TARGETS) and all(5 < score < 95 for score in spread), spread


@pytest.mark.slow
def test_the_public_script_finds_the_same_numbers_to_the_last_digit(handed_in, tmp_path):
    if SCRIPT not in os.environ:
        pytest.skip(f"{SCRIPT} does not name XTREME's evaluate.py")
    results, submission, labels = handed_in
    script = Path(os.environ[SCRIPT]).resolve()
    python = os.environ.get(PYTHON, sys.executable)
    found = tmp_path / "public.json"
    command = [python, "-W", "ignore", "-c", CALL, script.parent, submission, labels, found]
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.environ.get(MODULES, "")
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    public = json.loads(found.read_text())
    for name in TARGETS:
        ours = results.record["tasks"][name]
        assert_same(
            {metric: ours[metric] for metric in public["tasks"][name]}, public["tasks"][name]
        )
    groups = {**results.record["groups"], "all_task": results.record["all_task"]}
    assert_same(groups, public["groups"])


def assert_same(ours, theirs):
    """Every digit that the script prints, and all others but for the order of floating sums."""
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if isinstance(value, dict):
            assert_same(ours[name], value)
        else:
            assert f"{ours[name]:.2f}" == f"{value:.2f}", name
            assert ours[name] == pytest.approx(value, abs=1e-12), name
