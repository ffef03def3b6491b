"""What a storage promises, as a test class: inherit, give the fixtures, and it is tested."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.errors import BadRequest, EngineError, NotFound, Unavailable
from engine.ports import Browsable, Labelling, Storage, entries, name_in, url_below
from wrappers.transfer.checksums import ALGORITHMS, Hasher


class StorageContract(ABC):
    """Promises of `engine.ports.Storage`."""

    ODD_NAMES: Sequence[str] = (
        "plain",
        "with space",
        "quote'\"$`",
        "ünïcödé",
        "new\nline",
        "percent%20",
        "a&b<c>;=+#?",
        "x" * 255,
    )
    """Names of files that come back as they are. A storage that cannot keep one of them says so."""

    moves = True
    """Whether files can be renamed; where they cannot, `move` is a `BadRequest`."""

    @abstractmethod
    @pytest.fixture
    def storage(self) -> Storage:
        """Make a storage that is ready to work."""

    @abstractmethod
    @pytest.fixture
    def base(self) -> str:
        """URL of an empty directory there; the URL of a name below it ends in `/<quoted name>`."""

    def below(self, base: str, *names: str) -> str:
        """Return the URL of a file below a directory."""
        return "/".join([base, *(quote(name, safe="") for name in names)])

    def moved(self, storage: Storage, source: str, target: str) -> bool:
        """Rename; False where there is no such thing, and it was refused."""
        if self.moves:
            storage.move(source, target)
            return True
        with pytest.raises(BadRequest):
            storage.move(source, target)
        assert storage.stat(source) is not None
        return False

    def labels(self, storage: Storage, url: str) -> Mapping[str, str]:
        """Read the labels of a file, as others than the storage see them; where it has any."""
        raise NotImplementedError

    def test_a_file_carries_the_last_words_that_it_was_given_or_the_storage_says_that_it_keeps_none(
        self, storage: Storage, base: str
    ) -> None:
        assert storage.capabilities.labels == isinstance(storage, Labelling)
        if not isinstance(storage, Labelling):
            return
        first, second = self.below(base, "dir", "with space"), self.below(base, "dir", "b")
        storage.put(b"x", first)
        storage.put(b"y", second)
        storage.label({first: {"engine_job": "1", "engine_image": "sha256:0"}, base: {"engine_job": "9"}})
        storage.label({first: {"engine_job": "2"}, second: {"engine_job": "3"}})
        assert {**self.labels(storage, first)} == {"engine_job": "2", "engine_image": "sha256:0"}
        assert {**self.labels(storage, second)} == {"engine_job": "3"}
        assert (storage.read(first), storage.read(second)) == (b"x", b"y")

    def test_what_was_put_is_there(self, storage: Storage, base: str, tmp_path: Path) -> None:
        url = self.below(base, "deep", "file")
        storage.put(b"content", url)
        found = storage.stat(url)
        assert found is not None
        assert (found.size, found.directory) == (7, False)
        storage.get(url, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b"content"
        assert storage.checksum(url) == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"

    def test_nothing_is_nothing(self, storage: Storage, base: str, tmp_path: Path) -> None:
        url = self.below(base, "nothing")
        assert storage.stat(url) is None
        assert storage.read(url) == b""
        assert list(storage.list(url)) == []
        storage.delete(url)
        with pytest.raises(NotFound):
            storage.get(url, tmp_path / "x")
        with pytest.raises(NotFound), storage.open(url) as file:
            file.read()
        with pytest.raises(NotFound):
            storage.checksum(url)
        with pytest.raises(BadRequest):
            storage.move(url, self.below(base, "else"))

    def test_odd_names_come_back(self, storage: Storage, base: str) -> None:
        directory = url_below(storage, base, "names")
        urls = {name: url_below(storage, directory, name) for name in self.ODD_NAMES}
        for name, url in urls.items():
            storage.put(name.encode(), url)
        assert list(storage.list(directory)) == sorted(urls)
        assert sorted(entries(storage, directory)) == sorted(urls)
        assert [storage.read(url) for url in urls.values()] == [name.encode() for name in urls]
        assert [name_in(storage, url) for url in urls.values()] == list(urls)
        assert list(urls.values()) == [self.below(base, "names", name) for name in urls]

    def test_a_directory_may_have_an_odd_name(self, storage: Storage, base: str) -> None:
        storage.put(b"x", self.below(base, "a dir'ü", "x"))
        assert list(storage.list(base)) == ["a dir'ü"]
        assert list(storage.list(self.below(base, "a dir'ü"))) == ["x"]

    def test_an_empty_file_is_a_file(self, storage: Storage, base: str, tmp_path: Path) -> None:
        storage.put(b"", self.below(base, "empty"))
        found = storage.stat(self.below(base, "empty"))
        assert found is not None
        assert (found.size, found.directory) == (0, False)
        assert storage.read(self.below(base, "empty")) == b""
        storage.get(self.below(base, "empty"), tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b""
        storage.send(tmp_path / "copy", self.below(base, "sent"))
        assert storage.stat(self.below(base, "sent")) is not None

    def test_a_file_is_moved_with_its_directories_made(self, storage: Storage, base: str) -> None:
        old, new = self.below(base, "a"), self.below(base, "b", "c", "d")
        storage.put(b"x", old)
        if not self.moved(storage, old, new):
            return
        assert storage.stat(old) is None
        assert storage.read(new) == b"x"

    def test_a_directory_is_moved_as_a_whole(self, storage: Storage, base: str) -> None:
        storage.put(b"x", self.below(base, "dir", "sub", "x"))
        if not self.moved(storage, self.below(base, "dir"), self.below(base, "other")):
            return
        assert storage.read(self.below(base, "other", "sub", "x")) == b"x"

    def test_a_move_never_replaces_what_is_there(self, storage: Storage, base: str) -> None:
        old, new = self.below(base, "a"), self.below(base, "b")
        storage.put(b"old", old)
        storage.put(b"new", new)
        with pytest.raises(BadRequest):
            storage.move(old, new)
        assert (storage.read(old), storage.read(new)) == (b"old", b"new")

    def test_a_put_replaces(self, storage: Storage, base: str) -> None:
        url = self.below(base, "a")
        storage.put(b"long content", url)
        storage.put(b"short", url)
        assert storage.read(url) == b"short"
        assert list(storage.list(base)) == ["a"]

    def test_a_piece_of_a_file_is_read(self, storage: Storage, base: str) -> None:
        url = self.below(base, "a")
        storage.put(b"0123456789", url)
        assert storage.read(url, 3) == b"3456789"
        assert storage.read(url, 3, 4) == b"3456"
        assert storage.read(url, 99) == b""

    def test_a_file_of_this_machine_is_sent(self, storage: Storage, base: str, tmp_path: Path) -> None:
        (tmp_path / "local").write_bytes(b"local content")
        storage.send(tmp_path / "local", self.below(base, "deep", "sent"))
        assert storage.read(self.below(base, "deep", "sent")) == b"local content"

    def test_a_file_that_is_to_be_kept_is_kept(self, storage: Storage, base: str, tmp_path: Path) -> None:
        (tmp_path / "mine").write_bytes(b"mine")
        storage.send(tmp_path / "mine", self.below(base, "theirs"), keep=True)
        assert storage.read(self.below(base, "theirs")) == (tmp_path / "mine").read_bytes() == b"mine"

    def test_a_directory_is_removed_with_all_it_holds(self, storage: Storage, base: str) -> None:
        storage.put(b"x", self.below(base, "dir", "sub", "x"))
        storage.delete(self.below(base, "dir"))
        storage.delete(self.below(base, "dir"))
        assert storage.stat(self.below(base, "dir")) is None

    def test_a_directory_is_got_with_all_it_holds(self, storage: Storage, base: str, tmp_path: Path) -> None:
        for names in (("x",), ("sub", "y"), ("sub", "deeper", "z")):
            storage.put(b"/".join(name.encode() for name in names), self.below(base, "dir", *names))
        storage.get(self.below(base, "dir"), tmp_path / "copy")
        found = {path.relative_to(tmp_path / "copy") for path in (tmp_path / "copy").rglob("*")}
        assert found == {Path(p) for p in ("x", "sub", "sub/y", "sub/deeper", "sub/deeper/z")}
        assert (tmp_path / "copy/sub/deeper/z").read_bytes() == b"sub/deeper/z"

    def test_a_directory_tells_what_its_names_are(self, storage: Storage, base: str) -> None:
        storage.put(b"four", self.below(base, "dir", "file"))
        storage.put(b"", self.below(base, "dir", "sub", "x"))
        found = storage.stat(self.below(base, "dir"))
        assert found is not None
        assert found.directory
        if isinstance(storage, Browsable):
            entries = storage.entries(self.below(base, "dir"))
            assert {name: stat.directory for name, stat in entries.items()} == {"file": False, "sub": True}
            assert entries["file"].size == 4

    def test_a_file_is_read_as_a_stream(self, storage: Storage, base: str) -> None:
        content = bytes(range(256)) * 8192
        storage.put(content, self.below(base, "a"))
        with storage.open(self.below(base, "a")) as file:
            assert file.read(10) == content[:10]
            assert file.read() == content[10:]

    def test_a_stream_may_be_left_early(self, storage: Storage, base: str) -> None:
        storage.put(b"x" * (3 << 20), self.below(base, "a"))
        with storage.open(self.below(base, "a")) as file:
            assert file.read(1) == b"x"
        assert storage.read(self.below(base, "a"), 0, 1) == b"x"

    @pytest.mark.parametrize("algorithm", ["adler32", "md5", "sha256"])
    def test_every_checksum_is_told(self, storage: Storage, base: str, algorithm: str) -> None:
        hasher = Hasher([algorithm])
        for content in (b"", b"content", b"x" * (2 << 20)):
            hasher = Hasher([algorithm])
            hasher.update(content)
            storage.put(content, self.below(base, f"size {len(content)}"))
            checksum = storage.checksum(self.below(base, f"size {len(content)}"), algorithm)
            assert checksum == hasher.results()[algorithm]

    def test_its_own_checksums_are_known_here(self, storage: Storage) -> None:
        assert set(storage.capabilities.checksums) <= set(ALGORITHMS)

    def test_progress_is_told_in_bytes(self, storage: Storage, base: str, tmp_path: Path) -> None:
        size = (2 << 20) + 1
        (tmp_path / "local").write_bytes(b"x" * size)
        sent: list[int] = []
        storage.send(tmp_path / "local", self.below(base, "a"), sent.append, keep=True)
        assert sum(sent) == size
        got: list[int] = []
        storage.get(self.below(base, "a"), tmp_path / "copy", got.append)
        assert sum(got) == size

    def test_puts_at_the_same_time_leave_one_of_them_whole(self, storage: Storage, base: str) -> None:
        contents = [bytes([65 + n]) * (1 << 18) for n in range(4)]

        def put(content: bytes) -> None:
            # where nothing can be renamed, a writer may see that another one was faster
            with nullcontext() if storage.capabilities.rename else suppress(Unavailable):
                storage.put(content, self.below(base, "a"))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, contents))
        assert storage.read(self.below(base, "a")) in contents
        assert list(storage.list(base)) == ["a"]

    def test_a_file_that_cannot_be_read_leaves_nothing(
        self, storage: Storage, base: str, tmp_path: Path
    ) -> None:
        with pytest.raises(EngineError):
            storage.send(tmp_path / "nothing", self.below(base, "a"))
        assert storage.stat(self.below(base, "a")) is None
        assert list(storage.list(base)) == []

    def test_what_cannot_be_presigned_is_refused_and_what_can_is_a_leave(
        self, storage: Storage, base: str
    ) -> None:
        url = self.below(base, "a")
        storage.put(b"x", url)
        if not storage.capabilities.presign:
            with pytest.raises(BadRequest):
                storage.presign(url, "GET", 60.0)
            return
        grant = storage.presign(url, "GET", 60.0)
        assert (grant.url, grant.method) == (url, "GET")
        assert grant.use or grant.headers
