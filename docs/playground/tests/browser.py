"""Opens the built page in headless Chromium, from disk, and uses it: browser.py [folder for screenshots]

Checks that it asks for nothing, how many frames a second it draws, that each control changes what is shown, that each
guided stop comes to its claim and its answer, that a link restores the run, and that the page says so where
WebAssembly is missing. Needs Chromium (Debian's package chromium) and no more than Python.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "book" / "src" / "two-tasks.html").as_uri()


class Browser:
    """Chromium, spoken to over a pipe."""

    def __init__(self, program, profile):
        to_browser, self.to = os.pipe()
        self.here, from_browser = os.pipe()

        def wire():
            # First out of the way: the pipes may be these two numbers.
            high = os.dup2(os.dup(to_browser), 20), os.dup2(os.dup(from_browser), 21)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        arguments = ["--headless", "--no-sandbox", "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            [program, *arguments], preexec_fn=wire, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.number, self.rest, self.events, self.session = 0, b"", [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                self.rest += os.read(self.here, 1 << 20)
            text, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") != self.number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(answer["error"])
            else:
                return answer["result"]

    def js(self, code):
        answer = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def until(self, code, seconds=60):
        end = time.monotonic() + seconds
        while not self.js(code):
            if time.monotonic() > end:
                raise TimeoutError(code)
            time.sleep(0.02)

    def open(self, address):
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && (document.body.dataset.ready || document.getElementById('trouble')?.hidden === false)")

    def width(self, width):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)

    def picture(self, path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))


SHOWN = "[...document.querySelectorAll('#numbers, #arrows-said, #units-text, #parameters')].map(e => e.textContent).join('|')"


def loads_alone(browser):
    browser.events.clear()
    browser.open(PAGE)
    asked = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    asked = [url for url in asked if url != PAGE and url != "about:blank"]
    assert not asked, asked
    faults = [e for e in browser.events if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]
    assert not faults, faults
    first = browser.js("at('step').click(), performance.now()")
    ready = browser.js("document.body.dataset.ready")
    print(f"asks for nothing; ready after {ready} ms, first step shown after {first:.0f} ms at the latest")


def draws_fast(browser):
    browser.open(PAGE)
    frames = browser.js("""new Promise((done) => {
        const first = steps, begin = performance.now();
        run(true);
        setTimeout(() => { run(false); done(1000 * (steps - first) / (performance.now() - begin)); }, 3000);
    })""")
    print(f"{frames:.0f} frames a second, a step each, at the settings that it begins with")
    assert frames >= 30, frames


def every_control_does_something(browser):
    values = {
        "relatedness": 0, "noise": 1, "rows": 2.5, "missing": 0.5, "scale": 0.5, "width": 5, "sharing": 2,
        "method": 6, "optimiser": 0, "rate": -1, "seed": 9,
    }
    browser.open(PAGE)
    names = browser.js("SETTINGS.map(({ name }) => name)")
    assert sorted(names) == sorted(values), names
    lists = browser.js("""SETTINGS.map(({ choices }, i) => {
        if (!choices) return true;
        engine.set(i, 99);
        return Object.values(TEXTS).every((words) => words[choices].length === engine.get(i) + 1);
    })""")
    assert all(lists), "the page names other choices than the engine has"
    for name, value in values.items():
        browser.open(PAGE + "#steps=50")
        before = browser.js(SHOWN)
        browser.js(f"at('{name}').value = {value}; at('{name}').dispatchEvent(new Event('input'))")
        browser.js("advance(50); look()")
        assert browser.js("steps") == 50
        assert browser.js(SHOWN) != before, name
    for sharing in range(4):
        browser.open(f"{PAGE}#sharing={sharing}&steps=20")
        assert browser.js("at('trouble').hidden"), sharing
    print(f"{len(values)} settings each change what is shown")


def stops_reach_their_claims(browser):
    browser.open(PAGE)
    browser.js("speed = 20")
    for stop in range(browser.js("engine.n_stops()")):
        for which in ["claim", "answer"]:
            browser.js("at('stop-answer').click()" if which == "answer" else f"at('stops').children[{stop}].click()")
            browser.until("at('verdict').dataset.holds")
            said = browser.js("at('verdict').textContent")
            assert browser.js("at('verdict').dataset.holds") == "true", said
            print(f"stop {stop + 1}, {which}: {said}")


def a_link_restores_the_run(browser):
    browser.open(PAGE + "#relatedness=0.4&width=7&sharing=3&method=6&seed=5&steps=37")
    shown, link = browser.js(SHOWN), browser.js("location.href")
    assert "steps=37" in link
    browser.open(link)
    assert browser.js(SHOWN) == shown
    print("a link restores the run")


def works_by_keyboard(browser):
    browser.open(PAGE)
    unnamed = browser.js("""[...document.querySelectorAll('button, input, select, canvas')]
        .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label'))).map((e) => e.id)""")
    assert not unnamed, unnamed
    browser.js("at('relatedness').focus()")
    before = browser.js("engine.get(0)")
    for kind in ["keyDown", "keyUp"]:
        browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowLeft", code="ArrowLeft", windowsVirtualKeyCode=37)
    assert browser.js("engine.get(0)") < before
    browser.js("at('run').focus()")
    for kind in ["keyDown", "keyUp"]:
        text = {"text": "\r"} if kind == "keyDown" else {}
        browser.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, **text)
    browser.until("steps > 2", 5)
    browser.js("run(false)")
    print("every control has a name and answers to keys")


def fits_a_phone(browser, folder):
    for language in ["en", "zh"]:
        for width in [1280, 360]:
            browser.width(width)
            browser.open(f"{PAGE}?lang={language}#stop=1&relatedness=0.95&noise=1&rows=150&width=12&steps=300")
            assert browser.js("document.documentElement.scrollWidth") <= width, (language, width)
            if folder:
                browser.picture(Path(folder) / f"two-tasks-{language}-{width}.png")
    print("no wider than 1280 and 360 pixels, in both languages")


def says_that_webassembly_is_missing(browser):
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source="delete window.WebAssembly")
    browser.open(PAGE)
    said = browser.js("at('trouble').textContent")
    assert "WebAssembly" in said and not browser.js("at('trouble').hidden"), said
    browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
    print("says so without WebAssembly")


def main():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        print("SKIPPED: there is no Chromium (Debian's package chromium)")
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            browser.width(1280)
            loads_alone(browser)
            draws_fast(browser)
            every_control_does_something(browser)
            stops_reach_their_claims(browser)
            a_link_restores_the_run(browser)
            works_by_keyboard(browser)
            fits_a_phone(browser, sys.argv[1] if len(sys.argv) > 1 else None)
            says_that_webassembly_is_missing(browser)
        finally:
            browser.process.terminate()
            browser.process.wait()


if __name__ == "__main__":
    main()
