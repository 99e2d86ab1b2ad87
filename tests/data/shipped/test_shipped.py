"""The task files that come with xlt: on made-up rows, and on real files where they are."""

import json
from pathlib import Path

import pytest

from xlt.core.errors import DataError, UsageError
from xlt.core.tasks.languages import LANGUAGES
from xlt.core.tasks.table import TASKS, XTREME
from xlt.data import DataRoot
from xlt.data.taskfile import SHIPPED, load_task_files
from xlt.data.usertask import UserTask

NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(root, name, lang, split="test"):
    data_root = DataRoot(root, task_files=[Path(name)])
    return data_root.read(data_root.tasks[name], lang, split)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_task_is_found_by_name_and_is_no_part_of_xtreme(name):
    (task,) = (user.task for user in load_task_files([Path(name)]).values())
    assert task.name == name and task.suite != XTREME
    assert task.suite == ("xtreme-r" if name.startswith("xtreme-r-") else name)
    assert name not in TASKS and task.role == "user"
    assert set(task.languages) <= set(LANGUAGES)


def test_a_file_of_ones_own_goes_before_a_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("xcopa").write_text("name: other\nkind: tag\nlabels: [A, B]\nfiles: {test: x}\n")
    assert list(load_task_files([Path("xcopa")])) == ["other"]
    with pytest.raises(DataError, match="no such file"):
        load_task_files([Path("xcopa-of-mine")])
    with pytest.raises(DataError, match="no such file"):
        load_task_files([tmp_path / "none" / "xcopa"])


def test_xcopa(tmp_path):
    row = {"premise": "The cup fell.", "choice1": "It broke.", "choice2": "It sang.",
           "question": "effect", "label": 0, "idx": 0, "changed": False}  # fmt: skip
    other = {**row, "label": 1, "premise": "The singer fell."}
    write(tmp_path / "xcopa/data/sw/test.sw.jsonl", [row, other])
    first, second = read(tmp_path, "xcopa", "sw").examples
    assert first.prompt == "The cup fell. effect" and first.choices == ("It broke.", "It sang.")
    assert (first.label, second.label) == (0, 1)


@pytest.mark.parametrize("file", ["sw.jsonl", "swh_Latn.jsonl"])
def test_belebele_counts_its_answers_from_one(tmp_path, file):
    row = {"flores_passage": "Ada lives in a tower.", "question": "Where does Ada live?"}
    answers = {
        f"mc_answer{n}": text for n, text in enumerate("a cave,a tower,a ship,a tree".split(","), 1)
    }
    rows = [{**row, **answers, "correct_answer_num": number} for number in ("2", "4")]
    write(tmp_path / "belebele" / file, rows)
    found = read(tmp_path, "belebele", "sw").examples
    assert [example.label for example in found] == [1, 3]
    assert found[0].choices[found[0].label] == "a tower"
    assert found[0].prompt == "Ada lives in a tower. Where does Ada live?"


def test_sib200_is_a_single_text(tmp_path):
    rows = ["index_id\tcategory\ttext", "7\tsports\tThe race was long.", "9\ttravel\tA quiet road."]
    write(tmp_path / "sib200/swh_Latn/test.tsv", rows)
    first, second = read(tmp_path, "sib200", "sw").examples
    assert (first.text_a, first.text_b, first.label) == ("The race was long.", None, "sports")
    assert second.label == "travel"


def test_multiconer_has_its_own_types(tmp_path):
    rows = ["the\tO", "blue\tB-CW", "hour\tI-CW", "", "acme\tB-CORP", "grew\tO", ""]
    write(tmp_path / "multiconer/de/test.tsv", rows)
    first, second = read(tmp_path, "multiconer", "de").examples
    assert first.words == ("the", "blue", "hour") and first.tags == ("O", "B-CW", "I-CW")
    assert second.tags == ("B-CORP", "O")


def test_xcopa_of_the_real_files(shared_data):
    root = DataRoot(shared_data, task_files=[Path("xcopa")])
    task = root.tasks["xcopa"]
    langs = root.langs(task, "test")
    assert set(langs) == {"et", "ht", "id", "it", "qu", "sw", "vi", "zh"}
    for lang in langs:
        data = root.read(task, lang, "test")
        assert len(data) == 500 and data.labelled
        assert {example.label for example in data.examples} == {0, 1}


@pytest.mark.parametrize(
    ("name", "foreign", "english", "lang"),
    [
        ("ntrex", "newstest2019-ref.deu.txt", "newstest2019-src.eng.txt", "de"),
        ("ntrex", "newstest2019-ref.zho-CN.txt", "newstest2019-src.eng.txt", "zh"),
        ("flores200", "swh_Latn.devtest", "eng_Latn.devtest", "sw"),
        ("flores200", "zho_Hans.devtest", "eng_Latn.devtest", "zh"),
    ],
)
def test_two_files_of_a_bitext_are_aligned_by_line(tmp_path, name, foreign, english, lang):
    folder = tmp_path / {"ntrex": "bitext_ntrex", "flores200": "flores200_dataset/devtest"}[name]
    write(folder / foreign, ["drei", "eins", "zwei"])
    write(folder / english, ["three", "one", "two"])
    data = read(tmp_path, name, lang)
    assert [sentence.text for sentence in data.bitext.foreign] == ["drei", "eins", "zwei"]
    assert data.bitext.gold == (("0", "0"), ("1", "1"), ("2", "2"))
    root = DataRoot(tmp_path, task_files=[Path(name)])
    assert root.langs(root.tasks[name], "test") == [lang]
    assert root.tasks[name].protocol == "search" and root.tasks[name].metric == "tatoeba"


