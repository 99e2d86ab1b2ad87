"""Figures as XML: every number is real text in its place, and colours can be told apart."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.show.figures import (
    Bar,
    Cell,
    Group,
    Series,
    bars,
    curves,
    differences,
    heat_map,
)
from xlt.core.show.svg import PALETTE, shade, ticks

SVG = "{http://www.w3.org/2000/svg}"
# what people without red or green cones see (Machado, Oliveira, Fernandes 2009, severity 1)
VISION = {
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}


def parse(svg):
    return ET.fromstring(svg)


def texts(svg):
    return [node.text for node in parse(svg).iter(f"{SVG}text")]


def linear(rgb):
    return [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]


def luminance(rgb):
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(rgb), strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def seen_by(rgb, matrix):
    light = linear(rgb)
    return [sum(m * c for m, c in zip(row, light, strict=True)) for row in matrix]


def numbers(colour):
    if colour.startswith("#"):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        return [int(digits[i : i + 2], 16) for i in (0, 2, 4)]
    return [int(part) for part in re.findall(r"\d+", colour)]


@pytest.mark.parametrize("vision", VISION)
def test_both_ends_of_a_difference_are_told_apart_by_everyone(vision):
    low, high = (
        seen_by(numbers(shade(v, -1, 1, diverging=True)[0]), VISION[vision]) for v in (-1, 1)
    )
    assert sum((a - b) ** 2 for a, b in zip(low, high, strict=True)) ** 0.5 > 0.3


@pytest.mark.parametrize("vision", VISION)
def test_the_first_two_lines_of_a_plot_are_told_apart_by_everyone(vision):
    blue, orange = (
        seen_by(numbers(re.search(r"#\w+", colour)[0]), VISION[vision]) for colour in PALETTE[:2]
    )
    assert sum((a - b) ** 2 for a, b in zip(blue, orange, strict=True)) ** 0.5 > 0.25


@given(st.floats(-120, 120), st.booleans())
def test_a_number_can_be_read_on_its_colour(value, diverging):
    back, ink = shade(value, -100, 100, diverging=diverging)
    assert contrast(numbers(back), numbers(ink)) >= 4.5


@given(st.floats(0, 99), st.floats(0.5, 1))
def test_a_higher_score_is_never_paler(value, more):
    darker = luminance(numbers(shade(value + more, 0, 100)[0]))
    assert darker <= luminance(numbers(shade(value, 0, 100)[0]))


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e5), st.integers(2, 9))
def test_ticks_are_round_few_and_inside(low, width, most):
    found = ticks(low, low + width, most)
    assert len(found) <= most
    for tick in found:
        assert low - 1e-6 * width <= tick <= low + width * (1 + 1e-6)
    if len(found) > 1:
        mantissa = float(f"{found[1] - found[0]:e}".split("e")[0])
        assert round(mantissa, 3) in (1, 2, 2.5, 5, 10)


def heat():
    cells = [Cell(value=63.14, hint="xnli sw 63.1"), Cell(value=None)]
    return heat_map(
        "scores <by> language",
        ["xnli", "panx"],
        [
            Group(name="Niger-Congo", rows=[("Swahili", cells)]),
            Group(name="Isolate", rows=[("Basque & co", [Cell(value=7.0, marked=True)] * 2)]),
        ],
    )


def test_a_heat_map_holds_its_numbers_as_text():
    found = texts(heat())
    assert found == [
        "xnli", "panx", "Niger-Congo", "Swahili", "63.1", "–", "Isolate", "Basque & co", "7.0*",
        "7.0*",
    ]  # fmt: skip
    root = parse(heat())
    assert root.get("aria-label") == "scores <by> language"
    assert [node.text for node in root.iter(f"{SVG}title")] == ["xnli sw 63.1"]
    assert len(list(root.iter(f"{SVG}rect"))) == 3


def test_nothing_of_a_heat_map_of_nine_tasks_lies_outside_or_is_wider_than_a_phone():
    group = Group(name="f", rows=[(str(n), [Cell(value=float(n))] * 9) for n in range(40)])
    root = parse(heat_map("x", [f"task{n}" for n in range(9)], [group]))
    width, height = map(float, root.get("viewBox").split()[2:])
    assert width * 0.85 <= 390 - 32
    for node in root.iter():
        for name in ("x", "x1", "x2"):
            assert 0 <= float(node.get(name, 0)) <= width
        for name in ("y", "y1", "y2"):
            assert 0 <= float(node.get(name, 0)) <= height


def bar_widths(svg):
    return [float(node.get("width")) for node in parse(svg).iter(f"{SVG}rect")]


def test_bars_are_as_long_as_their_numbers():
    rows = [Bar(label="a", value=50.0), Bar(label="b", value=25.0, low=20.0, high=30.0)]
    svg = bars("x", rows)
    first, second = bar_widths(svg)
    assert first == pytest.approx(2 * second, abs=0.2)
    assert "25.0" in texts(svg) and "50.0" in texts(svg)
    whiskers = [n for n in parse(svg).iter(f"{SVG}line") if "ink" in n.get("stroke")]
    assert len(whiskers) == 3
    length = float(whiskers[0].get("x2")) - float(whiskers[0].get("x1"))
    assert length == pytest.approx(first / 5, abs=0.3)


def test_a_difference_that_may_be_chance_is_hollow():
    rows = [
        Bar(label="de", value=2.0, low=1.0, high=3.0, sure=True),
        Bar(label="sw", value=-1.0, low=-2.5, high=0.5),
    ]
    svg = differences("x", rows)
    sure, unsure = parse(svg).iter(f"{SVG}circle")
    assert sure.get("fill") == sure.get("stroke") == PALETTE[0]
    assert "paper" in unsure.get("fill") and unsure.get("stroke") == PALETTE[1]
    zero = next(n for n in parse(svg).iter(f"{SVG}line") if "soft" in n.get("stroke"))
    assert float(unsure.get("cx")) < float(zero.get("x1")) < float(sure.get("cx"))
    assert {"+2.0", "-1.0"} <= set(texts(svg))


def test_curves_rise_with_their_numbers_and_have_a_legend():
    lines = [
        Series(name="none", points=[(0, 10), (100, 40)], bounds=[(8, 12), (38, 42)]),
        Series(name="mnli", points=[(0, 12), (100, 30)]),
        Series(name="one", points=[(50, 20)]),
    ]
    svg = curves("x", lines, x_name="updates", y_name="F1")
    assert {"none", "mnli", "one", "updates", "F1"} <= set(texts(svg))
    drawn = [n for n in parse(svg).iter(f"{SVG}polyline") if n.get("points").count(" ") == 1]
    (_, start), (_, end) = (map(float, p.split(",")) for p in drawn[0].get("points").split())
    assert end < start  # upwards on the screen
    assert len({(n.get("stroke"), n.get("stroke-dasharray")) for n in drawn}) == 3
    assert len(list(parse(svg).iter(f"{SVG}polygon"))) == 1


def test_a_flat_curve_of_one_value_is_drawn():
    assert "nan" not in curves("x", [Series(name="a", points=[(1, 5.0), (1, 5.0)])]).lower()
    assert "100k" in texts(curves("x", [Series(name="a", points=[(10, 1), (1e5, 2)])], log=True))


def test_markup_in_names_stays_text():
    attack = '"><script>alert(1)</script>'
    for svg in (
        bars(attack, [Bar(label=attack, value=1.0, hint=attack)]),
        heat_map(attack, [attack], [Group(name=attack, rows=[(attack, [Cell(value=1.0)])])]),
        curves(attack, [Series(name=attack, points=[(0, 1)])]),
    ):
        assert "<script" not in svg
        parse(svg)
