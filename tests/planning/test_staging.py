"""Which files of a job lie beside each other: those that belong together, and never another's companion."""

from __future__ import annotations

import itertools
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.staging import INVOCATION_FILE, InputFile, directory_of, distinct, file_name

NAMES = ("a.nii", "a.nii.gz", "a.json", "a.nii.json", "b.nii", "b.json", "1", "2", INVOCATION_FILE)
DIRECTORIES = ("s1", "s2", "s1/deep", "https://h/s1", "https://h/s2", "lfn:/vo/s1")
FILES = st.lists(
    st.tuples(
        st.sampled_from(("images", "sidecars", "other")), st.sampled_from(DIRECTORIES), st.sampled_from(NAMES)
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda one: one[1:],
).map(lambda some: [InputFile(id, f"{where}/{name}", name) for id, where, name in some])


def names(*sources: str, ids: str = "") -> list[str]:
    """Staged names; each source is of an input of its own, or of that which `ids` says with one letter."""
    files = [
        InputFile(ids[place] if ids else f"i{place}", source, file_name(source))
        for place, source in enumerate(sources)
    ]
    return [file.name for file in distinct(files)]


def places(files: list[InputFile]) -> dict[str, list[InputFile]]:
    found: dict[str, list[InputFile]] = {}
    for file in distinct(files):
        found.setdefault(posixpath.dirname(file.name), []).append(file)
    return found


@given(FILES)
def test_no_two_files_take_one_name_and_none_takes_a_directory_or_the_place_of_the_invocation(
    files: list[InputFile],
) -> None:
    staged = [file.name for file in distinct(files)]
    assert len(set(staged)) == len(staged)
    assert INVOCATION_FILE not in staged
    assert {posixpath.dirname(name) for name in staged}.isdisjoint(staged)
    assert [posixpath.basename(name) for name in staged] == [file.name for file in files]


@given(FILES)
def test_files_of_one_directory_stay_beside_each_other(files: list[InputFile]) -> None:
    where = {file.source: posixpath.dirname(file.name) for file in distinct(files)}
    for one in files:
        for other in files:
            if directory_of(one.source) == directory_of(other.source):
                assert where[one.source] == where[other.source]


@given(FILES)
def test_a_companion_is_never_that_of_a_file_from_elsewhere(files: list[InputFile]) -> None:
    sources = [directory_of(file.source) for file in files]
    for together in places(files).values():
        for one, other in itertools.combinations(together, 2):
            homes = {directory_of(one.source), directory_of(other.source)}
            if len(homes) == 2 and posixpath.basename(one.name)[0] == posixpath.basename(other.name)[0]:
                # two inputs with a file each and nothing else from there: these are meant to be together
                assert one.id != other.id
                assert [sources.count(home) for home in homes] == [1, 1]


@given(FILES.flatmap(lambda files: st.tuples(st.just(files), st.permutations(files))))
def test_what_lies_together_does_not_depend_on_the_order_of_lists_and_inputs(
    both: tuple[list[InputFile], list[InputFile]],
) -> None:
    one, other = (
        {frozenset(file.source for file in together) for together in places(files).values()} for files in both
    )
    assert one == other


@pytest.mark.parametrize(
    ("sources", "ids", "staged"),
    [
        (("s1/a.nii", "s2/a.nii", "s2/a.json"), "iis", ["1/a.nii", "2/a.nii", "2/a.json"]),
        (("s2/a.json", "s2/a.nii", "s1/a.nii"), "sii", ["1/a.json", "1/a.nii", "2/a.nii"]),
        (("s1/a.nii", "s2/a.nii.gz", "s2/a.json"), "iis", ["1/a.nii", "2/a.nii.gz", "2/a.json"]),
        (("s1/a.nii", "s2/b.nii", "s2/a.json"), "iis", ["1/a.nii", "2/b.nii", "2/a.json"]),
        (("s1/a.bam", "s2/a.cram", "s2/a.bam.bai"), "iis", ["1/a.bam", "2/a.cram", "2/a.bam.bai"]),
        (("s1/a.nii", "s2/a.nii", "s3/c.txt"), "iio", ["1/a.nii", "2/a.nii", "c.txt"]),
        (("s1/lh.pial", "s2/lh.white"), "ss", ["1/lh.pial", "2/lh.white"]),
        (("a/1.2.3.1", "b/1.2.3.2"), "ii", ["1.2.3.1", "1.2.3.2"]),
        (("images/sub.nii", "tables/sub.txt"), "io", ["sub.nii", "sub.txt"]),
        (("s1/a.nii", "s1/a.json", "s2/b.nii"), "isi", ["a.nii", "a.json", "b.nii"]),
        (("./s1/a.nii", "s1/a.json", "s2/a.nii"), "isi", ["1/a.nii", "1/a.json", "2/a.nii"]),
        (("a.nii", "./a.json", "s2/a.nii"), "isi", ["1/a.nii", "1/a.json", "2/a.nii"]),
    ],
)  # fmt: skip
def test_directories_are_kept_apart_only_where_names_or_stems_meet(
    sources: tuple[str, ...], ids: str, staged: list[str]
) -> None:
    assert names(*sources, ids=ids) == staged


def test_files_of_one_name_and_directory_are_each_alone() -> None:
    urls = ("girder:/a.nii?fileId=1", "girder:/a.nii?fileId=2", "girder:/a.json?fileId=3")
    assert names(*urls) == ["1/a.nii", "2/a.nii", "3/a.json"]


def test_a_reserved_name_takes_its_companions_along() -> None:
    files = [InputFile("a", "d/x.ini", "x.ini"), InputFile("b", "d/x.txt", "x.txt"), InputFile("c", "1", "1")]
    assert [file.name for file in distinct(files, ["x.ini", "2"])] == ["3/x.ini", "3/x.txt", "1"]


def test_a_hundred_thousand_files_of_one_name_are_no_trouble() -> None:
    files = [InputFile("a", f"s{number}/a.nii", "a.nii") for number in range(100_000)]
    assert len({file.name for file in distinct(files)}) == len(files)
