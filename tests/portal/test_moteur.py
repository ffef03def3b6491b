"""The three requests of VIP's portal to its engine."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk, until
from tests.portal.house import COPIER, FAILER, WAITER, Answer, House, portal

pytestmark = pytest.mark.whole

PASSWORD = "what the portal knows"


@pytest.fixture
def engine(desk: Desk, tmp_path: Path) -> Iterator[House]:
    """An engine behind VIP's portal, with a directory that both see."""
    shared = tmp_path / "shared"
    shared.mkdir()
    configs = tmp_path / "configs"
    (configs / "short").mkdir(parents=True)
    (configs / "short/settings.conf").write_text("# of a resource\ndefault.environment = SAID=config\n")
    (configs / "broken").mkdir()
    (configs / "broken/settings.conf").write_text("default.environment\n")
    variables = {
        "ENGINE_PORTAL__SHARED": json.dumps([str(shared)]),
        "ENGINE_PORTAL__EXECUTOR_CONFIGS": str(configs),
    }
    with portal(desk, variables) as house:
        house.desk.ok("user", "add", "user", "--role", "service", variables=dict(house.variables))
        for user in ("watcher", "ann", "user"):
            word = desk.directory / "word"
            word.write_text(f"{PASSWORD}\n")
            with word.open() as file:
                desk.ok("user", "password", user, stdin=file, variables=dict(house.variables))
        yield house


def asked(
    house: House, method: str, path: str, body: Any = None, user: str = "watcher", password: str = PASSWORD
) -> Answer:
    basic = b64encode(f"{user}:{password}".encode()).decode()
    return house.ask(method, path, body, user="", raw=True, Authorization=f"Basic {basic}")


def submitted(
    house: House,
    workflow: Mapping[str, Any],
    inputs: Mapping[str, Any],
    settings: Any = None,
    config: str = "",
) -> Answer:
    def packed(value: Any) -> str:
        return b64encode(json.dumps(value).encode()).decode()

    body = {
        "workflow": packed(workflow),
        "inputs": packed(inputs),
        "proxy": "",
        "settings": packed(settings or {}),
    }
    if config:
        body["executorConfig"] = b64encode(config.encode()).decode()
    return asked(house, "POST", "/submit", body)


def ended(house: House, id_: str) -> str:
    until(lambda: asked(house, "GET", f"/status/{id_}").body != b"RUNNING")
    return asked(house, "GET", f"/status/{id_}").body.decode()


def test_a_workflow_is_submitted_watched_and_its_results_are_where_the_portal_said(
    engine: House, tmp_path: Path
) -> None:
    (tmp_path / "shared/in.txt").write_text("content\n")
    inputs = {
        "file": [f"file:{tmp_path}/shared/in.txt"],
        "word": ["a", "b"],
        "results-directory": [f"file:{tmp_path}/shared/results"],
    }
    answer = submitted(engine, COPIER, inputs)
    assert answer.status == 200, answer
    id_ = answer.body.decode()
    assert ended(engine, id_) == "COMPLETE"
    copies = (tmp_path / "shared/results").rglob("out.txt")
    assert sorted(path.read_text() for path in copies) == ["content\na\n", "content\nb\n"]


def test_what_fails_and_what_is_killed_is_told_in_the_words_of_moteur(engine: House) -> None:
    failed = submitted(engine, FAILER, {"code": ["3"]}).body.decode()
    assert ended(engine, failed) == "FAILED"
    running = submitted(engine, WAITER, {"gate": ["/nowhere"]}).body.decode()
    assert asked(engine, "GET", f"/status/{running}").body == b"RUNNING"
    assert asked(engine, "PUT", "/kill", {"workflowID": running}).status == 200
    assert ended(engine, running) == "TERMINATED"
    assert asked(engine, "GET", "/status/workflow-abcdef").body == b"UNKNOWN"


def test_files_outside_of_the_shared_directories_are_refused(engine: House, tmp_path: Path) -> None:
    (tmp_path / "shared/link").symlink_to("/etc")
    for value in (
        "/etc/passwd",
        "/../etc/passwd",
        f"{tmp_path}/shared/../x",
        f"{tmp_path}/shared/link/passwd",
    ):
        answer = submitted(engine, COPIER, {"file": [f"file:{value}"]})
        assert answer.status == 400, answer
        assert b"Traceback" not in answer.body


