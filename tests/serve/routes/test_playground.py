"""The page at `/` in headless Chromium, driven over the DevTools pipe."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from xlt.serve.auth import Keys

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
]  # fmt: skip
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
DESKTOP = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}


class Browser:
    """One tab. Messages go over two pipes, each ended by a zero byte."""

    def __init__(self, profile: Path):
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()
        command = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, "bash", CHROMIUM, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self.inbox, self.sent, self.session, self.events = b"", 0, None, []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        """The result of one command; events that come meanwhile are kept."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self.sent:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.events.append(answer)

    def _read(self):
        while b"\0" not in self.inbox:
            data = os.read(self.from_browser, 1 << 16)
            assert data, "the browser has gone"
            self.inbox += data
        message, _, self.inbox = self.inbox.partition(b"\0")
        return json.loads(message)

    def open(self, url, *, screen=DESKTOP, scheme="light"):
        self.send("Emulation.setDeviceMetricsOverride", **screen)
        scheme = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=scheme)
        for address in ("about:blank", url):
            self.send("Log.clear")
            self.events.clear()
            self.send("Page.navigate", url=address)
            self.wait(f"location.href == {address!r} && document.readyState == 'complete'")

    def run(self, script):
        """The value of an expression in the page."""
        done = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, script):
        """Wait until an expression is true."""
        deadline = time.monotonic() + 20
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, (script, self.run("document.body.innerText"))
            time.sleep(0.02)
        return value

    def complaints(self):
        """What the console would show in red."""
        self.run("1")
        found = []
        for event in self.events:
            parameters = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(parameters["exceptionDetails"])
            elif event["method"] == "Runtime.consoleAPICalled" and parameters["type"] != "log":
                found.append(parameters)
            elif event["method"] == "Log.entryAdded" and parameters["entry"]["level"] != "info":
                found.append(parameters["entry"]["text"])
        return found

    def requested(self):
        """Addresses that the page asked for."""
        self.run("1")
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        os.close(self.to_browser)
        os.close(self.from_browser)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


LOADED = "document.querySelectorAll('#models input').length"
RESULT = """(() => {  // as it is read, without the little labels inside of texts
    const result = document.querySelector('#result').cloneNode(true);
    result.querySelectorAll('mark small').forEach((label) => label.remove());
    return [...result.querySelectorAll('p, th, td, caption, summary')].map(
        (part) => part.textContent).join('\\n');
})()"""
DONE = "document.querySelector('#result > *') && !document.querySelector('#run').disabled"


def pick(browser, model):
    browser.wait(LOADED)
    browser.run(f"document.querySelector('#models input[value={model}]').click()")


def try_it(browser):
    browser.run("document.querySelector('#run').click()")
    browser.wait(DONE)
    return browser.run(RESULT)


def test_the_page_is_whole_and_asks_nobody_else(server):
    status, headers, body = server.call("GET", "/")
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    text = body.decode()
    assert not re.search(r"https?://|//cdn|@import|url\(", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)


def test_every_field_of_the_page_has_a_label(server):
    _, _, body = server.call("GET", "/")
    for field in re.findall(r"<(?:input|select|textarea)\b[^>]*>", body.decode()):
        start = body.decode().rindex("<label", 0, body.decode().index(field))
        assert "</label>" not in body.decode()[start : body.decode().index(field)]


def test_no_docs_means_no_page(run_server, bundles):
    assert run_server({"xnli": bundles["xnli"]}, docs=False).call("GET", "/")[0] == 404


@pytest.mark.browser
@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_is_tried_without_complaints(browser, server, screen, scheme):
    browser.open(f"{server.url}/", screen=screen, scheme=scheme)
    browser.wait(LOADED)
    assert browser.run(LOADED) == 5
    assert browser.run("document.querySelector('#state').innerText") == "5 models"
    for model, needs in [
        ("xnli", ["entailment", "neutral", "contradiction", "%"]),
        ("csqa", ["opened her umbrella.", "%"]),
        ("panx", ["Ada Lovelace"]),
        ("xquad", ["The lighthouse on the cape"]),
        ("encoder", ["Cosines from", "8. "]),
    ]:
        pick(browser, model)
        shown = try_it(browser)
        assert [part for part in needs if part not in shown] == [], (model, shown)
        assert "tokens" in shown
        wide = browser.run("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{model}: the page scrolls sideways by {wide} px"
    assert browser.complaints() == []
    assert [url for url in browser.requested() if not url.startswith((server.url, "data:"))] == []
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 23, 27)"}[scheme]


@pytest.mark.browser
def test_a_classification_shows_the_servers_numbers(browser, server):
    browser.open(f"{server.url}/")
    pick(browser, "xnli")
    browser.run("document.querySelector('#field-text').value = 'the cat sat'")
    browser.run("document.querySelector('#field-pair').value = ''")
    shown = try_it(browser)
    body = {"model": "xnli", "inputs": ["the cat sat"]}
    (found,) = server.post("/v1/classify", body)["data"]
    for label, score in found["scores"].items():
        assert re.search(rf"{label}\s+{100 * score:.1f} %", shown), (label, score, shown)
    assert browser.run("document.querySelector('tr.best th').innerText") == found["label"]


