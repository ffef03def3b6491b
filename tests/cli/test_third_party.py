"""Packages of others: the examples of the how-to pages, installed as their readers do it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk, desk_in
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
    assert "ok       server: here takes jobs" in desk.ok("doctor", "--backend", "here").out


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
            "'processes' is registered by broken and grid-engine-processes",
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
