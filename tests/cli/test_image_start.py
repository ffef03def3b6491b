"""Images that cannot start are the image's fault, told at the first try with the file that is to blame."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace

import pytest

from tests.cli.anywhere import Anywhere
from tests.cli.desk import Desk
from tests.cli.failing import program, told
from tests.services import images
from tests.services.registry import Registry

pytestmark = pytest.mark.service


def altered(*files: tuple[str, bytes], mode: int = 0o755) -> list[bytes]:
    """The layers of a small image with these files put over."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files:
            images.add(archive, name, content, mode=mode)
    return [images.busybox_layer(), buffer.getvalue()]


LOADER = "/lib/ld.so.9"
BROKEN: dict[str, tuple[str, list[bytes], str]] = {
    "another processor": ("image-platform", altered(("start", program(183))), "/start is for aarch64"),
    "no loader": (
        "image-start",
        altered(("start", program(62, LOADER))),
        "wants the loader /lib/ld.so.9",
    ),
    "CR LF": ("image-start", altered(("start", b'#!/bin/sh\r\nexec "$@"\r\n')), "CR LF"),
    "CR LF after env": ("image-start", altered(("start", b'#!/bin/env sh\r\nexec "$@"\r\n')), "CR LF"),
    "no interpreter": ("image-start", altered(("start", b"#!/opt/python\n")), "wants /opt/python"),
    "interpreter without loader": (
        "image-start",
        altered(("start", b"#!/opt/p\n"), ("opt/p", program(62, LOADER))),
        "wants the loader",
    ),
    "no first line": ("image-start", altered(("start", b'exec "$@"\n')), "neither a program nor a script"),
    "empty": ("image-start", altered(("start", b"")), "neither a program nor a script"),
    "cut": ("image-start", altered(("start", program()[:30])), "is no whole program"),
    "closed": ("image-start", altered(("start", b"#!/bin/sh\n"), mode=0o644), "is not executable"),
    "missing": ("image-start", altered(), "has no /start"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_entry_point_that_cannot_start(desk: Desk, registry: Registry, what: str) -> None:
    cause, layers, words = BROKEN[what]
    name = f"vip/broken-{what.replace(' ', '-').lower()}:1.0"
    images.push(registry.url, name, layers, config={"Entrypoint": ["/start"]})
    tool = desk.tool("true", image=f"{registry.host}/{name}")
    described = json.loads((desk.directory / tool).read_text())
    described["container-image"]["entrypoint"] = True
    desk.write(tool, described)
    message = told(desk, cause, tool, desk.write("i.json", {}), "--runtime", "userns")
    assert words in message


@pytest.mark.parametrize(
    ("cause", "shell"),
    [
        ("image-platform", program(183)),
        ("image-start", program(62, LOADER)),
        ("image-start", b"#!/x\r\n"),
    ],
)
def test_a_shell_that_cannot_start(each_desk: Desk, registry: Registry, cause: str, shell: bytes) -> None:
    name = f"vip/shell-{len(shell)}-{cause}:1.0"
    images.push(registry.url, name, altered(("bin/busybox", shell)))
    tool = each_desk.tool("true", image=f"{registry.host}/{name}")
    assert "/bin/sh" in told(each_desk, cause, tool, each_desk.write("i.json", {}), "--runtime", "userns")


@pytest.mark.parametrize("anywhere", ["user-userns", "user-udocker", "root-docker"], indirect=True)
def test_an_image_without_bin_sh_runs_with_the_shell_that_the_descriptor_names(
    anywhere: Anywhere, registry: Registry
) -> None:
    with tarfile.open(fileobj=io.BytesIO(images.busybox_layer())) as archive:
        program = archive.extractfile("bin/busybox")
        assert program is not None
        shell = images.one_file_layer("opt/bin/ash", program.read(), mode=0o755)
    images.push(registry.url, "vip/no-sh:1.0", [shell])
    other = replace(anywhere, image=f"{registry.host}/vip/no-sh:1.0")
    done = other.run("echo [TEXT] > o", {"text": "x"}, outputs={"o": "o"}, shell="/opt/bin/ash")
    assert done.read("outputs/o") == "x\n"
