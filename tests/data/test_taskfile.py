"""Task files: a user's own task of each kind, and every mistake at once."""

import json

import pytest

from xlt.core.errors import DataError, UsageError
from xlt.data import DataRoot, training_sets
from xlt.data.taskfile import load_task_file, load_task_files, load_tasks


def put(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, newline="")
    return path


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


PAIR = """\
name: stance
kind: pair
labels: [against, for]
languages: [en, sw]
files:
  train: stance/train.tsv
  dev: stance/{split}-{lang}.tsv
  test: stance/test-{lang}.tsv
columns:
  text_a: claim
  text_b: [title, body]
  label: side
  id: number
values:
  "-1": against
  "1": for
"""


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def test_a_pair_task_from_tsv_files(tmp_path, root):
    header = "number\tclaim\ttitle\tbody\tside\n"
    put(root, "stance/train.tsv", f"{header}a1\tIs it ?\tYes\tit is\t1\na2\tWas it ?\tNo\tno\t-1\n")
    put(root, "stance/test-sw.tsv", f"{header}b1\tNi ?\tNdiyo\tni\t-1\n")
    data = DataRoot(root, task_files=[put(tmp_path, "stance.yaml", PAIR)])
    task = data.tasks["stance"]
    assert (task.role, task.metric, task.source, task.extension) == (
        "user", "accuracy", "stance", "tsv",
    )  # fmt: skip
    train = data.read(task, "en", "train")
    assert [(one.id, one.text_a, one.text_b, one.label) for one in train.examples] == [
        ("a1", "Is it ?", "Yes it is", "for"),
        ("a2", "Was it ?", "No no", "against"),
    ]
    assert data.langs(task, "test") == ["sw"]
    assert data.langs(task, "train") == ["en"]
    assert data.read(task, "sw", "test").examples[0].label == "against"
    assert len(training_sets(data, task, seed=1).train) == 1


def test_a_file_given_for_a_user_task_has_its_columns(tmp_path, root):
    data = DataRoot(root, task_files=[put(tmp_path, "stance.yaml", PAIR)])
    header = "number\tclaim\ttitle\tbody\tside\n"
    file = put(tmp_path, "other.tsv", f"{header}a1\tIs it ?\tYes\tit is\t1\n")
    train = data.read(data.tasks["stance"], "en", "train", file=file)
    assert train.examples[0].label == "for"


def test_a_single_text_task_needs_no_second_text(tmp_path, root):
    text = (
        "name: mood\nkind: pair\nlabels: [sad, glad]\nfiles: {train: 'm/{lang}.csv'}\n"
        "columns: {text_a: text, label: y}\n"
    )
    put(root, "m/en.csv", 'text,y\n"Oh, no",0\n')
    data = DataRoot(root, task_files=[put(tmp_path, "m.yaml", text)])
    (one,) = data.read(data.tasks["mood"], "en", "train").examples
    assert (one.text_a, one.text_b, one.label) == ("Oh, no", None, "sad")


def test_a_choice_task_from_json_lines(tmp_path, root):
    text = (
        "name: copa\nkind: choice\nn_choices: 2\nlanguages: [en, et]\n"
        "files:\n  test: c/{lang}.jsonl\n"
        "columns: {prompt: [premise, ask], choices: [c1, c2], label: right}\n"
    )
    put(root, "c/et.jsonl", jsonl({"premise": "P.", "ask": "Q?", "c1": "a", "c2": "b", "right": 1}))
    data = DataRoot(root, task_files=[put(tmp_path, "c.yaml", text)])
    (one,) = data.read(data.tasks["copa"], "et", "test").examples
    assert (one.prompt, one.choices, one.label) == ("P. Q?", ("a", "b"), 1)


def test_xcopa_needs_no_columns(tmp_path, root):
    text = "name: xcopa\nkind: choice\nn_choices: 2\nlanguages: [et]\n"
    text += "files: {test: 'xcopa/data/{lang}/test.{lang}.jsonl'}\n"
    row = {"premise": "P.", "choice1": "a", "choice2": "b", "question": "cause", "label": 0}
    put(root, "xcopa/data/et/test.et.jsonl", jsonl(row))
    data = DataRoot(root, task_files=[put(tmp_path, "x.yaml", text)])
    (one,) = data.read(data.tasks["xcopa"], "et", "test").examples
    assert one.prompt == "P. What was the cause?"