@pytest.mark.browser
def test_places_are_code_points(browser, server):
    text = "🙂🙂 Ada met 🙂 Bob in Rome"
    browser.open(f"{server.url}/")
    pick(browser, "panx")
    browser.run(f"document.querySelector('#field-text').value = {json.dumps(text)}")
    try_it(browser)
    (found,) = server.post("/v1/tag", {"model": "panx", "inputs": [text]})["data"]
    assert found["entities"]
    marked = browser.run("[...document.querySelectorAll('mark')].map(m => m.firstChild.data)")
    assert marked == [entity["text"] for entity in found["entities"]]
    assert browser.run("document.querySelectorAll('.words').length") == 0


@pytest.mark.browser
def test_the_answer_is_marked_in_its_context(browser, server):
    browser.open(f"{server.url}/")
    pick(browser, "xquad")
    browser.run("document.querySelector('#field-context').value = '🙂 the cat sat on the mat'")
    browser.run("document.querySelector('#field-question').value = 'who sat'")
    shown = try_it(browser)
    question = {"question": "who sat", "context": "🙂 the cat sat on the mat"}
    body = {"model": "xquad", "inputs": [question], "top_k": 5}
    (found,) = server.post("/v1/answer", body)["data"]
    assert found["answerable"] and found["answers"][0]["text"] in shown
    assert browser.run("document.querySelector('mark').innerText") == found["answers"][0]["text"]
    browser.run("document.querySelectorAll('#result button')[1].click()")
    assert browser.run("document.querySelector('mark').innerText") == found["answers"][1]["text"]


@pytest.mark.browser
def test_typed_text_is_never_markup(browser, server):
    browser.open(f"{server.url}/")
    attack = "<img src=x onerror=alert(1)>"
    for model, field in [("encoder", "sources"), ("panx", "text"), ("xquad", "context")]:
        pick(browser, model)
        browser.run(f"document.querySelector('#field-{field}').value = {attack!r}")
        assert attack in try_it(browser)
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.complaints() == []


@pytest.mark.browser
def test_refusals_are_shown_as_text(browser, server):
    browser.open(f"{server.url}/")
    pick(browser, "csqa")
    browser.run("document.querySelector('#field-choices').value = 'only one'")
    browser.run("document.querySelector('#run').click()")
    shown = browser.wait("document.querySelector('#problem').innerText")
    assert shown.startswith("400: ") and "length >= 2" in shown
    assert browser.run("document.querySelector('#problem').getAttribute('role')") == "alert"
    assert not browser.run("document.querySelector('#run').disabled")


@pytest.mark.browser
def test_a_server_that_went_away_is_said(browser, run_server, bundles):
    short_lived = run_server({"xnli": bundles["xnli"]})
    browser.open(f"{short_lived.url}/")
    browser.wait(LOADED)
    short_lived.stop()
    browser.run("document.querySelector('#run').click()")
    shown = browser.wait("document.querySelector('#problem').innerText")
    assert shown.startswith("The server does not answer")


@pytest.mark.browser
def test_a_key_is_asked_for_and_used(browser, run_server, bundles):
    locked = run_server({"xnli": bundles["xnli"]}, keys=Keys(["a key of sixteen"]))
    browser.open(f"{locked.url}/")
    assert browser.wait("document.querySelector('#problem').innerText").startswith("401: ")
    browser.run("document.querySelector('#key').value = 'a key of sixteen'")
    browser.run("document.querySelector('#keyform button').click()")
    pick(browser, "xnli")
    assert "entailment" in try_it(browser)


@pytest.mark.browser
def test_the_reference_is_drawn_without_complaints(browser, server):
    browser.open(f"{server.url}/docs")
    browser.wait("document.body.innerText.includes('/v1/classify')")
    assert browser.complaints() == []


@pytest.mark.browser
def test_every_example_is_answered(browser, server):
    browser.open(f"{server.url}/")
    for model in ("xnli", "csqa", "panx", "xquad", "encoder"):
        pick(browser, model)
        for i in range(browser.run("document.querySelector('#example').options.length")):
            browser.run(f"document.querySelector('#example').selectedIndex = {i}")
            browser.run("document.querySelector('#example').dispatchEvent(new Event('change'))")
            assert "tokens" in try_it(browser), (model, i)
    assert browser.complaints() == []


