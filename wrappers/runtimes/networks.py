"""The network of an execution: its jobs that one process carries out after each other have the same one.

To make one and connect it costs tens of milliseconds, most of them waiting. Jobs of another execution, and so
of another user, never have it. Nothing of a job runs in it any more when the next one begins. The network of
the next execution is made while there is nothing else to do.
"""

import subprocess
from typing import List, Optional, Tuple

from wrappers import wire
from wrappers.runtimes.base import Unusable
from wrappers.runtimes.network import Network, open_network, to_refuse

_Like = Tuple[str, int, Tuple[str, ...]]  # its kind, a descriptor of the user namespace, what is refused


class _Networks:
    """The networks of this process: that of the present execution, and one that nobody has had yet."""

    def __init__(self) -> None:
        self._execution = ""
        self._like: Optional[_Like] = None
        self._network: Optional[Network] = None
        self._next: Optional[Network] = None
        self._ending: List["subprocess.Popen[bytes]"] = []

    def of_execution(self, execution: str, kind: str, user: int, unreachable: List[str]) -> int:
        """Give a descriptor of the network namespace of an execution, made by now.

        Raises:
            Unusable: this node cannot make it; the text says what would help.
        """
        refused = to_refuse(unreachable) if kind == wire.NETWORK_OWN else []
        like = (kind, user, tuple(refused))  # another one, when this machine has got other addresses
        if self._next is not None and (like != self._like or not _works(self._next)):
            self._close(self._next)
            self._next = None
        is_its = self._execution == execution and self._like == like
        if self._network is None or not is_its or not _works(self._network):
            old, self._network = self._network, None
            if old is not None:
                self._close(old)
            self._network, self._next = self._next or open_network(kind, user, refused), None
            self._execution, self._like = execution, like
        return self._network.namespace

    def prepare(self) -> None:
        """Make the network of the next execution, like the present one."""
        if self._like is None or self._next is not None:
            return
        try:
            kind, user, refused = self._like
            self._next = open_network(kind, user, list(refused))
        except (Unusable, OSError):
            pass  # it is told when one is needed

    def connectors(self) -> List[int]:
        """Process ids of our children that connect them, or are about to end since they did."""
        self._ending = [one for one in self._ending if one.poll() is None]
        present = [one.connector for one in (self._network, self._next) if one is not None]
        return [one.pid for one in (*self._ending, *present) if one is not None]

    def _close(self, network: Network) -> None:
        network.release()
        if network.connector is not None:
            self._ending.append(network.connector)


def _works(network: Network) -> bool:
    return network.connector is None or network.connector.poll() is None


_networks = _Networks()
of_execution = _networks.of_execution
prepare = _networks.prepare
connectors = _networks.connectors
