"""A storage of this machine that records what is done to it, and fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import EngineError
from engine.ports import Progress, Stat
from engine.storages.file import FileStorage


class RecordedStorage(FileStorage):
    """The real storage of files; each effect is told before it happens."""

    def __init__(self, told: Callable[[str, str], None]) -> None:
        """`told` hears the name of the call, and the URL."""
        super().__init__()
        self._told = told
        self.trouble: dict[str, EngineError] = {}
        """Call -> what it raises."""

    def _enter(self, call: str, url: str) -> None:
        self._told(call, url)
        if call in self.trouble:
            raise self.trouble[call]

    def stat(self, url: str) -> Stat | None:
        self._enter("stat", url)
        return super().stat(url)

    def move(self, source: str, target: str) -> None:
        self._enter("move", target)
        super().move(source, target)

    def delete(self, url: str) -> None:
        self._enter("delete", url)
        super().delete(url)

    def put(self, data: bytes, url: str) -> None:
        self._enter("put", url)
        super().put(data, url)

    def send(self, source: Path, url: str, progress: Progress | None = None, *, keep: bool = False) -> None:
        self._enter("send", url)
        super().send(source, url, progress, keep=keep)

    def flush(self, urls: Sequence[str]) -> None:
        for url in urls:
            self._enter("flush", url)
        super().flush(urls)
