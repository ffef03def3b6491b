"""Packages of others: the examples of the how-to pages, installed as their readers do it."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.cli.desk import Desk, desk_in
from tests.cli.served import serving
from tests.services.examples import examples

pytestmark = pytest.mark.service

NONE = ("--runtime", "none")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A user who has installed both, and made a back-end of the kind `processes`."""
    variables = {"PYTHONPATH": str(examples()), "ENGINE_CONFIG": "engine.yaml"}
    with desk_in(tmp_path, environment=variables) as desk:
        desk.write("engine.yaml", f"backends:\n  here: {{kind: processes, top: {tmp_path}/top}}\n")
        yield desk


def test_a_back_end_of_another_package_runs_what_is_submitted_and_what_the_daemon_finds(desk: Desk) -> None:
    tool, lines = desk.tool("cat [A] > out.txt", {"a": "File"}, {"out": "out.txt"}), desk.write("a.txt", "A")
    asked = (tool, desk.write("i.json", {"a": lines}), *NONE, "--backend", "here")
    done = desk.submit(*asked)
    assert done.read("outputs/out.txt") == "A"
    assert list((desk.directory.parent / "top").iterdir()) == [desk.directory.parent / "top/wrapper.pyz"]
    later = desk.ok("submit", *asked, "--detach", "--json").value["id"]
    desk.ok("serve", "--until-idle")
    assert desk.ok("status", later, "--json").value["state"] == "succeeded"
    examined = desk.ok("doctor", "--backend", "here")
    assert "ok       server: here takes jobs" in examined.out
    assert "nothing must be mended" in examined.err


def test_a_wrong_section_of_another_package_is_told_with_file_and_key(desk: Desk) -> None:
    desk.write("engine.yaml", "backends:\n  here: {kind: processes, topp: x}\n")
    told = desk.run("list")
    assert (told.code, told.lines) == (
        2,
        [
            "engine: engine.yaml: backends.here.topp: no such setting",
            "engine: a back-end of kind processes has kind, top",
        ],
    )
    desk.write("engine.yaml", "backends:\n  here: {kind: processes}\n")
    told = desk.run("list", variables={"PYTHONPATH": ""})
    assert (told.code, told.lines) == (
        2,
        [
            "engine: engine.yaml: backends.here.kind: no kind of back-ends named 'processes'",
            "engine: installed: dirac, diracx, local",
        ],
    )


def test_a_package_that_is_damaged_is_told_by_its_name(desk: Desk, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    info = damaged / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[engine.backends]\nraises = broken:Backend\nother = os:path\nprocesses = broken:Backend\n"
    )
    (damaged / "broken.py").write_text("1 / 0\n")
    variables = {"PYTHONPATH": f"{damaged}:{examples()}"}
    said = {
        "raises": [
            "'raises' cannot be loaded: ZeroDivisionError: division by zero",
            "mend or uninstall broken",
        ],
        "other": ["which is registered for it, has no `section` and `from_settings`", "docs/how-to/add-a-"],
        "processes": [
            "'processes' is registered by boutiques-engine-processes and broken",
            "uninstall one of them",
        ],
    }
    for kind, words in said.items():
        desk.write("engine.yaml", f"backends:\n  here: {{kind: {kind}}}\n")
        told = desk.run("list", variables=variables)
        assert told.code == 2
        assert [part for part, line in zip(words, told.lines, strict=True) if part not in line] == []


def test_files_at_a_storage_of_another_package_are_put_listed_copied_and_removed(desk: Desk) -> None:
    base = f"table://{desk.directory}/files.db?"
    desk.write("engine.yaml", f"storages:\n  table: {{url: '{base}/base'}}\n")
    names = ["odd 'ü%20?.txt", "plain.txt"]
    (desk.directory / "d").mkdir()
    for name in names:
        (desk.directory / "d" / name).write_text(name)
    desk.ok("data", "put", "d", f"{base}/base/d")
    listed = [one["name"] for one in desk.ok("data", "ls", "-r", f"{base}/base", "--json").values]
    assert listed == ["d", *(f"d/{name}" for name in names)]
    for place in (f"{base}/base/d", "table:d"):
        assert desk.ok("data", "ls", place).out.splitlines() == names
    desk.ok("data", "cp", "table:d", "table:e")
    desk.ok("data", "mv", f"{base}/base/e/plain.txt", f"{base}/base/e/moved.txt")
    desk.ok("data", "get", "table:e", "--into", "back")
    assert sorted(path.name for path in (desk.directory / "back").iterdir()) == ["moved.txt", names[0]]
    desk.ok("data", "rm", "-r", "table:e")
    assert desk.ok("data", "ls", "table:").out.split() == ["d/"]