def test_a_tag_task_with_a_language_column(tmp_path, root):
    text = (
        "name: chunks\nkind: tag\nlabels: [O, B-NP, I-NP]\nlanguages: [en, de]\n"
        "files: {test: chunks.jsonl}\n"
        "columns: {words: toks, tags: bio, language: lang}\n"
    )
    rows = [
        {"toks": ["A", "cat"], "bio": [1, 2], "lang": "en"},
        {"toks": ["Er"], "bio": ["B-NP"], "lang": "de"},
    ]
    put(root, "chunks.jsonl", jsonl(*rows))
    data = DataRoot(root, task_files=[put(tmp_path, "t.yaml", text)])
    task = data.tasks["chunks"]
    assert data.langs(task, "test") == ["en", "de"]
    (english,) = data.read(task, "en", "test").examples
    assert (english.words, english.tags) == (("A", "cat"), ("B-NP", "I-NP"))
    (german,) = data.read(task, "de", "test").examples
    assert german.tags == ("B-NP",)


def test_tags_in_the_usual_layouts_need_no_columns(tmp_path, root):
    text = "name: chunks\nkind: tag\nlabels: [O, B]\nmetric: token_accuracy\n"
    text += "files: {train: '*/chunks.tsv'}\n"
    put(root, "a/chunks.tsv", "A\tO\n")
    put(root, "b/chunks.tsv", "cat\tB\n")
    data = DataRoot(root, task_files=[put(tmp_path, "t.yaml", text)])
    train = data.read(data.tasks["chunks"], "en", "train")
    assert [one.words for one in train.examples] == [("A",), ("cat",)]


def test_a_span_task_from_columns(tmp_path, root):
    text = (
        "name: faq\nkind: span\nfiles: {train: faq.csv}\n"
        "columns: {question: q, context: c, answer_text: a, answer_start: at}\n"
    )
    put(root, "faq.csv", "q,c,a,at\nWho?,A red cat,cat,6\nWhat?,A red cat,red,2\n")
    data = DataRoot(root, task_files=[put(tmp_path, "f.yaml", text)])
    first, second = data.read(data.tasks["faq"], "en", "train").examples
    assert [(one.text, one.start) for one in first.answers] == [("cat", 6)]
    assert first.id != second.id
    assert data.tasks["faq"].extension == "json"


def test_a_span_task_with_unanswerable_questions(tmp_path, root):
    text = "name: faq\nkind: span\nnull_answer: true\nfiles: {dev: faq.jsonl}\n"
    text += "columns: {question: q, context: c, answers: a, id: n}\n"
    rows = [{"n": 1, "q": "?", "c": "x y", "a": {"text": ["y"], "answer_start": [2]}},
            {"n": 2, "q": "?", "c": "x y", "a": {"text": [], "answer_start": []}}]  # fmt: skip
    put(root, "faq.jsonl", jsonl(*rows))
    data = DataRoot(root, task_files=[put(tmp_path, "f.yaml", text)])
    assert data.tasks["faq"].metric == "squad2"
    first, second = data.read(data.tasks["faq"], "en", "dev").examples
    assert (first.id, second.id, second.answers) == ("1", "2", ())


def test_an_embed_task_is_aligned_by_row(tmp_path, root):
    text = "name: pairs\nkind: embed\nlanguages: [de]\nfiles: {test: 'p-{lang}.tsv'}\n"
    text += "columns: {foreign: de, english: en}\n"
    put(root, "p-de.tsv", "en\tde\nOne\tEins\nTwo\tZwei\n")
    data = DataRoot(root, task_files=[put(tmp_path, "p.yaml", text)])
    task = data.tasks["pairs"]
    assert (task.metric, task.source) == ("tatoeba", None)
    bitext = data.read(task, "de", "test").bitext
    assert [one.text for one in bitext.foreign] == ["Eins", "Zwei"]
    assert bitext.gold == (("0", "0"), ("1", "1"))


def test_files_may_lie_beside_the_task_file(tmp_path, root):
    text = "name: mood\nkind: pair\nlabels: [a, b]\nfiles: {train: here.tsv}\n"
    put(tmp_path, "elsewhere/here.tsv", "x\ty\ta\nz\tw\tb\n")
    data = DataRoot(root, task_files=[put(tmp_path, "elsewhere/m.yaml", text)])
    assert len(data.read(data.tasks["mood"], "en", "train")) == 2


