"""The page in a real browser: no errors, no requests, both languages, Thai letters, readable.

One headless Chromium is started for all tests, in a process group of its own, spoken to over its
debugging protocol on 127.0.0.1, and killed at the end. Where there is no Chromium the tests are
skipped with that reason; nothing is installed.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from reports.build import build_report
from tests.fakes.report_folders import write_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHROMIUM = next(
    filter(
        None, (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    ),
    None,
)
START_LIMIT_S = 30.0
ANSWER_LIMIT_S = 30.0
SCREEN = (1280, 800)

# Contrast of every visible text against what lies behind it (WCAG 2.1, relative luminance).
CONTRAST = r"""(() => {
  const channel = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
  const parse = text => {
    const numbers = text.match(/[\d.]+/g).map(Number);
    return numbers.length < 4 ? [...numbers, 1] : numbers;
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]));
  const behind = e => {
    const layers = [];
    for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const ownText = e => [...e.childNodes].filter(n => n.nodeType === 3)
    .map(n => n.nodeValue).join('').trim();
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = ownText(e), style = getComputedStyle(e);
    if (!text || !e.getClientRects().length || e.closest('.unseen,svg[role=img]')) continue;
    const ink = parse(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
    for (let p = e; p; p = p.parentElement) ink[3] *= Number(getComputedStyle(p).opacity);
    const back = behind(e), a = light(over(ink, back)), b = light(back);
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push([text.slice(0, 40), Math.round(ratio * 100) / 100]);
  }
  return low;
})()"""
# Labels of a drawing that stick out of it.
CUT_LABELS = r"""(() => [...document.querySelectorAll('svg.figure')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(t => t.getClientRects().length).filter(t => {
    const r = t.getBoundingClientRect();
    return r.left < box.left - 1 || r.right > box.right + 1
      || r.top < box.top - 1 || r.bottom > box.bottom + 1;
  }).map(t => t.textContent);
}))()"""
GLYPHS = r"""(() => {
  const context = document.createElement('canvas').getContext('2d');
  context.font = '40px ' + getComputedStyle(document.body).fontFamily;
  const width = text => context.measureText(text).width;
  return {letters: ['ก', 'ญ', 'ฌ', 'เ', 'ณ'].map(width), missing: width('\u{10FFFF}'),
          bare: width('ก'), marked: width('ก่'), stacked: width('กี้')};
})()"""
PLACES = r"""Object.fromEntries(['.verdict', '.tested', '.untested', '.deciding'].map(
  s => [s, document.querySelector(s)?.getBoundingClientRect().bottom ?? null]))"""
STATE = r"""({
  lang: document.documentElement.lang,
  title: document.title,
  text: document.body.innerText,
  heading: document.querySelector('h1').innerText,
  pressed: [...document.querySelectorAll('[data-language]')].map(b => b.ariaPressed),
  width: document.documentElement.scrollWidth,
  stored: localStorage.length + document.cookie.length,
})"""


class Tab:
    """One tab of the browser: evaluates, and remembers what went wrong or left the machine."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.is_loaded = False

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result; events on the way are remembered."""
        self._number += 1
        number = self._number
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while True:
                message = await self._socket.receive_json()
                if message.get("id") == number:
                    assert "error" not in message, message["error"]
                    return dict(message["result"])
                self._remember(message)

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def open(self, page: Path) -> None:
        """Open a file and wait for its load event."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable")
        self.is_loaded = False
        await self.ask("Page.navigate", url=page.as_uri())
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while not self.is_loaded:
                self._remember(await self._socket.receive_json())

    async def resize(self, width: int, height: int) -> None:
        """Give the tab a size in CSS pixels."""
        await self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                       deviceScaleFactor=1, mobile=False)  # fmt: skip

    def _remember(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self.is_loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Runtime.exceptionThrown" | "Log.entryAdded" | "Runtime.consoleAPICalled":
                self.errors.append(str(parameters)[:400])


@contextmanager
def chromium(profile: Path) -> Iterator[str]:
    """Start a headless Chromium and yield the address of its debugging port."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-dev-shm-usage", "--remote-debugging-port=0",
         f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield _port(profile / "DevToolsActivePort", process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def _port(file: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if file.exists() and (lines := file.read_text().splitlines()):
            return f"127.0.0.1:{lines[0]}"
        if process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.skip(f"Chromium did not start here within {START_LIMIT_S:g} s")


async def look_at(address: str, page: Path, other_page: Path) -> dict[str, Any]:
    """Open the page, switch languages, sizes and media, and return all that was seen."""
    scheme = "ht" + "tp"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{scheme}://{address}/json/list") as answer:
            (target,) = [t for t in await answer.json() if t["type"] == "page"]
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            tab = Tab(socket)
            await tab.resize(*SCREEN)
            await tab.open(page)
            seen: dict[str, Any] = {"th": await _look(tab)}
            seen["picture"] = (await tab.ask("Page.captureScreenshot"))["data"]
            await tab.evaluate("document.querySelector('[data-language=en]').click()")
            seen["en"] = await _look(tab)
            await tab.resize(390, 844)
            seen["narrow_width"] = await tab.evaluate("document.documentElement.scrollWidth")
            await tab.resize(*SCREEN)
            printed = await tab.ask("Page.printToPDF", preferCSSPageSize=True)
            seen["pdf"] = base64.b64decode(printed["data"])
            await tab.evaluate("document.querySelector('[data-language=th]').click()")
            seen["back"] = await tab.evaluate(STATE)
            seen["requests"], seen["errors"] = list(tab.requests), list(tab.errors)
            await tab.open(other_page)
            seen["th, undecided"] = {"places": await tab.evaluate(PLACES)}
            await tab.evaluate("document.querySelector('[data-language=en]').click()")
            seen["en, undecided"] = {"places": await tab.evaluate(PLACES)}
            return seen


async def _look(tab: Tab) -> dict[str, Any]:
    return {
        "state": await tab.evaluate(STATE),
        "places": await tab.evaluate(PLACES),
        "contrast": await tab.evaluate(CONTRAST),
        "cut": await tab.evaluate(CUT_LABELS),
        "glyphs": await tab.evaluate(GLYPHS),
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_run(tmp_path_factory.mktemp("browser") / "run-seen", requests=20_000, scale=0.05)
    return build_report(run, "th")


@pytest.fixture(scope="module")
def undecided_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "run-undecided"
    run = write_run(folder, requests=100, verdict="INCONCLUSIVE", has_samples=False)
    return build_report(run, "th")


@pytest.fixture(scope="module")
def seen(
    page: Path, undecided_page: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with chromium(tmp_path_factory.mktemp("profile")) as address:
        return asyncio.run(asyncio.wait_for(look_at(address, page, undecided_page), 110))


def test_the_page_raises_no_error_and_asks_nobody_for_anything(
    seen: dict[str, Any], page: Path
) -> None:
    assert seen["errors"] == []
    assert [url for url in seen["requests"] if not url.startswith("data:")] == [page.as_uri()]


def test_the_switch_changes_language_title_and_marking(seen: dict[str, Any]) -> None:
    thai, english, back = seen["th"]["state"], seen["en"]["state"], seen["back"]

    assert (thai["lang"], english["lang"], back["lang"]) == ("th", "en", "th")
    assert (thai["heading"], english["heading"]) == ("ไม่เป็นไปตามสัญญา", "BREACHED")
    assert thai["title"].startswith("รายงานผลการทดสอบ")
    assert english["title"].startswith("Test report")
    assert (thai["pressed"], english["pressed"]) == (["true", "false"], ["false", "true"])
    assert back["text"] == thai["text"]


def test_each_language_stands_alone_on_the_page(seen: dict[str, Any]) -> None:
    thai_words = re.findall(r"[\u0e01-\u0e5b]+", seen["en"]["state"]["text"])

    assert len(re.findall(r"[\u0e01-\u0e5b]{2,}", seen["th"]["state"]["text"])) > 500
    assert set(thai_words) == {"ไทย"}  # the switch


def test_nothing_is_remembered(seen: dict[str, Any]) -> None:
    assert seen["en"]["state"]["stored"] == 0


def test_thai_is_drawn_with_a_font_that_has_thai(seen: dict[str, Any]) -> None:
    listed = ""
    if shutil.which("fc-list"):
        command = ["fc-list", ":lang=th", "family"]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        listed = found.stdout
    if not listed.strip():
        pytest.skip("no Thai font is installed on this machine")
    glyphs = seen["th"]["glyphs"]

    # Boxes for missing letters are all of one width; a tone mark above a letter takes none.
    assert len(set(glyphs["letters"])) > 2
    assert glyphs["marked"] == pytest.approx(glyphs["bare"], abs=1.0)
    assert glyphs["stacked"] == pytest.approx(glyphs["bare"], abs=1.0)


@pytest.mark.parametrize("lang", ["th", "en", "th, undecided", "en, undecided"])
def test_verdict_tested_and_not_tested_fit_on_the_first_screen(
    seen: dict[str, Any], lang: str
) -> None:
    bottoms = seen[lang]["places"]

    assert set(bottoms) == {".verdict", ".tested", ".untested", ".deciding"}
    assert all(0 < bottom <= SCREEN[1] for bottom in bottoms.values()), bottoms


@pytest.mark.parametrize("lang", ["th", "en"])
def test_every_text_has_enough_contrast(seen: dict[str, Any], lang: str) -> None:
    assert seen[lang]["contrast"] == []


@pytest.mark.parametrize("lang", ["th", "en"])
def test_no_label_is_cut_off_at_the_edge_of_a_figure(seen: dict[str, Any], lang: str) -> None:
    assert seen[lang]["cut"] == []


def test_the_page_is_never_wider_than_the_screen(seen: dict[str, Any]) -> None:
    assert seen["th"]["state"]["width"] <= SCREEN[0]
    assert seen["en"]["state"]["width"] <= SCREEN[0]
    assert seen["narrow_width"] <= 390


def test_it_prints_on_a_bounded_number_of_pages(seen: dict[str, Any]) -> None:
    pages = len(re.findall(rb"/Type\s*/Page\b", seen["pdf"]))

    assert seen["pdf"].startswith(b"%PDF")
    assert 5 <= pages <= 25
    assert re.search(rb"/MediaBox\s*\[0 0 59[45][\d.]* 84[12]", seen["pdf"])  # A4 in points


def test_the_picture_of_the_first_screen_is_not_blank(seen: dict[str, Any]) -> None:
    assert len(base64.b64decode(seen["picture"])) > 40_000
