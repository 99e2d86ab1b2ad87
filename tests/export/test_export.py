"""Whole bundles: what is in them, that they are proven, kept, refused, and never half there."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
import yaml
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

import xlt
from xlt.core.artifacts.bundle import Bundle, find_bundles
from xlt.core.artifacts.runs import Run
from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import pad
from xlt.core.errors import CheckFailed, ModelError, UsageError
from xlt.core.inference.session import Session
from xlt.core.kinds.table import encode
from xlt.core.tasks.examples import Choice, Pair, Question, Sentence, Tagged
from xlt.core.tasks.table import TASKS
from xlt.export import ExportConfig, export
from xlt.export import build as building
from xlt.export.gate import parity


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture(scope="module")
def exported_run(tmp_path_factory, new_run):
    """A run and its bundles, for tests that only look."""

    run = new_run(tmp_path_factory.mktemp("exported") / "run")
    return run, export(run)


def test_run_gives_whole_bundles(exported_run):
    run, done = exported_run
    assert [(item.name, item.status) for item in done] == [
        ("xquad", "exported"), ("udpos", "exported"), ("encoder", "exported"),
    ]  # fmt: skip
    assert [p.name for p in find_bundles(run)] == ["encoder", "udpos", "xquad"]
    bundle = Bundle.open(run / "bundles" / "udpos")
    assert bundle.task.labels == tuple(reversed(TASKS["udpos"].labels))
    manifest = bundle.manifest
    assert manifest["baseline"] == {"label": "NOUN"}
    assert manifest["trained_on"]["tasks"] == ["mnli", "udpos"]
    assert manifest["lineage"]["base_model"] == "tiny"
    assert (manifest["layer"], manifest["layers"], manifest["pooling"]) == (None, 3, None)
    assert manifest["parity"]["fp32"]["passed"] is True
    assert manifest["export"]["opset"] == 18
    assert set(manifest["files"]) == {
        "README.md", "config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "onnx/model.onnx",
    }  # fmt: skip
    assert Bundle.open(run / "bundles" / "xquad").answers == ("xquad", "mlqa")


def test_card_is_front_matter_and_facts(exported_run):
    run, _ = exported_run
    text = (run / "bundles/udpos/README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["base_model"] == "tiny"
    assert front["pipeline_tag"] == "token-classification"
    [result] = front["model-index"][0]["results"]
    assert {m["type"]: m["value"] for m in result["metrics"]} == {
        "f1": 81.25, "token_accuracy": 90.0,
    }  # fmt: skip
    assert "| f1 | 81.25 |" in text
    assert "1. mnli (mnli)" in text
    assert "| mnli | en | train | 9 |" in text
    assert "| mnli | en | dev |" not in text
    assert "model-index" not in (run / "bundles/encoder/README.md").read_text()


@pytest.mark.parametrize("named", ["/mnt/models/my-encoder", "./my-encoder", "a/b/my-encoder/",
                                   "~/my-encoder", "../my-encoder", "here/my-encoder"])  # fmt: skip
def test_the_card_never_names_a_path_of_this_machine(run_folder, monkeypatch, tmp_path, named):
    (tmp_path / "here" / "my-encoder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    run = Run.open(run_folder)
    run.save(lineage={**run.record["lineage"], "base_model": named})
    (done,) = export(run_folder, task="udpos", out=tmp_path / "out")
    text = (done.path / "README.md").read_text()
    assert yaml.safe_load(text.split("---")[1])["base_model"] == "my-encoder"
    assert "`my-encoder`" in text
    assert not any(f"{part}/my-encoder" in text for part in ("mnt/models", ".", "b", "~", "here"))


def test_a_folder_that_looks_like_a_hub_id_is_known_by_the_runs_configuration(run_folder, tmp_path):
    record = json.loads((run_folder / "run.json").read_text())
    record["lineage"]["base_model"] = "models/my-encoder"
    record["config"]["model"] = "/srv/models/my-encoder"
    (run_folder / "run.json").write_text(json.dumps(record))
    (done,) = export(run_folder, task="udpos", out=tmp_path / "out")
    assert 'base_model: "my-encoder"' in (done.path / "README.md").read_text()


def test_the_card_names_the_hub_id(run_folder, tmp_path):
    run = Run.open(run_folder)
    run.save(lineage={**run.record["lineage"], "base_model": "FacebookAI/xlm-roberta-base"})
    (done,) = export(run_folder, task="udpos", out=tmp_path / "out")
    assert 'base_model: "FacebookAI/xlm-roberta-base"' in (done.path / "README.md").read_text()


@pytest.mark.parametrize("kind", ["pair", "choice", "tag", "span", "embed"])
def test_the_cards_own_snippet_runs(checkpoints, tmp_path, monkeypatch, capsys, kind):
    """The encoder's snippet asked for predictions; it embeds."""
    name = {"choice": "csqa", "span": "xquad"}.get(kind)
    export(checkpoints(kind=kind), out=tmp_path / "model", task=name)
    text = (tmp_path / "model" / "README.md").read_text()
    snippet = next(b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "xlt" in b)
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})
    out = capsys.readouterr().out
    assert out.strip() == "(2, 32)" if kind == "embed" else len(out) > 10