CARRIED = {
    "constructed": True,
    "items": [
        {"task": "xnli", "lang": "qaa", "language": "Alderan (constructed)",
         "input": {"text": "the cat sat </script>", "text_pair": "the dog sat"}},
        {"task": "xnli", "lang": "qab", "language": "Aldish", "input": {"text": "the fox"}},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def carrying(bundles, tmp_path_factory):
    """carrying(constructed): a bundle that carries examples."""

    def make(constructed):
        folder = tmp_path_factory.mktemp("carrying") / "xnli"
        shutil.copytree(bundles["xnli"], folder)
        manifest = json.loads((folder / "xlt.json").read_text())
        manifest["examples"] = {**CARRIED, "constructed": constructed}
        (folder / "xlt.json").write_text(json.dumps(manifest))
        return folder

    return make


def examples_in(body):
    found = re.search(r'<script type="application/json" id="carried">(.*?)</script>', body.decode())
    return json.loads(found[1])


def test_the_page_has_the_examples_that_the_bundles_carry(run_server, bundles, carrying):
    served = run_server({"xnli": carrying(True), "encoder": bundles["encoder"]})
    assert examples_in(served.call("GET", "/")[2]) == {"xnli": CARRIED}


def test_real_dev_text_is_not_on_a_page_that_asks_for_no_key(run_server, carrying):
    keys = Keys(["a key of sixteen"])
    assert examples_in(run_server({"a": carrying(False)}).call("GET", "/")[2]).keys() == {"a"}
    assert examples_in(run_server({"a": carrying(False)}, keys=keys).call("GET", "/")[2]) == {}
    assert examples_in(run_server({"a": carrying(True)}, keys=keys).call("GET", "/")[2]) != {}


NAMES = "[...document.querySelector('#example').options].map(o => o.text)"


@pytest.mark.browser
def test_the_playground_greets_with_the_models_own_examples(browser, run_server, carrying):
    """A model of constructed languages was greeted with English, German and Swahili."""
    browser.open(f"{run_server({'xnli': carrying(True)}).url}/")
    pick(browser, "xnli")
    assert browser.run(NAMES) == ["Alderan (constructed)", "Aldish (constructed)"]
    assert browser.run("document.querySelector('#field-text').value") == "the cat sat </script>"
    assert "entailment" in try_it(browser)
    assert browser.complaints() == []


@pytest.mark.browser
def test_a_paraphrase_model_is_greeted_with_paraphrases(browser, run_server, bundles, tmp_path):
    folder = tmp_path / "pawsx"
    shutil.copytree(bundles["xnli"], folder)
    manifest = json.loads((folder / "xlt.json").read_text())
    manifest["answers"] = ["pawsx"]
    (folder / "xlt.json").write_text(json.dumps(manifest))
    browser.open(f"{run_server({'pawsx': folder}).url}/")
    pick(browser, "pawsx")
    assert "Porto" in browser.run("document.querySelector('#field-pair').value")


CUT = """[...document.querySelectorAll('textarea, td, th, pre, code, summary, dd, dt, select, p')]
    .filter((part) => part.offsetParent !== null && (
        part.scrollHeight > part.clientHeight + 2 && part.tagName === 'TEXTAREA'
        || part.getBoundingClientRect().right > innerWidth + 0.5
        || part.scrollWidth > part.clientWidth + 2 && part.tagName !== 'SELECT'
           && getComputedStyle(part).display !== 'inline'))
    .map((part) => part.tagName + ': ' + (part.value || part.textContent).slice(0, 40))"""


@pytest.mark.browser
@pytest.mark.parametrize("page", ["", "docs"])
def test_nothing_is_cut_off_on_the_phone(browser, server, page):
    browser.open(f"{server.url}/{page}", screen=PHONE)
    if page:
        browser.wait("document.querySelectorAll('details').length > 10")
        browser.run("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
        browser.wait("document.querySelectorAll('details.type dl').length > 10")
        assert browser.run(CUT) == []
    else:
        for model in ("xnli", "csqa", "panx", "xquad", "encoder"):
            pick(browser, model)
            try_it(browser)
            assert browser.run(CUT) == [], model
    assert browser.run("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reference_looks_like_the_playground(browser, server, scheme):
    looks = []
    for page in ("", "docs"):
        browser.open(f"{server.url}/{page}", scheme=scheme)
        browser.wait("document.querySelectorAll('h1').length")
        looks.append(
            browser.run("""['backgroundColor', 'color', 'fontFamily', 'fontSize', 'width']
            .map((name) => getComputedStyle(document.body)[name])""")
        )
    assert looks[0] == looks[1]


@pytest.mark.browser
def test_the_reference_expands_types_and_its_curl_lines_run(browser, run_server, bundles, tmp_path):
    twins = {**bundles, "second": bundles["xnli"]}
    served = run_server(twins)
    browser.open(f"{served.url}/docs")
    browser.wait("document.querySelectorAll('details').length > 10")
    browser.run("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    browser.wait("document.querySelectorAll('details.type dl').length > 10")
    assert "prompt_tokens" in browser.run("document.body.innerText")
    lines = browser.run("[...document.querySelectorAll('pre')].map((part) => part.textContent)")
    assert len(lines) > 20
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", f"{line} --silent --show-error --noproxy '*' -w '\n%{{http_code}}'"],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        status = done.stdout.rpartition("\n")[2]
        assert status == "200", (line, done.stdout[-300:], done.stderr)