def test_task_files_of_a_root_are_known_without_asking(root):
    put(root, "tasks/stance.yaml", PAIR)
    assert "stance" in DataRoot(root).tasks


def test_a_hub_data_set_with_its_splits(tmp_path):
    text = PAIR.split("files:")[0] + (
        "hub:\n  name: org/stance\n  config: stance_{lang}\n  splits: {train: train, test: final}\n"
    )
    user = load_task_file(put(tmp_path, "s.yaml", text))
    assert user.hub.name == "org/stance"
    assert dict(user.hub.splits) == {"train": "train", "test": "final"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name: a\nkind: pear\n", ["line 2: kind is 'pear'; did you mean 'pair'?"]),
        (PAIR.replace("labels:", "lables:"), ["line 3: unknown field lables", "'labels'"]),
        (PAIR.replace("against, for", "against"), ["line 3", "two or more labels"]),
        (PAIR.replace("stance\n", "xnli\n", 1), ["line 1: name 'xnli' is an official task"]),
        (PAIR.replace("stance\n", "My Task\n", 1), ["name is 'My Task'"]),
        (PAIR.replace("text_a: claim", "first: claim"), ["unknown field columns.first",
                                                         "columns lacks text_a"]),
        (PAIR.replace("  dev:", "  valid:"), ["line 7: unknown field files.valid"]),
        (PAIR.replace('"1": for', '"1": fore'), ["line 16: value '1' is mapped to 'fore'"]),
        (PAIR.replace("[en, sw]", "[en, no]"), ["languages has False", "put quotes around it"]),
        (PAIR + "metric: f1\n", ["metric is 'f1'", "accuracy"]),
        (PAIR + "max_length: long\n", ["max_length is 'long', a whole number"]),
        (PAIR + "n_choices: 3\n", ["kind pair has no n_choices"]),
        (PAIR + "null_answer: true\n", ["true is for kind span"]),
        ("name: a\nkind: choice\nfiles: {test: x}\n", ["needs n_choices"]),
        ("name: a\nkind: embed\nfiles: {test: x}\n", ["kind embed needs columns"]),
        ("name: a\nkind: tag\nlabels: [x, x]\n", ["twice", "neither `files` nor `hub`"]),
        ("name: a\nkind: tag\nhub: {name: 3, part: x}\n", ["hub.name is 3", "hub.part"]),
        ("name: [a\n", ["line 2", "not valid YAML"]),
        ("- name: a\n", ["a mapping is needed"]),
    ],
)  # fmt: skip
def test_mistakes_name_file_line_and_rule(tmp_path, text, parts):
    path = put(tmp_path, "wrong.yaml", text)
    with pytest.raises(UsageError) as caught:
        load_task_file(path)
    assert "wrong.yaml" in caught.value.message
    for part in parts:
        assert part in caught.value.message


def test_all_mistakes_are_reported_at_once(tmp_path):
    text = PAIR.replace("labels:", "lables:").replace("text_a", "text_x") + "max_length: -1\n"
    with pytest.raises(UsageError) as caught:
        load_task_file(put(tmp_path, "wrong.yaml", text))
    for part in ("lables", "text_x", "max_length is -1", "two or more labels"):
        assert part in caught.value.message


def test_a_missing_task_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_task_file(tmp_path / "none.yaml")


def test_two_files_for_one_name(tmp_path):
    paths = [put(tmp_path, name, PAIR) for name in ("a.yaml", "b.yaml")]
    with pytest.raises(UsageError, match="'stance' is there twice"):
        load_task_files(paths)
    assert list(load_tasks(paths[:1])) == ["stance"]


def test_a_column_that_the_file_lacks(tmp_path, root):
    put(root, "stance/train.tsv", "number\tclaim\tside\na1\tIs it ?\t1\n")
    data = DataRoot(root, task_files=[put(tmp_path, "stance.yaml", PAIR)])
    with pytest.raises(DataError, match=r"line 2: no column 'title' \(for text_b\)"):
        data.read(data.tasks["stance"], "en", "train")


def test_a_value_that_is_no_label(tmp_path, root):
    put(root, "stance/train.tsv", "number\tclaim\ttitle\tbody\tside\na1\tIs it ?\ta\tb\t7\n")
    data = DataRoot(root, task_files=[put(tmp_path, "stance.yaml", PAIR)])
    with pytest.raises(DataError, match=r"line 2: label '7' is not in the set"):
        data.read(data.tasks["stance"], "en", "train")
