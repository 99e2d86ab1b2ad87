"""Bundles: believed only when every byte agrees with the manifest."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xlt.core.artifacts.bundle import Bundle, find_bundles, write_manifest
from xlt.core.errors import ModelError
from xlt.core.tasks.table import TASKS


def manifest_of(folder):
    return json.loads((folder / "xlt.json").read_text())


def change(folder, **fields):
    (folder / "xlt.json").write_text(json.dumps(manifest_of(folder) | fields))


def test_opened_bundle_tells_what_it_is(bundles, graphs):
    opened = Bundle.open(bundles["tag"])
    assert opened.name == "tag"
    assert opened.task.name == "udpos"
    assert opened.task.labels == graphs.labels
    assert opened.answers == ("udpos",)
    assert opened.max_length == 64
    assert opened.precision == "fp32"
    assert opened.onnx_path.is_file()
    assert opened.pooling is None
    assert Bundle.open(bundles["embed"]).pooling == "cls"
    assert len(opened.key) == 64


@pytest.mark.parametrize(
    "name", ["onnx/model.onnx", "tokenizer.json", "config.json", "special_tokens_map.json"]
)
def test_one_changed_byte_is_noticed_and_the_file_named(make_bundle, name):
    folder = make_bundle("pair")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ModelError, match=name.replace(".", r"\.")) as caught:
        Bundle.open(folder)
    assert caught.value.exit_code == 4
    assert Bundle.open(folder, verify=False).name == "pair"


@pytest.mark.parametrize("verify", [True, False])
def test_a_missing_file_is_named(make_bundle, verify):
    folder = make_bundle("pair")
    (folder / "onnx/model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx: missing"):
        Bundle.open(folder, verify=verify)


def test_a_file_beside_the_listed_ones_does_no_harm(make_bundle):
    folder = make_bundle("pair")
    (folder / "notes.txt").write_text("mine")
    assert Bundle.open(folder).name == "pair"


def test_a_missing_variant_names_those_present(make_bundle):
    with pytest.raises(ModelError, match=r"no int8 variant; it has fp32") as caught:
        Bundle.open(make_bundle("pair"), precision="int8")
    assert caught.value.hint == "use --precision fp32"


def test_a_foreign_model_gets_a_hint(model_folder):
    folder = model_folder("bert")
    for call in (Bundle.open, find_bundles):
        with pytest.raises(ModelError, match="a model, but not a bundle") as caught:
            call(folder)
        assert caught.value.hint == f"xlt export {folder} --out DIR"


def test_no_folder_is_a_model_error(tmp_path):
    for call in (Bundle.open, find_bundles):
        with pytest.raises(ModelError, match="no such bundle"):
            call(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "onnx/../../x", "a\\b", "c:/x", "./x", "a//b", "", ".", "a\0b"],
)
def test_paths_that_leave_the_bundle_are_refused(make_bundle, name):
    folder = make_bundle("pair")
    change(folder, files=manifest_of(folder)["files"] | {name: "0" * 64})
    with pytest.raises(ModelError, match="unsafe path"):
        Bundle.open(folder)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"schema": 2}, "schema 2, this version reads 1"),
        ({"schema": None}, "schema None"),
        ({"name": 3}, "'name' is missing or of the wrong type"),
        ({"max_length": "64"}, "'max_length' is missing"),
        ({"max_length": True}, "'max_length' is missing"),
        ({"files": [], "task": None}, "'task' is.*'files' is"),
        ({"task": {"name": "x", "kind": "pair", "colour": 1}}, "not a task record"),
        ({"task": {"name": "x"}}, "not a task record"),
        ({"task": {"name": "x", "kind": "mlm"}}, "kind 'mlm' cannot run"),
        ({"task": {"name": "x", "kind": "poem"}}, "kind 'poem' cannot run"),
        ({"variants": {"fp32": {}}}, "'fp32' names no file"),
        ({"variants": {"fp32": {"file": "a.onnx"}}}, "does not list 'a.onnx'"),
        ({"variants": {"fp32": {"file": "a", "files": ["a"]}}}, "'a' is not among the files"),
        ({"files": {"config.json": 3}}, "no hash for 'config.json'.*'tokenizer.json' is not"),
        ({"pooling": "max"}, "unknown pooling 'max'"),
        ({"dimensions": 64}, "dimensions 64 are not a list of widths"),
        ({"dimensions": [64, 0]}, r"dimensions \[64, 0\] are not"),
        ({"prompts": ["query: "]}, "prompts are not an object of texts"),
        ({"prompts": {"query": 1}}, "prompts are not an object of texts"),
        ({"dimensions": [True]}, r"dimensions \[True\] are not"),
    ],
)
def test_a_wrong_manifest_says_what_is_wrong(make_bundle, fields, why):
    folder = make_bundle("pair")
    change(folder, **fields)
    with pytest.raises(ModelError, match=why):
        Bundle.open(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "\ufffe"])
def test_a_damaged_manifest_is_a_model_error(make_bundle, text):
    folder = make_bundle("pair")
    (folder / "xlt.json").write_text(text)
    with pytest.raises(ModelError, match=r"xlt\.json"):
        Bundle.open(folder)


def test_the_key_follows_graph_tokenizer_task_and_nothing_else(make_bundle):
    key = Bundle.open(make_bundle("pair", name="a")).key
    assert Bundle.open(make_bundle("pair", name="b", answers=["x"])).key == key
    other = {
        "graph": make_bundle("pair", name="c", seed=8),
        "tokenizer": make_bundle("pair", name="d", family="deberta-v2"),
        "task": make_bundle("pair", name="e", task={"labels": ("a", "b", "c")}),
        "length": make_bundle("pair", name="f", max_length=32),
    }
    keys = {name: Bundle.open(folder).key for name, folder in other.items()}
    assert key not in keys.values()
    assert len(set(keys.values())) == 4


READ = ["config.json", "onnx/model.onnx", "special_tokens_map.json", "tokenizer.json",
        "tokenizer_config.json"]  # fmt: skip


def rewritten(folder, **changes):
    """The bundle's manifest written again over the files as they are now."""
    fields = {k: v for k, v in manifest_of(folder).items() if k not in {"schema", "files"}}
    write_manifest(folder, fields | changes)
    return Bundle.open(folder)


