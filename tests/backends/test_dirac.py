"""The back-end for DIRAC's services, and files at lfn:, on a whole DIRAC with its pilots."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from engine.backends.dirac.backend import DiracBackend, DiracSettings
from engine.backends.wms.jdl import JobRequirements
from engine.backends.wms.settings import GridSettings
from engine.catalogues.dirac import DiracCatalogue
from engine.dirac.client import bridge
from engine.dirac.names import name_of
from engine.dirac.settings import CatalogueSettings, DiracClientSettings
from engine.domain.file_urls import to_url
from engine.errors import BadRequest, CredentialExpired, EngineError
from engine.ports import Accepted, Backend, Rejected, Seen, Storage
from engine.storages.lfn import LfnStorage
from engine.storages.sections import StorageSettings
from engine.testing.contracts.backend import BackendContract
from engine.testing.contracts.storage import StorageContract
from tests.services.legacy.server import Dirac
from wrappers.transfer.checksums import Hasher
from wrappers.wire import Node

pytestmark = [pytest.mark.service, pytest.mark.dirac_grid, pytest.mark.timeout(1800)]


def client(dirac: Dirac) -> DiracClientSettings:
    """As somebody would set it who has a file to source."""
    return DiracClientSettings((), dirac.rc, dirac.proxy)


def settings(dirac: Dirac, **more: object) -> DiracSettings:
    """For somebody who is in a hurry."""
    usual = {"poll_interval": 1.0, "settled_after": 10.0, "shared_files": True}
    grid = GridSettings(Node(), **{**usual, **more})  # type: ignore[arg-type]
    return DiracSettings(client(dirac), grid)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that jobs may write to, whoever runs them."""
    for path in (tmp_path, tmp_path / "place"):
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
    return tmp_path / "place"


class TestDirac(BackendContract):
    shows_logs = False
    reports_cancelled = False
    patience = 300.0

    @pytest.fixture
    def backend(self, dirac: Dirac) -> Backend:
        return DiracBackend("dirac", settings(dirac))

    @pytest.fixture
    def outputs(self, place: Path) -> str:
        return to_url(place / "outputs")

    def test_a_bad_item_does_not_sink_the_batch(self, dirac: Dirac, outputs: str) -> None:
        backend = DiracBackend("dirac", settings(dirac, requirements=JobRequirements(job_type="Nonsense")))
        answers = backend.submit([self.item(outputs, "true") for _ in range(3)])
        assert [type(answer) for answer in answers] == [Rejected] * 3, answers
        good = DiracBackend("dirac", replace(settings(dirac), parametric=False))
        assert isinstance(good.submit([self.item(outputs, "true")])[0], Accepted)

    def test_another_client_finds_jobs_and_knows_their_story(self, dirac: Dirac, outputs: str) -> None:
        first, second = (DiracBackend("dirac", settings(dirac)) for _ in range(2))
        items = [self.item(outputs, "true", execution="story") for _ in range(3)]
        answers = first.submit(items)
        found = second.find("story", [item.key for item in items])
        assert [found[i.key] for i in items] == [[a.native_id] for a in answers if isinstance(a, Accepted)]
        story = second.history(found[items[0].key][0])
        assert story[0][1].startswith("Submitting")
        assert all(at > 1e9 for at, _ in story)

    def test_a_job_that_an_administrator_removes_is_absent_and_not_finished(
        self, dirac: Dirac, outputs: str
    ) -> None:
        backend = DiracBackend("dirac", settings(dirac, requirements=JobRequirements(tags=("NoSuchTag",))))
        native_id = self.start(backend, self.item(outputs, "true"))
        self.wait(backend, native_id, Seen.QUEUED)
        dirac.run("python", "-c", _REMOVE, native_id)
        other = DiracBackend("dirac", settings(dirac))
        assert list(other.observe([native_id])) == []

    def test_who_has_no_proxy_learns_how_to_log_in(self, dirac: Dirac, tmp_path: Path) -> None:
        backend = DiracBackend(
            "dirac", DiracSettings(DiracClientSettings((), dirac.rc, tmp_path / "none"), GridSettings(Node()))
        )
        with pytest.raises(CredentialExpired, match="engine login"):
            backend.check()

    def test_who_is_in_another_group_is_told(self, dirac: Dirac) -> None:
        with pytest.raises(CredentialExpired, match=r"for group biomed_user, not other.*dirac\.group"):
            DiracBackend("dirac", settings(dirac, group="other")).check()


_REMOVE = """
import sys
from DIRAC import initialize
initialize()
from DIRAC.WorkloadManagementSystem.Client.WMSClient import WMSClient
for act in (WMSClient().deleteJob, WMSClient().removeJob):
    print(act([int(sys.argv[1])]))
"""


_METADATA = """
import json, sys
from DIRAC import initialize
initialize()
from DIRAC.Resources.Catalog.FileCatalogClient import FileCatalogClient
print(json.dumps(FileCatalogClient().getFileUserMetadata(sys.argv[1])["Value"]))
"""


