"""Inputs as a node takes them, in this process: whatever tells the right file refuses another."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.leftovers import SERVERS, nothing_left
from tests.services.faulty_storage import FaultyStorage, faulty_storage
from wrappers import wire
from wrappers.node import inputs
from wrappers.node.failure import AttemptFailed

DATA = b"the right file\n"
OTHER = b"the wrong file\n"
SUMS = {
    "sha256": hashlib.sha256(DATA).hexdigest(),
    "md5": hashlib.md5(DATA).hexdigest(),
    "adler32": f"{zlib.adler32(DATA):08x}",
}
assert len(DATA) == len(OTHER)
Stage = Callable[..., inputs.StageIn]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The file that is wanted."""
    path = tmp_path / "source" / "in.txt"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The directory of the job."""
    path = tmp_path / "work" / "job"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def stage(tmp_path: Path, job: Path) -> Stage:
    """Stage inputs into the job's directory; what was begun for it has ended when it returns."""

    def go(*wanted: wire.Input, node: wire.Node = wire.Node()) -> inputs.StageIn:  # noqa: B008 - immutable
        transfers = wire.Transfers(rounds=1, stall=2.0, budget=20.0)
        manifest = wire.Manifest("a", "e:1", "e", "true", "", inputs=list(wanted), transfers=transfers)
        with nothing_left(tmp_path, SERVERS):
            return inputs.stage(manifest, str(job), node, "", str(tmp_path / "beside"))

    return go


def refused(stage: Stage, *wanted: wire.Input) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        stage(*wanted)
    return caught.value


def an_input(path: Path, **given: Any) -> wire.Input:
    return wire.Input("scan", path.as_uri(), given.pop("name", "in.txt"), **given)


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize(
    "kinds", [["sha256"], ["md5"], ["adler32"], ["md5", "adler32"], list(SUMS)], ids="+".join
)
def test_a_file_with_the_right_sums_is_taken(
    stage: Stage, source: Path, job: Path, kinds: list[str], upper: bool
) -> None:
    if upper and "sha256" in kinds:
        pytest.skip("ours is always written in small letters")
    sums = {kind: SUMS[kind].upper() if upper else SUMS[kind] for kind in kinds}
    staged = stage(an_input(source, size=len(DATA), **sums))
    assert (job / "in.txt").read_bytes() == DATA
    [one] = staged.staged
    assert (one.size, one.sha256) == (len(DATA), SUMS["sha256"])
    assert staged.sums == {"in.txt": SUMS["sha256"]}


@pytest.mark.parametrize(
    "kinds", [["sha256"], ["md5"], ["adler32"], ["md5", "adler32"], list(SUMS)], ids="+".join
)
def test_another_file_of_the_same_size_is_refused_by_each_kind_of_sum(
    stage: Stage, source: Path, kinds: list[str]
) -> None:
    """Without it, a job computes with the data of another patient, and nobody sees it."""
    source.write_bytes(OTHER)
    failure = refused(stage, an_input(source, size=len(DATA), **{kind: SUMS[kind] for kind in kinds}))
    assert failure.kind == wire.INPUT
    assert any(f"{kind} " in str(failure) for kind in kinds), str(failure)


@pytest.mark.parametrize("wrong", ["md5", "adler32"])
def test_each_of_several_sums_is_compared(stage: Stage, source: Path, wrong: str) -> None:
    given = {"md5": SUMS["md5"], "adler32": SUMS["adler32"], wrong: "0" * len(SUMS[wrong])}
    assert f"its {wrong} is" in str(refused(stage, an_input(source, **given)))


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
def test_a_file_of_another_size_is_refused(stage: Stage, source: Path, size: int) -> None:
    failure = refused(stage, an_input(source, size=size))
    assert (failure.kind, failure.cause) == (wire.INPUT, "input-changed")
    assert f"has {len(DATA)} bytes, but {size} were planned" in str(failure)


