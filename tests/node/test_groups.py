"""Where a control group for a job is looked for, by what the kernel says of our own: cgroups(7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from wrappers.node.groups import ParentGroup, bases, holds_groups

OWN = "/user.slice/user-1000.slice/user@1000.service/app.slice/engine.service"


@pytest.mark.parametrize(
    ("memberships", "found"),
    [
        ("0::/\n", [("", True)]),
        (f"0::{OWN}\n", [(OWN, True), (OWN.rpartition("/")[0], True), ("", True)]),
        ("0::/a:b\n", [("/a:b", True), ("", True)]),
        (
            "8:pids:/job\n4:memory:/other\n0::/\n",
            [("/pids/job", False), ("/pids", False)],
        ),
        ("5:cpu,pids:/\n1:name=systemd:/x\n0::/x\n", [("/pids", False)]),
        ("1:name=systemd:/x\n", []),
        ("", []),
    ],
    ids=["top", "delegated", "colon", "version 1", "hybrid", "no controller", "nothing"],
)
def test_groups_are_looked_for_where_processes_can_be_bounded(
    memberships: str, found: list[tuple[str, bool]]
) -> None:
    expected = [ParentGroup(f"/sys/fs/cgroup{path}", unified) for path, unified in found]
    assert bases(memberships) == expected


@pytest.mark.parametrize(
    ("files", "unified", "holds"),
    [
        ({"cgroup.procs": "", "cgroup.subtree_control": "cpu memory pids\n"}, True, True),
        ({"cgroup.procs": "", "cgroup.subtree_control": "cpu memory\n"}, True, False),
        ({"cgroup.procs": "", "cgroup.subtree_control": "\n"}, True, False),
        ({"cgroup.subtree_control": "pids\n"}, True, False),
        ({}, True, False),
        ({"cgroup.procs": ""}, False, True),
        ({}, False, False),
    ],
    ids=["handed on", "not pids", "nothing", "closed", "no group", "version 1", "no group of version 1"],
)
def test_a_group_is_made_only_where_it_would_bound_processes(
    tmp_path: Path, files: dict[str, str], unified: bool, holds: bool
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert holds_groups(ParentGroup(str(tmp_path), unified)) is holds
