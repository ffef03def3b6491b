"""The network of an execution: its jobs that one process carries out after each other have the same one.

To make one and connect it costs tens of milliseconds, most of them waiting. Jobs of another execution, and so
of another user, never have it. Nothing of a job runs in it any more when the next one begins.
"""

import subprocess
from typing import List, Optional, Tuple

from wrappers import wire
from wrappers.runtimes.network import Network, open_network, to_refuse

_Key = Tuple[str, str, int, Tuple[str, ...]]


class _Networks:
    """The one network of this process."""

    def __init__(self) -> None:
        self._key: Optional[_Key] = None
        self._network: Optional[Network] = None
        self._ending: List["subprocess.Popen[bytes]"] = []

    def of_execution(self, execution: str, kind: str, user: int, unreachable: List[str]) -> int:
        """Give a descriptor of the network namespace of an execution, made by now.

        Raises:
            Unusable: this node cannot make it; the text says what would help.
        """
        refused = to_refuse(unreachable) if kind == wire.NETWORK_OWN else []
        key = (
            execution,
            kind,
            user,
            tuple(refused),
        )  # another one, when this machine has got other addresses
        if self._network is None or key != self._key or not _works(self._network):
            self._leave()
            self._network = open_network(kind, user, refused)
            self._key = key
        return self._network.namespace

    def connectors(self) -> List[int]:
        """Process ids of our children that connect it, or are about to end since they did."""
        self._ending = [one for one in self._ending if one.poll() is None]
        present = self._network.connector if self._network is not None else None
        return [one.pid for one in (*self._ending, present) if one is not None]

    def _leave(self) -> None:
        if self._network is None:
            return
        network, self._network = self._network, None
        network.leave()
        if network.connector is not None:
            self._ending.append(network.connector)


def _works(network: Network) -> bool:
    return network.connector is None or network.connector.poll() is None


_networks = _Networks()
of_execution = _networks.of_execution
connectors = _networks.connectors