def test_an_empty_file_has_a_size_too(stage: Stage, source: Path) -> None:
    assert f"has {len(DATA)} bytes, but 0 were planned" in str(refused(stage, an_input(source, size=0)))
    source.write_bytes(b"")
    os.unlink(stage_target(source))
    assert stage(an_input(source, size=0)).staged[0].size == 0


def stage_target(source: Path) -> Path:
    return source.parents[1] / "work" / "job" / "in.txt"


def test_a_directory_comes_with_the_sum_of_each_of_its_files(stage: Stage, source: Path, job: Path) -> None:
    (source.parent / "deep").mkdir()
    (source.parent / "deep" / "b").write_bytes(b"b")
    (source.parent / "gone").symlink_to("nowhere")
    staged = stage(an_input(source.parent, name="scans"))
    assert (job / "scans/in.txt").read_bytes() == DATA
    assert staged.sums == {
        "scans/in.txt": SUMS["sha256"],
        "scans/deep/b": hashlib.sha256(b"b").hexdigest(),
    }
    [one] = staged.staged
    assert (one.size, one.left_out) == (len(DATA) + 1, ["gone (a link that leads nowhere)"])


def test_no_more_than_a_hundred_lines_tell_what_was_left_out(stage: Stage, source: Path) -> None:
    for number in range(101):
        (source.parent / f"gone-{number}").symlink_to("nowhere")
    assert len(stage(an_input(source.parent, name="scans")).staged[0].left_out) == 100


@pytest.mark.parametrize("levels", [64, 65])
def test_a_directory_may_have_so_many_levels(stage: Stage, tmp_path: Path, levels: int) -> None:
    top = tmp_path / "deep"
    deepest = top.joinpath(*["d"] * levels)
    deepest.mkdir(parents=True)
    (deepest / "f").write_bytes(b"f")
    if levels == 64:
        assert stage(an_input(top, name="deep")).staged[0].size == 1
    else:
        assert "has more than 64 levels of directories" in str(refused(stage, an_input(top, name="deep")))


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda path: None, wire.INPUT, "No such file or directory"),
        (lambda path: os.mkfifo(path), wire.INPUT, "is neither a file nor a directory"),
        (lambda path: path.symlink_to(path.name), wire.INPUT, "fetching input scan from"),
    ],
    ids=["nothing", "a pipe", "a ring"],
)
def test_what_is_no_file_is_told(
    stage: Stage, tmp_path: Path, make: Callable[[Path], None], kind: str, words: str
) -> None:
    path = tmp_path / "odd"
    make(path)
    failure = refused(stage, an_input(path))
    assert failure.kind == kind
    assert words in str(failure)


@pytest.mark.parametrize("name", ["/etc/passwd", "../out", "a/../../out", "", ".//..", "a\0b"])
def test_an_input_never_leaves_the_directory_of_its_job(stage: Stage, source: Path, name: str) -> None:
    failure = refused(stage, an_input(source, name=name))
    assert failure.kind == wire.ENGINE
    assert "is not a path inside the job directory" in str(failure)


def test_two_inputs_of_one_name_are_refused_before_any_is_fetched(
    stage: Stage, source: Path, job: Path
) -> None:
    failure = refused(stage, an_input(source), an_input(source))
    assert (failure.kind, str(failure)) == (wire.ENGINE, "input scan: the name in.txt is already taken")
    assert list(job.iterdir()) == []


def test_an_input_below_the_name_of_another_is_refused(stage: Stage, source: Path) -> None:
    failure = refused(stage, an_input(source), an_input(source, name="in.txt/deeper"))
    assert failure.kind == wire.INPUT
    assert "making a directory for input scan" in str(failure)


def test_a_name_that_is_there_is_never_written_over(stage: Stage, source: Path, job: Path) -> None:
    (job / "in.txt").symlink_to("nowhere")
    assert "is already taken" in str(refused(stage, an_input(source)))
    assert os.readlink(job / "in.txt") == "nowhere"


