"""The report in headless Chromium: no complaints, figures there, nothing wider than a phone."""

import base64
import importlib.util
import os
from pathlib import Path

import pytest

from xlt.core.files import write_atomic
from xlt.evalsuite.report.page.build import ReportConfig, build_report

TESTS = Path(__file__).resolve().parents[3]
PLAYGROUND = next(TESTS.glob("serve/**/test_playground.py"))  # has the driver of the browser
SPEC = importlib.util.spec_from_file_location("browsing", PLAYGROUND)
browsing = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(browsing)
browser = browsing.browser  # the fixture: one tab, driven over the DevTools pipe

pytest.importorskip("jinja2")  # the light environment has no pages


@pytest.fixture(scope="module")
def page(folders, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    config = ReportConfig(
        results=(folders.mnli1, folders.int8), baseline=(folders.direct1, folders.direct2),
        data=folders.root,
    )  # fmt: skip
    write_atomic(path, build_report(config).html())
    return path


@pytest.mark.browser
@pytest.mark.parametrize("screen", ["PHONE", "DESKTOP"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_complaints(browser, page, screen, scheme):
    size = getattr(browsing, screen)
    browser.open(page.as_uri(), screen=size, scheme=scheme)
    assert browser.complaints() == []
    assert [url for url in browser.requested() if url != page.as_uri()] == []
    wide = browser.run("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page scrolls sideways by {wide} px"
    drawn = browser.run("[...document.querySelectorAll('svg')].map(s => s.clientWidth)")
    assert len(drawn) > 8 and min(drawn) > 200
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 28)"}[scheme]
    ink = browser.run("getComputedStyle(document.querySelector('svg text')).fill")
    assert ink != paper
    folder = os.environ.get("XLT_SCREENSHOTS")
    if folder:
        shot = browser.send("Page.captureScreenshot", captureBeyondViewport=True)
        (Path(folder) / f"{screen}-{scheme}.png".lower()).write_bytes(
            base64.b64decode(shot["data"])
        )


@pytest.mark.browser
def test_numbers_in_figures_can_be_selected(browser, page):
    browser.open(page.as_uri())
    browser.run("getSelection().selectAllChildren(document.querySelector('svg'))")
    chosen = browser.run("getSelection().toString()")
    assert "English" in chosen and "+" in chosen


@pytest.mark.browser
def test_texts_run_in_their_direction(browser, page):
    browser.open(page.as_uri())
    direction = "getComputedStyle(document.querySelector('dd[lang=%s]')).direction"
    assert browser.run(direction % "ar") == "rtl"
    side = "document.querySelector('dd[lang=ar]').matches(':dir(rtl)')"
    assert browser.run(side)


@pytest.mark.browser
def test_it_prints_in_full(browser, page):
    browser.open(page.as_uri())
    printed = browser.send("Page.printToPDF", printBackground=True)["data"]
    assert base64.b64decode(printed).startswith(b"%PDF") and len(printed) > 50_000
    browser.send("Emulation.setEmulatedMedia", media="print")
    hidden = browser.run(
        "[...document.querySelectorAll('.wide')].filter(e => "
        "getComputedStyle(e).overflowX != 'visible').length"
    )
    assert hidden == 0
    browser.send("Emulation.setEmulatedMedia", media="")