def test_ntrex_of_the_real_files(shared_data):
    root = DataRoot(shared_data, task_files=[Path("ntrex")])
    task = root.tasks["ntrex"]
    assert root.langs(task, "test") == ["de", "fr", "zh"]
    for lang in ("de", "fr", "zh"):
        assert len(root.read(task, lang, "test")) == 1997


def test_two_files_are_for_retrieval_and_are_two(tmp_path):
    for kind, files in (("tag", "[a, b]"), ("embed", "[a, b, c]"), ("embed", "[a, 1]")):
        path = tmp_path / "t.yaml"
        labels = "labels: [A, B]\n" if kind == "tag" else ""
        path.write_text(f"name: t\nkind: {kind}\n{labels}files:\n  test: {files}\n")
        with pytest.raises(UsageError, match=r"line \d: files.test is"):
            load_task_files([path])
    path.write_text("name: t\nkind: embed\nfiles:\n  tset: [a, b]\n")
    with pytest.raises(UsageError, match=r"line 4: unknown field files.tset"):
        load_task_files([path])


def test_a_record_of_two_files_survives_its_json():
    (user,) = load_task_files([Path("ntrex")]).values()
    assert UserTask.from_json(json.loads(json.dumps(user.to_json()))) == user


# What XTREME-R adds to a task of XTREME (its evaluation script's lists).
ADDED = {
    "udpos": {"lt", "pl", "uk", "wo", "ro"},
    "panx": {"qu", "pl", "uk", "az", "lt", "pa", "gu", "ro"},
    "tatoeba": {"az", "lt", "pl", "uk", "ro"},
    "xquad": {"ro"},
}


@pytest.mark.parametrize("name", sorted(ADDED))
def test_xtreme_r_has_the_languages_of_xtreme_and_its_own(name):
    (user,) = load_task_files([Path(f"xtreme-r-{name}")]).values()
    task, old = user.task, TASKS[name]
    assert set(task.languages) == set(old.languages) | ADDED[name]
    assert len(task.languages) == len(old.languages) + len(ADDED[name])
    assert set(task.labels) == set(old.labels)
    for field in ("kind", "metric", "protocol", "max_length", "extension"):
        assert getattr(task, field) == getattr(old, field), field


CONLLU = "1\tpies\tpies\tNOUN\t_\t_\t2\tnsubj\t_\t_\n2\tśpi\tspać\tVERB\t_\t_\t0\troot\t_\t_\n"
QUESTION = {"id": "1", "question": "Cine?", "answers": [{"text": "Ana", "answer_start": 0}]}
SQUAD = {"data": [{"title": "t", "paragraphs": [{"context": "Ana doarme.", "qas": [QUESTION]}]}]}


@pytest.mark.parametrize(
    ("name", "lang", "files", "n"),
    [
        ("udpos", "pl", {"udpos/pl_one-ud-test.conllu": CONLLU,
                         "udpos/pl_two-ud-test.conllu": CONLLU}, 2),
        ("udpos", "lt", {"udpos/test-lt.tsv": "šuo\tNOUN\nmiega\tVERB\n"}, 1),
        ("udpos", "wo", {"udpos/ud-treebanks-v2.7/UD_Wolof-X/wo_x-ud-test.conllu": CONLLU}, 1),
        ("panx", "qu", {"panx/test-qu.tsv": "Ana\tB-PER\ntiyan\tO\n"}, 1),
        ("panx", "gu", {"panx/gu/test": "gu:Ana\tB-PER\ngu:ghar\tO\n"}, 1),
        ("tatoeba", "az", {"tatoeba/tatoeba.aze-eng.aze": "pişik\nit\n",
                           "tatoeba/tatoeba.aze-eng.eng": "cat\ndog\n"}, 2),
        ("tatoeba", "uk", {"tatoeba/uk-en.uk": "кіт\nпес\n", "tatoeba/uk-en.en": "cat\ndog\n"}, 2),
        ("xquad", "ro", {"xquad/xquad.ro.json": json.dumps(SQUAD)}, 1),
    ],
)  # fmt: skip
def test_extra_languages_of_xtreme_r(tmp_path, name, lang, files, n):
    for place, text in files.items():
        write(tmp_path / place, [text.rstrip("\n")])
    data = read(tmp_path, f"xtreme-r-{name}", lang)
    assert len(data) == n and data.labelled
    root = DataRoot(tmp_path, task_files=[Path(f"xtreme-r-{name}")])
    assert root.langs(root.tasks[f"xtreme-r-{name}"], "test") == [lang]


def test_xquad_in_romanian_of_the_real_files(shared_data):
    assert len(read(shared_data, "xtreme-r-xquad", "ro")) == 1190
