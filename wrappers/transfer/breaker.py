"""A circuit breaker for each storage: one that keeps failing is left alone for a while, by all files."""

import threading
import time
from typing import Dict
from urllib.parse import urlsplit

_FAILURES = 8  # in a row, as many as there are connections: a dead storage stalls each of them once
_REST_S = 15.0  # seconds


class Breaker:
    """The known state of the storages in use. Shared by threads."""

    def __init__(self, failures: int = _FAILURES, rest: float = _REST_S) -> None:
        self._limit = failures
        self._rest = rest
        self._failed: Dict[str, int] = {}
        self._until: Dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, url: str) -> float:
        """Seconds for which the storage of a URL should be left alone; 0 is go ahead."""
        with self._lock:
            return max(0.0, self._until.get(storage_of(url), 0.0) - time.monotonic())

    def succeeded(self, url: str) -> None:
        """Note that the storage works."""
        with self._lock:
            self._failed.pop(storage_of(url), None)
            self._until.pop(storage_of(url), None)

    def failed(self, url: str) -> None:
        """Note that the storage failed to do its part, in a way that may pass."""
        storage = storage_of(url)
        with self._lock:
            self._failed[storage] = self._failed.get(storage, 0) + 1
            if self._failed[storage] >= self._limit:
                self._until[storage] = time.monotonic() + self._rest


def storage_of(url: str) -> str:
    """Name the storage in a URL: scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
