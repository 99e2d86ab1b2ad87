"""Mining files: what is found, ids of repeated texts, thresholds, files of any shape."""

import gzip
import json
import zlib

import numpy as np
import pytest

from xlt.core.errors import DataError, UsageError
from xlt.core.retrieval.mining import candidates
from xlt.evalsuite.mine.mining import MineConfig, mine_files, work_folder

WIDTH = 16


def vectors_of(texts):
    """A unit vector a text: the word behind the colon decides it, the rest adds a little."""
    found = []
    for text in texts:
        concept = text.rpartition(":")[2]
        vector = np.random.default_rng(zlib.crc32(concept.encode())).normal(size=WIDTH)
        vector += 0.2 * np.random.default_rng(zlib.crc32(text.encode())).normal(size=WIDTH)
        found.append(vector / np.linalg.norm(vector))
    return np.array(found, dtype=np.float32)


class Stub:
    """Stands for an engine; counts what it encodes."""

    def __init__(self):
        self.encoded = []

    def __call__(self, texts, tick):
        self.encoded += texts
        tick(len(texts))
        return vectors_of(texts)


@pytest.fixture
def files(tmp_path):
    source = [f"de:{n}" for n in range(40)] + ["", "de:3", "noise:a", "  de:4  "]
    target = [f"en:{n}" for n in range(39, -1, -1)] + ["en:3", "noise:b"]
    (tmp_path / "src.txt").write_text("\n".join(source) + "\n")
    (tmp_path / "tgt.txt").write_text("\n".join(target) + "\n")
    return tmp_path


def mined(folder, stub=None, **settings):
    settings = {"source": folder / "src.txt", "target": folder / "tgt.txt",
                "out": folder / "pairs.tsv", **settings}  # fmt: skip
    return mine_files(MineConfig(**settings), stub or Stub(), "key").record


def rows_of(path):
    header, *rows = path.read_text().splitlines()
    assert header == "score\tsrc_line\ttgt_line\tsrc\ttgt"
    return [row.split("\t") for row in rows]


def test_translations_are_found_and_repeated_texts_keep_all_their_lines(files):
    record = mined(files)
    rows = rows_of(files / "pairs.tsv")
    lines = {(int(a), int(b)) for _, a, b, *_ in rows}
    assert {(n + 1, 40 - n) for n in range(40)} <= lines
    assert {(4, 41), (42, 37), (42, 41), (44, 36)} <= lines  # de:3 twice, en:3 twice, de:4 twice
    assert record["rows"] == len(rows) > record["pairs"]
    assert (record["source"]["lines"], record["source"]["blank"]) == (44, 1)
    assert (record["source"]["texts"], record["target"]["texts"]) == (41, 41)
    assert all(row[3].startswith(("de:", "noise:")) for row in rows)
    scores = [float(row[0]) for row in rows]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("margin", ["ratio", "distance", "absolute"])
def test_scores_are_those_of_the_mining_of_bucc(files, margin):
    mined(files, margin=margin, k=3)
    x = list(dict.fromkeys(t.strip() for t in (files / "src.txt").read_text().split("\n") if t))
    y = list(dict.fromkeys(t.strip() for t in (files / "tgt.txt").read_text().split("\n") if t))
    expected = candidates(vectors_of(x), vectors_of(y), texts_x=x, texts_y=y, k=3, margin=margin)
    found = {(row[3], row[4]): float(row[0]) for row in rows_of(files / "pairs.tsv")}
    assert found == {(x[one.i], y[one.j]): one.score for one in expected}


def test_gzip_and_plain_files_give_the_same_pairs(files):
    mined(files)
    plain = (files / "pairs.tsv").read_bytes()
    packed = files / "oddly.named"
    packed.write_bytes(gzip.compress((files / "src.txt").read_bytes()))
    mined(files, source=packed, out=files / "pairs.tsv.gz")
    assert gzip.decompress((files / "pairs.tsv.gz").read_bytes()) == plain


def test_a_byte_order_mark_and_crlf_are_no_part_of_a_text(files):
    mined(files)
    plain = (files / "pairs.tsv").read_bytes()
    text = (files / "src.txt").read_bytes().replace(b"\n", b"\r\n")
    (files / "windows.txt").write_bytes(b"\xef\xbb\xbf" + text)
    mined(files, source=files / "windows.txt", out=files / "again.tsv")
    assert (files / "again.tsv").read_bytes() == plain


def test_a_tab_inside_a_text_does_not_shift_the_columns(files):
    (files / "src.txt").write_text("a\tb:1\nde:2\n")
    mined(files)
    assert all(len(row) == 5 for row in rows_of(files / "pairs.tsv"))
    assert "a b:1" in {row[3] for row in rows_of(files / "pairs.tsv")}


