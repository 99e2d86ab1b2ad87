"""Linear layers by oneDNN: the same numbers and gradients, and when they are used at all."""

import copy
import types

import pytest
import torch
from torch import nn

from xlt.train.loop import products

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN"
)


@pytest.fixture
def faster(monkeypatch):
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)


def both(inputs, outputs, *, bias=True):
    torch.manual_seed(1)
    plain = nn.Linear(inputs, outputs, bias=bias)
    changed = copy.deepcopy(plain)
    changed.__class__ = products.OneDnnLinear
    return plain, changed


def gradients(layer, x, weights):
    x = x.clone().requires_grad_()
    result = layer(x)
    (result * weights).sum().backward()
    return result.detach(), x.grad, *(value.grad for value in layer.parameters())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (2, 3, 11)])
def test_values_and_gradients_are_those_of_the_plain_layer(shape, bias):
    plain, changed = both(24, 40, bias=bias)
    x = torch.randn(*shape, 24)
    weights = torch.randn(*shape, 40)
    exact = gradients(plain.double(), x.double(), weights.double())
    found = gradients(changed, x, weights)
    for one, other in zip(exact, found, strict=True):
        assert other.dtype == torch.float32
        assert (one - other).abs().max() <= 1e-6 * (1 + one.abs().max())


def test_a_gradient_that_is_not_wanted_is_not_made():
    _, changed = both(8, 8)
    changed.weight.requires_grad_(requires_grad=False)
    changed(torch.ones(2, 8)).sum().backward()
    assert changed.weight.grad is None
    assert torch.equal(changed.bias.grad, torch.full((8,), 2.0))


def test_two_backward_passes_have_the_same_bits():
    _, changed = both(300, 260)
    x, weights = torch.randn(50, 300), torch.randn(50, 260)
    first = gradients(changed, x, weights)
    changed.zero_grad()
    for one, other in zip(first, gradients(changed, x, weights), strict=True):
        assert torch.equal(one, other)


def test_other_types_no_rows_and_autocast_go_the_plain_way(monkeypatch):
    plain, changed = both(8, 4)
    monkeypatch.setattr(products, "_product", None)
    assert torch.equal(changed(torch.zeros(0, 8)), plain(torch.zeros(0, 8)))
    x = torch.randn(2, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(changed(x), plain(x))
    assert torch.equal(changed.double()(x.double()), plain.double()(x.double()))


def test_only_wide_linear_layers_change_and_what_is_saved_stays(faster):
    class Own(nn.Linear):
        pass

    wide = products.LEAST_WIDTH
    model = nn.ModuleDict(
        {
            "wide": nn.Linear(wide, wide),
            "head": nn.Linear(wide, 3),
            "narrow": nn.Linear(wide - 1, wide),
            "own": Own(wide, wide),
        }
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parameters = [id(value) for value in model.parameters()]
    assert products.with_fast_products(model) == 1
    assert [name for name, one in model.items() if type(one) is products.OneDnnLinear] == ["wide"]
    assert [id(value) for value in model.parameters()] == parameters
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("vendor", "capability", "system", "expected"),
    [
        ("AuthenticAMD", "AVX512", "Linux", True),
        ("GenuineIntel", "AVX512", "Linux", False),
        ("AuthenticAMD", "AVX2", "Linux", False),
        ("AuthenticAMD", "AVX512", "Darwin", False),
    ],
)
def test_the_processor_decides(monkeypatch, tmp_path, vendor, capability, system, expected):
    (tmp_path / "cpuinfo").write_text(f"vendor_id\t: {vendor}\n")
    monkeypatch.setattr(products, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(products, "platform", types.SimpleNamespace(system=lambda: system))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert products.onednn_is_faster.__wrapped__() is expected


def test_a_pytorch_without_the_product_trains_the_plain_way(monkeypatch, tmp_path):
    (tmp_path / "cpuinfo").write_text("vendor_id\t: AuthenticAMD\n")
    monkeypatch.setattr(products, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")

    def gone(*_):
        raise AttributeError("no attribute '_linear_pointwise'")

    monkeypatch.setattr(products, "_product", gone)
    assert products.onednn_is_faster.__wrapped__() is False
