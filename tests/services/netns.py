"""Servers that listen on every interface, kept in a network namespace of their own.

A program: `python netns.py PORT[,PORT] COMMAND`. XRootD binds 0.0.0.0 and has no option for it. A socket
belongs to the namespace in which it was made: we listen on 127.0.0.1 first, leave for a new one, start the
command there, and pass on what we accept to the same port in there. Needs no root.
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

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_PIECE = 1 << 18
_LAST = 0.1
"""Seconds before the end of a connection is passed on: XRootD 5.5.3 dies about once in a hundred times when a
client closes as soon as it has its answer (segmentation fault in libXrdUtils)."""


def main(ports: list[int], command: list[str]) -> int:
    """Run the command to its end; its exit code."""
    listening = [_listen(port) for port in ports]
    _leave()
    _loopback_up()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.kill())
        for end in listening:
            threading.Thread(target=_accept, args=(end,), daemon=True).start()
        return process.wait()


def _listen(port: int) -> socket.socket:
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    end.bind(("127.0.0.1", port))
    end.listen(64)
    return end


def _leave() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET | (_CLONE_NEWUSER if uid else 0)):
        raise OSError(ctypes.get_errno(), "no new network namespace")
    if uid:  # we stay who we are
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


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


if __name__ == "__main__":
    sys.exit(main([int(port) for port in sys.argv[1].split(",")], sys.argv[2:]))
