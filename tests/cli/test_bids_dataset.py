"""The results of a BIDS app become one derivative data set beside them."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cli.desk import Desk, Execution, desk_in
from tests.services.bids_validator import errors_in

pytestmark = pytest.mark.whole

APP = """#!/bin/sh
# app.sh FLAGS BIDS LEVEL [PARTICIPANT]
set -e
flags=$1 study=$2 level=$3 label=$4
if [ "$level" = group ]; then
    printf 'participant_id\\n' > out/participants.tsv
    (cd out && ls -d sub-*) >> out/participants.tsv
    exit
fi
test ! -e "$flags/fails-$label"
mkdir -p out/sub-$label/anat
copy=out/sub-$label/anat/sub-${label}_desc-copy_T1w
cp "$study/sub-$label/anat/sub-${label}_T1w.nii.gz" $copy.nii.gz
echo "{\\"SkullStripped\\": false}" > $copy.json
echo "What the app wrote." > out/README
echo "{\\"Name\\": \\"Copies\\", \\"BIDSVersion\\": \\"1.8.0\\", \\"Authors\\": [\\"A\\", \\"B\\"]}" \\
    > out/dataset_description.json
test ! -e "$flags/logs" || echo $label > out/log.txt
"""
INPUTS: dict[str, str | Mapping[str, Any]] = {
    "script": "File",
    "flags": "String",
    "bids_dir": "File",
    "analysis_level": {"type": "String", "value-choices": ["participant", "group"]},
    "participant_label": {"type": "String", "list": True},
    "threshold": "Number",
}
COMMAND = "sh [SCRIPT] [FLAGS] [BIDS_DIR] [ANALYSIS_LEVEL] [PARTICIPANT_LABEL]"
DATASET = "derivatives/tool-1.0"
WHOLE = [
    "README",
    "dataset_description.json",
    "participants.tsv",
    *(
        f"sub-{n}/anat/sub-{n}_desc-copy_T1w.{kind}"
        for n in ("01", "02", "03")
        for kind in ("json", "nii.gz")
    ),
]


class Study:
    """A data set of three participants, and an app that copies their images."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.flags = desk.directory / "flags"
        self.flags.mkdir()
        for label in ("01", "02", "03"):
            place = desk.directory / f"study/sub-{label}/anat"
            place.mkdir(parents=True)
            place.joinpath(f"sub-{label}_T1w.nii.gz").write_bytes(gzip.compress(an_image()))
        desk.write("study/dataset_description.json", {"Name": "Three", "DatasetDOI": "doi:10.5/three"})
        desk.write("app.sh", APP)
        desk.tool(COMMAND, INPUTS, {"out": "out"})
        self.words = ["tool.json", "--bids", "study", "--runtime", "none", "--set", "script=app.sh"]
        self.words += ["--set", f"flags={self.flags}"]

    def submit(self, *words: str, flags: tuple[str, ...] = (), **options: Any) -> Execution:
        """Run it; `flags` make it fail, or write what it should not."""
        shutil.rmtree(self.flags)
        self.flags.mkdir()
        for name in flags:
            (self.flags / name).touch()
        return self.desk.submit(*self.words, *words, **options)


def an_image() -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 2, 2, 2, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 0, 0, 0, 0)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(16)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with desk_in(tmp_path_factory.mktemp("desk")) as desk:
        yield Study(desk)


@pytest.fixture(scope="module")
def whole(study: Study) -> Execution:
    """A run in which all went well."""
    return study.submit()


def test_the_trees_of_all_levels_are_merged_and_described(study: Study, whole: Execution) -> None:
    assert whole.files(DATASET) == WHOLE
    assert whole.read(f"{DATASET}/participants.tsv") == "participant_id\nsub-01\nsub-02\nsub-03\n"
    assert json.loads(whole.read(f"{DATASET}/dataset_description.json")) == {
        "Name": "Copies",
        "BIDSVersion": "1.8.0",
        "Authors": ["A", "B"],
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "tool", "Version": "1.0"}],
        "SourceDatasets": [{"URL": (study.desk.directory / "study").as_uri(), "DOI": "doi:10.5/three"}],
    }


def test_it_passes_the_validator_of_the_standard(whole: Execution) -> None:
    assert errors_in(whole.results / DATASET) == []


def test_submit_status_and_results_tell_where_it_is(study: Study, whole: Execution) -> None:
    path = whole.results / DATASET
    assert (whole.ran.value["dataset"], whole.ran.value["dataset_problem"]) == (path.as_uri(), "")
    line = f"engine: data set in {path.relative_to(study.desk.directory)}"
    assert line in whole.ran.lines
    assert f"data set\t{path}" in study.desk.ok("status", whole.id).out
    assert line in study.desk.ok("results", whole.id).lines


def test_its_files_are_the_results_which_nobody_writes_to_by_mistake(study: Study, whole: Execution) -> None:
    image = "sub-01/anat/sub-01_desc-copy_T1w.nii.gz"
    result, there = whole.results / "outputs/1/out" / image, whole.results / DATASET / image
    assert result.samefile(there)
    assert result.stat().st_mode & 0o222 == 0
    assert {
        line.split("\t")[2] for line in study.desk.ok("results", whole.id, "--deep").out.splitlines()
    } == {
        "FOUND",
        "good",
    }


def test_a_retry_adds_to_it_and_leaves_what_somebody_changed(study: Study) -> None:
    run = study.submit(flags=("fails-02",), code=1)
    assert run.files(DATASET) == [name for name in WHOLE if "sub-02" not in name]
    assert run.read(f"{DATASET}/participants.tsv").split() == ["participant_id", "sub-01", "sub-03"]
    readme = run.results / DATASET / "README"
    readme.unlink()
    readme.write_text("What a person wrote.")
    (run.results / DATASET / "mine.txt").touch()
    (study.flags / "fails-02").unlink()
    ended = study.desk.ok("retry", run.id, "--json")
    assert ended.value["dataset"].endswith(DATASET)
    assert run.files(DATASET) == sorted([*WHOLE, "mine.txt"])
    assert readme.read_text() == "What a person wrote."


def test_one_file_with_two_contents_is_refused_and_no_data_set_is_made(study: Study) -> None:
    run = study.submit("--set", "analysis_level=participant", flags=("logs",), code=1)
    told = "log.txt: job 1 (sub-01) and job 2 (sub-02) wrote it with different contents"
    assert (run.ran.value["state"], run.ran.value["dataset"]) == ("succeeded", "")
    assert run.ran.value["dataset_problem"].startswith(told)
    assert f"engine: the results are no data set: {told}" in run.ran.err
    assert f"no data set\t{told}" in study.desk.ok("status", run.id).out
    assert not (run.results / "derivatives").exists()
    assert len(run.files("outputs")) == 15


def test_a_sweep_has_none_since_its_jobs_write_the_same_files(study: Study) -> None:
    only = ("--set", "analysis_level=participant", "--participants", "01")
    run = study.submit(*only, "--cross", "threshold=1,2")
    assert (run.ran.value["dataset"], run.ran.value["dataset_problem"]) == ("", "")
    assert not (run.results / "derivatives").exists()


def test_a_purge_takes_it_with_the_results(study: Study, whole: Execution) -> None:
    assert (whole.results / DATASET).is_dir()
    study.desk.ok("purge", "--older-than", "0", "--files")
    assert not whole.results.exists()
