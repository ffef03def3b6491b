"""What a network namespace needs of Linux's rtnetlink(7): the addresses there are, and routes that refuse.

By messages and not by the program `ip`, which minimal nodes do not have.
"""

import fcntl
import socket
import struct
from typing import Iterator, List, Tuple

_RTM_NEWROUTE, _RTM_GETADDR = 24, 22
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP = 1, 4, 0x300
_NLM_F_REPLACE, _NLM_F_CREATE = 0x100, 0x400
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_IFA_ADDRESS, _IFA_LOCAL, _RTA_DST = 1, 2, 1
_RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RTN_PROHIBIT = 254, 3, 0, 8
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_HEADER, _ADDRESS, _ROUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBi"), struct.Struct("=BBBBBBBBI")
_ATTRIBUTE, _FAMILY = struct.Struct("=HH"), struct.Struct("=B3x")


def addresses() -> List[str]:
    """List the IPv4 addresses of this network namespace, loopback included.

    Raises:
        OSError: the kernel does not answer.
    """
    found = []
    for kind, body in _ask(_RTM_GETADDR, _NLM_F_DUMP, _FAMILY.pack(socket.AF_INET)):
        if kind == _RTM_GETADDR - 2:  # RTM_NEWADDR
            attributes = dict(_attributes(body[_ADDRESS.size :]))
            address = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b""))
            if len(address) == 4:
                found.append(socket.inet_ntoa(address))
    return found


def prohibit(network: str) -> None:
    """Refuse everything that goes to an IPv4 network, ADDRESS/LENGTH, from this network namespace.

    Raises:
        OSError: the caller may not change routes here, or it is no such network.
    """
    address, _, length = network.partition("/")
    route = _ROUTE.pack(
        socket.AF_INET,
        int(length or 32),
        0,
        0,
        _RT_TABLE_MAIN,
        _RTPROT_BOOT,
        _RT_SCOPE_UNIVERSE,
        _RTN_PROHIBIT,
        0,
    )
    body = route + _ATTRIBUTE.pack(_ATTRIBUTE.size + 4, _RTA_DST) + socket.inet_aton(address)
    for _ in _ask(_RTM_NEWROUTE, _NLM_F_ACK | _NLM_F_CREATE | _NLM_F_REPLACE, body):
        pass


def set_up(interface: str) -> None:
    """Switch an interface of this network namespace on.

    Raises:
        OSError: there is no such interface, or the caller may not change it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", interface.encode("ascii"), 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(
            any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", interface.encode("ascii"), flags | _IFF_UP)
        )


def _ask(kind: int, flags: int, body: bytes) -> Iterator[Tuple[int, bytes]]:
    """Send a request; give each message of the answer."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(_HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | flags, 1, 0) + body)
        while True:
            data = kernel.recv(1 << 16)
            while data:
                length, answer, _, _, _ = _HEADER.unpack_from(data)
                payload, data = data[_HEADER.size : length], data[(length + 3) & ~3 :]
                if answer == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", payload)[0]
                    if number:
                        raise OSError(number, "rtnetlink refuses")
                    return
                if answer == _NLMSG_DONE:
                    return
                yield answer, payload


def _attributes(data: bytes) -> Iterator[Tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
