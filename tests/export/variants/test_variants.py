"""`--precision`: variants beside fp32, each checked, measured, and opened like any other."""

import json

import numpy as np
import onnx
import pytest

import xlt
from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import CheckFailed, ModelError
from xlt.core.inference import engine as engines
from xlt.core.kinds.table import KINDS
from xlt.export import export
from xlt.export.variants import write
from xlt.serve.compute.sources import find_sources

TEXTS = ["a river", "the mill by the sea has seven old houses and a bridge", "ein Haus", "x"]
SLOWER = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("tag", "span", "choice")]
EVERY = "fp32,fp16,int8,int8-vnni"


@pytest.fixture(scope="module")
def bundle(checkpoints, tmp_path_factory):
    """An encoder with every variant."""
    out = tmp_path_factory.mktemp("variants") / "e"
    (done,) = export(checkpoints(kind="embed"), out=out, precision=EVERY, layer="last")
    assert set(done.parity) == set(EVERY.split(","))
    return out


def test_every_variant_is_in_the_manifest_checked_and_smaller(bundle):
    manifest = Bundle.open(bundle).manifest
    assert list(manifest["variants"]) == EVERY.split(",")
    assert manifest["variants"]["int8-vnni"]["file"] == "onnx/model_int8_vnni.onnx"
    sizes = {}
    for name in EVERY.split(","):
        path = Bundle.open(bundle, precision=name).onnx_path
        onnx.checker.check_model(str(path))
        sizes[name] = path.stat().st_size
        assert manifest["parity"][name]["passed"] is True
    assert sizes["int8"] == sizes["int8-vnni"] < 0.6 * sizes["fp32"]
    assert sizes["fp16"] < 0.7 * sizes["fp32"]
    record = manifest["parity"]["int8"]
    assert record["blocks"] == 3
    assert record["rows"] == manifest["parity"]["fp32"]["rows"]
    assert record["min_cosine"] <= record["mean_cosine"] < 1
    assert {"min_mean_cosine", "max_changed", "clear_margin"} == set(record["limits"])


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-vnni"])
def test_a_variant_opens_and_is_close(bundle, precision):
    exact = xlt.open(bundle).embed(TEXTS)
    got = xlt.open(bundle, precision=precision).embed(TEXTS)
    assert (exact * got).sum(1).min() > (0.9999 if precision == "fp16" else 0.97)
    assert not np.array_equal(exact, got)


@pytest.mark.parametrize("precision", ["int8", "int8-vnni"])
def test_an_int8_embedding_never_depends_on_its_batch(bundle, precision):
    texts = [" ".join(TEXTS[i % 4] for i in range(n)) for n in range(1, 24)]
    whole = xlt.open(bundle, precision=precision, batch_tokens=700).embed(texts)
    for budget in (1, 37, 150):
        got = xlt.open(bundle, precision=precision, batch_tokens=budget).embed(texts)
        assert np.array_equal(got, whole)


def test_int8_sessions_of_the_engine_say_so_and_vnni_is_probed(bundle, monkeypatch):
    seen, probed = [], []

    class Watched(engines.Session):
        def __init__(self, path, **settings):
            seen.append(settings["int8"])
            super().__init__(path, **settings)

    monkeypatch.setattr(engines, "Session", Watched)
    monkeypatch.setattr(engines, "check_int8", lambda: probed.append(1))
    for precision in EVERY.split(","):
        xlt.open(bundle, precision=precision)
    assert seen == [False, False, True, True]
    assert probed == [1]


def test_speeds_are_beside_the_bundle_and_no_part_of_it(bundle):
    measured = json.loads((bundle / "measured.json").read_text())
    assert set(measured["variants"]) == set(EVERY.split(","))
    assert measured["cpu"]
    for name, row in measured["variants"].items():
        assert row["bytes"] == Bundle.open(bundle, precision=name).onnx_path.stat().st_size
        assert min(row.values()) > 0
    key = Bundle.open(bundle).key
    assert "measured.json" not in Bundle.open(bundle).manifest["files"]
    (bundle / "measured.json").write_text("{}")
    assert Bundle.open(bundle).key == key


