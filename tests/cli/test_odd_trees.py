"""Images whose tree is odd in several ways at once run for root and for others (each way: tests/runtimes)."""

from __future__ import annotations

import io
import tarfile

import pytest

from tests.cli.desk import Desk
from tests.services import images
from tests.services.registry import Registry

pytestmark = pytest.mark.service

LINKS = {
    "home": "var/home",
    "srv": "/nowhere/srv",
    "etc/hosts": "../run/none/hosts",
    "tmp": "var/scratch/tmp",
}


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    """Links to nowhere, accounts that are no text and lack root, a home that is not there, a device."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, target in LINKS.items():
            images.add(tar, name, link=target, kind=tarfile.SYMTYPE)
        images.add(tar, "etc/passwd", b"caf\xe9:x:1000:1000::/home/caf\xe9:/bin/sh\n")
        images.add(tar, "odd/null", kind=tarfile.CHRTYPE)
        images.add(tar, "odd/zero", kind=tarfile.LNKTYPE, link="odd/null")
    config = {"Env": ["HOME=/home/nobody/here"]}
    layers = [images.busybox_layer(), buffer.getvalue()]
    images.push(registry.url, "odd/trees:1", layers, config=config, architecture="")
    return f"{registry.host}/odd/trees:1"


def test_a_tool_finds_what_it_may_rely_on_in_an_odd_image(each_desk: Desk, image: str) -> None:
    command = (
        'echo home > "$HOME/mine" && cat "$HOME/mine" > o; echo "$HOME" >> o; '
        "id -un >> o; echo tmp > /tmp/t && cat /var/tmp/t >> o; "
        "grep localhost /etc/hosts > hosts && echo hosts >> o"
    )
    tool = each_desk.tool(command, outputs={"o": "o"}, image=image)
    done = each_desk.submit(tool, each_desk.write("i.json", {}), "--runtime", "userns")
    assert done.read("outputs/o").split() == ["home", "/home/nobody/here", "root", "tmp", "hosts"]
