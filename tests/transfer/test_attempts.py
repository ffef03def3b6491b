"""Whole attempts with inputs and results on storages: what arrives, what is told, what is kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.node.conftest import Site, outputs, pythons, site, small_disk, wrapper
from tests.services.faulty_storage import (
    FLIP,
    FaultyStorage,
    black_hole,
    cut,
    stall,
    status,
)
from tests.services.granting import CLAIM, granting
from tests.transfer.conftest import DATA, sums
from wrappers import wire
from wrappers.transfer.tree import packed as tar_of

pytestmark = pytest.mark.whole

__all__ = ["site", "wrapper"]  # fixtures

QUICK = wire.Transfers(stall=0.5, budget=30.0, rounds=2)


def remote(storage: FaultyStorage, path: str = "/data", name: str = "data", **given: object) -> wire.Input:
    """An input at a storage."""
    return wire.Input("in", storage.url + quote(path), name, **given)  # type: ignore[arg-type]


def test_inputs_come_from_storages_and_results_go_there(site: Site, storage: FaultyStorage) -> None:
    report = site.one(
        "cp data out; mkdir d; cp data d/x; echo done",
        inputs=[remote(storage, size=len(DATA), adler32=sums(DATA)["adler32"])],
        outputs=outputs(out="out", tree="d"),
        outputs_to=storage.url + "/attempt",
        transfers=QUICK,
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    (staged,) = report.inputs
    assert (staged.size, staged.sha256, staged.fetched) == (len(DATA), sums(DATA)["sha256"], len(DATA))
    assert [one.error for one in staged.tried] == [""]
    out, tree = report.products
    assert (out.url, out.verified, out.sha256) == (
        f"{storage.url}/attempt/out",
        "adler32",
        sums(DATA)["sha256"],
    )
    assert storage.files["/attempt/out"] == DATA
    assert (tree.url, tree.packed, tree.directory) == (f"{storage.url}/attempt/d.tar", True, True)
    packed = storage.files["/attempt/d.tar"]
    assert (tree.size, tree.sha256) == (len(packed), hashlib.sha256(packed).hexdigest())
    assert site.leftovers() == []


def test_many_files_come_and_go_at_a_time(site: Site, storage: FaultyStorage) -> None:
    for number in range(50):
        storage.files[f"/many/{number}"] = b"%d" % number
    inputs = [remote(storage, f"/many/{number}", f"in/{number}") for number in range(50)]
    report = site.one(
        "cp -r in out",
        inputs=inputs,
        outputs=outputs(o="out/*"),
        outputs_to=storage.url + "/a",
        transfers=QUICK,
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    assert [one.name for one in report.inputs] == [f"in/{number}" for number in range(50)]
    assert {path: data for path, data in storage.files.items() if path.startswith("/a/")} == {
        f"/a/out/{number}": b"%d" % number for number in range(50)
    }


def test_a_packed_input_becomes_a_directory(site: Site, storage: FaultyStorage, tmp_path: Path) -> None:
    (tmp_path / "é").mkdir()
    (tmp_path / "é" / "x y").write_bytes(DATA)
    with tarfile.open(tmp_path / "t.tar", "w") as packed:
        packed.add(tmp_path / "é", "é")
    storage.files["/t.tar"] = (tmp_path / "t.tar").read_bytes()
    report = site.one(
        "cmp subject/é/* other && ls -d subject/é/*",
        inputs=[remote(storage, "/t.tar", "subject", packed=True), remote(storage, name="other")],
        transfers=QUICK,
    )
    assert report.outcome == wire.SUCCEEDED, report.message + site.log(report, "err")
    assert report.inputs[0].size == len(DATA)
    assert site.log(report) == "subject/é/x y\n"


def test_links_to_what_is_in_a_packed_input_stay_links(
    site: Site, storage: FaultyStorage, tmp_path: Path
) -> None:
    (tmp_path / "d/deep").mkdir(parents=True)
    (tmp_path / "d/deep/x").write_bytes(DATA)
    (tmp_path / "d/link").symlink_to("deep/x")
    (tmp_path / "d/nowhere").symlink_to("missing")
    os.mkfifo(tmp_path / "d/pipe")
    storage.files["/t.tar"] = b"".join(map(bytes, tar_of(str(tmp_path / "d")).pieces()))
    report = site.one(
        "readlink in/link; ls in; cmp in/link in/deep/x",
        inputs=[remote(storage, "/t.tar", "in", packed=True)],
        transfers=QUICK,
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    assert site.log(report) == "deep/x\ndeep\nlink\n"


@pytest.mark.parametrize(
    "kind",
    ["link", "climbing link", "round", "loop", "device", "climbing", "absolute", "twice", "damaged"],
)
def test_a_tar_that_is_no_directory_of_files_is_refused(
    site: Site, storage: FaultyStorage, tmp_path: Path, kind: str
) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as packed:
        entry = tarfile.TarInfo({"climbing": "a/../../x", "absolute": "/x"}.get(kind, "x"))
        if kind == "link":
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        if kind == "climbing link":
            entry.type, entry.linkname = tarfile.SYMTYPE, "../input_params.json"
        if kind == "loop":
            entry.type, entry.linkname = tarfile.SYMTYPE, "x"
        if kind == "round":  # by their names alone, these stay inside
            for name, kept in (("a", tarfile.DIRTYPE), ("a/b", tarfile.DIRTYPE)):
                above = tarfile.TarInfo(name)
                above.type = kept
                packed.addfile(above)
            above = tarfile.TarInfo("a/b/top")
            above.type, above.linkname = tarfile.SYMTYPE, "../../a"
            packed.addfile(above)
            entry.type, entry.linkname = tarfile.SYMTYPE, "a/b/top/../../../input_params.json"
        if kind == "device":
            entry.type = tarfile.CHRTYPE
        packed.addfile(entry)
        if kind == "twice":
            packed.addfile(entry)
    data = (tmp_path / "t.tar").read_bytes()
    storage.files["/t.tar"] = b"x" * 512 + data if kind == "damaged" else data
    report = site.one("true", inputs=[remote(storage, "/t.tar", "subject", packed=True)], transfers=QUICK)
    assert (report.failure, "the tar cannot be unpacked" in report.message) == (wire.INPUT, True)
    assert site.leftovers() == []


def test_an_input_that_nobody_has_fails_with_all_that_was_tried(site: Site, storage: FaultyStorage) -> None:
    storage.always["GET"] = status(503)
    missing = remote(storage, "/x", "x")._replace(replicas=[storage.url + "/y", "http://127.0.0.1:1/z"])
    report = site.one("true", inputs=[remote(storage, "/data", "fine"), missing], transfers=QUICK)
    assert (report.outcome, report.failure, report.exit_code) == (wire.FAILED, wire.INPUT, None)
    assert "status 503" in report.message
    assert len(report.tried) >= 2
    assert site.leftovers() == []


def test_a_failing_input_ends_the_others(site: Site, storage: FaultyStorage) -> None:
    with black_hole() as url:
        stuck = [wire.Input("in", f"{url}/{number}", f"stuck{number}") for number in range(7)]
        report = site.one(
            "true",
            inputs=[*stuck, remote(storage, "/nothing")],
            transfers=wire.Transfers(stall=600.0, budget=600.0),
        )
    assert (report.failure, "status 404" in report.message) == (wire.INPUT, True)


def test_two_inputs_of_one_name_are_refused(site: Site, storage: FaultyStorage) -> None:
    report = site.one("true", inputs=[remote(storage), remote(storage)])
    assert (report.failure, "already taken" in report.message) == (wire.ENGINE, True)


def test_a_disk_that_fills_while_inputs_come_is_the_nodes_fault(site: Site, storage: FaultyStorage) -> None:
    disk = site.root / "disk"
    disk.mkdir()
    site.node = site.node._replace(scratch=str(disk))
    manifest = site.manifest("true", inputs=[remote(storage, size=len(DATA))], transfers=QUICK)
    subprocess.run([*small_disk("1m"), str(disk), *site.command([manifest])], check=True)
    report = site.report(manifest)
    assert (report.failure, "no space left" in report.message) == (wire.NODE, True)


def test_a_result_goes_to_the_next_place(site: Site, storage: FaultyStorage, other: FaultyStorage) -> None:
    storage.always["PUT"] = status(507)
    report = site.one(
        "echo result > out",
        outputs=outputs(o="out"),
        outputs_to=storage.url + "/a",
        outputs_also=[other.url + "/b", "sandbox:"],
        transfers=QUICK,
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    (product,) = report.products
    assert product.url == other.url + "/b/out"
    assert ["507" in one.error for one in product.tried] == [True, False]


def test_each_result_goes_where_it_is_taken(site: Site, storage: FaultyStorage, other: FaultyStorage) -> None:
    storage.faults["PUT"] = [status(507)]
    report = site.one(
        "echo 1 > x; echo 2 > y",
        outputs=outputs(x="x", y="y"),
        outputs_to=storage.url + "/a",
        outputs_also=[other.url + "/b"],
        transfers=QUICK._replace(parallel=1),
    )
    assert [product.url for product in report.products] == [other.url + "/b/x", storage.url + "/a/y"]


def test_small_results_come_beside_the_report_where_no_storage_takes_them(
    site: Site, storage: FaultyStorage
) -> None:
    storage.always["PUT"] = status(500)
    report = site.one(
        "printf 123 > 'é 1'; mkdir d; printf 4 > d/x",
        outputs=outputs(o="é 1", d="d"),
        outputs_to=storage.url + "/a",
        outputs_also=["sandbox:"],
        transfers=QUICK,
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    file, tree = report.products
    assert (file.url, tree.url) == ("sandbox:" + quote("é 1"), "sandbox:d.tar")
    with tarfile.open(site.into / f"{report.attempt}.results.tar") as packed:
        assert packed.getnames() == ["é 1", "d.tar"]
        content = packed.extractfile("é 1")
        assert content is not None
        assert content.read() == b"123"
    assert "500" in file.tried[0].error


def test_results_may_have_no_other_place_than_beside_the_report(site: Site) -> None:
    report = site.one("echo 1 > out", outputs=outputs(o="out"), outputs_to="sandbox:", transfers=QUICK)
    assert report.outcome == wire.SUCCEEDED, report.message
    assert report.products[0].url == "sandbox:out"


def test_results_that_nobody_takes_are_kept(site: Site, storage: FaultyStorage) -> None:
    storage.always["PUT"] = status(403)
    report = site.one(
        "echo precious > out",
        outputs=outputs(o="out"),
        outputs_to=storage.url + "/a",
        outputs_also=["http://127.0.0.1:1/b", "sandbox:"],
        transfers=QUICK._replace(sandbox=3, budget=3.0),
    )
    assert (report.outcome, report.failure) == (wire.FAILED, wire.OUTPUT)
    assert (Path(report.kept) / "out").read_text() == "precious\n"
    assert {one.url for one in report.tried} == {storage.url + "/a/out", "http://127.0.0.1:1/b/out"}


def test_a_place_that_comes_back_is_waited_for(site: Site, storage: FaultyStorage) -> None:
    storage.faults["PUT"] = [status(500)] * 3
    site.environment["PYTHONWARNINGS"] = "error"
    report = site.one(
        "echo precious > out",
        outputs=outputs(o="out"),
        outputs_to=storage.url + "/a",
        transfers=QUICK._replace(rounds=4),
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    assert storage.files["/a/out"] == b"precious\n"


def test_a_full_directory_of_results_is_left_for_a_storage(site: Site, storage: FaultyStorage) -> None:
    disk = site.root / "disk"
    disk.mkdir()
    manifest = site.manifest(
        "head -c 300000 /dev/urandom > a; head -c 3000000 /dev/urandom > b",
        outputs=outputs(a="a", b="b"),
        outputs_to=(disk / "results").as_uri(),
        outputs_also=[storage.url + "/a"],
        transfers=QUICK,
    )
    subprocess.run([*small_disk("1m"), str(disk), *site.command([manifest])], check=True)
    report = site.report(manifest)
    assert report.outcome == wire.SUCCEEDED, report.message
    assert [len(storage.files[f"/a/{name}"]) for name in "ab"] == [300000, 3000000]


def test_results_that_were_moved_before_a_place_failed_are_found_again(
    site: Site, storage: FaultyStorage
) -> None:
    (site.results / "moved").mkdir(parents=True)
    (site.results / "moved" / "b").write_text("a file where a directory is needed")
    report = site.one(
        "echo 1 > a; mkdir b; echo 2 > b/x",
        attempt="moved",
        outputs=outputs(a="a", b="b/x"),
        outputs_also=[storage.url + "/a"],
        transfers=QUICK,
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    assert storage.files["/a/a"] == b"1\n"
    assert storage.files["/a/b/x"] == b"2\n"


def test_a_killed_wrapper_leaves_the_next_attempt_alone(site: Site, storage: FaultyStorage) -> None:
    storage.faults["PUT"] = [stall(1_000_000)]
    given = {"outputs": outputs(o="out"), "transfers": wire.Transfers(stall=60.0)}
    command = "head -c 20000000 /dev/zero > out"
    first = site.manifest(command, outputs_to=storage.url + "/first", **given)
    process = site.start(first)
    while storage.count("PUT") == 0:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    report = site.one(command, outputs_to=storage.url + "/second", **given)
    assert report.outcome == wire.SUCCEEDED, report.message
    assert storage.files["/second/out"] == bytes(20_000_000)
    assert "/first/out" not in storage.files


def test_a_wrapper_that_is_told_to_end_ends_while_files_move(site: Site, storage: FaultyStorage) -> None:
    storage.always["GET"] = stall(1000)
    inputs = [remote(storage, name=f"data{number}") for number in range(3)]
    manifest = site.manifest("true", inputs=inputs, transfers=wire.Transfers(stall=600.0))
    process = site.start(manifest)
    while storage.count("GET") < 3:
        time.sleep(0.01)
    process.terminate()
    process.wait(30)
    assert site.report(manifest).failure == wire.CANCELLED
    assert site.leftovers() == []


def test_a_claim_is_used_and_never_seen_by_the_tool(site: Site, storage: FaultyStorage) -> None:
    storage.tokens = {"granted"}

    def grant(want: wire.Want) -> wire.Grant:
        return wire.Grant(want.url, want.method, headers={"Authorization": "Bearer granted"})

    site.environment.update(BEARER_TOKEN="of-the-site", X509_USER_PROXY="/of/the/site")
    with granting(grant) as point:
        manifest = site.manifest(
            f"env; grep -r {CLAIM[:-2]}''{CLAIM[-2:]} . {site.into}; ls -A {site.into} . > out",
            inputs=[remote(storage)],
            outputs=outputs(o="out"),
            outputs_to=storage.url + "/a",
            exchange=point.url,
            transfers=QUICK,
        )
        site.into.mkdir()
        claim = site.into / f"{manifest.attempt}.claim"
        claim.write_text(CLAIM)
        claim.chmod(0o600)
        (report,) = site.run(manifest)
    assert report.outcome == wire.SUCCEEDED, report.message
    seen = site.log(report) + storage.files["/a/out"].decode()
    assert CLAIM not in seen
    assert ".claim" not in seen
    assert "of-the-site" not in seen
    assert "/of/the/site" not in seen
    told = (site.into / f"{report.attempt}.report.json").read_text()
    assert CLAIM not in told
    assert "granted" not in told
    assert site.leftovers() == []


def test_claims_may_come_in_one_file(site: Site, storage: FaultyStorage) -> None:
    storage.tokens = {"granted"}

    def grant(want: wire.Want) -> wire.Grant:
        return wire.Grant(want.url, want.method, headers={"Authorization": "Bearer granted"})

    with granting(grant) as point:
        manifest = site.manifest("true", inputs=[remote(storage)], exchange=point.url, transfers=QUICK)
        claims = site.root / "claims.json"
        claims.write_text(json.dumps({manifest.attempt: CLAIM, "another": "claim"}))
        subprocess.run(site.command([manifest], "--claims", str(claims)), check=True)
    assert site.report(manifest).outcome == wire.SUCCEEDED, site.report(manifest).message
    assert not claims.exists()


def test_secrets_in_urls_are_not_told(site: Site, storage: FaultyStorage) -> None:
    storage.always["GET"] = status(404)
    wanted = wire.Input("in", f"{storage.url}/x?token=verysecret", "x")
    report = site.one("true", inputs=[wanted], transfers=QUICK)
    assert report.failure == wire.INPUT
    assert "verysecret" not in (site.into / f"{report.attempt}.report.json").read_text()


@pytest.fixture
def cached(site: Site) -> Site:
    """A site with a cache of inputs."""
    site.node = site.node._replace(inputs=str(site.root / "cache"), inputs_size=2 * len(DATA) + 10)
    return site


def test_an_input_comes_once_for_all_jobs_of_a_node(cached: Site, storage: FaultyStorage) -> None:
    wanted = remote(storage, size=len(DATA), adler32=sums(DATA)["adler32"])
    for hit in (False, True):
        report = cached.one("echo changed >> data", inputs=[wanted], transfers=QUICK)
        assert report.outcome == wire.SUCCEEDED, report.message
        (staged,) = report.inputs
        assert (staged.cached, staged.sha256) == (hit, sums(DATA)["sha256"])
        assert staged.fetched == (0 if hit else len(DATA))
    assert storage.count("GET") == 1


def test_jobs_that_start_together_fetch_an_input_once(cached: Site, storage: FaultyStorage) -> None:
    wanted = remote(storage, sha256=sums(DATA)["sha256"])
    manifests = [cached.manifest("true", inputs=[wanted], transfers=QUICK) for _ in range(4)]
    running = []
    for number, manifest in enumerate(manifests):
        own = dataclasses.replace(cached, root=cached.root / str(number))
        own.root.mkdir()
        running.append((own, manifest, own.start(manifest)))
    for own, manifest, process in running:
        assert process.wait(60) == 0
        assert own.report(manifest).outcome == wire.SUCCEEDED
    assert storage.count("GET") == 1


def test_a_damaged_file_of_the_cache_is_fetched_anew(cached: Site, storage: FaultyStorage) -> None:
    wanted = remote(storage, sha256=sums(DATA)["sha256"])
    cached.one("true", inputs=[wanted], transfers=QUICK)
    (kept,) = (path for path in Path(cached.node.inputs).rglob("content"))
    kept.write_bytes(DATA[::-1])
    report = cached.one("cat data", inputs=[wanted], transfers=QUICK)
    assert (report.inputs[0].cached, report.inputs[0].sha256) == (False, sums(DATA)["sha256"])
    assert (cached.into / f"{report.attempt}.out").read_bytes() == DATA


def test_the_cache_holds_no_more_than_it_may(cached: Site, storage: FaultyStorage) -> None:
    for number in range(4):
        data = bytes([number]) * len(DATA)
        storage.files[f"/{number}"] = data
        wanted = remote(storage, f"/{number}", sha256=sums(data)["sha256"])
        assert cached.one("true", inputs=[wanted], transfers=QUICK).outcome == wire.SUCCEEDED
    kept = [path.read_bytes()[0] for path in Path(cached.node.inputs).rglob("content")]
    assert sorted(kept) == [2, 3]


def test_a_cache_that_cannot_be_written_is_done_without(site: Site, storage: FaultyStorage) -> None:
    site.node = site.node._replace(inputs="/proc/no/such/place")
    report = site.one("true", inputs=[remote(storage, sha256=sums(DATA)["sha256"])], transfers=QUICK)
    assert report.outcome == wire.SUCCEEDED, report.message
    assert not report.inputs[0].cached


def test_a_job_whose_files_are_all_here_does_not_load_what_moves_them(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("content")
    wanted = wire.Input("in", (tmp_path / "data").as_uri(), "data")
    manifest = site.manifest("cp data out", inputs=[wanted], outputs=outputs(o="out"))
    python, *rest = site.command([manifest])
    done = subprocess.run([python, "-X", "importtime", *rest], capture_output=True, text=True, check=True)
    assert site.report(manifest).outcome == wire.SUCCEEDED
    assert "wrappers.node.deliver" in done.stderr
    for name in ("wrappers.transfer", "wrappers.node.remote", "http.client", "ssl"):
        assert name not in done.stderr


@pytest.mark.parametrize("python", pythons(), ids=lambda path: path.name)
def test_every_python_moves_files(site: Site, storage: FaultyStorage, python: Path) -> None:
    site.python = python
    site.environment["LC_ALL"] = "C"
    storage.files["/été.txt"] = DATA
    storage.faults["GET"] = [cut(2_000_000), FLIP]
    storage.faults["PUT"] = [status(503), FLIP]
    report = site.one(
        "mkdir sortie; cp été.txt sortie/é; cp été.txt 'copie é'",
        inputs=[remote(storage, "/été.txt", "été.txt", sha256=sums(DATA)["sha256"])],
        outputs=outputs(o="copie é", d="sortie"),
        outputs_to=storage.url + "/a",
        transfers=QUICK._replace(rounds=3),
    )
    print(f"{python}: {report.host['python']}")
    assert report.outcome == wire.SUCCEEDED, report.message
    assert storage.files["/a/copie é"] == DATA
    assert storage.files["/a/sortie.tar"]
