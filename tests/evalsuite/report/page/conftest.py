"""Made-up data roots and results folders, small or of any size; every text is invented."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from xlt.core.files import sha256_file
from xlt.core.metrics.official import official_path, write_predictions
from xlt.core.metrics.table import headline_mean, measure
from xlt.core.tasks.languages import LANGUAGES
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot
from xlt.evalsuite.compute.rows import gold_in_order
from xlt.evalsuite.report.families import group_means
from xlt.evalsuite.report.results import SCHEMA, task_scores

# a few words of each script, so that pages show them
WORDS = {
    "ar": "القطة تنام على السطح الأحمر",
    "he": "החתול ישן על הגג האדום",
    "ur": "بلی لال چھت پر سوتی ہے",
    "fa": "گربه روی بام قرمز می‌خوابد",
    "zh": "猫 在 红色 屋顶 上 睡觉",
    "th": "แมว นอน บน หลังคา สีแดง",
    "el": "η γάτα κοιμάται στην κόκκινη στέγη",
    "ru": "кошка спит на красной крыше",
}
LATIN = "the cat sleeps on a red roof"


def words_of(lang):
    return WORDS.get(lang, LATIN).split()


def write_data(root, tasks, items):
    """Labelled test files of xnli, panx, udpos, xquad and tatoeba in the given languages."""
    rng = np.random.default_rng(0)
    classes = rng.integers(3, size=items)  # the same in every language: parallel
    for task, langs in tasks.items():
        for lang in langs:
            words = words_of(lang)
            texts = [f"{' '.join(words)} {number}" for number in range(items)]
            if task == "xnli":
                labels = [TASKS["xnli"].labels[c] for c in classes]
                rows = [f"{t}\t{words[0]}\t{y}" for t, y in zip(texts, labels, strict=True)]
                write(root / f"xnli/test-{lang}.tsv", rows)
            elif task in {"panx", "udpos"}:
                names = [t for t in TASKS[task].labels if not t.startswith("I-")]
                rows = []
                for _ in range(items):
                    rows += [f"{w}\t{names[rng.integers(len(names))]}" for w in words] + [""]
                write(root / f"{task}/test-{lang}.tsv", rows)
            elif task == "xquad":
                paragraphs = [
                    {
                        "context": " ".join(words) + f" {number}",
                        "qas": [
                            {
                                "id": f"{lang}{number}-{place}",
                                "question": words[place] + "?",
                                "answers": [{"text": words[place], "answer_start":
                                             " ".join(words).index(words[place])}],
                            }
                            for place in range(3)
                        ],
                    }
                    for number in range(max(1, items // 3))
                ]  # fmt: skip
                value = {"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}
                write(root / f"xquad/xquad.{lang}.json", [json.dumps(value, ensure_ascii=False)])
            else:
                code = LANGUAGES[lang].tatoeba
                write(root / f"tatoeba/tatoeba.{code}-eng.{code}", texts)
                english = [f"{LATIN} {number}" for number in range(items)]
                write(root / f"tatoeba/tatoeba.{code}-eng.eng", english)
    return root


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def spoil(task, gold, right, rng):
    """Predictions of which about the share `right` is right."""

    def keep():
        return rng.random() < right

    if task.kind == "span":
        return {key: (answers[0] if keep() else "nothing") for key, answers in gold}
    if task.kind == "tag":
        return [
            [tag if keep() else "X" if task.name == "udpos" else "O" for tag in t] for t in gold
        ]
    other = dict(zip(gold, np.roll(np.array(gold, dtype=object), 1), strict=True))
    return [label if keep() else str(other[label]) for label in gold]


def write_results(out, root, tasks, *, right=0.7, seed=0, precision="fp32", **fields):
    """A results folder as `xlt eval` leaves it, with predictions of that quality."""
    data_root, cells = DataRoot(root), []
    rng = np.random.default_rng(seed)
    for name, langs in tasks.items():
        task = TASKS[name]
        for lang in langs:
            data = data_root.read(task, lang, "test")
            gold = gold_in_order(task, data)
            share = right(name, lang) if callable(right) else right
            predicted = spoil(task, gold, share, rng)
            path = official_path(out / "predictions", task, lang)
            write_predictions(task, path, predicted)
            metrics = measure(task.metric, gold, predicted, lang)
            cells.append(
                {
                    "bundle": name, "task": name, "lang": lang, "split": "test", "n": len(data),
                    "score": headline_mean(task.metric, metrics), "metrics": metrics,
                    "baseline": {}, "key": "0" * 64, "parts": {}, "flags": [],
                    "predictions": str(path.relative_to(out)),
                    "predictions_sha256": sha256_file(path),
                }
            )  # fmt: skip
    used = {cell["lang"] for cell in cells}
    record = {
        "schema": SCHEMA, "split": "test", "precision": precision,
        "bundles": {
            name: {"key": "ab" * 32, "task": name, "answers": [name], "pooling": None,
                   "layer": None,
                   "trained_on": {"declared": True, "tasks": [name], "languages": ["en"]}}
            for name in tasks
        },
        "cells": cells, "tasks": {}, "groups": {}, "all_task": None,
        "families": {n: group_means(task_scores(cells, n), LANGUAGES) for n in tasks},
        "missing": {}, "failed": [],
        "languages": {
            code: {f: getattr(LANGUAGES[code], f)
                   for f in ("name", "family", "branch", "script", "indo_european", "constructed")}
            for code in sorted(used)
        },
        **fields,
    }  # fmt: skip
    (out / "results.json").write_text(json.dumps(record, ensure_ascii=False))
    return out


TASK_LANGS = {
    "xnli": ["en", "de", "ar", "sw", "zh", "ur"],
    "panx": ["en", "he", "ru", "fi", "fa"],
    "xquad": ["en", "ar", "el", "th"],
    "tatoeba": ["de", "ar", "zh"],
}


@pytest.fixture(scope="session")
def made():
    return SimpleNamespace(data=write_data, results=write_results, tasks=TASK_LANGS)


@pytest.fixture(scope="session")
def folders(tmp_path_factory, made):
    """A data root with two runs of three seeds and an int8 one; read them, do not change them."""
    base = tmp_path_factory.mktemp("made")
    root = made.data(base / "root", made.tasks, 60)
    found = {"root": root}
    for arm, right in (("direct", 0.6), ("mnli", 0.75)):
        for seed in (1, 2, 3):
            out = base / arm / f"seed{seed}" / "results"
            found[f"{arm}{seed}"] = made.results(out, root, made.tasks, right=right, seed=seed)
    found["int8"] = made.results(
        base / "int8" / "results", root, made.tasks, right=0.72, seed=9, precision="int8"
    )
    run = base / "mnli" / "seed1"
    (run / "run.json").write_text("{}")
    lines = [{"phase": "1-mnli", "step": s, "loss": 3 / s, "lr": 1e-5} for s in range(10, 200, 10)]
    lines += [{"phase": "1-mnli", "step": s, "dev": {"accuracy": 40 + s / 5}} for s in (50, 150)]
    lines += [{"phase": "udpos", "step": 10, "loss": 1.5}]
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"phase": "udp'
    (run / "log.jsonl").write_text(text)
    return SimpleNamespace(**found)