def test_vip_logs_in_as_user(engine: House) -> None:
    assert asked(engine, "GET", "/status/workflow-abcdef", user="user").body == b"UNKNOWN"


def test_only_a_service_account_with_its_password_is_let_in(engine: House) -> None:
    for user, password in (("watcher", "wrong"), ("ann", PASSWORD), ("nobody", PASSWORD), ("", "")):
        for method, path in (("POST", "/submit"), ("GET", "/status/x"), ("PUT", "/kill")):
            answer = asked(engine, method, path, {}, user, password)
            assert answer.status == 401
            assert answer.headers["www-authenticate"].startswith("Basic")
    assert engine.ask("GET", "/status/x", user="", raw=True).status == 401


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", {"workflow": "?"}, {"workflow": "e30=", "inputs": "W10="}, {"workflowID": 1}]
)
def test_what_is_no_request_is_refused(engine: House, body: Any) -> None:
    assert asked(engine, "POST", "/submit", body).status == 400


SAYER = {
    "name": "sayer",
    "description": "Says what its environment says",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": 'echo "$SAID" > [OUT]',
    "inputs": [{"id": "out", "name": "out", "type": "String", "value-key": "[OUT]"}],
    "output-files": [{"id": "said", "name": "said", "path-template": "[OUT]"}],
}


@pytest.mark.parametrize(
    ("settings", "config", "said"),
    [
        ({"default.environment": "SAID=settings", "default.executor": "LOCAL"}, "", "settings"),
        ({"default.environment": "SAID=settings"}, "short", "config"),
    ],
)
def test_settings_of_an_application_are_obeyed_those_of_the_resource_over_them(
    engine: House, tmp_path: Path, settings: Mapping[str, str], config: str, said: str
) -> None:
    inputs = {"out": ["o.txt"], "results-directory": [f"file:{tmp_path}/shared/said"]}
    answer = submitted(engine, SAYER, inputs, settings, config)
    assert answer.status == 200, answer
    assert ended(engine, answer.body.decode()) == "COMPLETE"
    assert [path.read_text() for path in (tmp_path / "shared/said").rglob("o.txt")] == [f"{said}\n"]


def test_a_limit_of_processor_time_is_one_of_wall_time_on_this_machine(engine: House) -> None:
    answer = submitted(
        engine, WAITER, {"gate": ["/nowhere"]}, {"default.cputime": 1, "default.retry.count": "0"}
    )
    assert ended(engine, answer.body.decode()) == "FAILED"


REFUSED: list[tuple[Mapping[str, Any], str, str]] = [
    ({"plugin.dirac.conf.sites": "A", "plugin.dirac.conf.sites.banned": "A"}, "", "conf.sites.banned"),
    ({"default.executor": "LOCAL", "plugin.dirac.conf.tags": "GPU"}, "", "default.executor"),
    ({"default.executor": "DIRAC"}, "", "default.executor"),
    ({"default.executor": "Kubernetes"}, "", "default.executor"),
    ({"default.cputime": "long"}, "", "default.cputime"),
    ({"default.environment": "no variable"}, "", "default.environment"),
    ({"default.background.script": "/bin/x"}, "", "default.background.script"),
    ({"of.nobody": "1"}, "", "of.nobody"),
    ({"vo.name": ["x"]}, "", "vo.name"),
    ({"vo.name": "x" * 5000}, "", "vo.name"),
    ({"moteurlite.maxjobsperworkflow": "1"}, "", "more than 1 jobs"),
    ({}, "nowhere", "nowhere"),
    ({}, "../short", "../short"),
    ({}, "broken", "settings.conf line 1"),
]


def test_settings_that_cannot_be_obeyed_are_refused_by_name(engine: House) -> None:
    for settings, config, named in REFUSED:
        answer = submitted(engine, FAILER, {"code": ["0", "0"]}, settings, config)
        assert (answer.status, named in answer.body.decode()) == (400, True), (settings, config, answer)