def test_encoder_bundle_is_the_pooled_hidden_state(exported_run):
    run, _ = exported_run
    folder = run / "bundles" / "encoder"
    manifest = Bundle.open(folder).manifest
    assert (manifest["layer"], manifest["layers"], manifest["pooling"]) == (4, 4, "mean")
    assert json.loads((folder / "1_Pooling/config.json").read_text())["pooling_mode_mean_tokens"]


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_cut_encoder_equals_pytorchs_hidden_state_to_1e_5(checkpoints, tmp_path, pooling):
    folder = checkpoints("bert", "embed", blocks=4)
    export(folder, out=tmp_path / "e", layer=2, pooling=pooling)
    assert json.loads((tmp_path / "e/config.json").read_text())["num_hidden_layers"] == 2
    texts = ["A short text.", "Ещё один текст, подлиннее, с запятыми.", "短い文。"]
    encoder = Encoder.load(tmp_path / "e")
    feeds = pad(encode(encoder, "embed", texts), encoder.pad_id)
    session = Session(tmp_path / "e/onnx/model.onnx", device="cpu", threads=1)
    got = session.run(feeds, ["sentence_embedding"])[0]

    model = AutoModel.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    assert tokens["input_ids"].tolist() == feeds["input_ids"].tolist()
    with torch.no_grad():
        hidden = model(**tokens, output_hidden_states=True).hidden_states[2]
    for row, mask in enumerate(tokens["attention_mask"].bool()):
        kept = hidden[row][mask]
        vector = {"mean": kept.mean(0), "cls": kept[0], "last": kept[-1]}[pooling]
        vector = vector / vector.norm()
        assert np.abs(vector.numpy() - got[row]).max() < 1e-5


def test_later_blocks_are_not_in_the_graph(checkpoints, tmp_path):
    folder = checkpoints("xlm-roberta", "embed", blocks=4)
    sizes = []
    for layer in (1, 4):
        export(folder, out=tmp_path / str(layer), layer=layer)
        model = onnx.load(tmp_path / str(layer) / "onnx" / "model.onnx")
        sizes.append(sum(np.prod(weight.dims) for weight in model.graph.initializer))
    per_block = (sizes[1] - sizes[0]) / 3
    assert per_block > 4 * 32 * 32 + 2 * 32 * 64  # attention and feed-forward matrices


def test_unchanged_bundles_are_kept_and_changed_ones_made_again(run_folder, capsys):
    export(run_folder, task="udpos")
    done = export(run_folder)
    assert [(i.name, i.status) for i in done] == [
        ("xquad", "exported"), ("udpos", "kept"), ("encoder", "exported"),
    ]  # fmt: skip
    assert done[1].parity["fp32"]["passed"]
    assert [i.status for i in export(run_folder)] == ["kept"] * 3
    config = run_folder / "targets/udpos/config.json"  # the target was trained again
    config.write_text(config.read_text() + "\n")
    assert [i.status for i in export(run_folder)] == ["kept", "exported", "kept"]
    assert [i.status for i in export(run_folder, task="udpos", force=True)] == ["exported"]
    assert "kept" in capsys.readouterr().err


