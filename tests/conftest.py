"""Shared fixtures: the real data and the oracle beside the checkout, a command-line runner."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.pop("XLT_DATA", None)
os.environ.setdefault("XLT_CACHE", tempfile.mkdtemp(prefix="xlt-tests-cache-"))
# Messages then say plain `xlt`, whoever started the tests (tests/core/show/test_program.py).
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

with contextlib.suppress(ImportError):  # the light environment has no hypothesis
    from hypothesis import settings

    settings.register_profile("xlt", deadline=None, derandomize=True)
    settings.register_profile("long", deadline=None, derandomize=False, max_examples=1000)
    settings.load_profile(os.environ.get("XLT_FUZZ") or "xlt")

# A job in the background of a shell starts with SIGINT ignored, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Under nohup the same holds for SIGHUP.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def project() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets; absent in a bare clone."""
    if not (SHARED / "data" / "MANIFEST.tsv").is_file():
        pytest.skip("../shared/data is not there")
    return SHARED / "data"


@pytest.fixture(scope="session")
def shared_docs() -> Path:
    """The sheets of facts that the project was given; absent in a bare clone."""
    if not (SHARED / "docs" / "published.json").is_file():
        pytest.skip("../shared/docs is not there")
    return SHARED / "docs"


@pytest.fixture(scope="session")
def shared_oracle() -> Path:
    """The oracle as it was delivered; absent in a bare clone, where `oracle` is the same."""
    if not (SHARED / "oracle" / "expected.json").is_file():
        pytest.skip("../shared/oracle is not there")
    return SHARED / "oracle"


@pytest.fixture(scope="session")
def oracle(tmp_path_factory) -> Path:
    """Outputs of the official scorers, in every clone (tests/core/oracle/README.md)."""
    spec = importlib.util.spec_from_file_location("pack", ROOT / "tests/core/oracle/pack.py")
    packing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(packing)
    folder = tmp_path_factory.mktemp("oracle")
    packing.unpack(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory) -> Path:
    """A data root of the embedded benchmark, size tiny, seed 1. Read it, do not change it."""
    from xlt.world import write_world

    root = tmp_path_factory.mktemp("world") / "tiny"
    write_world(root, size="tiny", seed=1)
    return root


@pytest.fixture(scope="session")
def ray_cluster():
    """The one Ray cluster of all tests: a head with two CPUs.

    A test may add machines (`add_node`) and must take them away again; what it connects it closes.
    """
    pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


def _environment(name: str, *requirements: str) -> Path:
    """Python of an environment under build/; what it does not install comes from these tests'."""
    folder = ROOT / "build" / name
    python = folder / "bin/python"
    if not (folder / ".ready").is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        (inside,) = folder.glob("lib/python*/site-packages")
        (inside / "outer.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
        (folder / ".ready").touch()
    return python


@pytest.fixture(scope="session")
def transformers_5() -> Path:
    """Python of an environment with transformers 5 under build/, made when it is first asked for.

    All but transformers and what it brings comes from the environment of these tests; optimum-onnx
    is there and cannot be imported, as it is beside transformers 5 everywhere.
    """
    return _environment("transformers-5", "transformers>=5,<6")


@pytest.fixture(scope="session")
def sentence_transformers_6() -> Path:
    """Python of an environment with sentence-transformers 6, as `transformers_5`.

    Skips where the package index cannot be reached.
    """
    try:
        return _environment(
            "sentence-transformers-6", "sentence-transformers>=6,<7", "transformers>=5,<6"
        )
    except subprocess.CalledProcessError as error:
        pytest.skip(f"sentence-transformers 6 cannot be installed: {error}")


@pytest.fixture
def run_xlt(tmp_path):
    """Run the command line as a user does; returns a CompletedProcess with text output."""

    def run(*arguments, cwd=tmp_path, env=None, timeout=240):
        return subprocess.run(
            [sys.executable, "-m", "xlt", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
