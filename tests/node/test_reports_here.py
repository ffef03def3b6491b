"""Manifests as they are read, claims as they are taken, and reports as they are written: in this process."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from wrappers import wire
from wrappers.node import batch, claims, diagnosis, groups, procfs, reports, room, workdir
from wrappers.node.batch import UnreadableLine
from wrappers.node.failure import AttemptFailed, from_os
from wrappers.node.host import HostIdentity
from wrappers.node.stop import Stop

WHO = HostIdentity({"name": "n1"}, "f" * 64)


def manifest(**given: Any) -> wire.Manifest:
    return wire.Manifest(
        **{"attempt": "a1", "job": "e:1", "execution": "e", "command": "true", "outputs_to": "x", **given}
    )


def read(tmp_path: Path, *lines: str) -> list[Any]:
    path = tmp_path / "manifests.jsonl"
    path.write_text("\n".join(lines))
    return batch.read(str(path))


def test_each_line_is_a_manifest_and_empty_ones_are_none(tmp_path: Path) -> None:
    one, other = manifest(), manifest(attempt="a2")
    assert read(tmp_path, "", wire.dumps(one), " ", wire.dumps(other), "") == [one, other]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"attempt": "a1"}', "manifest: "),
        (
            wire.dumps(manifest(version=wire.MANIFEST_VERSION + 1)),
            f"version {wire.MANIFEST_VERSION + 1} is newer",
        ),
    ],
)
def test_a_line_that_is_no_manifest_costs_its_attempt_alone(tmp_path: Path, line: str, why: str) -> None:
    [found, other] = read(tmp_path, line, wire.dumps(manifest(attempt="a2")))
    assert isinstance(found, UnreadableLine)
    assert (found.attempt, why in found.why) == ("a1", True), found
    assert other.attempt == "a2"


@pytest.mark.parametrize("line", ["{", "[]", '{"attempt": 5}', '{"attempt": "../x"}', '{"attempt": ""}'])
def test_a_line_that_does_not_name_its_attempt_is_told_with_its_place(tmp_path: Path, line: str) -> None:
    with pytest.raises(wire.WireError, match=r"manifests\.jsonl line 2: "):
        read(tmp_path, "", line)


@pytest.mark.parametrize(
    ("attempt", "good"),
    [
        ("a", True),
        ("a" * 200, True),
        ("a" * 201, False),
        ("-a", False),
        (".a", False),
        ("a/b", False),
        ("a\n", False),
    ],
)
def test_an_attempt_has_a_name_that_a_file_can_have(tmp_path: Path, attempt: str, good: bool) -> None:
    line = wire.dumps(manifest(attempt=attempt))
    if good:
        assert read(tmp_path, line)[0].attempt == attempt
    else:
        with pytest.raises(wire.WireError):
            read(tmp_path, line)


def test_what_was_asked_to_end_before_it_began_is_reported_for_each(tmp_path: Path) -> None:
    """Without it, the engine waits for reports that nobody will write, and runs all once more."""
    stop = Stop()
    stop.requested = True
    lines: list[batch.ManifestLine] = [
        manifest(),
        UnreadableLine("a2", "manifest: odd"),
        manifest(attempt="a3"),
    ]
    batch.run(lines, wire.Node(site="S", scratch=str(tmp_path)), str(tmp_path), WHO, stop)
    found = {
        name: wire.loads(wire.Report, Path(reports.path(name, str(tmp_path))).read_text())
        for name in ("a1", "a2", "a3")
    }
    assert [(one.outcome, one.failure, one.cause) for one in found.values()] == [
        ("failed", "cancelled", "cancelled"),
        ("failed", "engine", "engine"),
        ("failed", "cancelled", "cancelled"),
    ]
    assert [one.message for one in found.values()] == [
        "cancelled before it started",
        "manifest: odd",
        "cancelled before it started",
    ]
    assert [one.manifest_sha256 for one in found.values()] == [
        wire.digest(lines[0]),
        "",
        wire.digest(lines[2]),
    ]
    assert found["a1"].host == {"name": "n1", "site": "S"}
    assert found["a1"].wrapper_sha256 == "f" * 64


def test_a_message_is_a_line_of_at_most_a_thousand_characters() -> None:
    assert reports.one_line(" a\n b\t c ") == "a b c"
    assert [len(reports.one_line("x" * length)) for length in (999, 1000, 1001)] == [999, 1000, 1000]


class Full:
    """A disk that is full until the logs make room."""

    def __init__(self, number: int, log: Path) -> None:
        self.number, self.log, self.tries = number, log, 0

    def __call__(self, path: str, text: str) -> None:
        self.tries += 1
        if self.log.stat().st_size > reports.LOG_LEFT:
            raise OSError(self.number, os.strerror(self.number))
        Path(path).write_text(text)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("stream", ["out", "err"])
def test_on_a_full_disk_the_logs_make_room_for_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, stream: str
) -> None:
    """Without it, a tool that fills the disk is run again and again, and nobody learns why."""
    log = tmp_path / f"a1.{stream}"
    log.write_bytes(b"x" * (reports.LOG_LEFT + 1))
    (tmp_path / f"a1.{'err' if stream == 'out' else 'out'}").write_bytes(b"y" * reports.LOG_LEFT)
    monkeypatch.setattr(reports, "replace_text", Full(number, log))
    reports.write(wire.Report("a1", "", "failed"), str(tmp_path))
    assert log.stat().st_size == reports.LOG_LEFT
    assert (tmp_path / "a1.report.json").exists()


def test_other_trouble_of_the_disk_costs_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "a1.out"
    log.write_bytes(b"x" * (reports.LOG_LEFT + 1))
    full = Full(errno.EIO, log)
    monkeypatch.setattr(reports, "replace_text", full)
    with pytest.raises(OSError, match="Input/output error"):
        reports.write(wire.Report("a1", "", "failed"), str(tmp_path))
    assert (full.tries, log.stat().st_size) == (1, reports.LOG_LEFT + 1)


@pytest.mark.parametrize(("size", "cut"), [(999, False), (1000, False), (1001, True), (5000, True)])
def test_a_log_that_is_too_long_for_a_sandbox_keeps_its_beginning_and_its_end(
    tmp_path: Path, size: int, cut: bool
) -> None:
    data = bytes(65 + number % 26 for number in range(size))
    for stream in ("out", "err", "debug", "other"):
        (tmp_path / f"a1.{stream}").write_bytes(data)
    reports.shorten_logs("a1", str(tmp_path), 8000)
    assert (tmp_path / "a1.other").read_bytes() == data
    for stream in ("out", "err", "debug"):
        kept = (tmp_path / f"a1.{stream}").read_bytes()
        if not cut:
            assert kept == data
            continue
        assert len(kept) <= 1000
        assert kept.startswith(data[:400] + b"\n[... ")
        assert kept.endswith(b" ...]\n" + data[-400:])
        assert f"{size - 800} bytes were cut out here: this log had {size}".encode() in kept


def test_claims_are_taken_from_the_disk_before_any_tool_can_see_them(tmp_path: Path) -> None:
    """Without it, a tool reads the secret that opens the storages of its user."""
    for name, text in (("a1", "secret-1\n"), ("a2", " "), ("a3", "secret-3"), ("other", "not asked for")):
        (tmp_path / f"{name}.claim").write_text(text)
    (tmp_path / "a4.claim").write_bytes(b"\xff")
    found = claims.take(str(tmp_path), ["a1", "a2", "a3", "a4", "a5"])
    assert found == {"a1": "secret-1", "a3": "secret-3"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a4.claim", "other.claim"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a1": "s", "a2": 5, "other": "x"}', {"a1": "s"}),
        ('["a1"]', {}),
        ("no JSON", {}),
        ("", {}),
    ],
)
def test_claims_in_one_file_are_taken_likewise(tmp_path: Path, text: str, found: dict[str, str]) -> None:
    path = tmp_path / "claims.json"
    path.write_text(text)
    assert claims.take(str(path), ["a1", "a2"]) == found
    assert not path.exists()
    assert claims.take(str(path), ["a1"]) == {}


def test_the_directories_of_a_job_are_new_and_nobody_elses(tmp_path: Path) -> None:
    made = workdir.make(manifest(), str(tmp_path / "scratch"))
    assert os.stat(made.top).st_mode & 0o777 == 0o700
    assert sorted(os.listdir(made.top)) == ["job", "tmp"]
    with pytest.raises(AttemptFailed, match="making the job directory under") as caught:
        workdir.make(manifest(), str(tmp_path / "scratch"))
    assert caught.value.kind == wire.NODE


@pytest.mark.parametrize(("more", "cause"), [(0, ""), (1, "too-little-disk")])
def test_a_job_starts_where_there_is_as_much_disk_as_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, cause: str
) -> None:
    monkeypatch.setattr(workdir, "free", lambda path: 1000)
    wanted = manifest(limits=wire.Limits(disk=1000 + more))
    if not cause:
        assert os.path.isdir(workdir.make(wanted, str(tmp_path)).job)
        return
    with pytest.raises(AttemptFailed, match="has 1000 bytes free; the job needs 1001") as caught:
        workdir.make(wanted, str(tmp_path))
    assert (caught.value.cause, os.listdir(tmp_path)) == (cause, [])


def test_the_jobs_own_files_are_written_and_an_input_is_never_written_over(tmp_path: Path) -> None:
    made = workdir.make(manifest(), str(tmp_path))
    given = manifest(files=[wire.TextFile("deep/c.txt", "caf\udce9")], invocation={"n": 1})
    workdir.write_files(made, given)
    job = Path(made.job)
    assert (job / "deep/c.txt").read_bytes() == b"caf\xe9"
    assert json.loads((job / "input_params.json").read_text()) == {"n": 1}
    assert (job / workdir.SCRIPT).read_text() == "true\n"
    (job / "input_params.json").write_text("mine")
    workdir.write_files(made, given)
    assert (job / "input_params.json").read_text() == "mine"
    with pytest.raises(AttemptFailed, match=r"configuration file '\.\./x' is not a path inside") as caught:
        workdir.write_files(made, manifest(files=[wire.TextFile("../x", "")]))
    assert caught.value.kind == wire.ENGINE


@pytest.mark.parametrize(
    ("image", "shell", "profile"),
    [(True, "/bin/sh", True), (True, "/bin/bash", False), (False, "/bin/sh", False)],
)
def test_a_shell_reads_the_profile_of_its_image_and_of_no_node(
    image: bool, shell: str, profile: bool
) -> None:
    pinned = wire.Image("x", "sha256:0") if image else None
    assert workdir.script(manifest(image=pinned, shell=shell)).endswith("true\n")
    assert (workdir.script(manifest(image=pinned, shell=shell)) != "true\n") is profile


def test_trouble_of_the_system_has_its_cause() -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        full = from_os(OSError(number, "full"), wire.INPUT, "fetching")
        assert (full.kind, str(full)) == (wire.NODE, "no space left on the disk while fetching")
    other = from_os(OSError(errno.ENOENT, "broken"), wire.INPUT, "fetching")
    assert (other.kind, str(other)) == (wire.INPUT, "fetching: broken")
    assert from_os(PermissionError(errno.EACCES, "no"), wire.NODE, "x").cause == "forbidden"
    assert from_os(PermissionError(errno.EACCES, "no"), wire.INPUT, "x").kind == wire.INPUT
    assert str(from_os(ValueError(), wire.INPUT, "x")) == "x: ValueError"


def test_what_a_job_wrote_is_counted_and_not_what_was_there(tmp_path: Path) -> None:
    """Without it, one job of strangers fills the disk of all others on its node."""
    (tmp_path / "input").write_bytes(b"x" * (1 << 20))
    (tmp_path / "log").write_bytes(b"")
    bounded = room.Room(str(tmp_path), [], 1 << 20, 3)
    bounded._start = bounded._start._replace(space=1 << 62, files=1 << 62)  # it looks, whatever others free
    assert looked(bounded) == ""
    (tmp_path / "more").write_bytes(b"x" * (1 << 20))
    assert looked(bounded) == ""
    (tmp_path / "one").write_bytes(b"x" * 4096)
    assert looked(bounded) == "the tool wrote 1 MiB to the disk; 1 MiB are allowed"
    (tmp_path / "more").unlink()
    (tmp_path / "two").touch()
    (tmp_path / "three").touch()
    assert looked(bounded) == ""
    (tmp_path / "four").touch()
    assert looked(bounded) == "the tool made 4 files; 3 are allowed"


def looked(bounded: room.Room) -> str:
    """Look until the walk has seen all."""
    found = bounded.excess()
    while not found and bounded._walk is not None:
        found = bounded.excess()
    return found


def test_a_job_that_names_no_bound_has_its_share_among_strangers_and_none_among_friends(
    tmp_path: Path,
) -> None:
    top, node = str(tmp_path), wire.Node(slots=3)
    assert room.room_of(manifest(), node, top, []) is None
    named = room.room_of(manifest(limits=wire.Limits(space=5)), node, top, [])
    assert named is not None
    assert named.space == 5
    stranger = room.room_of(manifest(isolated=True), node, top, [])
    assert stranger is not None
    free = os.statvfs(top)
    assert stranger.space == pytest.approx(free.f_bavail * free.f_frsize // 4, rel=0.2)
    large = room.room_of(manifest(isolated=True, limits=wire.Limits(disk=1 << 60)), node, top, [])
    assert large is not None
    assert large.space == 1 << 60, "who asked for more at the start, and got it, has that"


def test_a_tool_that_fails_on_a_good_disk_failed_by_itself(tmp_path: Path) -> None:
    assert diagnosis.of_tool(1, 0.0, [str(tmp_path)]) == ""
    assert os.listdir(tmp_path) == [], "the probe is removed"


@pytest.mark.parametrize(
    ("memberships", "found"),
    [
        (
            "0::/user/x\n",
            [("/sys/fs/cgroup/user/x", True), ("/sys/fs/cgroup/user", True), ("/sys/fs/cgroup", True)],
        ),
        ("0::/\n", [("/sys/fs/cgroup", True)]),
        (
            "12:cpu,pids:/a\n0::/b\n",
            [("/sys/fs/cgroup/pids/a", False), ("/sys/fs/cgroup/pids", False)],
        ),
        ("1:name=systemd:/a\n", []),
        ("odd\n", []),
    ],
)
def test_groups_are_made_in_our_own_beside_it_and_at_the_top(
    memberships: str, found: list[tuple[str, bool]]
) -> None:
    assert [tuple(one) for one in groups.bases(memberships)] == found


def test_a_process_is_known_by_its_start_and_its_children(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    while procfs.start_time(pid) is not None:  # until it is a zombie, which no longer counts
        pass
    assert pid in procfs.children(os.getpid())
    assert pid in procfs.descendants(os.getpid())
    assert pid not in procfs.descendants(os.getpid(), without=[pid])
    os.waitpid(pid, 0)
    assert pid not in procfs.children(os.getpid())
    assert procfs.start_time(os.getpid())
    assert procfs.resident([os.getpid()]) > 1 << 20
    assert 0 < procfs.proportional([os.getpid()]) <= procfs.resident([os.getpid()])
    assert procfs.processor_time([os.getpid()]) > 0