PODS = """
from dataclasses import replace
from processes import Processes

class Pods(Processes):
    capabilities = replace(Processes.capabilities, runs_image=True)

    def submit(self, batch):
        with open(self._top.parent / "images", "a") as file:
            file.writelines(m.image.reference + "\\n" for item in batch for m in item.manifests)
        return super().submit(batch)
"""


def test_a_back_end_that_runs_the_image_itself_is_given_it_and_needs_no_runtime(
    desk: Desk, tmp_path: Path, busybox_image: str
) -> None:
    info = tmp_path / "pods" / "pods-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pods\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[engine.backends]\npods = pods:Pods\n")
    (tmp_path / "pods" / "pods.py").write_text(PODS)
    desk.write("engine.yaml", f"backends:\n  pods: {{top: {tmp_path}/top}}\n")
    variables = {"PYTHONPATH": f"{tmp_path}/pods:{examples()}", "ENGINE_NODE__NETWORK": "own"}
    tool = desk.tool("echo hi > out.txt", outputs={"out": "out.txt"}, image=busybox_image)
    asked = (desk.write("i.json", {}), "--backend", "pods")
    assert desk.submit(tool, *asked, variables=variables).read("outputs/out.txt") == "hi\n"
    assert busybox_image.rpartition("/")[2].partition(":")[0] in (tmp_path / "images").read_text()
    told = desk.run("submit", tool, *asked, "--runtime", "userns", variables=variables)
    assert (told.code, told.lines[0]) == (
        2,
        "engine: a runtime was asked for, but the back-end runs the image itself",
    )
    bare = desk.run("submit", desk.tool("true"), *asked, variables=variables)
    assert (bare.code, "no container-image" in bare.err) == (2, True)


def test_a_file_that_nodes_cannot_move_is_refused_before_anything_runs(desk: Desk) -> None:
    base = f"table://{desk.directory}/files.db?/base"
    desk.write("engine.yaml", f"storages:\n  table: {{url: '{base}'}}\n")
    desk.ok("data", "put", desk.write("a.txt", "A"), f"{base}/a.txt")
    tool = desk.tool("cat [A] > out.txt", {"a": "File"}, {"out": "out.txt"})
    here, there = desk.write("here.json", {"a": "a.txt"}), desk.write("there.json", {"a": f"{base}/a.txt"})
    elsewhere = {"ENGINE_BACKENDS__LOCAL__SIMULATE_REMOTE": "true"}
    staged = {
        "ENGINE_DATA__STAGING": "table",
        "ENGINE_DATA__TRAVELLING": "0",
        "ENGINE_DATA__RESULTS": '["http://127.0.0.1:9/results"]',
    }
    fetch = f"engine: {base}/a.txt: worker nodes cannot fetch table: files"
    store = f"engine: {base}: worker nodes cannot store below a URL with a query"
    for words, variables, told in (
        ((there,), {}, fetch),
        ((here, "--store", "table"), {}, store),
        ((here,), {**elsewhere, "ENGINE_DATA__RESULTS": '["table"]'}, store),
        (
            (here,),
            {**elsewhere, **staged},
            "engine: setting data.staging: worker nodes cannot fetch table: files",
        ),
    ):
        ran = desk.run("submit", tool, *words, *NONE, variables=variables)
        assert (ran.code, ran.lines[0], len(ran.lines)) == (2, told, 2)  # the second is the remedy
    assert desk.run("plan", tool, there, *NONE).lines[0] == fetch
    assert desk.debris() == []


