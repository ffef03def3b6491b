"""The network of a tool: a namespace with a loopback of its own, and a way out that does not lead back.

slirp4netns carries connections from the namespace to other machines. It runs outside of the tool's
namespaces, so that a tool can neither see nor trace it. It would also carry connections to the addresses of
this machine: routes in the namespace refuse these, and the tool has no capability to change routes or to send
packets past them. An address that this machine gets while a tool runs is not refused: node.unreachable can
name its network.
"""

import ipaddress
import os
import socket
import struct
import subprocess
from typing import List, NamedTuple, NoReturn, Optional

from wrappers import wire
from wrappers.containers.programs import which
from wrappers.runtimes import namespaces, netlink
from wrappers.runtimes.base import Unusable

PROGRAM = "slirp4netns"
_SUBNET = "198.18.77.0/24"  # of RFC 2544: no machine on the Internet has such an address
# Where clouds tell a machine who it is and give it credentials: most are link-local; Alibaba, Azure, Oracle.
_METADATA = ("169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32")
_DEVICE = "/dev/net/tun"
_NUMBER = struct.Struct("i")  # of a descriptor
_LONGEST = 4000
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


class Network(NamedTuple):
    """A network namespace that is ready for a tool."""

    namespace: int  # a descriptor; programs that are executed do not get it
    connector: Optional["subprocess.Popen[bytes]"] = None  # what connects it to the outside
    hold: int = -1  # a descriptor: the connector ends when nobody has it open, and so with us

    def release(self) -> None:
        """Give it up; the connector goes on ending for a while, and is still our child."""
        os.close(self.namespace)
        if self.connector is not None:
            os.close(self.hold)
            if self.connector.stderr is not None:
                self.connector.stderr.close()

    def close(self) -> None:
        """Give it up, and see its connector end."""
        self.release()
        if self.connector is not None:
            self.connector.wait()


def open_network(kind: str, user: int, refused: List[str]) -> Network:
    """Make a network namespace, owned by the user namespace of this descriptor.

    `kind` is wire.NETWORK_OWN or wire.NETWORK_NONE; `refused` are what cannot be reached by the former.

    Raises:
        Unusable: this node cannot; the text says what would help.
    """
    if kind == wire.NETWORK_NONE:
        return Network(_make_namespace(user, []))
    if not which(PROGRAM):
        raise Unusable(f"a network of its own needs {PROGRAM}: install it, or set node.network to none")
    namespace = _make_namespace(user, refused)
    try:
        return _connect(user, namespace)
    except BaseException:
        os.close(namespace)
        raise


def to_refuse(unreachable: List[str]) -> List[str]:
    """List the networks that a tool may not reach: this machine, metadata services, and these."""
    return [*_own_addresses(), *_METADATA, *unreachable]


def _own_addresses() -> List[str]:
    return [one for one in netlink.addresses() if ipaddress.ip_address(one) not in _LOOPBACK]


def _make_namespace(user: int, refused: List[str]) -> int:
    """Open a new network namespace, made by a child that ends.

    The child hands it over: it is closed to others of its account, and so to us (`wrappers.prctl`).
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            child = os.fork()
            if child == 0:
                _furnish(user, refused, theirs)
        try:
            said, handed, _, _ = ours.recvmsg(
                _LONGEST, socket.CMSG_SPACE(_NUMBER.size), socket.MSG_CMSG_CLOEXEC
            )
        finally:
            os.waitpid(child, 0)
    if not handed:
        trouble = said.decode("utf-8", "replace")
        raise Unusable(f"network namespaces are not allowed: {trouble or 'the child died'}{_hint()}")
    namespace: int = _NUMBER.unpack(handed[0][2])[0]
    return namespace


def _furnish(user: int, refused: List[str], parent: socket.socket) -> NoReturn:
    """In the child: make the new namespace, and hand it to the parent."""
    try:
        namespaces.join(user, namespaces.CLONE_NEWUSER)
        namespaces.unshare(namespaces.CLONE_NEWNET)
        netlink.set_up("lo")
        for network in refused:
            netlink.prohibit(network)
        number = _NUMBER.pack(os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        parent.sendmsg([b"ready"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, number)])
    except BaseException as error:
        parent.send(str(error).encode("utf-8", "replace")[:_LONGEST])
    finally:
        os._exit(0)


def _hint() -> str:
    try:
        with open("/proc/sys/user/max_net_namespaces", encoding="ascii") as file:
            most = file.read().strip()
    except OSError:
        return ""
    return " (sysctl user.max_net_namespaces is 0: raise it)" if most == "0" else ""


def _hint_of_device() -> str:
    if os.access(_DEVICE, os.R_OK | os.W_OK):
        return ""
    return f" (let every user open {_DEVICE}, as udev does: mode 0666; or set node.network to none)"


def _connect(user: int, namespace: int) -> Network:
    """Connect a namespace to the outside."""
    reader, ready = os.pipe()
    alive, hold = os.pipe()
    words = [
        PROGRAM,
        "--configure",
        "--disable-host-loopback",
        "--mtu=65520",
        f"--cidr={_SUBNET}",
        f"--ready-fd={ready}",
        f"--exit-fd={alive}",
        f"--userns-path=/proc/self/fd/{user}",
        "--netns-type=path",
        f"/proc/self/fd/{namespace}",
        "tap0",
    ]
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[ready, alive, user, namespace],
        env={"PATH": os.environ.get("PATH", os.defpath)},  # nothing else of ours is its business
        cwd="/",
        start_new_session=True,
    )
    os.close(ready)
    os.close(alive)

    network = Network(namespace, process, hold)
    with open(reader, "rb", buffering=0) as answer:
        if answer.read(1) != b"1":
            said = process.stderr.read().decode("utf-8", "replace") if process.stderr is not None else ""
            process.kill()
            process.wait()
            os.close(hold)
            why = "; ".join(line for line in said.splitlines() if line.strip()) or "it said nothing"
            raise Unusable(f"{PROGRAM} did not start: {why}{_hint_of_device()}")
    return network
