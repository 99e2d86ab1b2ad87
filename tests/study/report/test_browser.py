"""The report of a study in headless Chromium: no complaints, nothing wider than a phone."""

import base64
import importlib.util
import os
from pathlib import Path

import pytest

from xlt.study.report.build import build_report

TESTS = Path(__file__).resolve().parents[2]
PLAYGROUND = next(TESTS.glob("serve/**/test_playground.py"))  # has the driver of the browser
SPEC = importlib.util.spec_from_file_location("browsing", PLAYGROUND)
browsing = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(browsing)
browser = browsing.browser  # the fixture: one tab, driven over the DevTools pipe

pytest.importorskip("jinja2")  # the light environment has no pages
LANGS = ("en", "de", "nl", "el", "hi", "fr", "ru", "sw", "th", "tr", "vi", "fi")


@pytest.fixture(scope="module")
def page(made_up, tmp_path_factory):
    def effect(arm, task, lang, axes):
        return {"mnli": 0.35, "squad": -0.3}.get(arm, 0.0) * (
            0.4 if lang in "sw th tr vi fi" else 1
        )

    folder = made_up(
        arms=("none", "mnli", "squad", "shuffled"), targets=("xnli", "pawsx", "tatoeba"),
        langs=LANGS, effect=effect, unfinished=("mnli-xnli-4",), same_data=(("mnli", "xnli"),),
        estimand={"kind": "effect_difference", "arms": ["mnli"],
                  "between": ["non-indo-european", "indo-european"]},
    )  # fmt: skip
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(build_report(folder).html())
    return path


@pytest.mark.browser
@pytest.mark.parametrize("screen", ["PHONE", "DESKTOP"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_complaints(browser, page, screen, scheme):
    browser.open(page.as_uri(), screen=getattr(browsing, screen), scheme=scheme)
    assert browser.complaints() == []
    assert [url for url in browser.requested() if url != page.as_uri()] == []
    wide = browser.run("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page scrolls sideways by {wide} px"
    top = browser.run("document.querySelector('svg').getBoundingClientRect().top")
    assert top < browser.run("innerHeight"), "the first figure is below the first screen"
    folder = os.environ.get("XLT_SCREENSHOTS")
    if folder:
        shot = browser.send("Page.captureScreenshot", captureBeyondViewport=True)
        (Path(folder) / f"study-{screen}-{scheme}.png".lower()).write_bytes(
            base64.b64decode(shot["data"])
        )