def test_dimensions_are_in_the_manifest_and_make_another_bundle(run_folder):
    plain = next(item for item in export(run_folder) if item.name == "encoder")
    assert "dimensions" not in Bundle.open(plain.path).manifest
    done = {item.name: item.status for item in export(run_folder, dimensions=[16, 8])}
    assert done == {"xquad": "kept", "udpos": "kept", "encoder": "exported"}
    assert Bundle.open(plain.path).manifest["dimensions"] == [8, 16]
    assert "cut to 8, 16 numbers" in (plain.path / "README.md").read_text()
    assert export(run_folder, task="tatoeba", dimensions="8,16")[0].status == "kept"


def test_configuration_and_keywords_are_the_same_export(run_folder):
    config = ExportConfig(model=run_folder, task="udpos", dry_run=True)
    [by_config], [by_flags] = export(config), export(run_folder, task="udpos", dry_run=True)
    assert by_config.to_json() == by_flags.to_json()
    with pytest.raises(TypeError, match=r"not both \(task\)"):
        export(config, task="xquad")
    with pytest.raises(TypeError, match="tsak"):
        export(run_folder, tsak="udpos")


def test_damaged_bundle_of_a_run_is_made_again(run_folder):
    export(run_folder, task="udpos")
    graph = run_folder / "bundles/udpos/onnx/model.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(bytes(data))
    assert [i.status for i in export(run_folder, task="udpos")] == ["exported"]
    Bundle.open(run_folder / "bundles/udpos")


