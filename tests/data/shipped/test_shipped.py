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
    assert task.name == name == task.suite and task.suite != XTREME
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