def test_what_travels_with_the_manifest_is_found_beside_it(stage: Stage, tmp_path: Path, job: Path) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / f"{SUMS['sha256']}.input").write_bytes(DATA)
    wanted = wire.Input("scan", wire.SANDBOX + SUMS["sha256"], "in.txt", sha256=SUMS["sha256"])
    assert stage(wanted).staged[0].url == wanted.url, "not where it lay on this node"
    assert (job / "in.txt").read_bytes() == DATA


@pytest.fixture
def storage() -> Any:
    with faulty_storage() as running:
        running.files["/in.txt"] = DATA
        yield running


def test_inputs_come_in_the_order_of_the_manifest_wherever_they_lie(
    stage: Stage, source: Path, storage: FaultyStorage
) -> None:
    far = wire.Input("far", f"{storage.url}/in.txt", "far.txt")
    staged = stage(far, an_input(source), far._replace(id="last", name="last.txt"))
    assert [one.id for one in staged.staged] == ["far", "scan", "last"]
    assert [one.fetched for one in staged.staged] == [len(DATA), 0, len(DATA)]
    assert sorted(staged.sums) == ["far.txt", "in.txt", "last.txt"]


def test_another_replica_is_taken_where_the_first_is_gone(stage: Stage, source: Path, tmp_path: Path) -> None:
    wanted = an_input(tmp_path / "gone", replicas=[source.as_uri()])
    assert stage(wanted).staged[0].url == source.as_uri()


@pytest.mark.parametrize("good", [True, False])
def test_a_tar_is_unpacked_once_it_is_known_to_be_whole(
    stage: Stage, tmp_path: Path, job: Path, good: bool
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("in.txt")
        member.size = len(DATA)
        archive.addfile(member, io.BytesIO(DATA))
    path = tmp_path / "scans.tar"
    path.write_bytes(packed.getvalue())
    sha256 = hashlib.sha256(packed.getvalue()).hexdigest() if good else "0" * 64
    wanted = an_input(path, name="scans", packed=True, sha256=sha256)
    if good:
        staged = stage(wanted)
        assert (job / "scans/in.txt").read_bytes() == DATA
        assert staged.sums == {"scans/in.txt": SUMS["sha256"]}
        assert staged.staged[0].size == len(DATA)
    else:
        assert "its sha256 is" in str(refused(stage, wanted))
    assert sorted(os.listdir(job.parent)) == ["job"], "the tar is left beside the job"
    assert os.listdir(job) == (["scans"] if good else [])


@pytest.mark.parametrize(
    ("limit", "hits"),
    [(None, [False, True]), (len(DATA), [False, True]), (len(DATA) - 1, [False, False]), (0, [False, False])],
)
def test_a_cache_keeps_what_fits_and_nothing_larger(
    stage: Stage, storage: FaultyStorage, tmp_path: Path, job: Path, limit: int | None, hits: list[bool]
) -> None:
    node = wire.Node(inputs=str(tmp_path / "cache"), inputs_size=limit)
    wanted = wire.Input("far", f"{storage.url}/in.txt", "far.txt", size=len(DATA), md5=SUMS["md5"])
    seen = []
    for _ in range(2):
        seen.append(stage(wanted, node=node).staged[0].cached)
        os.unlink(job / "far.txt")
    assert seen == hits
    assert list(tmp_path.glob("cache/staging/*")) == []


def test_a_cache_that_cannot_be_written_is_done_without(
    stage: Stage, storage: FaultyStorage, tmp_path: Path, job: Path
) -> None:
    (tmp_path / "cache").write_text("in the way")
    wanted = wire.Input("far", f"{storage.url}/in.txt", "far.txt", sha256=SUMS["sha256"])
    assert not stage(wanted, node=wire.Node(inputs=str(tmp_path / "cache"))).staged[0].cached
    assert (job / "far.txt").read_bytes() == DATA