SHARED = """
import os, time
from engine.ports import StorageCapabilities
from engine.storages.file import FileStorage
from wrappers.wire import Grant

VERBS = ("stat", "list", "move", "delete", "put", "send", "read", "get", "open", "checksum")

class Shared:
    capabilities = StorageCapabilities(presign="SERVER" in os.environ)

    def __init__(self, settings):
        self._files = FileStorage(settings)

    def __getattr__(self, name):
        if name not in VERBS:
            raise AttributeError(name)
        here = lambda one: one.replace("shared://", os.environ["SHARED"]) if isinstance(one, str) else one
        return lambda *given, **more: getattr(self._files, name)(*map(here, given), **more)

    def presign(self, url, method, seconds):
        use = url.replace("shared://", os.environ["SERVER"])
        return Grant(url, method, use=f"{use}?signed={method}-verysecret", expires=time.time() + seconds)
"""


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables of a user who has installed a storage `shared:`: a directory, and a server that gives its
    files to whoever has a signed URL.
    """
    info, top = tmp_path / "package" / "shared-1.0.dist-info", tmp_path / "files"
    info.mkdir(parents=True)
    top.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shared\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[engine.storages]\nshared = shared:Shared\n")
    (info.parent / "shared.py").write_text(SHARED)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, signed = self._asked()
            found = signed and path.is_file()
            self._answer(200 if found else 403, path.read_bytes() if found else b"")

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            path, signed = self._asked()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if signed:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
            self._answer(201 if signed else 403, b"")

        def _asked(self) -> tuple[Path, bool]:
            path, _, query = self.path.partition("?")
            good = {"PUT": ["PUT"], "GET": ["GET", "PUT"], "HEAD": ["GET", "PUT"]}[self.command]
            return top / path.lstrip("/"), query in [f"signed={one}-verysecret" for one in good]

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield {
            "PYTHONPATH": str(info.parent),
            "SHARED": top.as_uri(),
            "SERVER": f"http://127.0.0.1:{server.server_port}",
        }
        server.shutdown()


def test_a_storage_of_another_package_feeds_jobs_and_has_their_results_by_urls_that_it_presigns(
    tmp_path: Path, shared: dict[str, str]
) -> None:
    config = {"ENGINE_CONFIG": "engine.yaml", "PYTHONPATH": f"{shared['PYTHONPATH']}:{examples()}"}
    with desk_in(tmp_path, environment={**shared, **config}) as desk:
        desk.write("engine.yaml", f"backends:\n  here: {{kind: processes, top: {tmp_path}/top}}\n")
        desk.ok("data", "put", desk.write("a.txt", "A"), "shared:///in/a.txt")
        tool = desk.tool("cat [A] > out.txt", {"a": "File"}, {"out": "out.txt"})
        asked = (tool, desk.write("i.json", {"a": "shared:///in/a.txt"}), *NONE, "--store", "shared:///out")
        told = desk.run("submit", *asked)
        words = "shared: URLs are presigned by the engine: api.public_url is not set"
        assert (told.code, told.lines[0].endswith(words)) == (2, True)
        with serving(desk) as served:
            desk.submit(*asked, variables=served.variables)
            variables = {**served.variables, "ENGINE_BACKEND": "here"}
            done = desk.submit(*asked, variables=variables)
            [product] = desk.ok("results", done.id, "--json", variables=served.variables).values
            assert desk.ok("status", done.id, "--json", variables=variables).value["backend"] == "here"
            assert product["url"] == f"shared:///out/{done.id}/outputs/out.txt"
            assert (tmp_path / "files" / "out" / done.id / "outputs/out.txt").read_text() == "A"
        texts = [path for path in done.results.rglob("*") if path.is_file()]
        assert [path for path in texts if b"verysecret" in path.read_bytes()] == []


def test_doctor_tells_that_jobs_cannot_fetch_what_users_of_a_portal_have(
    tmp_path: Path, shared: dict[str, str]
) -> None:
    del shared["SERVER"]  # it presigns nothing then
    with desk_in(tmp_path, environment={**shared, "ENGINE_PORTAL__TREE": "shared:///tree"}) as desk:
        told = desk.run("doctor").out
        assert "failure  files of the portal: shared:///tree: worker nodes cannot fetch shared: files" in told
