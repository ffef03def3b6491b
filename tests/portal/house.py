"""A portal as its users meet it: `engine serve` in a process of its own, accounts, pipelines, plain HTTP."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.app.access.key import load_key
from engine.app.portal.administration import Administration
from engine.app.portal.audit import AuditTrail
from engine.app.portal.publishing import Publishing
from engine.app.portal.users import Users
from engine.clock import SystemClock
from engine.domain.account import Role
from engine.ids import new_id
from engine.store.database import Database
from tests.cli.desk import Desk, until
from tests.cli.served import answers
from tests.services.registry import free_port

COPIER: dict[str, Any] = {
    "name": "copier",
    "description": "Copies a file and adds a word",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "cat [FILE] > out.txt && echo [WORD] >> out.txt && echo printed && echo wrong >&2",
    "inputs": [
        {"id": "file", "name": "file", "type": "File", "value-key": "[FILE]"},
        {"id": "word", "name": "word", "type": "String", "value-key": "[WORD]", "optional": True},
    ],
    "output-files": [{"id": "copy", "name": "copy", "path-template": "out.txt"}],
}
WAITER = {
    "name": "waiter",
    "description": "Waits for a file to appear",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "while [ ! -e [GATE] ]; do sleep 0.05; done; echo done > out.txt",
    "inputs": [{"id": "gate", "name": "gate", "type": "String", "value-key": "[GATE]"}],
    "output-files": [{"id": "done", "name": "done", "path-template": "out.txt"}],
}
FAILER = {
    "name": "failer",
    "description": "Fails",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "echo nothing >&2; exit [CODE]",
    "inputs": [{"id": "code", "name": "code", "type": "Number", "integer": True, "value-key": "[CODE]"}],
}
PACKER = {
    "name": "packer",
    "description": "Packs a file",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "tar czhf out.tgz [FILE]",
    "inputs": [{"id": "file", "name": "file", "type": "File", "value-key": "[FILE]"}],
    "output-files": [{"id": "packed", "name": "packed", "path-template": "out.tgz"}],
}
PIPELINES = (COPIER, WAITER, FAILER, PACKER)
PEOPLE = {"ann": Role.USER, "bob": Role.USER, "carl": Role.USER, "root": Role.ADMIN, "watcher": Role.SERVICE}
GROUP = "brain team"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        """The error code; the document has exactly the two keys of CARMIN, in their order."""
        assert list(self.json) == ["errorCode", "errorMessage"], self
        assert self.headers["content-type"] == "application/json"
        return int(self.json["errorCode"])


@dataclass(frozen=True)
class House:
    """A portal with users."""

    desk: Desk
    url: str
    process: subprocess.Popen[str]
    keys: Mapping[str, str]
    ids: Mapping[str, str]
    log: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        user: str = "ann",
        raw: bool = False,
        headers: Mapping[str, str] = {},
        **more: str,
    ) -> Answer:
        """One request below `/rest`; what is not bytes is sent as JSON. `path` is sent as it is.

        `more` are headers too, with `_` for `-` in their names.
        """
        sent = {name.replace("_", "-"): value for name, value in {**headers, **more}.items()}
        if user:
            sent["apikey"] = self.keys[user]
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path if raw else f"/rest{path}", body, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def ok(self, method: str, path: str, body: Any = None, user: str = "ann", **headers: str) -> Answer:
        """One request that must succeed."""
        answer = self.ask(method, path, body, user, headers=headers)
        assert answer.status < 300, answer
        return answer

    def put(self, path: str, content: bytes, user: str = "ann") -> None:
        """A file in the virtual tree, and the directories on the way."""
        above = path.rpartition("/")[0]
        if above.count("/") > 2:  # below /vip/Home
            self.ok("PUT", f"/path{above}/", user=user)
        self.ok("PUT", f"/path{path}", content, user, Content_Type="application/octet-stream")

    def read(self, path: str, user: str = "ann") -> bytes:
        """The content of a file of the virtual tree."""
        return self.ok("GET", f"/path{path}?action=content", user=user).body

    def exists(self, path: str, user: str = "ann") -> bool:
        return bool(self.ok("GET", f"/path{path}?action=exists", user=user).json["exists"])

    def launch(self, pipeline: str, values: Mapping[str, Any], user: str = "ann", **more: Any) -> Answer:
        """A request to run something."""
        wanted = {"name": "a test", "pipelineIdentifier": pipeline, "inputValues": dict(values), **more}
        return self.ask("POST", "/executions", wanted, user)

    def start(self, pipeline: str, values: Mapping[str, Any], user: str = "ann", **more: Any) -> str:
        """The id of an execution that was started."""
        answer = self.launch(pipeline, values, user, **more)
        assert answer.status == 200, answer
        return str(answer.json["identifier"])

    def told(self, id_: str, user: str = "ann") -> Any:
        """An execution as it is told."""
        return self.ok("GET", f"/executions/{id_}", user=user).json

    def ended(self, id_: str, user: str = "ann") -> Any:
        """The same, when it has ended."""
        until(lambda: self.told(id_, user)["status"] != "Running")
        return self.told(id_, user)

    def run(self, pipeline: str, values: Mapping[str, Any], user: str = "ann", **more: Any) -> Any:
        """An execution, to its end."""
        return self.ended(self.start(pipeline, values, user, **more), user)

    def engine(self, *words: str | Path) -> Any:
        """A command of the administrator's."""
        return self.desk.ok(*words, variables=dict(self.variables))

    @property
    def storage(self) -> Path:
        """Where the portal's files lie."""
        return self.desk.home / ".local/share/boutiques-engine/storage/vip"

    def peak(self) -> int:
        """Bytes of memory that it has used at most."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) << 10


@contextmanager
def portal(
    desk: Desk,
    settings: Mapping[str, str] = {},
    *,
    port: int | None = None,
    before: Callable[[], object] = lambda: None,
) -> Iterator[House]:
    """A portal with ann, bob and the administrator root; ann and carl are in the group `brain team`.

    `settings` are variables of its environment. `before` is done when there are accounts, and no daemon yet.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {
        "ENGINE_API__LISTEN": f"127.0.0.1:{port}",
        "ENGINE_PORTAL__RUNTIMES": '["none"]',
        "ENGINE_PORTAL__ISOLATION": "off",  # for pipelines that need no container; see test_isolation.py
        **settings,
    }
    key_file = desk.home / ".local/share/boutiques-engine/key"
    ids, keys = _settled(variables.get("ENGINE_DATABASE", f"sqlite:///{desk.database}"), key_file)
    before()
    log = desk.directory / f"serve-{port}.log"
    with log.open("a") as file:
        process = desk.start("serve", "--http", variables=variables, stderr=file)
        try:
            until(lambda: answers(url) or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield House(desk, url, process, keys, ids, log, variables)
        finally:
            process.terminate()
            process.communicate()


def _settled(database: str, key_file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The ids of everybody, and a key for each. Made without the commands that do it, which others test: a
    dozen of them would take longer than most tests.
    """
    db = Database(database)
    clock = SystemClock()
    trail = AuditTrail(db, lambda: load_key(key_file), clock)
    users = Users(db, lambda: load_key(key_file), clock, trail)
    ours = Administration(db, trail, clock, "local:0")
    if not users.all():
        ours.add_group(GROUP)
        for descriptor in PIPELINES:
            Publishing(db, trail, clock, "local:0").add_document(descriptor)
        for name, role in PEOPLE.items():
            ours.add_user(name, role, (GROUP,) if name in ("ann", "carl") else ())
    keys = {name: ours.new_key(name, new_id()) for name in PEOPLE}
    ids = {one.name: one.id for one in users.all()}
    db.close()
    return ids, keys