def test_weights_beside_the_graph_are_part_of_the_bundle(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_ONNX_EXTERNAL_DATA", "1")  # as if the weights were above 2 GB
    export(checkpoints(), out=tmp_path / "b")
    assert names(tmp_path / "b/onnx") == ["model.onnx", "model.onnx_data"]
    assert (tmp_path / "b/onnx/model.onnx_data").stat().st_mode & 0o777 == 0o644
    manifest = Bundle.open(tmp_path / "b").manifest
    files = ["onnx/model.onnx", "onnx/model.onnx_data"]
    assert manifest["variants"]["fp32"]["files"] == files
    (tmp_path / "moved").mkdir()
    (tmp_path / "b").rename(tmp_path / "moved" / "b")
    assert xlt.open(tmp_path / "moved" / "b", threads=1).predict(["A boat."])


def test_dry_run_writes_nothing(run_folder):
    done = export(run_folder, dry_run=True)
    assert [i.status for i in done] == ["planned"] * 3
    assert not (run_folder / "bundles").exists()


def test_full_output_folders_are_refused(checkpoints, run_folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        export(checkpoints(), out=out)
    with pytest.raises(UsageError, match=r"holds other things \(mine\.txt\)"):
        export(run_folder, out=out)
    assert (out / "mine.txt").exists()
    assert export(checkpoints(), out=out, force=True)[0].status == "exported"
    assert not (out / "mine.txt").exists()
    assert export(checkpoints(), out=out)[0].status == "kept"
    with pytest.raises(UsageError, match="not empty"):
        export(checkpoints(seed=7), out=out)


def test_output_that_holds_the_checkpoint_is_refused_even_by_force(checkpoints, tmp_path):
    folder = tmp_path / "models" / "c"
    shutil.copytree(checkpoints(), folder)
    for out in (folder, tmp_path / "models"):
        with pytest.raises(UsageError, match="holds the checkpoint"):
            export(folder, out=out, force=True)
    assert (folder / "model.safetensors").exists()


def tampered(monkeypatch):
    """Change one weight between the conversion and the gate."""
    convert = building.convert

    def spoil(model, path, **settings):
        graph = convert(model, path, **settings)
        written = onnx.load(path)
        weight = max(written.graph.initializer, key=lambda item: len(item.raw_data))
        array = onnx.numpy_helper.to_array(weight) * np.float32(1.05)
        weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
        onnx.save(written, path)
        return graph

    monkeypatch.setattr(building, "convert", spoil)


@pytest.mark.parametrize("kind", ["tag", "embed"])
def test_graph_that_differs_fails_the_gate_and_is_kept_aside(
    checkpoints, tmp_path, monkeypatch, kind
):
    out = tmp_path / "b" / "model"
    task = "udpos" if kind == "tag" else None
    with monkeypatch.context() as patch:
        tampered(patch)
        with pytest.raises(CheckFailed, match=r"worst inputs: probe/\w\w/") as caught:
            export(checkpoints(kind=kind), out=out, task=task)
    assert caught.value.exit_code == 5
    assert names(tmp_path / "b") == ["model.failed"]
    failed = tmp_path / "b" / "model.failed"
    record = json.loads((failed / "parity.json").read_text())
    assert record["passed"] is False
    assert (failed / "onnx/model.onnx").is_file()
    with pytest.raises(ModelError):
        find_bundles(tmp_path / "b")
    export(checkpoints(kind=kind), out=out, task=task)  # repaired: the failure goes
    assert names(tmp_path / "b") == ["model"]


def test_other_bundles_of_a_run_are_made_although_one_fails(run_folder, monkeypatch):
    compare = building.compare
    with monkeypatch.context() as patch:
        patch.setitem(parity.LIMITS, "max_logit_difference", -1.0)
        with pytest.raises(CheckFailed, match=r"xquad.*udpos"):
            export(run_folder)
    assert compare is building.compare
    assert names(run_folder / "bundles") == ["encoder", "udpos.failed", "xquad.failed"]


def test_interruption_leaves_nothing_behind(checkpoints, tmp_path, monkeypatch):
    def stop(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "compare", stop)
    with pytest.raises(KeyboardInterrupt):
        export(checkpoints(), out=tmp_path / "b" / "model")
    assert names(tmp_path / "b") == []


def test_missing_head_weights_are_not_made_up(checkpoints, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "c"
    shutil.copytree(checkpoints(), folder)
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("classifier")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks 4 weights"):
        export(folder, out=tmp_path / "o")


def test_truncated_weights_are_exit_4(checkpoints, tmp_path):
    folder = tmp_path / "c"
    shutil.copytree(checkpoints(), folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        export(folder, out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_slow_tokenizer_is_converted_and_a_missing_one_refused(checkpoints, tmp_path):
    folder = tmp_path / "c"
    shutil.copytree(checkpoints("bert", "pair"), folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        export(folder, out=tmp_path / "none")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "##s", "boat", ".", "m", "##o"]
    (folder / "vocab.txt").write_text("\n".join(words))
    export(folder, out=tmp_path / "o")
    row = encode(Encoder.load(tmp_path / "o"), "pair", ["the boats."])[0]
    assert row.ids.tolist() == [2, 5, 7, 6, 8, 3]


def test_dev_text_of_a_data_root_joins_the_gate(checkpoints, tmp_path):
    root = tmp_path / "root"
    (root / "xnli").mkdir(parents=True)
    lines = "".join(f"Boat {n} is here.\tNo boats.\tneutral\n" for n in range(5))
    (root / "xnli" / "dev-en.tsv").write_text(lines)
    (root / "text").mkdir()
    (root / "text" / "sw.txt").write_text("Habari ya asubuhi.\nMashua iko hapa.\n")
    done = export(checkpoints(), out=tmp_path / "p", data=root)
    assert done[0].parity["fp32"]["text"] == "30 probe texts and 5 dev texts of the data root root"
    done = export(checkpoints(kind="embed"), out=tmp_path / "e", data=root)
    assert done[0].parity["fp32"]["text"] == "30 probe texts and 2 dev texts of the data root root"


def test_kept_bundle_was_held_against_the_data_that_are_named(checkpoints, tmp_path):
    roots = []
    for name in ("one", "two"):
        folder = tmp_path / name / "xnli"
        folder.mkdir(parents=True)
        (folder / "dev-en.tsv").write_text(f"Boat {name} is here.\tNo boats.\tneutral\n")
        roots.append(tmp_path / name)

    def made(data):
        [done] = export(checkpoints(), out=tmp_path / "b", data=data)
        stored = Bundle.open(tmp_path / "b").manifest["parity"]
        assert done.parity == stored
        return done.status, stored["fp32"]["text"], stored["fp32"]["dev_sha256"]

    assert made(None) == ("exported", "30 probe texts", None)
    status, text, first = made(roots[0])
    assert status == "exported" and text.endswith("1 dev texts of the data root one")
    assert made(roots[0]) == ("kept", text, first)
    assert made(None) == ("kept", text, first)
    status, text, second = made(roots[1])
    assert status == "exported" and text.endswith("root two") and second not in (None, first)


def test_sentence_models_keep_their_pooling_length_and_prompts(checkpoints, tmp_path):
    folder = tmp_path / "s"
    shutil.copytree(checkpoints(kind="embed", blocks=12), folder)
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [
        {"path": "1_Pooling" * (kind == "Pooling"), "type": f"sentence_transformers.models.{kind}"}
        for kind in kinds
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 40}')
    prompts = {"query": "query: ", "passage": "passage: ", "document": ""}
    named = folder / "config_sentence_transformers.json"
    named.write_text(json.dumps({"prompts": prompts, "default_prompt_name": None}))
    export(folder, out=tmp_path / "o")
    bundle = Bundle.open(tmp_path / "o")
    assert (bundle.manifest["layer"], bundle.pooling, bundle.max_length) == (12, "cls", 40)
    kept = {"query": "query: ", "passage": "passage: "}
    assert bundle.manifest["prompts"] == kept
    written = json.loads((tmp_path / "o" / "config_sentence_transformers.json").read_text())
    assert written["prompts"] == kept
    assert export(folder, out=tmp_path / "o")[0].status == "kept"
    named.write_text(json.dumps({"prompts": {"query": "q: "}, "default_prompt_name": None}))
    (again,) = export(folder, out=tmp_path / "o", force=True)
    assert again.status == "exported"
    named.unlink()
    export(folder, out=tmp_path / "o", force=True)
    assert "prompts" not in Bundle.open(tmp_path / "o").manifest
    row = Encoder.load(tmp_path / "o", max_length=bundle.max_length)
    assert encode(row, "embed", [Sentence(id="1", text="boat " * 100)])[0].ids.shape == (40,)


ITEMS = {
    "pair": [Pair(id="1", text_a="The boat is here.", text_b="A boat."), Pair(id="2", text_a="No")],
    "choice": [Choice(id="1", prompt="The boat", choices=("sinks", "sings", "is a bird"))],
    "tag": [Tagged(id="1", words=("The", "boat", "sinks"))],
    "span": [Question(id="1", question="Where is it?", context="The boat is in the harbour.")],
    "embed": [Sentence(id="1", text="The boat sinks."), Sentence(id="2", text="Лодка тонет.")],
}


@pytest.mark.parametrize("kind", ITEMS)
def test_engine_answers_from_the_bundle(checkpoints, tmp_path, kind):
    task = {"choice": "csqa", "span": "xquad"}.get(kind)
    export(checkpoints(kind=kind), out=tmp_path / "b", task=task)
    engine = xlt.open(tmp_path / "b", threads=1)
    answers = engine.predict(ITEMS[kind])
    assert len(answers) == len(ITEMS[kind])
    if kind == "embed":
        assert np.linalg.norm(answers, axis=1) == pytest.approx([1.0, 1.0], abs=1e-6)
    if kind == "tag":
        assert len(answers[0].tags) == 3
    if kind == "span":
        assert answers[0].text in ITEMS[kind][0].context
    if kind == "choice":
        assert answers[0].probabilities.shape == (3,)
    if kind == "pair":
        model = AutoModelForSequenceClassification.from_pretrained(checkpoints(kind=kind)).eval()
        tokens = AutoTokenizer.from_pretrained(checkpoints(kind=kind))
        with torch.no_grad():
            logits = model(**tokens("The boat is here.", "A boat.", return_tensors="pt")).logits
        assert answers[0].label == model.config.id2label[int(logits.argmax())]


def test_kill_in_the_middle_leaves_no_bundle_and_a_second_run_makes_it(checkpoints, tmp_path):
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import xlt.export.files.finish as last\nfrom xlt.export import export\n"
        "last.write_manifest = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "export(sys.argv[1], out=Path(sys.argv[2]))\n"
    )
    arguments = [sys.executable, "-c", code, str(checkpoints()), str(tmp_path / "b" / "m")]
    assert subprocess.run(arguments, capture_output=True, check=False).returncode == -9
    assert not (tmp_path / "b" / "m").exists()
    assert export(checkpoints(), out=tmp_path / "b" / "m")[0].status == "exported"
    Bundle.open(tmp_path / "b" / "m")
