"""Debian's Chromium without a head, a phone wide, over its DevTools protocol: what a person's browser does, no more."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
# No word to anyone's update or telemetry host; no GPU, no QUIC.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
STARTS_S, WAITS_S = 30.0, 15.0


def missing() -> str:
    """Empty where Chromium is installed, as `make setup` does it."""
    return "" if shutil.which("chromium") else "Chromium is not installed: make setup"


class Tab:
    """One page."""

    def __init__(self, line: ClientConnection) -> None:
        self._line, self._numbers = line, itertools.count(1)
        self.asked: list[str] = []  # every URL that was requested
        self.said: list[str] = []  # errors on the console
        for domain in ("Page", "Runtime", "DOM", "Network", "Log"):
            self.do(f"{domain}.enable")
        self.do("Emulation.setDeviceMetricsOverride", **PHONE)

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        """One command; events on the way are noted."""
        number = next(self._numbers)
        self._line.send(json.dumps({"id": number, "method": method, "params": params}))
        while (told := json.loads(self._line.recv(WAITS_S))).get("id") != number:
            self._note(told)
        if "error" in told:
            raise RuntimeError(f"{method}: {told['error']['message']}")
        return dict(told["result"])

    def _note(self, event: dict[str, Any]) -> None:
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.asked.append(event["params"]["request"]["url"])
            case "Log.entryAdded" if event["params"]["entry"]["level"] == "error":
                self.said.append(event["params"]["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.said.append(event["params"]["exceptionDetails"]["text"])

    def open(self, url: str) -> None:
        """Go there, until it is loaded."""
        self.do("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """What the script comes to."""
        told = self.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"]["exception"].get("description", script))
        return told["result"].get("value")

    def until(self, script: str) -> None:
        """Until it is so."""
        deadline = time.monotonic() + WAITS_S
        while not self.run(f"Boolean({script})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"never: {script}; the page said {self.said}")
            time.sleep(0.02)

    def give(self, selector: str, file: Path) -> None:
        """A file into a file field."""
        root = self.do("DOM.getDocument")["root"]["nodeId"]
        field = self.do("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.do("DOM.setFileInputFiles", files=[str(file)], nodeId=field)

    def type(self, selector: str, text: str) -> None:
        """Into a field."""
        self.run(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    def click(self, selector: str) -> None:
        """Once it can be clicked."""
        self.until(f"!document.querySelector({json.dumps(selector)}).disabled")
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def text(self, selector: str) -> str:
        """What is shown there."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def picture(self, file: Path) -> None:
        """The whole page as a PNG."""
        size = self.do("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.do("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium() -> Iterator[Tab]:
    """A fresh browser with one tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                port = _port(Path(profile) / "DevToolsActivePort")
                tabs = httpx.get(f"http://127.0.0.1:{port}/json/list", trust_env=False).json()
                place = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
                with connect(place, max_size=None, proxy=None) as line:
                    yield Tab(line)
            finally:
                process.kill()


def _port(file: Path) -> int:
    deadline = time.monotonic() + STARTS_S
    while not (file.exists() and file.read_text().strip()):
        if time.monotonic() > deadline:
            raise TimeoutError("Chromium did not start")
        time.sleep(0.05)
    return int(file.read_text().split()[0])