@pytest.mark.parametrize("name", READ)
def test_every_file_that_is_read_belongs_to_the_key(make_bundle, name):
    folder = make_bundle("pair")
    before = Bundle.open(folder).key
    path = folder / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert rewritten(folder).key != before


def test_files_that_are_not_in_the_key_are_never_read(make_bundle):
    """Whatever is opened in a bundle is in its key: all but the manifest and documents."""
    folder = make_bundle("pair")
    (folder / "README.md").write_text("a card")
    before = rewritten(folder).key
    code = (
        "import sys\nopened = set()\n"
        "sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == 'open' else 0)\n"
        "from xlt.core.artifacts.bundle import Bundle\n"
        "from xlt.core.inference.engine import Engine\n"
        f"engine = Engine.open(Bundle.open({str(folder)!r}, verify=False), device='cpu')\n"
        "engine.predict(['the cat'])\n"
        f"print('\\n'.join(p for p in opened if p.startswith({str(folder)!r})))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    opened = {Path(line).relative_to(folder).as_posix() for line in done.stdout.splitlines()}
    assert {"xlt.json", "config.json", "tokenizer_config.json"} <= opened
    assert opened <= {"xlt.json", *READ}
    (folder / "README.md").write_text("another card")
    assert rewritten(folder).key == before


def test_fields_that_a_later_version_adds_are_in_the_key_at_once(make_bundle):
    folder = make_bundle("pair")
    before = Bundle.open(folder).key
    assert rewritten(folder, parity={"fp32": {"largest": 1e-6}}, name="x").key == before
    assert rewritten(folder, post="center").key != before


def test_external_data_belong_to_the_key(make_bundle):
    keys = []
    for data in (b"one", b"two"):
        folder = make_bundle("pair", name=data.decode())
        (folder / "onnx/model.onnx_data").write_bytes(data)
        files = ["onnx/model.onnx", "onnx/model.onnx_data"]
        fields = manifest_of(folder) | {"variants": {"fp32": {"file": files[0], "files": files}}}
        write_manifest(folder, {k: v for k, v in fields.items() if k not in {"schema", "files"}})
        keys.append(Bundle.open(folder).key)
    assert keys[0] != keys[1]


def test_variants_have_their_own_key(make_bundle, graphs):
    folder = make_bundle("pair")
    graphs.write(folder / "onnx/model_int8.onnx", "pair", 900, seed=9)
    fields = manifest_of(folder)
    int8 = {"file": "onnx/model_int8.onnx", "files": ["onnx/model_int8.onnx"]}
    fields["variants"]["int8"] = int8
    write_manifest(folder, {k: v for k, v in fields.items() if k not in {"schema", "files"}})
    one, two = (Bundle.open(folder, precision=precision) for precision in ("fp32", "int8"))
    assert two.onnx_path.name == "model_int8.onnx"
    assert one.key != two.key


def test_a_manifest_that_would_not_open_is_not_written(make_bundle):
    folder = make_bundle("pair")
    before = (folder / "xlt.json").read_bytes()
    with pytest.raises(ValueError, match="'task' is missing"):
        write_manifest(folder, {"name": "x", "answers": [], "max_length": 3, "variants": {}})
    assert (folder / "xlt.json").read_bytes() == before


def test_a_bundle_can_be_moved_and_read_through_links(make_bundle, tmp_path):
    folder = make_bundle("pair")
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert Bundle.open(moved).key == Bundle.open(folder).key
    store = tmp_path / "store"
    (moved / "tokenizer.json").rename(store)
    (moved / "tokenizer.json").symlink_to(store)
    assert Bundle.open(moved).key == Bundle.open(folder).key


def test_bundles_are_found_in_folders_and_runs(make_bundle, tmp_path):
    one = make_bundle("pair", name="several/xnli")
    two = make_bundle("tag", name="several/udpos")
    assert find_bundles(one) == [one]
    assert find_bundles(str(tmp_path / "several")) == [two, one]
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    (tmp_path / "several").rename(run / "bundles")
    assert find_bundles(run) == [run / "bundles/udpos", run / "bundles/xnli"]


def test_a_run_without_bundles_says_export(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "bundles").mkdir()
    with pytest.raises(ModelError, match="no bundles yet") as caught:
        find_bundles(tmp_path)
    assert caught.value.hint == f"xlt export {tmp_path}"


def test_a_folder_of_other_things_has_no_bundle(tmp_path):
    (tmp_path / "sub").mkdir()
    with pytest.raises(ModelError, match="no bundle in this folder"):
        find_bundles(tmp_path)


def test_no_model_means_the_run_in_the_working_folder(make_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="no model given and no xlt-run here"):
        find_bundles(None)
    make_bundle("pair", name="xlt-run/bundles/xnli")
    (found,) = find_bundles(None)
    assert Bundle.open(found).task.name == TASKS["xnli"].name
