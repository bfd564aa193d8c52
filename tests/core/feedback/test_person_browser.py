"""The labelling page in a real browser: keys, undo, a tab that is closed in the middle.

Chromium is driven over WebDriver, which is HTTP and JSON; no package is needed for that.
"""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import labelled_run
import pytest
from random_queries import single

from core_jax.feedback.labels import LabelStore

ROOT = Path(__file__).parents[3]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, _BROWSERS)), None)
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER),
        reason="needs chromium and chromedriver (Debian: chromium chromium-driver)",
    ),
]

KEYS = {"left": "\ue012", "up": "\ue013", "right": "\ue014", "down": "\ue015", "back": "\ue003"}


class Browser:
    """One headless Chromium."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [DRIVER, f"--port={self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1100,900"]
        words += ["--disable-dev-shm-usage", f"--user-data-dir={folder}"]
        options = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": BROWSER, "args": words},
        }
        until(lambda: self._driver("GET", "/status")["ready"])
        made = self._driver("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self.session = f"/session/{made['sessionId']}"

    def do(self, method, path, **content):
        return self._driver(method, self.session + path, content if method == "POST" else None)

    def press(self, key):
        key = KEYS.get(key, key)
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self.do("POST", "/actions", actions=[keyboard])

    def run(self, script):
        return self.do("POST", "/execute/sync", script=script, args=[])

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.do("GET", "/screenshot")))

    def close(self):
        self.process.terminate()
        self.process.wait()

    def _driver(self, method, path, content=None):
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error


def until(true, seconds=120):
    end = time.monotonic() + seconds
    while True:
        try:
            if found := true():
                return found
        except urllib.error.URLError:
            pass  # not listening yet
        assert time.monotonic() < end, "took too long"
        time.sleep(0.1)


@pytest.fixture
def browser(tmp_path):
    found = Browser(tmp_path / "profile")
    yield found
    found.do("DELETE", "")
    found.close()


@pytest.fixture
def start():
    """Starts `scripts/label.py` on a run; returns the page's address and the process."""
    started = []

    def start(run):
        process = subprocess.Popen(
            [sys.executable, "scripts/label.py", str(run), "--port", "0", "--no-browser"],
            cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # A shell's background job, as this may be, ignores Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        started.append(process)
        return process.stderr.readline().split()[0], process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def answers(run):
    store = LabelStore(run / "labels.sqlite")
    found = {r.key: r.label.preference for r in store.rows() if r.teacher == "person"}
    store.close()
    return found


def test_ten_pairs_by_keyboard_with_the_tab_closed_in_between(start, browser, tmp_path):
    run = labelled_run.make(tmp_path / "run", count=10)
    address, process = start(run)

    def answered(count):
        """Waits until the page has its next pair and says so."""
        ready = "return !busy && document.getElementById('count').textContent"
        until(lambda: (browser.run(ready) or "").startswith(f"{count} of 10"))
        return browser.run("return shown && shown.key")

    expected = {}

    def answer(key, value):
        expected[answered(len(expected))] = value
        browser.press(key)

    browser.do("POST", "/url", url=address)
    answer("left", 0.0)
    answer("right", 1.0)
    answer("down", 0.5)
    answer("up", None)
    answered(4)
    painted = "const c = document.querySelector('#a canvas');"
    painted += "return Array.from(c.getContext('2d').getImageData(150, 150, 1, 1).data)"
    assert browser.run(painted) not in ([0, 0, 0, 0], [0, 0, 0, 255])
    if "SCREENSHOT" in os.environ:
        browser.run("playing = false; frame = frames - 1; paint()")
        browser.screenshot(Path(os.environ["SCREENSHOT"]))

    # The tab is closed right after a key, without waiting for the page.
    answer("b", 1.0)
    tab = browser.do("GET", "/window")
    new = browser.do("POST", "/window/new", type="tab")["handle"]
    browser.do("POST", "/window", handle=tab)
    until(lambda: len(answers(run)) == 5)
    browser.do("DELETE", "/window")
    browser.do("POST", "/window", handle=new)
    assert answers(run) == expected

    browser.do("POST", "/url", url=address)
    answer("a", 0.0)
    wrong = answered(6)
    browser.press("left")
    answered(7)
    browser.press("z")
    assert answered(6) == wrong and answers(run) == expected
    for key, value in (("right", 1.0), ("e", 0.5), ("u", None), ("left", 0.0)):
        answer(key, value)
    assert answered(10) is None
    assert expected[wrong] == 1.0 and answers(run) == expected
    assert browser.run("return getComputedStyle(document.getElementById('end')).display") == "block"

    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    told = json.loads(stdout.strip().splitlines()[-1])
    assert (told["answered"], told["total"], told["teacher"]) == (10, 10, "person")
    assert stderr.strip() == "closing"


def test_ratings_by_digit_keys_once_the_clip_is_rendered(start, browser, tmp_path):
    run = labelled_run.make(tmp_path / "run", count=0)
    store = LabelStore(run / "labels.sqlite")
    clips = [pair.a for pair in labelled_run.questions(3)]
    keys = store.put("vlm", [single(clip, "rating", 4) for clip in clips], 4_000)
    store.close()
    address, process = start(run)
    browser.do("POST", "/url", url=address)
    # The first pictures take seconds to compile: until then there is a message, and no dead key.
    said = "return document.getElementById('said').textContent"
    until(lambda: re.match(r"Loading: \d+ of 20 pictures ready", browser.run(said)), 20)
    assert browser.run("return document.getElementById('loading').max") == 20
    dead = "return [...document.querySelectorAll('[data-choice]')].every((x) => x.disabled)"
    assert browser.run(dead)
    browser.press("2")
    until(lambda: browser.run("return shown && !busy"))
    assert not browser.run(dead) and browser.run(said) == ""
    assert browser.run("return document.getElementById('loading').hidden")
    broken = "return [...document.images].filter((x) => x.src && !x.naturalWidth && x.complete)"
    assert browser.run(broken + ".length") == 0
    store = LabelStore(run / "labels.sqlite")
    assert store.open("person") == [] and "person" not in store.progress()
    browser.press("2")
    until(lambda: browser.run(f"return !busy && shown && shown.key === '{keys[1]}'"))
    browser.press("4")
    until(lambda: browser.run(f"return !busy && shown && shown.key === '{keys[2]}'"))
    browser.press("u")
    until(lambda: browser.run("return document.body.classList.contains('over')"))
    assert [store.find(key, "person").value for key in keys] == [1.0, 3.0, None]
    store.close()
    if "SCREENSHOT" in os.environ:
        browser.press("z")
        until(lambda: browser.run("return !busy && shown !== null"))
        browser.screenshot(Path(os.environ["SCREENSHOT"]).with_suffix(".rating.png"))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0 and stderr.strip() == "closing", stderr
