"""The name service of a tool. Apart from `network`, which needs ctypes: some nodes' Pythons have none."""

from wrappers import wire

_RESOLVER = "198.18.77.3"  # where slirp4netns answers for the node's own name server, see `network`


def resolver_file(kind: str, nodes_own: bytes) -> bytes:
    """Write /etc/resolv.conf for a tool, from the node's own."""
    if kind == wire.NETWORK_MACHINE:
        return nodes_own
    if kind == wire.NETWORK_NONE:
        return b""
    lines = nodes_own.decode("utf-8", "replace").splitlines()
    kept = [line for line in lines if line.split()[:1] in (["search"], ["options"], ["domain"])]
    return ("\n".join([f"nameserver {_RESOLVER}", *kept]) + "\n").encode("utf-8")
