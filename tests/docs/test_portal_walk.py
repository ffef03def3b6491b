"""The walk of docs/how-to/run-a-portal.md from an empty Debian to a daemon behind nginx, typed as root.

It happens over a copy of this machine that is thrown away, with a network of its own. Only systemd is
stood in for: there is none in a container. What apt-get is asked for is there already.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, matches
from tests.services.debian import require

pytestmark = pytest.mark.service
PAGE = ROOT / "docs" / "how-to" / "run-a-portal.md"
_FENCE = re.compile(r"^```(\w+) walk(?:=(\S+))?\n(.*?)^```$", re.M | re.S)
_OTHERS = re.compile(r"apt-get|pip")
SYSTEMCTL = """#!/bin/sh
# Stands in for systemd: starts what a unit says, as its user, and waits until it answers.
for service; do :; done
case "$service" in
nginx) nginx -s reload 2>/dev/null || nginx ;;
postgresql) pg_ctlcluster 15 main start ;;
boutiques-engine)
    unit=/etc/systemd/system/boutiques-engine.service
    command=$(sed -n 's/^ExecStart=//p' $unit)
    user=$(sed -n 's/^User=//p' $unit)
    home=$(sed -n 's/^Environment=//p' $unit)
    cd / && setsid runuser -u "$user" -- env "$home" $command </dev/null >/var/log/boutiques-engine.log 2>&1 &
    for _ in $(seq 600); do
        curl --fail --silent http://127.0.0.1:8420/health >/dev/null && exit 0
        sleep 0.2
    done
    cat /var/log/boutiques-engine.log
    exit 1 ;;
esac
"""
WORLD = """
set -e
mount -t tmpfs none {top}
mkdir {top}/upper {top}/work {top}/root
mount -t overlay overlay -o lowerdir=/,upperdir={top}/upper,workdir={top}/work {top}/root
for kernel in dev sys; do mount --rbind /$kernel {top}/root/$kernel; done
mount -t tmpfs none {top}/root/dev/net
mknod -m 666 {top}/root/dev/net/tun c 10 200  # as udev makes it
mount -t proc proc {top}/root/proc
mount -t tmpfs none {top}/root/run
mount -t tmpfs none {top}/root/tmp
chmod 1777 {top}/root/tmp
ip link set lo up
install -m 755 {systemctl} {top}/root/usr/local/bin/systemctl
echo 'APT::Get::Upgrade "false";' > {top}/root/etc/apt/apt.conf.d/99walk
cd {top}/root
mkdir -p mnt/old
pivot_root . mnt/old  # no chroot: there, user namespaces are refused
umount -l mnt/old
exec {python} -c "$WALK"
"""
WALK = """
import json, os, pathlib, subprocess, sys
for kind, first, second in json.loads(os.environ["STEPS"]):
    if kind == "file":
        pathlib.Path(first).write_text(second)
        continue
    # no pipes: what is started in the background would hold them
    with open("/tmp/printed", "w+") as printed, open("/tmp/said", "w+") as said:
        done = subprocess.run(["sh", "-c", first], cwd=os.environ["CHECKOUT"], stdin=subprocess.DEVNULL,
                              stdout=printed, stderr=said)
        printed.seek(0)
        said.seek(0)
        print(json.dumps([first, done.returncode, printed.read(), said.read()]), flush=True)
    if done.returncode:
        break
    if "apt-get" in first:  # the package starts it
        subprocess.run(["systemctl", "start", "postgresql"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
"""


def _steps() -> list[tuple[str, str, str]]:
    """Files with their text, commands with what they print, in order."""
    found: list[tuple[str, str, str]] = []
    for _, file, body in _FENCE.findall(PAGE.read_text()):
        if file:
            found.append(("file", file, body))
            continue
        for chunk in re.split(r"^# ", body, flags=re.M)[1:]:
            line, _, shows = chunk.partition("\n")
            while line.endswith("\\"):
                more, _, shows = shows.partition("\n")
                line = f"{line[:-1]} {more.strip()}"
            found.append(("command", line, shows))
    return found


@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.geteuid() != 0, reason="the walk is an administrator's")
def test_every_command_of_the_walk_works(tmp_path: Path) -> None:
    for program in ("initdb", "nginx", "curl", "ip", "slirp4netns", "newuidmap"):
        require(program)
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    top = tmp_path / "top"
    top.mkdir()
    steps = _steps()
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c",
         WORLD.format(top=shlex.quote(str(top)), systemctl=systemctl, python="/usr/bin/python3")],
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "STEPS": json.dumps(steps),
            "WALK": WALK,
            "CHECKOUT": str(ROOT),
            "DEBIAN_FRONTEND": "noninteractive",
            # what pip would fetch is there already, beside pytest
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PYTHONPATH": sysconfig.get_path("purelib"),
        },
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    commands = [(line, shows) for kind, line, shows in steps if kind == "command"]
    for (line, shows), (typed, code, printed, said) in zip(commands, told, strict=False):
        assert (line, code) == (typed, 0), f"# {line}\n{printed}{said}"
        if shows and not _OTHERS.search(line):
            assert matches(shows, printed), f"# {line}\nprinted:\n{printed}"
    assert len(told) == len(commands), done.stdout[-3000:]
    assert len(commands) > 10
