"""User names and passwords for registries: where they are read from, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wrappers.containers import credentials
from wrappers.containers.credentials import Login
from wrappers.containers.errors import UnsuitableNode

SECRET = "a-very-secret-password"
AUTH = {"auth": "cTpx"}
"""q, with the password q."""


def write(path: Path, auths: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": auths}))
    return path


def own_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "credentials.json"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_both_files_are_read_and_ours_wins(home: Path, tmp_path: Path) -> None:
    write(
        home / ".docker/config.json", {"https://index.docker.io/v1/": {"auth": "aHViOnB3"}, "quay.io": AUTH}
    )
    logins = credentials.load(
        own_file(tmp_path, json.dumps({"quay.io": {"username": "me", "password": SECRET}}))
    )
    assert logins.names() == ["docker.io", "quay.io"]
    assert logins.find("docker.io") == Login("hub", "pw")
    assert logins.find("quay.io") == Login("me", SECRET)
    assert SECRET not in repr(logins) + repr(logins.find("quay.io"))


@pytest.mark.parametrize(
    ("variable", "value", "file"),
    [
        ("REGISTRY_AUTH_FILE", "some.json", "some.json"),
        ("XDG_RUNTIME_DIR", "run", "run/containers/auth.json"),
        ("XDG_CONFIG_HOME", "config", "config/containers/auth.json"),
        ("DOCKER_CONFIG", "docker", "docker/config.json"),
    ],
)
def test_what_other_programs_keep_is_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, file: str
) -> None:
    write(tmp_path / file, {"quay.io": AUTH})
    assert credentials.load().find("quay.io") is None
    monkeypatch.setenv(variable, str(tmp_path / value))
    assert credentials.load().find("quay.io") == Login("q", "q")


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        ({"auth": "cTpx"}, Login("q", "q")),
        ({"auth": "cTpxAA=="}, Login("q", "q")),  # docker pads with a zero byte
        ({"auth": "cTpxOnI="}, Login("q", "q:r")),
        ({"auth": "cTpxOnI"}, Login("q", "q:r")),
        ({"username": "q", "password": "p"}, Login("q", "p")),
        ({"auth": "PHRva2VuPjo=", "identitytoken": "id"}, Login("<token>", "", "id")),
        ({"registrytoken": "shown"}, Login("", "", "", "shown")),
    ],
)
def test_every_form_of_an_entry_is_read(home: Path, entry: Mapping[str, str], login: Login) -> None:
    write(home / ".docker/config.json", {"quay.io": entry})
    assert credentials.load().find("quay.io") == login


@pytest.mark.parametrize(
    "broken", [{}, {"auth": "%"}, {"auth": "/w=="}, {"auth": 1}, {"auth": "cXE="}, "text", None, []]
)
def test_a_broken_entry_does_not_hide_the_others(home: Path, broken: Any) -> None:
    write(home / ".docker/config.json", {"a.example.org": broken, "quay.io": AUTH})
    assert credentials.load().names() == ["quay.io"]


@pytest.mark.parametrize(
    ("key", "image", "fits"),
    [
        ("quay.io", "quay.io/team/tool", True),
        ("QUAY.io", "quay.io/team/tool", True),
        ("https://quay.io", "quay.io/team/tool", True),
        ("https://quay.io/v2/", "quay.io/team/tool", True),
        ("quay.io/v1/", "quay.io/team/tool", True),
        ("quay.io/team", "quay.io/team/tool", True),
        ("quay.io/team/tool", "quay.io/team/tool", True),
        ("quay.io/tea", "quay.io/team/tool", False),
        ("quay.io/team/tool/more", "quay.io/team/tool", False),
        ("quay.io:443", "quay.io/team/tool", False),
        ("registry-1.docker.io", "docker.io/library/busybox", True),
        ("docker.io/library", "docker.io/library/busybox", True),
    ],
)
def test_a_key_is_a_registry_or_the_beginning_of_a_name(home: Path, key: str, image: str, fits: bool) -> None:
    write(home / ".docker/config.json", {key: AUTH})
    host, _, repository = image.partition("/")
    assert (credentials.load().find(host, repository) is not None) is fits


def test_the_longest_key_that_fits_is_taken(home: Path) -> None:
    write(
        home / ".docker/config.json",
        {
            name: {"username": name, "password": "p"}
            for name in ("quay.io", "quay.io/team", "quay.io/team/a/b")
        },
    )
    login = credentials.load().find("quay.io", "team/a/tool")
    assert login is not None
    assert login.username == "quay.io/team"


def test_our_file_may_have_the_form_of_dockers(home: Path, tmp_path: Path) -> None:
    path = own_file(tmp_path, json.dumps({"auths": {"quay.io/team": AUTH}}))
    assert credentials.load(path).find("quay.io", "team/x") == Login("q", "q")


def test_a_file_that_others_can_read_is_refused(home: Path, tmp_path: Path) -> None:
    own = Path(own_file(tmp_path, "{}"))
    own.chmod(0o644)
    with pytest.raises(UnsuitableNode, match=f"{own} is open to others: type chmod 600"):
        credentials.load(str(own))


@pytest.mark.parametrize("text", ["", "[]", '{"quay.io": "me"}', '{"quay.io": {"username": "me"}}'])
def test_another_form_is_refused(home: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(UnsuitableNode, match="must be JSON"):
        credentials.load(own_file(tmp_path, text))


@pytest.mark.parametrize(
    "text", ['{"credsStore": "x"}', "{", "[]", '{"auths": []}', '{"auths": null}', "\xff"]
)
def test_a_broken_docker_file_is_no_obstacle(home: Path, text: str) -> None:
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text(text, encoding="latin-1")
    assert credentials.load().names() == []
