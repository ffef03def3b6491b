"""User names and passwords for registries: where they are read from, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wrappers.containers import credentials
from wrappers.containers.credentials import Login
from wrappers.containers.errors import NodeTrouble

SECRET = "a-very-secret-password"


def test_both_files_are_read_and_ours_wins(home: Path, tmp_path: Path) -> None:
    (home / ".docker").mkdir()
    auth = {"auths": {"https://index.docker.io/v1/": {"auth": "aHViOnB3"}, "quay.io": {"auth": "cTpx"}}}
    (home / ".docker/config.json").write_text(json.dumps(auth))
    own = tmp_path / "credentials.json"
    own.write_text(json.dumps({"quay.io": {"username": "me", "password": SECRET}}))
    own.chmod(0o600)
    assert credentials.load(str(own)) == {
        "docker.io": Login("hub", "pw"),
        "quay.io": Login("me", SECRET),
    }


def test_a_file_that_others_can_read_is_refused(home: Path, tmp_path: Path) -> None:
    own = tmp_path / "credentials.json"
    own.write_text("{}")
    own.chmod(0o644)
    with pytest.raises(NodeTrouble, match=f"{own} is open to others: type chmod 600"):
        credentials.load(str(own))


@pytest.mark.parametrize("text", ["", "[]", '{"quay.io": "me"}', '{"quay.io": {"username": "me"}}'])
def test_another_form_is_refused(home: Path, tmp_path: Path, text: str) -> None:
    own = tmp_path / "credentials.json"
    own.write_text(text)
    own.chmod(0o600)
    with pytest.raises(NodeTrouble, match="must be JSON"):
        credentials.load(str(own))


def test_a_broken_docker_file_is_no_obstacle(home: Path) -> None:
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text('{"credsStore": "x"}')
    assert credentials.load() == {}
