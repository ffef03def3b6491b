"""The page to watch, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import until
from tests.portal.browser import ENTER, TAB, Browser, a_browser
from tests.portal.house import House
from tests.portal.many import write_many

pytestmark = pytest.mark.service

PICTURES = os.environ.get("ENGINE_TEST_PICTURES", "")
"""A directory for pictures to look at; none are kept without."""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with a_browser(tmp_path) as browser:
        yield browser


def keep(browser: Browser, name: str) -> None:
    if PICTURES:
        browser.picture(Path(PICTURES) / f"{name}.png")


def logged_in(house: House, browser: Browser, user: str = "ann") -> None:
    browser.open(f"{house.url}/")
    browser.shows("API key")
    browser.type("#key", house.keys[user] + ENTER)
    browser.shows("Executions")
    until(lambda: "API key" not in browser.text())


def test_a_user_logs_in_watches_looks_at_jobs_and_fetches_a_result(
    house: House, browser: Browser, tmp_path: Path
) -> None:
    house.put("/vip/Home/in.txt", b"content\n")
    gate = tmp_path / "gate"
    values = {"file": "/vip/Home/in.txt", "word": [f"w{number}" for number in range(60)]}
    id_ = house.start("copier/1.0", values, name="a sweep of words")
    waiting = house.start("waiter/1.0", {"gate": str(gate)}, name="one that waits")
    logged_in(house, browser)
    keep(browser, "list")
    browser.shows("one that waits")
    browser.click("one that waits")
    browser.shows("1 running")
    keep(browser, "running")
    gate.touch()
    browser.shows("succeeded")
    house.ended(id_)
    browser.click("Executions")
    browser.click("a sweep of words")
    browser.shows("60 succeeded")
    browser.shows("word=w0")
    assert "word=w59" not in browser.text()
    browser.click("Next jobs")
    browser.shows("word=w59")
    browser.click("Show results")
    browser.shows("out.txt")
    keep(browser, "execution")
    browser.click("60")
    browser.shows("printed")
    browser.shows("its report is valid")
    keep(browser, "job")
    assert [line for line in browser.complaints() if "401" not in line] == []  # before the log-in
    browser.click("back to the execution")
    browser.shows("out.txt")
    name = browser.run("return document.querySelector('a[download]').innerText")
    browser.click(str(name))
    until((tmp_path / "out.txt").exists)
    assert (tmp_path / "out.txt").read_text().startswith("content\nw")
    house.ended(waiting)


def test_it_can_be_used_with_the_keyboard_alone(house: House, browser: Browser) -> None:
    house.start("failer/1.0", {"code": ["0", "3"]}, name="by keyboard")
    logged_in(house, browser)
    browser.shows("by keyboard")
    for _ in range(12):
        if browser.run("return document.activeElement.innerText") == "by keyboard":
            break
        browser.press(TAB)
    browser.press(ENTER)
    browser.shows("1 failed")
    browser.shows("exit 3")
    assert browser.run("return document.activeElement.id") == "main"


def test_what_tools_and_users_write_is_text_and_nothing_else(house: House, browser: Browser) -> None:
    evil = {
        "name": "<img src=x onerror=alert(1)>",
        "tool-version": "1.0",
        "description": "<script>alert(1)</script>",
        "schema-version": "0.5",
        "command-line": "echo '<img src=x onerror=\"document.title=1\">' # [X]",
        "inputs": [{"id": "x", "name": "x", "type": "String", "value-key": "[X]", "optional": True}],
    }
    house.engine("pipeline", "add", house.desk.write("evil.json", evil))
    id_ = house.run("<img src=x onerror=alert(1)>/1.0", {})["identifier"]
    logged_in(house, browser)
    browser.open(f"{house.url}/#/{id_}/1")
    browser.shows("onerror")
    assert browser.run("return document.images.length") == 0
    assert browser.run("return document.title") != "1"


def test_it_is_readable_on_a_phone_in_light_and_dark(house: House, browser: Browser) -> None:
    id_ = house.run("failer/1.0", {"code": ["0", "3", "0"]}, name="a study on a phone")["identifier"]
    browser.resize(390, 844)
    logged_in(house, browser)
    for path, name in (("", "phone-list"), (id_, "phone-execution"), (f"{id_}/2", "phone-job")):
        browser.open(f"{house.url}/#/{path}")
        browser.shows("failed" if path else "a study on a phone")
        keep(browser, name)
        wide = browser.run("return document.documentElement.scrollWidth > innerWidth")
        assert not wide, name


def test_a_hundred_thousand_jobs_are_watched_as_easily_as_ten(house: House, browser: Browser) -> None:
    id_ = write_many(house, "ann", 100_000)
    logged_in(house, browser)
    browser.open(f"{house.url}/#/{id_}")
    browser.shows("99000 queued")
    browser.shows("997 succeeded")
    browser.shows("subject=sub-000000")
    keep(browser, "many")
    assert browser.run("return document.querySelectorAll('tbody tr').length") == 50
    browser.click("Next jobs")
    browser.shows("subject=sub-000050")
    browser.run(
        "const choose = document.querySelector('select'); choose.value = 'failed';"
        "choose.dispatchEvent(new Event('change'))"
    )
    browser.shows("cannot read the header")
    browser.shows("subject=sub-000998")
    assert browser.run("return document.querySelectorAll('tbody tr').length") == 3
    browser.resize(390, 844)
    keep(browser, "phone-many")
    assert not browser.run("return document.documentElement.scrollWidth > innerWidth")
    browser.open(f"{house.url}/#/")
    browser.shows("a study of very many")


def test_a_cookie_is_for_the_page_alone(house: House, browser: Browser) -> None:
    logged_in(house, browser)
    assert browser.run("return document.cookie") == ""
    key = house.keys["ann"]
    with_cookie = {"Cookie": f"engine-session={key}"}
    assert house.ask("GET", "/executions", user="", headers=with_cookie).status == 200
    assert house.ask("PUT", "/executions/x/kill", user="", headers=with_cookie).code == 8003
    page = house.ask("GET", "/", user="", raw=True)
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    browser.click("Log out")
    browser.shows("API key")
    assert house.ask("GET", "/page/../app.py", user="", raw=True).status == 404
    stale = {"Cookie": "engine-session=revoked"}
    assert house.ask("POST", "/session", {"apikey": key}, user="", headers=stale).status == 204
    assert house.ask("POST", "/session", {"apikey": "wrong"}, user="").code == 8002
