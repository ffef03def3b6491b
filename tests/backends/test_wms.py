"""What is told to DIRAC, as its own parser reads it: nothing that a user typed, nothing that breaks out."""

from __future__ import annotations

import io
import re
import string
import tarfile
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.wms import payload, states
from engine.backends.wms.jdl import JobRequirements, attributes, banned, job_group, render
from engine.backends.wms.resources import Rates, needs, tags
from engine.errors import Bug
from engine.ids import new_id
from engine.ports import Seen, Submission
from wrappers.wire import Limits, Manifest, Node

PFN = "SB:SandboxSE|/S3/sandboxes/biomed/biomed_user/alice/sha256:" + "0" * 64 + ".tar.zst"


def read(jdl: str) -> Any:
    """DIRAC's own reading of it."""
    from DIRACCommon.Core.Utilities.ClassAd.ClassAdLight import ClassAd

    return ClassAd(jdl)


def manifest(limits: Limits | None = None, **more: Any) -> Manifest:
    command = "echo \"'; rm -rf / #\n"
    return Manifest(new_id(), "x:1", "x", command, "file:///x", limits=limits or Limits(), **more)


def test_a_description_says_what_dirac_must_know_and_no_more() -> None:
    key, group = new_id(), new_id()
    wishes = JobRequirements(("A.B.fr",), ("C.D.it",), ("GPU",), 3, "User")
    jdl = read(render(attributes(key, group, [PFN], (7, 2), {"CPUTime": 86_400, "MaxRAM": 2048}, wishes)))
    texts = ("JobName", "JobGroup", "Executable", "Arguments")
    assert [jdl.getAttributeString(name) for name in texts] == [
        key,
        job_group(group),
        "launch.sh",
        "run --manifests manifests.jsonl --node node.json --claims claims.json --index 7 --count 2",
    ]
    assert jdl.getListFromExpression("InputSandbox") == [PFN]
    assert (jdl.getAttributeInt("CPUTime"), jdl.getAttributeInt("MaxRAM")) == (86_400, 2048)
    assert jdl.getListFromExpression("Site") == ["A.B.fr"]
    assert jdl.getListFromExpression("BannedSites") == ["C.D.it"]
    assert jdl.getListFromExpression("Tags") == ["GPU"]


@given(st.text(max_size=60))
def test_any_text_is_either_refused_or_read_back_as_it_was(text: str) -> None:
    try:
        jdl = render({"Before": "x", "Value": text, "After": 5})
    except Bug:
        return
    ad = read(jdl)
    assert (ad.getAttributeString("Value").strip(), ad.getAttributeInt("After")) == (text.strip(), 5)


@given(st.text(alphabet=string.printable, min_size=1, max_size=40))
def test_a_key_that_could_break_out_is_refused(key: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9_.-]+", key):
        jdl = read(render(attributes(key, "x", [PFN], (0, 1), {}, JobRequirements())))
        assert jdl.getAttributeString("JobName") == key
    else:
        with pytest.raises(Bug):
            render(attributes(key, "x", [PFN], (0, 1), {}, JobRequirements()))


@given(st.text(max_size=100))
def test_a_group_is_always_32_hexadecimal_characters(execution: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", job_group(execution))


def test_the_group_of_an_execution_is_its_own_number() -> None:
    assert job_group("00000000000000000000000010") == "00000000000000000000000000000020"


def test_a_job_is_never_kept_from_every_site_that_it_may_use() -> None:
    assert banned(JobRequirements(("A", "B"), ("C",)), ["A", "B"]) == ("C",)
    assert banned(JobRequirements(("A", "B"), ("C",)), ["A"]) == ("C", "A")
    assert banned(JobRequirements(), ["A"]) == ("A",)


def test_resources_follow_the_limits() -> None:
    limits = Limits(cores=4, memory=(2 << 30) + 1, wall=3600.0)
    assert needs([manifest(limits)], Rates(power=10.0)) == {
        "CPUTime": (3600 + 600) * 4 * 10,
        "NumberOfProcessors": 4,
        "MaxRAM": 2049,
    }
    assert needs([manifest()], Rates()) == {"CPUTime": 86_400}


def test_the_times_of_a_group_add_up() -> None:
    limits = Limits(wall=100.0)
    assert needs([manifest(limits)] * 5, Rates(power=1.0))["CPUTime"] == 5 * 100 + 600
    assert needs([manifest()] * 5, Rates())["CPUTime"] == 5 * 86_400


def test_a_tool_that_needs_a_gpu_gets_the_tag() -> None:
    assert tags([manifest(gpu=True)], Rates()) == ("GPU",)
    assert tags([manifest(gpu=True)], Rates(gpu_tag="")) == tags([manifest()], Rates()) == ()


def test_all_sixteen_states_are_known() -> None:
    from DIRACCommon.WorkloadManagementSystem.Client.JobStatus import JOB_STATES

    assert set(states.SEEN) == set(JOB_STATES)
    assert {state for state in JOB_STATES if states.seen(state) == Seen.FINISHED} == {
        "Done",
        "Failed",
        "Killed",
        "Deleted",
    }
    assert states.seen("Something new") == Seen.QUEUED


def test_the_same_orders_give_the_same_bytes_and_hold_no_name_of_this_machine() -> None:
    item = Submission("key", "group", [manifest(), manifest()], {"a": "secret"})
    files, places = payload.manifest_files([item, item])
    assert places == [(0, 2), (2, 2)]
    first, second = (payload.pack({**payload.common(Node()), **files}) for _ in range(2))
    assert (first.data, first.sha256) == (second.data, second.sha256)
    stream = zstandard.ZstdDecompressor().stream_reader(first.data)
    with tarfile.open(fileobj=io.BytesIO(stream.read())) as tar:
        found = {entry.name: entry for entry in tar}
    assert sorted(found) == ["claims.json", "launch.sh", "manifests.jsonl", "node.json", "wrapper.pyz"]
    assert {(e.mtime, e.uid, e.gid, e.uname, e.gname) for e in found.values()} == {(0, 0, 0, "", "")}
    assert (found["claims.json"].mode, found["launch.sh"].mode) == (0o600, 0o755)
