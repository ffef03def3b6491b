"""Servers that listen on every interface, kept in a network namespace of their own.

A program: `python netns.py PORT[,PORT] [FILE:OVER] -- COMMAND [-- COMMAND]`. XRootD binds 0.0.0.0 and has no
option for it. A socket belongs to the namespace in which it was made: we listen on 127.0.0.1 first, leave for
a new one, start the commands there, and pass on what we accept to the same port in there. Needs no root.
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
from contextlib import suppress
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWNS = 0x10000000, 0x40000000, 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_PIECE = 1 << 18
_LAST = 0.1
"""Seconds before the end of a connection is passed on: XRootD 5.5.3 dies about once in a hundred times when a
client closes as soon as it has its answer (segmentation fault in libXrdUtils)."""


def main(ports: list[int], over: list[str], commands: list[list[str]]) -> int:
    """Run the commands until the first of them ends. Each of `over` is FILE:PLACE, seen in that place."""
    listening = [_listen(port) for port in ports]
    _leave()
    _loopback_up()
    for file, place in (pair.split(":") for pair in over):
        _mount(file, place, _MS_BIND)
    processes = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for command in commands]
    signal.signal(signal.SIGTERM, lambda *_: [process.kill() for process in processes])
    for end in listening:
        threading.Thread(target=_accept, args=(end,), daemon=True).start()
    os.waitpid(-1, 0)
    for process in processes:
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
    port = listening.getsockname()[1]
    while True:
        client, _ = listening.accept()
        try:
            server = socket.create_connection(("127.0.0.1", port))
        except OSError:
            client.close()  # as one who is not there would refuse, as nearly as can be
            continue
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()


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


def _commands(words: list[str]) -> list[list[str]]:
    """What stands after each `--`."""
    found: list[list[str]] = []
    for word in words:
        if word == "--":
            found.append([])
        else:
            found[-1].append(word)
    return found


if __name__ == "__main__":
    first = sys.argv.index("--")
    wanted = [int(port) for port in sys.argv[1].split(",")]
    sys.exit(main(wanted, sys.argv[2:first], _commands(sys.argv[first:])))
