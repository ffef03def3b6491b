"""Two machines on one network, as network namespaces: one where jobs run, and another. Needs root.

Both have servers that answer with a word of theirs: the machine of the jobs on its loopback, on its own
address and on an abstract Unix socket; the other one on its address, and on those of metadata services.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.services.debian import require

PORT = 8099
ABSTRACT = "engine-test"
METADATA = ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192")
"""Where clouds answer their machines: most of them, containers of AWS, Alibaba, Azure, Oracle."""
_HOLD = """
import os, stat, subprocess
subprocess.run(["mount", "-t", "tmpfs", "none", "/dev/net"], check=True)
os.mknod("/dev/net/tun", 0o666 | stat.S_IFCHR, os.makedev(10, 200))
os.chmod("/dev/net/tun", 0o666)
print(1, flush=True)
input()
"""
"""Everybody may open the device, as udev has it; machines without udev are stricter."""
_SERVE = """
import socket, sys, threading
word, port, *addresses = sys.argv[1:]
ends = [socket.create_server((address, int(port))) for address in addresses if address[0] != "@"]
for address in addresses:
    if address[0] == "@":
        ends.append(socket.socket(socket.AF_UNIX))
        ends[-1].bind("\\0" + address[1:])
        ends[-1].listen()
answer = f"HTTP/1.0 200 OK\\r\\nContent-Length: {len(word)}\\r\\n\\r\\n{word}".encode()
def serve(end):
    while True:
        with end.accept()[0] as client:
            client.recv(65536)
            client.sendall(answer)
for end in ends:
    threading.Thread(target=serve, args=(end,), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Machine:
    """A network namespace with an address."""

    pid: int
    """Of the process that holds it."""
    address: str

    def within(self, command: Sequence[str] = (), directory: str | os.PathLike[str] = "/") -> list[str]:
        """Give the command that runs `command` on this machine."""
        enter = ["nsenter", f"--net=/proc/{self.pid}/ns/net", f"--mount=/proc/{self.pid}/ns/mnt"]
        return [*enter, "env", f"--chdir={os.fspath(directory)}", *command]


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Give the machine of the jobs, and another; both are gone at the end."""
    ip = require("ip")
    with ExitStack() as stack:
        ours = Machine(_hold(stack), "203.0.113.1")
        other = Machine(_hold(stack), "203.0.113.2")
        pair = ["type", "veth", "peer", "name", "eth0", "netns", str(other.pid)]
        _run(ours, ip, "link", "add", "eth0", *pair)
        for machine in (ours, other):
            _run(machine, ip, "link", "set", "lo", "up")
            _run(machine, ip, "addr", "add", f"{machine.address}/24", "dev", "eth0")
            _run(machine, ip, "link", "set", "eth0", "up")
        _run(ours, ip, "route", "add", "default", "via", other.address)
        for address in METADATA:
            _run(other, ip, "addr", "add", f"{address}/32", "dev", "lo")
        _serve(stack, ours, "ours", "127.0.0.1", ours.address, f"@{ABSTRACT}")
        _serve(stack, other, "other", other.address, *METADATA)
        yield ours, other


def _hold(stack: ExitStack) -> int:
    """Start a process in a network namespace of its own."""
    words = [require("unshare", "util-linux"), "--net", "--mount", sys.executable, "-c", _HOLD]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stack.callback(_end, process)
    assert process.stdout is not None
    process.stdout.readline()
    return process.pid


def _serve(stack: ExitStack, machine: Machine, word: str, *addresses: str) -> None:
    words = machine.within([sys.executable, "-c", _SERVE, word, str(PORT), *addresses])
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stack.callback(_end, process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _run(machine: Machine, *words: str) -> None:
    subprocess.run(machine.within(words), check=True)
