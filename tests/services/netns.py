"""Servers that listen on every interface, kept in a network namespace of their own.

A program: `python netns.py PORT[,PORT] [FILE:OVER] -- COMMAND [-- COMMAND]`. XRootD binds 0.0.0.0 and has no
option for it. A socket belongs to the namespace in which it was made: we listen on 127.0.0.1 first, leave for
a new one, start the commands there, and pass on what we accept to the same port in there. Needs no root.

As with systemd, a command that dies is started again (Restart=always), and who connects meanwhile waits.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWNS = 0x10000000, 0x40000000, 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_PIECE = 1 << 18
_LAST = 0.1
"""Seconds before the end of a connection is passed on: XRootD 5.5.3 may die when a client closes as soon as
it has been told a checksum (see `_REST` in wrappers/transfer/client.py), and not every client knows that."""
_BACK = 30.0
"""Seconds in which a command that died is back; who connects waits for so long."""
_PAUSE = 0.1
"""Seconds before it is started again."""
_BURST = 20
"""Deaths after which a command is given up."""


def main(ports: list[int], over: list[str], commands: list[Sequence[str]]) -> int:
    """Run the commands until the end is asked for. Each of `over` is FILE:PLACE, seen in that place."""
    listening = [_listen(port) for port in ports]
    _leave()
    _loopback_up()
    for file, place in (pair.split(":") for pair in over):
        _mount(file, place, _MS_BIND)
    for end in listening:
        threading.Thread(target=_accept, args=(end,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    running: dict[int, tuple[Sequence[str], subprocess.Popen[bytes]]] = {}

    def run(command: Sequence[str]) -> None:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        running[process.pid] = command, process

    try:
        for command in commands:
            run(command)
        for _ in range(_BURST):
            dead, status = os.waitpid(-1, 0)
            print(f"a server ended with wait status {status}; it is started again", file=sys.stderr)
            time.sleep(_PAUSE)
            run(running.pop(dead)[0])
    finally:
        for _, process in running.values():
            process.kill()
    return 1


def _listen(port: int) -> socket.socket:
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    end.bind(("127.0.0.1", port))
    end.listen(64)
    return end


def _leave() -> None:
    uid, gid = os.geteuid(), os.getegid()
    wanted = _CLONE_NEWNET | _CLONE_NEWNS | (_CLONE_NEWUSER if uid else 0)
    if _LIBC.unshare(wanted):
        raise OSError(ctypes.get_errno(), "no new namespaces")
    if uid:  # we stay who we are
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    _mount("none", "/", _MS_REC | _MS_PRIVATE)


def _mount(source: str, target: str, flags: int) -> None:
    if _LIBC.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), f"cannot mount {source} on {target}")


def _loopback_up() -> None:
    with socket.socket() as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        _, flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _accept(listening: socket.socket) -> None:
    while True:
        client, _ = listening.accept()
        threading.Thread(target=_connect, args=(client, listening.getsockname()[1]), daemon=True).start()


def _connect(client: socket.socket, port: int) -> None:
    server = _reach(port)
    if server is None:
        client.close()  # as one who is not there would refuse, as nearly as can be
        return
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=_pump, args=(server, client), daemon=True).start()
    _pump(client, server)


def _reach(port: int) -> socket.socket | None:
    """A connection to the server, as soon as it is there."""
    end = time.monotonic() + _BACK
    while time.monotonic() < end:
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", port))
        time.sleep(0.05)
    return None


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until the end or an error, through a pipe in the kernel."""
    outlet, inlet = os.pipe()
    fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, _PIECE)
    try:
        while moved := os.splice(source.fileno(), inlet, _PIECE):
            while moved:
                moved -= os.splice(outlet, target.fileno(), moved)
        time.sleep(_LAST)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
    finally:
        os.close(outlet)
        os.close(inlet)


def _commands(words: list[str]) -> list[Sequence[str]]:
    """What stands after each `--`."""
    starts = [place for place, word in enumerate(words) if word == "--"]
    return [words[start + 1 : end] for start, end in zip(starts, [*starts[1:], len(words)], strict=True)]


if __name__ == "__main__":
    first = sys.argv.index("--")
    wanted = [int(port) for port in sys.argv[1].split(",")]
    sys.exit(main(wanted, sys.argv[2:first], _commands(sys.argv[first:])))
