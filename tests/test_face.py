"""The public face: short names, loaded when they are used, right whatever was imported before."""

import subprocess
import sys

import pytest

import xlt
from xlt._version import __version__


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_dir_shows_the_face_and_the_version():
    assert dir(xlt) == sorted(xlt.__all__)
    assert set(dir(xlt)) == {
        "Client", "__version__", "evaluate", "export_model", "fit", "open", "sentence_module",
    }  # fmt: skip
    assert xlt.__version__ == __version__


def test_importing_the_package_loads_nothing_heavy():
    run(
        "import xlt, sys\n"
        "dir(xlt), xlt.__version__\n"
        "heavy = {'numpy', 'torch', 'transformers', 'onnxruntime', 'tokenizers', 'click'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )


def test_every_public_function_is_found_without_loading_torch():
    run(
        "import xlt, sys\n"
        "for name in xlt.__all__: getattr(xlt, name)\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )


@pytest.mark.parametrize(
    "first",
    [
        "import xlt.export.plan",
        "import xlt.export",
        "from xlt.train.plan import config",
        "import os",
    ],
)
def test_names_are_right_whatever_was_imported_before(first):
    run(
        f"{first}\n"
        "import types, xlt\n"
        "assert callable(xlt.export_model) and callable(xlt.fit) and callable(xlt.evaluate)\n"
        "assert isinstance(xlt.export, types.ModuleType)\n"
        "assert xlt.export_model is xlt.export.export\n"
        "assert xlt.fit is xlt.train.fit and xlt.evaluate is xlt.evalsuite.evaluate\n"
        "assert 'torch' not in __import__('sys').modules\n"
    )


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'modell'"):
        xlt.modell  # noqa: B018