class TestLfn(StorageContract):
    moves = False
    ODD_NAMES = tuple(name for name in StorageContract.ODD_NAMES if len(name) < 128)

    @pytest.fixture
    def storage(self, dirac: Dirac) -> Storage:
        return LfnStorage(StorageSettings(dirac=CatalogueSettings(client(dirac), (dirac.element,))))

    @pytest.fixture
    def base(self, dirac: Dirac, storage: Storage) -> Iterator[str]:
        url = f"lfn:{dirac.home}/{uuid.uuid4().hex}"
        yield url
        storage.delete(url)

    def labels(self, storage: Storage, url: str) -> Mapping[str, str]:
        known: dict[str, str] = json.loads(self._dirac.run("python", "-c", _METADATA, name_of(url)))
        return known

    @pytest.fixture(autouse=True)
    def names_that_are_kept(self, dirac: Dirac) -> None:
        self._dirac = dirac
        if dirac.generation == 8:
            self.ODD_NAMES = tuple(name for name in type(self).ODD_NAMES if "'" not in name)

    @pytest.mark.parametrize("dirac", [9], indirect=True)
    def test_a_directory_may_have_an_odd_name(self, storage: Storage, base: str) -> None:
        super().test_a_directory_may_have_an_odd_name(storage, base)

    @pytest.mark.parametrize("dirac", [8], indirect=True)
    @pytest.mark.parametrize("name", ["quote'", 'quote"', "日本"])
    def test_a_name_that_dirac_8_would_lose_is_refused(self, storage: Storage, base: str, name: str) -> None:
        with pytest.raises(BadRequest, match="DIRAC 8 keeps no names with quotes or beyond Latin-1"):
            storage.put(b"x", self.below(base, name, "x"))

    # DIRAC keeps no empty files

    def test_an_empty_file_is_a_file(self, storage: Storage, base: str, tmp_path: Path) -> None:
        with pytest.raises(BadRequest, match="keeps no empty files"):
            storage.put(b"", f"{base}/empty")

    def test_a_directory_is_got_with_all_it_holds(self, storage: Storage, base: str, tmp_path: Path) -> None:
        storage.put(b"x", f"{base}/dir/x")
        storage.put(b"y", f"{base}/dir/sub/deeper/y")
        storage.get(f"{base}/dir", tmp_path / "copy")
        found = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")}
        assert found == {"x", "sub", "sub/deeper", "sub/deeper/y"}

    def test_a_directory_tells_what_its_names_are(self, storage: Storage, base: str) -> None:
        storage.put(b"four", f"{base}/dir/file")
        storage.put(b"x", f"{base}/dir/sub/x")
        assert isinstance(storage, LfnStorage)
        entries = storage.entries(f"{base}/dir")
        assert {name: stat.directory for name, stat in entries.items()} == {"file": False, "sub": True}
        assert entries["file"].size == 4

    @pytest.mark.parametrize("algorithm", ["adler32", "md5", "sha256"])
    def test_every_checksum_is_told(self, storage: Storage, base: str, algorithm: str) -> None:
        hasher = Hasher([algorithm])
        hasher.update(b"content")
        storage.put(b"content", f"{base}/a")
        assert storage.checksum(f"{base}/a", algorithm) == hasher.results()[algorithm]

    def test_puts_at_the_same_time_leave_one_of_them_whole(self, storage: Storage, base: str) -> None:
        # DIRAC promises less: two writers of one name may spoil it. What was spoilt is told, and never given.
        contents = [bytes([65 + n]) * (1 << 18) for n in range(4)]

        def put(content: bytes) -> None:
            with suppress(EngineError):
                storage.put(content, f"{base}/a")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, contents))
        with suppress(EngineError):
            assert storage.read(f"{base}/a") in contents

    # and more

    def test_the_same_content_may_have_two_names(self, storage: Storage, base: str) -> None:
        storage.put(b"twice", f"{base}/one")
        storage.put(b"twice", f"{base}/two")
        assert storage.list(base) == ["one", "two"]

    def test_a_storage_element_that_does_not_take_it_is_passed_over(self, dirac: Dirac, base: str) -> None:
        grid = CatalogueSettings(client(dirac), ("NO-SUCH-SE", dirac.element))
        storage = LfnStorage(StorageSettings(dirac=grid))
        storage.put(b"content", f"{base}/a")
        assert storage.read(f"{base}/a") == b"content"

    def test_a_file_that_no_element_takes_is_told(self, dirac: Dirac, base: str) -> None:
        storage = LfnStorage(StorageSettings(dirac=CatalogueSettings(client(dirac), ("NO-SUCH-SE",))))
        with pytest.raises(EngineError, match="Failed to upload"):
            storage.put(b"content", f"{base}/a")

    def test_the_file_catalogue_knows_what_was_stored(
        self, dirac: Dirac, storage: Storage, base: str
    ) -> None:
        storage.put(b"content", f"{base}/with space")
        name = f"{base.removeprefix('lfn:')}/with space"
        catalogue = DiracCatalogue(bridge(client(dirac)))
        found = catalogue.lookup([name, f"{name}.no", dirac.home])
        assert list(found) == [name]
        entry = found[name]
        assert (entry.size, entry.checksums) == (7, {"adler32": "0bcb02fc"})
        assert entry.replicas[-1] == f"{base}/with%20space"
        assert catalogue.register([entry]) == {}
        assert catalogue.list(base.removeprefix("lfn:")) == [name]
        catalogue.remove([name])
        assert catalogue.lookup([name]) == {}
