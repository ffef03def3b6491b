"""Tools that become another user: what works where, and what is told of it."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from tests.cli.desk import Desk
from tests.services import images
from tests.services.registry import Registry

pytestmark = pytest.mark.service

COMMAND = "su me -c 'id -u; echo x > made; echo y > /tmp/t' > o; cat made >> o"


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    """An image with an account beside root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        images.add(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/tmp:/bin/sh\n")
        images.add(tar, "etc/group", "root:x:0:\nme:x:1000:\n")
    images.push(registry.url, "users/two:1", [images.busybox_layer(), buffer.getvalue()])
    return f"{registry.host}/users/two:1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has every user")
def test_where_there_are_several_users_a_tool_becomes_another(desk: Desk, image: str) -> None:
    tool = desk.tool(COMMAND, outputs={"o": "o"}, image=image)
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "userns")
    assert done.read("outputs/o") == "1000\nx\n"


def test_where_there_is_one_user_the_tool_goes_on_as_root_and_a_plan_says_so(
    ordinary_desk: Desk, image: str
) -> None:
    tool = ordinary_desk.tool(COMMAND, outputs={"o": "o"}, image=image)
    words = tool, ordinary_desk.write("i.json", {}), "--runtime", "userns"
    assert "becomes another user (su): where the account has no range" in ordinary_desk.ok("plan", *words).err
    assert ordinary_desk.submit(*words).read("outputs/o") == "0\nx\n"


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("su me -c x", "su"),
        ("cd /data && exec /usr/sbin/gosu me:me run", "gosu"),
        ("if true; then runuser -u me run; fi", "runuser"),
        ("echo $(sudo -u me run)", "sudo"),
        ("echo su me", ""),
        ("run --su me", ""),
        ("sum x; results su", ""),
    ],
)
def test_a_plan_tells_where_becoming_another_user_cannot_work(desk: Desk, command: str, program: str) -> None:
    ran = desk.ok("plan", desk.tool(command), desk.write("i.json", {}), "--runtime", "none")
    told = f"the command becomes another user ({program}), which cannot work with none"
    assert (told in ran.err) is bool(program), ran.err
