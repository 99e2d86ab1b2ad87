"""What the speed benchmarks conclude from their measurements, on made-up ones."""

import importlib
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(scope="module")
def benchmark(project):
    sys.path.insert(0, str(project / "benchmarks"))
    yield importlib.import_module
    sys.path.remove(str(project / "benchmarks"))


def two_answers():
    """One query whose second and third neighbours are equal but for float32's rounding."""
    query_ND = np.zeros((1, 64), np.float32)
    query_ND[0, 0] = 1
    base_ND = np.zeros((4, 64), np.float32)
    base_ND[:, 0] = [0.9, 0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0.1]
    return query_ND, base_ND


@pytest.mark.parametrize(
    ("other", "expected"), [([0, 1], (1, 0)), ([0, 2], (0, 0)), ([0, 3], (0, 1)), ([1, 2], (0, 1))]
)
def test_a_neighbour_that_float32_cannot_tell_apart_is_a_tie_and_any_other_an_error(
    benchmark, other, expected
):
    query_ND, base_ND = two_answers()
    judge = benchmark("retrieval").judge
    assert judge(query_ND, base_ND, np.array([[0, 2]]), np.array([other])) == expected


def test_a_neighbour_named_twice_is_an_error_however_close_it_is(benchmark):
    query_ND, base_ND = two_answers()
    judge = benchmark("retrieval").judge
    assert judge(query_ND, base_ND, np.array([[2, 2]]), np.array([[2, 1]])) == (0, 1)


def made_up(*, amx=False, **seconds):
    return {
        "texts": 10,
        "tokens": {"mean": 11.0, "longest": 30},
        "flop": 60e9,
        "gemm": {"numpy": 100e9, "torch": 80e9, "oneDNN": 200e9},
        "results": {
            name: {"setting": "x", "cpu_seconds": cpu, "wall_seconds": cpu, "cosine": 1.0}
            for name, cpu in seconds.items()
        },
        "rounds": 1,
        "load": [0.0, 0.0],
        "cores": 2,
        "cpu": "made up",
        "can": ["amx_bf16"] if amx else ["avx512_bf16"],
        "versions": {"openvino": "absent", "numpy": "2"},
    }


def verdicts(benchmark, runs):
    rows, good = benchmark("eval_speed_lines").judged(runs)
    return {row[0]: (row[1], row[-1]) for row in rows if row[-1] != "not measured"}, good


def test_a_missed_line_says_by_how_much_and_fails(benchmark):
    run = made_up(**{"ours fp32": 1.0, "torch sorted fp32": 0.9, "sentence-transformers onnx": 1.5,
                     "sentence-transformers torch": 2.0})  # fmt: skip
    found, good = verdicts(benchmark, {"e5/short/1": run})
    assert not good
    assert found["e5/short/1: fp32 over sorted torch fp32"] == ("0.90", "**missed by 0.05**")
    better = "e5/short/1: fp32 over sentence-transformers' better backend"
    assert found[better] == ("1.50", "reached")
    assert found["e5/short/1: fp32, share of sgemm (the better of numpy's and torch's)"] == (
        "0.60",
        "**missed by 0.12**",
    )
    assert found["e5/short/1: fp32, share of oneDNN's sgemm"] == ("0.30", "goal missed by 0.47")


def test_a_goal_alone_does_not_fail(benchmark):
    run = made_up(**{"ours fp32": 1.0, "torch sorted fp32": 0.9})
    found, good = verdicts(benchmark, {"minilm/short/1": run})
    assert good
    assert found["minilm/short/1: fp32 over sorted torch fp32"] == ("0.90", "goal missed by 0.05")


@pytest.mark.parametrize(
    ("amx", "verdict"), [(False, "no AMX"), (True, "**missed by 0.10**")]
)  # fmt: skip
def test_a_line_of_processors_with_amx_binds_them_alone(benchmark, amx, verdict):
    run = made_up(amx=amx, **{"ours int8": 1.0, "torch sorted bf16": 1.2})
    found, good = verdicts(benchmark, {"e5/short/1": run})
    assert found["e5/short/1: int8 over sorted torch bf16"] == ("1.20", verdict)
    assert good is not amx


def test_the_report_names_who_is_absent_and_the_products_of_the_run(benchmark):
    text, _ = benchmark("eval_speed_lines").report({"e5/short/1": made_up(**{"ours fp32": 1.0})})
    assert "Absent: openvino." in text
    assert "numpy 100, torch 80, oneDNN 200" in text
    assert "no AMX" in text
    assert "| ours fp32 | x | 10.0 | 1.00 | 60 | 1.00 | 1.00000 |" in text


