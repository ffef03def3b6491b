"""What users are told of their jobs says nothing of the machine."""

from __future__ import annotations

import pytest

from engine.app.portal.shown_messages import shown_message

HOME = "file:///srv/storage/vip/users/01/home/"


def told(url: str) -> str | None:
    return f"/vip/Home/{url.removeprefix(HOME)}" if url.startswith(HOME) else None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the tool ended with exit code 3", "the tool ended with exit code 3"),
        (
            "fetching input a from file:///srv/storage/vip/users/01/home/b: gone",
            "fetching input a from /vip/Home/b: gone",
        ),
        ("fetching /srv/storage/vip/users/01/home/b.", "fetching /vip/Home/b."),
        ("delivering to file:///srv/storage/vip/users/02/home/b", "delivering to .../b"),
        ("kept in /home/engine/.local/state/boutiques-engine/x/job on node7", "kept in .../job on node7"),
        ("(/tmp/engine-1/a, '/var/b')", "(.../a, '.../b')"),
        ("https://registry.example.org/v2/a: 404", "https://registry.example.org/v2/a: 404"),
        ("docker.io/library/busybox is not there", "docker.io/library/busybox is not there"),
        ("see /vip/Home/b", "see /vip/Home/b"),
        ("1/2 of 3 and a/b", "1/2 of 3 and a/b"),
        ("file:/etc/passwd", ".../passwd"),
        ("", ""),
    ],
)
def test_paths_are_told_as_the_user_knows_them(text: str, shown: str) -> None:
    assert shown_message(text, told) == shown
