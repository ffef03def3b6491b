"""`engine publish` and `engine search`, against a stand-in for Zenodo, which cannot be reached here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.cli.desk import Desk, Ran
from tests.services.zenodo_stand_in import TOKEN, StandIn, start_zenodo

pytestmark = pytest.mark.whole

TOOL = {
    "name": "Copier of files",
    "description": "Copies a file",
    "author": "A. Nobody",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "cp [FILE] out.txt",
    "container-image": {"type": "docker", "image": "docker.io/library/busybox:1.36"},
    "tags": {"domain": ["files"], "toy": True},
    "inputs": [{"id": "file", "name": "file", "type": "File", "value-key": "[FILE]"}],
    "output-files": [{"id": "out", "name": "out", "path-template": "out.txt"}],
}


@pytest.fixture
def zenodo() -> Iterator[StandIn]:
    with start_zenodo() as stand_in:
        yield stand_in


class Writer:
    """Somebody at a desk with a descriptor and a token."""

    def __init__(self, desk: Desk, zenodo: StandIn, mode: int = 0o600) -> None:
        self.desk = desk
        self.file = desk.directory / "tool.json"
        self.write(TOOL)
        token = desk.directory / "zenodo-token"
        token.write_text(f"{TOKEN}\n")
        token.chmod(mode)
        self.variables = {
            "ENGINE_ZENODO": zenodo.url,
            "ENGINE_ZENODO_CREDENTIAL": "zenodo",
            "ENGINE_CREDENTIALS": json.dumps({"zenodo": {"kind": "key", "file": str(token)}}),
        }

    def write(self, data: Any) -> None:
        self.file.write_text(json.dumps(data))

    def publish(self, *words: str) -> Ran:
        ran = self.desk.run("publish", self.file, "--yes", *words, variables=self.variables)
        assert TOKEN not in ran.out + ran.err
        return ran

    def read(self) -> Any:
        return json.loads(self.file.read_text())


@pytest.fixture
def writer(desk: Desk, zenodo: StandIn) -> Writer:
    return Writer(desk, zenodo)


def test_a_descriptor_is_published_gets_its_doi_and_is_found_and_pulled(
    writer: Writer, zenodo: StandIn
) -> None:
    ran = writer.publish("--json")
    assert ran.code == 0, ran
    assert ran.value == {"descriptor": str(writer.file), "doi": "10.5281/zenodo.100"}
    assert writer.read() == {**TOOL, "doi": "10.5281/zenodo.100"}
    metadata = zenodo.deposits.records[100]["metadata"]
    assert (metadata["title"], metadata["version"]) == ("Copier of files", "1.0")
    assert metadata["creators"] == [{"name": "A. Nobody"}]
    assert metadata["keywords"] == ["Boutiques", "schema-version:0.5", "domain:files", "toy", "docker"]
    [found] = writer.desk.ok("search", "copier", "--json", variables=writer.variables).values
    assert (found["id"], found["title"]) == ("zenodo.100", "Copier of files")
    assert any("records/?" in one and "[Cc][Oo][Pp]" in unquote(one) for one in zenodo.asked)
    pulled = writer.desk.ok("lint", "zenodo.100", "--network", "--json", variables=writer.variables)
    assert pulled.code == 0
    assert not [one for one in zenodo.asked if TOKEN in one]
    assert not (writer.desk.home / ".boutiques").exists()


def test_a_new_version_replaces_the_file_of_the_record_before(writer: Writer, zenodo: StandIn) -> None:
    writer.publish()
    again = writer.publish()
    assert (again.code, again.out) == (2, "")
    assert "has the doi 10.5281/zenodo.100 already\nengine: --replace" in again.err
    writer.write({**writer.read(), "tool-version": "1.1"})
    assert writer.publish("--replace").out == "10.5281/zenodo.101\n"
    [file] = zenodo.deposits.records[101]["files"]
    kept = json.loads(file["data"])
    assert (kept["tool-version"], "doi" in kept) == ("1.1", False)
    writer.write(TOOL)
    same = writer.publish()
    assert same.code == 2
    assert "zenodo.100 has the name 'Copier of files' already\nengine: --id zenodo.100" in same.err
    assert writer.publish("--new").out == "10.5281/zenodo.102\n"
    writer.write(TOOL)
    assert writer.publish("--id", "zenodo.102").out == "10.5281/zenodo.103\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"author": None}, "it has no author, which a record needs"),
        ({"container-image": None}, "it has no container-image, which a record needs"),
        ({"inputs": 7}, "inputs"),
    ],
)
def test_what_cannot_be_published_is_refused_before_anybody_is_asked(
    writer: Writer, zenodo: StandIn, changes: Any, words: str
) -> None:
    data = {key: value for key, value in {**TOOL, **changes}.items() if value is not None}
    writer.write(data)
    ran = writer.publish()
    assert (ran.code, writer.read(), zenodo.asked) == (2, data, [])
    assert words in ran.err


def test_without_yes_or_a_terminal_nothing_is_published(writer: Writer, zenodo: StandIn) -> None:
    ran = writer.desk.run("publish", writer.file, variables=writer.variables)
    assert ran.code == 2
    assert "cannot be undone\nengine: --yes" in ran.err
    assert zenodo.asked == []


def test_a_token_that_is_missing_readable_by_others_or_refused_is_told(desk: Desk, zenodo: StandIn) -> None:
    writer = Writer(desk, zenodo, mode=0o644)
    assert "others may read" in writer.publish().err
    without = {**writer.variables, "ENGINE_ZENODO_CREDENTIAL": ""}
    ran = desk.run("publish", writer.file, "--yes", variables=without)
    assert (ran.code, "setting zenodo_credential: a token of Zenodo is needed" in ran.err) == (2, True)
    (desk.directory / "zenodo-token").chmod(0o600)
    (desk.directory / "zenodo-token").write_text("another")
    refused = writer.publish()
    assert refused.code == 4
    assert "does not accept the token" in refused.err
    clear = {**writer.variables, "ENGINE_ZENODO": "http://zenodo.example.org"}
    ran = desk.run("publish", writer.file, "--yes", variables=clear)
    assert (ran.code, "in the clear" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("end", "status", "code", "words"),
    [
        ("/api/files/100/tool.json", 500, 3, "answers with status 500"),
        ("/api/files/100/tool.json", 413, 2, "refuses it (status 413): no, Bearer ***"),
        ("/actions/publish", 429, 3, "it may be published all the same"),
    ],
)
def test_what_zenodo_refuses_or_fails_at_is_told_and_leaves_the_file(
    writer: Writer, zenodo: StandIn, end: str, status: int, code: int, words: str
) -> None:
    zenodo.deposits.fail[end] = status
    ran = writer.publish()
    assert (ran.code, writer.read()) == (code, TOOL)
    assert words in ran.err
    assert len(zenodo.deposits.drafts) == (1 if end == "/actions/publish" else 0)


def test_something_else_than_was_sent_is_never_published(writer: Writer, zenodo: StandIn) -> None:
    zenodo.deposits.spoils = True
    ran = writer.publish()
    assert (ran.code, zenodo.deposits.records, zenodo.deposits.drafts) == (3, {}, {})
    assert "something else than was sent" in ran.err


def test_a_publication_whose_answer_is_lost_is_seen_to_be_done(writer: Writer, zenodo: StandIn) -> None:
    zenodo.deposits.silent = "/actions/publish"
    assert writer.publish().out == "10.5281/zenodo.100\n"
    assert writer.read()["doi"] == "10.5281/zenodo.100"


def test_a_record_of_somebody_else_gets_no_new_version(writer: Writer, zenodo: StandIn) -> None:
    zenodo.deposits.others.add(7)
    ran = writer.publish("--id", "zenodo.7")
    assert (ran.code, writer.read()) == (2, TOOL)
    assert "only who published a record makes new versions of it" in ran.err


def test_a_search_that_is_answered_with_something_else_is_told(desk: Desk, zenodo: StandIn) -> None:
    variables = {"ENGINE_ZENODO": zenodo.url}
    assert desk.ok("search", variables=variables).out == "ID\tTITLE\tDESCRIPTION\tDOWNLOADS\n"
    zenodo.deposits.records[1] = {"metadata": {"title": "of\x1b[2Jno keywords"}}
    ran = desk.run("search", "a]b", variables=variables)
    assert (ran.code, "something else than records" in ran.err) == (3, True)
    nobody = desk.run("search", "a", variables={"ENGINE_ZENODO": "http://127.0.0.1:9"})
    assert (nobody.code, "does not answer" in nobody.err) == (3, True)


def test_a_link_to_a_descriptor_stays_one(writer: Writer, tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    writer.file.rename(real)
    writer.file.symlink_to(real)
    assert writer.publish().code == 0
    assert writer.file.is_symlink()
    assert json.loads(real.read_text())["doi"] == "10.5281/zenodo.100"