def test_fp32_is_left_out_when_it_is_not_asked_for(checkpoints, tmp_path):
    export(checkpoints(kind="embed"), out=tmp_path / "e", precision="int8")
    assert [p.name for p in (tmp_path / "e/onnx").iterdir()] == ["model_int8.onnx"]
    with pytest.raises(ModelError, match="no fp32 variant; it has int8") as caught:
        xlt.open(tmp_path / "e")
    assert caught.value.hint == "use --precision int8"
    assert xlt.open(tmp_path / "e", precision="int8").embed(["a b"]).shape == (1, 32)
    (source,) = find_sources([str(tmp_path / "e")], {"": "int8"})
    assert (source.name, source.precision) == ("e", "int8")
    (again,) = export(checkpoints(kind="embed"), out=tmp_path / "e", precision="int8")
    assert again.status == "kept"
    first = (tmp_path / "e/onnx/model_int8.onnx").read_bytes()
    (both,) = export(
        checkpoints(kind="embed"), out=tmp_path / "e", precision="fp32,int8", force=True
    )
    assert both.status == "exported"
    assert (tmp_path / "e/onnx/model_int8.onnx").read_bytes() == first


@pytest.mark.parametrize(
    "kind",
    ["pair", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("tag", "span", "choice"))],
)
def test_heads_have_variants_with_changes_by_language_and_class(checkpoints, tmp_path, kind):
    task = {"pair": "xnli", "tag": "udpos", "span": "xquad", "choice": "csqa"}[kind]
    out = tmp_path / "m"
    patch = write.LIMITS | {name: write.Limits(mean_cosine=0, changed=1) for name in write.LIMITS}
    with pytest.MonkeyPatch.context() as context:  # random models are far more brittle
        context.setattr(write, "LIMITS", patch)
        export(checkpoints(kind=kind), out=out, task=task, precision="fp32,fp16,int8")
    record = Bundle.open(out).manifest["parity"]["int8"]
    if kind != "choice":  # whose random scores lie close together
        assert record["clear_predictions"] > 0
        assert len(record["changed_by_language"]) >= 12
    assert all(0 <= share <= 1 for share in record["changed_by_language"].values())
    if KINDS[kind].classes:
        assert max(record["kept_by_class"].values()) > 0.8
    for precision in ("fp16", "int8"):
        assert xlt.open(out, precision=precision).session.run


@pytest.mark.parametrize(("kind", "said"), [("embed", "mean cosine"), ("pair", "predictions")])
def test_a_variant_over_its_limit_is_exit_5_and_kept_for_a_look(
    checkpoints, tmp_path, monkeypatch, kind, said
):
    strict = dict.fromkeys(write.LIMITS, write.Limits(mean_cosine=1.1, changed=-1.0))
    monkeypatch.setattr(write, "LIMITS", strict)
    with pytest.raises(CheckFailed, match=rf"int8 is too far from fp32.*{said}") as caught:
        export(checkpoints(kind=kind), out=tmp_path / "m", precision="fp32,int8")
    assert caught.value.exit_code == 5
    assert "probe/" in caught.value.message
    assert not (tmp_path / "m").exists()
    failed = tmp_path / "m.failed"
    assert json.loads((failed / "parity.json").read_text())["int8"]["passed"] is False
    assert (failed / "onnx/model_int8.onnx").is_file()


def test_a_cpu_that_cannot_check_vnni_is_exit_4(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "wrong_products", lambda limit: "2 x 32 by 32 x 32")
    with pytest.raises(ModelError, match="int8-vnni"):
        export(checkpoints(kind="embed"), out=tmp_path / "m", precision="fp32,int8-vnni")