def test_a_threshold_keeps_the_pairs_at_or_above_it(files):
    mined(files, margin="absolute")
    scores = [float(row[0]) for row in rows_of(files / "pairs.tsv")]
    cut = scores[len(scores) // 2]
    mined(files, margin="absolute", threshold=cut, out=files / "cut.tsv")
    assert [float(r[0]) for r in rows_of(files / "cut.tsv")] == [s for s in scores if s >= cut]


def test_a_negative_threshold_lets_through_what_is_not_above_0(files):
    mined(files, margin="distance", k=1)
    mined(files, margin="distance", k=1, threshold=-9, out=files / "all.tsv")
    assert len(rows_of(files / "all.tsv")) > len(rows_of(files / "pairs.tsv"))
    assert min(float(row[0]) for row in rows_of(files / "all.tsv")) <= 0


def test_the_threshold_is_the_best_on_the_labelled_sample(files):
    sample = files / "sample.tsv"
    sample.write_text("".join(f"{n + 1}\t{40 - n}\n" for n in range(20)) + "43\t-\n\n44\t36\n")
    record = mined(files, labelled=sample)
    assert record["on_sample"]["f1"] == 100
    kept = {(int(a), int(b)) for _, a, b, *_ in rows_of(files / "pairs.tsv")}
    assert {(n + 1, 40 - n) for n in range(20)} <= kept
    assert not any(a == 43 for a, _ in kept)
    assert min(float(row[0]) for row in rows_of(files / "pairs.tsv")) >= record["threshold"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1 2", "no tab"),
        ("one\t2", "not a line number"),
        ("99\t2", "no line 99, only 1 to 44"),
        ("1\t0", "no line 0"),
        ("41\t2", "blank"),
        ("1\t-", "no row names a pair"),
        ("²\t2", "not a line number"),
    ],
)
def test_a_sample_that_is_none_is_told(files, row, problem):
    (files / "sample.tsv").write_text(row + "\n")
    with pytest.raises(DataError, match=problem):
        mined(files, labelled=files / "sample.tsv")
    assert not (files / "pairs.tsv").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no text"),
        (b"\n \n\t\n", "no text"),
        (b"de:1\n\xff\n", "line 2 is not valid UTF-8"),
        (b"x" * ((1 << 20) + 1), "line 1 has more than 1048576 bytes"),
        (gzip.compress(b"de:1\nde:2\n" * 500, mtime=0)[:-30], "truncated"),
    ],
)
def test_a_file_that_is_no_list_of_texts_is_exit_3(files, content, problem):
    (files / "src.txt").write_bytes(content)
    with pytest.raises(DataError) as raised:
        mined(files)
    assert problem in f"{raised.value} {raised.value.hint}"


def test_all_mistakes_of_the_settings_are_told_at_once(files):
    (files / "pairs.tsv").write_text("mine")
    with pytest.raises(UsageError) as raised:
        mined(files, k=0, margin="ratoi", threshold=1.0, labelled=files / "s.tsv", index="faiss")
    assert len(raised.value.mistakes) == 5
    assert "did you mean 'ratio'" in raised.value.message
    assert (files / "pairs.tsv").read_text() == "mine"


def test_the_work_folder_goes_unless_it_is_to_be_kept(files):
    mined(files)
    assert not work_folder(files / "pairs.tsv").exists()
    mined(files, keep_work=True, force=True)
    stub = Stub()
    mined(files, stub, margin="absolute", force=True)
    assert stub.encoded == []
    assert not work_folder(files / "pairs.tsv").exists()


def test_vectors_of_another_model_prompt_or_file_are_not_used(files):
    def fresh(model="key", **settings):
        stub = Stub()
        places = {"source": files / "src.txt", "target": files / "tgt.txt", "out": files / "p.tsv"}
        mine_files(MineConfig(**places, keep_work=True, force=True, **settings), stub, model)
        return len(stub.encoded)

    assert fresh() == 82
    assert fresh() == 0
    assert fresh("other") == 82
    assert fresh("other", prompt="query: ") == 82
    with (files / "src.txt").open("a") as stream:
        stream.write("de:77\n")
    assert fresh("other", prompt="query: ") == 42  # the target's stay


def test_what_was_done_stands_beside_the_pairs(files):
    record = mined(files, prompt="query: ")
    assert json.loads((files / "pairs.tsv.json").read_text()) == record
    assert record["prompt"] == "query: "
    assert record["index"] == "flat"
    assert record["model"] == "key"


def test_a_folder_of_the_user_in_the_place_of_the_work_folder_is_left_alone(files):
    work = work_folder(files / "pairs.tsv")
    work.mkdir()
    (work / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"not of xlt mine \(thesis.tex\)"):
        mined(files)
    assert (work / "thesis.tex").read_text() == "years of work"
    assert [path.name for path in work.iterdir()] == ["thesis.tex"]
