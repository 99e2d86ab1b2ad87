"""The profiles of the property tests: repeatable by default, long and random on demand."""

import os
import subprocess
import sys

import pytest

SHOW = """
import runpy, sys
runpy.run_path(sys.argv[1])
from hypothesis import settings
print(settings.default.derandomize, settings.default.max_examples, settings.default.deadline)
"""


@pytest.mark.parametrize(
    ("chosen", "shown"), [("", ["True", "100", "None"]), ("long", ["False", "1000", "None"])]
)
def test_profile_follows_the_environment(project, chosen, shown):
    pytest.importorskip("hypothesis")
    done = subprocess.run(
        [sys.executable, "-c", SHOW, project / "tests" / "conftest.py"],
        env={**os.environ, "XLT_FUZZ": chosen}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == shown
