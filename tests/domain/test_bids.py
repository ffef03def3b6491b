"""The data set of the results of a BIDS app: which files it has, and how it is described."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain import bids
from engine.domain.bids import ResultFile
from engine.domain.tool import ContainerImage, Tool
from engine.errors import BadRequest
from wrappers.wire import Image

TOOL = Tool("fMRIPrep", "24.0.2", "x", image=ContainerImage("docker", "nipreps/fmriprep"))


def equal(one: Path, other: Path) -> bool:
    """Files hold the last part of their paths."""
    return one.name == other.name


def file(name: str, content: str, *, job: int, step: int = 0) -> ResultFile:
    return ResultFile(name, Path(f"{step}/{job}/{content}"), step, job, f"sub-{job:02d}")


A_FILE = st.builds(
    lambda name, content, job: file(name, content, job=job, step=job // 3),
    st.sampled_from(["a", "a/b", "a/b/c", "a/d", "e", bids.DESCRIPTION]),
    st.sampled_from("xy"),
    st.integers(1, 5),
)


@given(st.lists(A_FILE, unique_by=lambda one: (one.name, one.job)))
def test_a_tree_has_each_name_once_with_its_latest_content_or_says_who_is_in_the_way(
    files: list[ResultFile],
) -> None:
    names = {one.name for one in files}
    beside = {
        one.name
        for one in files
        for other in files
        if one.name == other.name != bids.DESCRIPTION and one.step == other.step
        if not equal(one.path, other.path)
    }
    blocked = {name for name in names if any(other.startswith(f"{name}/") for other in names)}
    try:
        tree = bids.merge(files, equal)
    except BadRequest as error:
        name, _, told = str(error).partition(": ")
        assert name in beside | blocked
        assert told.count("job ") == 2
    else:
        assert not beside | blocked
        assert set(tree) == names
        for name, candidates in tree.items():
            assert candidates[-1].step == max(one.step for one in files if one.name == name)


def test_both_jobs_are_named_that_wrote_one_file_with_different_contents() -> None:
    with pytest.raises(BadRequest, match=r"^log\.txt: job 1 \(sub-01\) and job 2 \(sub-02\) wrote it with"):
        bids.merge([file("log.txt", "x", job=2), file("log.txt", "y", job=1)], equal)


@pytest.mark.parametrize(
    ("declared", "results", "root"),
    [
        (None, [("out", True)], "out"),
        (None, [("out/sub-01", True), ("out/sub-01.html", False)], "out"),
        (None, [("out/sub-01", True)], "out"),
        (None, [("out/fmriprep/sub-01/x.json", False), ("out/freesurfer", True)], "out"),
        (None, [("x.tsv", False)], ""),
        (None, [("out", True), ("log.txt", False)], ""),
        ("out", [("out", True), ("log.txt", False)], "out"),
        ("./out/", [("out/anat/x", False)], "out"),
        (".", [("anat/x", False)], ""),
        ("out/app", [("out", True)], "out/app"),
        ("/out", [("o/x", False)], "o"),
        ("../out", [("o/x", False)], "o"),
        (["out"], [("o/x", False)], "o"),
    ],
)
def test_the_output_directory_of_an_app_is_found(
    declared: object, results: list[tuple[str, bool]], root: str
) -> None:
    assert bids.output_directory(declared, results) == root


def test_a_description_tells_the_app_its_container_and_the_source() -> None:
    image = Image("docker.io/nipreps/fmriprep:24.0.2", "sha256:ab")
    source = {"Name": "Rest", "BIDSVersion": "1.8.0", "DatasetDOI": "doi:10.1/x"}
    assert bids.description(TOOL, image, "file:///study", source, {}) == {
        "Name": "fMRIPrep 24.0.2 of Rest",
        "BIDSVersion": "1.8.0",
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "fMRIPrep",
                "Version": "24.0.2",
                "Container": {
                    "Type": "docker",
                    "Tag": "24.0.2",
                    "URI": "docker://docker.io/nipreps/fmriprep:24.0.2@sha256:ab",
                },
            }
        ],
        "SourceDatasets": [{"URL": "file:///study", "DOI": "doi:10.1/x"}],
    }


def test_what_the_app_says_of_itself_stays_in_the_description() -> None:
    other = {"Name": "FreeSurfer", "Version": "7"}
    own = {
        "Name": "Mine",
        "BIDSVersion": "1.4.0",
        "DatasetType": "raw",
        "Authors": ["A"],
        "GeneratedBy": [other, {"Name": "fmriprep", "Version": "?", "CodeURL": "https://x"}, 3],
    }
    written = bids.description(TOOL, None, "file:///study", {}, own)
    assert (written["Name"], written["BIDSVersion"], written["Authors"]) == ("Mine", "1.4.0", ["A"])
    assert written["DatasetType"] == "derivative"
    itself = {"Name": "fMRIPrep", "Version": "24.0.2", "CodeURL": "https://x"}
    assert written["GeneratedBy"] == [itself, other]


@pytest.mark.parametrize("version", ["1.0", "../..", "", "a b/c"])
def test_the_name_of_a_data_set_is_one_of_a_directory(version: str) -> None:
    name = bids.dataset_name(Tool("../My tool", version, "x"))
    assert name.startswith("My-tool")
    assert "/" not in name
    assert not name.startswith(".")
