"""The connections of a client: kept while they may be used again, each used by one thread at a time."""

import threading
import time
from typing import Dict, List, Optional, Set

from wrappers.transfer.addresses import Origin
from wrappers.transfer.budget import Budget
from wrappers.transfer.connection import Connection, Key, connect, named
from wrappers.transfer.errors import NodeMisconfigured
from wrappers.transfer.proxies import HttpProxy, InvalidProxy, proxy_for
from wrappers.transfer.trust import Trust

_KEPT = 16  # idle connections to one server


class Connections:
    """Connections to any number of servers, kept for the next request. Shared by threads."""

    def __init__(self, budget: Budget, trust: Trust) -> None:
        self._budget = budget
        self._trust = trust
        self._idle: Dict[Key, List[Connection]] = {}
        self._busy: Set[Connection] = set()
        self._lock = threading.Lock()

    def take(self, origin: Origin, certificate: str) -> Connection:
        """Take a connection to this server, a kept one if there is one.

        Raises:
            TransferError: there is none to be had.
        """
        scheme, host, port = origin
        # A proxy that was renewed has a context of its own, and so connections of its own.
        key = origin, self._trust.context(certificate) if scheme == "https" else None
        while True:
            with self._lock:
                connection = _rested(self._idle.get(key, []))
            if connection is None:
                proxy = _proxy_for(origin)
                made = connect(host, port, self._budget, key[1], proxy)
                proxy_for_requests = proxy if scheme == "http" else None  # a tunnel is like the server itself
                connection = Connection(made, named(host, port, proxy), self._budget, key, proxy_for_requests)
            elif connection.is_stale():
                connection.close()
                continue
            with self._lock:
                self._busy.add(connection)
            return connection

    def give(self, connection: Connection, reuse: bool) -> None:
        """Keep a connection that was taken, or close it."""
        with self._lock:
            self._busy.discard(connection)
            kept = self._idle.setdefault(connection.key, [])
            if reuse and not self._budget.stopped:
                kept.append(connection)
                connection = kept[0]
                if len(kept) <= _KEPT or connection.rest():
                    return
                del kept[0]
        connection.close()

    def close(self) -> None:
        """Close every idle connection, and wake up whoever waits on a busy one."""
        with self._lock:
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
            for connection in self._busy:
                connection.abort()
        if not self._budget.stopped:
            time.sleep(max([connection.rest() for connection in idle], default=0.0))
        for connection in idle:
            connection.close()


def _proxy_for(origin: Origin) -> Optional[HttpProxy]:
    scheme, host, port = origin
    try:
        return proxy_for(f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/")
    except InvalidProxy as error:
        raise NodeMisconfigured(str(error)) from None


def _rested(kept: List[Connection]) -> Optional[Connection]:
    """Take out the one that was used last, of those that may be used now."""
    for index in reversed(range(len(kept))):
        if not kept[index].rest():
            return kept.pop(index)
    return None
