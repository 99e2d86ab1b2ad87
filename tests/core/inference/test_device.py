"""Device names: read once, and a device that is named must be there."""

import pytest

from xlt.core.errors import ModelError, UsageError
from xlt.core.inference.device import choose_device, parse_device


@pytest.mark.parametrize(
    ("text", "device"),
    [("auto", ("auto", 0)), ("cpu", ("cpu", 0)), ("cuda", ("cuda", 0)), ("cuda:12", ("cuda", 12))],
)
def test_devices_are_read(text, device):
    assert parse_device(text) == device


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "cpu:0", "CUDA", "", "cuda:1 "])
def test_unknown_device_is_a_usage_error(text):
    with pytest.raises(UsageError, match="unknown device"):
        parse_device(text)


@pytest.mark.parametrize(
    ("asked", "there", "auto", "chosen"),
    [
        ("auto", 0, "cuda", "cpu"),
        ("auto", 2, "cuda", "cuda:0"),
        ("auto", 2, "cpu", "cpu"),
        ("cpu", 2, "cuda", "cpu"),
        ("cuda", 1, "cpu", "cuda:0"),
        ("cuda:1", 2, "cpu", "cuda:1"),
    ],
)
def test_device_that_is_computed_on(asked, there, auto, chosen):
    assert choose_device(asked, cuda_devices=there, auto=auto) == chosen


@pytest.mark.parametrize(("asked", "there"), [("cuda", 0), ("cuda:2", 2)])
def test_named_device_that_is_not_there_is_a_model_error(asked, there):
    with pytest.raises(ModelError, match=f"--device {asked} is not there: .* {there} CUDA"):
        choose_device(asked, cuda_devices=there, auto="cuda")
