"""Debian's Chromium, headless, driven by the W3C WebDriver protocol: what a person sees and types."""

from __future__ import annotations

import http.client
import json
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.desk import until
from tests.services.debian import require
from tests.services.registry import free_port

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER, TAB = "\ue007", "\ue004"


@dataclass
class Browser:
    """A browser with one page."""

    port: int
    session: str = ""

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(answer, dict) and "error" in answer:
            raise LookupError(answer["message"])
        return answer

    def do(self, method: str, what: str, document: Any = None) -> Any:
        return self.ask(method, f"/session/{self.session}/{what}", document)

    def open(self, url: str) -> None:
        self.do("POST", "url", {"url": url})

    def run(self, script: str) -> Any:
        """What a script returns."""
        return self.do("POST", "execute/sync", {"script": script, "args": []})

    def text(self) -> str:
        """What can be read on the page."""
        return str(self.run("return document.body.innerText"))

    def shows(self, words: str) -> None:
        """Wait until these words can be read."""
        until(lambda: words in self.text())

    def find(self, kind: str, value: str) -> str:
        found: str = self.do("POST", "element", {"using": kind, "value": value})[_ELEMENT]
        return found

    def click(self, words: str) -> None:
        """Click on the link or button with these words; it may be drawn anew at that moment."""

        def clicked() -> bool:
            with suppress(LookupError):
                path = f"//*[self::a or self::button][normalize-space()='{words}']"
                self.do("POST", f"element/{self.find('xpath', path)}/click", {})
                return True
            return False

        until(clicked)

    def type(self, css: str, text: str) -> None:
        """Type into a field."""
        self.do("POST", f"element/{self.find('css selector', css)}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Keys, to whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.do("POST", "actions", {"actions": [{"type": "key", "id": "k", "actions": actions}]})

    def resize(self, width: int, height: int) -> None:
        self.do("POST", "window/rect", {"width": width, "height": height})

    def picture(self, path: Path) -> None:
        path.write_bytes(b64decode(self.do("GET", "screenshot")))

    def complaints(self) -> list[str]:
        """What the browser's console complains of."""
        found = self.do("POST", "se/log", {"type": "browser"})
        return [one["message"] for one in found if one["level"] == "SEVERE"]


@contextmanager
def a_browser(directory: Path, width: int = 1280, height: int = 900) -> Iterator[Browser]:
    """A browser of its own; its downloads go into the directory."""
    port = free_port()
    program = require("chromium")
    with (directory / "chromedriver.log").open("w") as log:
        driver = subprocess.Popen(
            [require("chromedriver"), f"--port={port}"], stdout=log, stderr=log, cwd=directory
        )
        try:
            browser = Browser(port)

            def ready() -> bool:
                with suppress(OSError, ValueError):
                    return bool(browser.ask("GET", "/status")["ready"])
                return False

            until(ready)
            words = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"]
            words += [f"--user-data-dir={directory / 'profile'}", "--disable-dev-shm-usage"]
            options = {
                "binary": program,
                "args": words,
                "prefs": {"download.default_directory": str(directory)},
            }
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            browser.session = browser.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})[
                "sessionId"
            ]
            try:
                yield browser
            finally:
                browser.ask("DELETE", f"/session/{browser.session}")
        finally:
            driver.terminate()
            driver.wait()
