"""Files on their way to a storage that does not answer hold up nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import Request

from engine.api.asgi import Message
from engine.api.carmin.files import TreeFiles
from engine.api.tree import Tree
from engine.api.trees.directory import DirectoryTree
from engine.api.trees.split import SplitTree
from engine.api.trees.storage import StorageTree
from engine.app.portal.quotas import Quotas
from engine.app.portal.site import TreeStorage
from engine.app.portal.virtual import Kind, VirtualTarget
from engine.domain.file_urls import to_url
from engine.ports import Progress
from engine.settings.service import ApiSection
from engine.storages.file import FileStorage

LONG = 60
SHORT, TRANSFERS = 2, 8


class Hanging(FileStorage):
    """A storage that takes no file until it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed = threading.Event()
        self.asked = threading.Semaphore(0)

    def send(self, source: Path, url: str, progress: Progress | None = None, *, keep: bool = False) -> None:
        self.asked.release()
        assert self.allowed.wait(LONG)
        super().send(source, url, progress, keep=keep)


@pytest.fixture
def storage() -> Hanging:
    return Hanging()


@pytest.fixture
def files(tmp_path: Path, storage: Hanging) -> Iterator[TreeFiles]:
    parts = Tree(tmp_path / "root")
    far = StorageTree(storage, TreeStorage(to_url(tmp_path / "far")), parts)
    tree = SplitTree(far, DirectoryTree(parts, ApiSection(root=tmp_path / "root")))
    with ThreadPoolExecutor(SHORT) as short, ThreadPoolExecutor(TRANSFERS) as transfers:
        yield TreeFiles(tree, Quotas(lambda _: None, lambda _: 0), short, transfers)
    parts.close()


def upload(files: TreeFiles, name: str, **headers: str) -> asyncio.Task[int]:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"content", "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "PUT", "headers": raw}, receive)
    path = ("vip", "Home", name)
    location = VirtualTarget(path, Kind.INSIDE, ("vip", "users", "u", "home", name))
    return asyncio.create_task(files.receive(request, location))


def test_uploads_to_a_storage_that_hangs_leave_the_others_their_threads(
    files: TreeFiles, storage: Hanging
) -> None:
    async def meanwhile() -> None:
        uploads = [upload(files, f"{number}.txt") for number in range(TRANSFERS)]
        try:
            for _ in uploads:
                await asyncio.to_thread(storage.asked.acquire, timeout=LONG)
            async with asyncio.timeout(LONG):
                assert (await files.run(files.tree.item, ())).directory
        finally:
            storage.allowed.set()
        assert await asyncio.gather(*uploads) == [7] * TRANSFERS

    asyncio.run(meanwhile())