def test_the_fastest_setting_of_a_peer_runs(benchmark, monkeypatch):
    models = benchmark("eval_speed_models")
    clock = [0.0]
    monkeypatch.setattr(models, "time", SimpleNamespace(process_time=lambda: clock[0]))

    def taking(seconds):
        def embed(texts):
            clock[0] += seconds

        return embed

    settings = {"slow": taking(3.0), "fast": taking(1.0), "middling": taking(2.0)}
    one = models.Contestant(name="peer", settings=settings)
    assert models.fastest(one, ["a"] * 8) == ("fast", settings["fast"])


def cluster(scale, **values):
    kinds = {"cores": 10, "network": 1e12, "start": 0.0, "driver": 1e-6}
    return scale.Cluster(**{**kinds, **values})


def test_a_million_texts_on_a_core(benchmark):
    assert benchmark("scale").hours_on_a_core(1e6 / 3600) == pytest.approx(1)


def test_nodes_divide_the_work_until_something_else_is_slower(benchmark):
    scale = benchmark("scale")
    one, why = scale.seconds_on(1, 100.0, 384, cluster(scale))
    assert (why, one) == ("computing", pytest.approx(1e6 / 100 / 10, rel=0.01))
    four, _ = scale.seconds_on(4, 100.0, 384, cluster(scale, start=5.0))
    assert four == pytest.approx(5 + one / 4, rel=0.05)
    slow = cluster(scale, driver=0.1)
    seconds, why = scale.seconds_on(100, 100.0, 384, slow)
    assert (why, seconds) == ("the head", pytest.approx(1954 * 0.1))
    thin = cluster(scale, network=1e6)
    seconds, why = scale.seconds_on(100, 100.0, 384, thin)
    assert (why, seconds) == ("the network", pytest.approx(1596))


def test_more_workers_than_still_help_change_nothing(benchmark):
    scale = benchmark("scale")
    slow = cluster(scale, cores=1, driver=0.1)
    most, why = scale.stops_at(100.0, 384, slow)
    assert why == "the head"
    assert scale.seconds_on(most // 2, 100.0, 384, slow)[1] == "computing"
    assert scale.seconds_on(2 * most, 100.0, 384, slow)[1] == "the head"


def test_no_worker_helps_beyond_one_for_each_task(benchmark):
    scale = benchmark("scale")
    assert scale.stops_at(1.0, 384, cluster(scale)) == (1954, "tasks")


def test_search_takes_as_long_as_embedding_where_it_is_said_to(benchmark):
    scale = benchmark("scale")
    n = scale.as_long_as_embedding(200.0, 384, 1e11)
    assert scale.search_seconds(n, 384, 1e11) == pytest.approx(2 * n / 200.0)


def test_pieces_of_several_calls_become_one_report(benchmark, tmp_path):
    gathered = benchmark("eval_speed").gathered
    for name, content in {
        "a": {"schema": 1, "runs": {"e5/short/1": 1}, "start": {"fp32": 2}},
        "b": {"schema": 1, "runs": {"base/short/1": 3}, "retrieval": {"10/384": 4}},
    }.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert gathered(tmp_path / "a", [tmp_path / "b", tmp_path / "none"]) == {
        "schema": 1,
        "runs": {"e5/short/1": 1, "base/short/1": 3},
        "start": {"fp32": 2},
        "retrieval": {"10/384": 4},
    }


def test_lines_that_nobody_measured_are_named(benchmark):
    text, _ = benchmark("eval_speed_lines").report({"e5/short/1": made_up(**{"ours fp32": 1.0})})
    table, named = text.split("Not measured: ")
    assert "base/windows/1: int8 over fp32" in named
    assert "not measured" not in table


def test_the_pages_show_what_the_scripts_print(benchmark, project):
    measured = json.loads((project / "benchmarks/speed.json").read_text())
    options = SimpleNamespace(nodes=[1, 4, 16, 64], cores=16, network=1.25e9, price=None)
    shown = {
        "docs/scale.md": benchmark("scale").report(measured, options),
        "benchmarks/README.md": benchmark("eval_speed_lines").report(measured["runs"])[0],
    }
    for page, text in shown.items():
        content = (project / page).read_text()
        for part in text.split("\n\n"):
            assert part in content, part
