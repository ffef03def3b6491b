"""What a job finds in its directory: files that belong together lie together."""

from __future__ import annotations

import pytest

from tests.cli.desk import Desk

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")


def files(desk: Desk, *names: str) -> None:
    """Files that hold their own name."""
    for name in names:
        path = desk.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name + "\n")


@pytest.mark.parametrize("images", [["s1/a.nii", "s2/a.nii"], ["s2/a.nii", "s1/a.nii"]], ids=["12", "21"])
@pytest.mark.parametrize("sidecars", [["s2/a.json"], ["s2/a.json", "s1/a.json"]], ids=["one", "both"])
def test_an_image_lies_beside_its_own_sidecar_or_none(
    each_desk: Desk, images: list[str], sidecars: list[str]
) -> None:
    files(each_desk, "s1/a.nii", "s1/a.json", "s2/a.nii", "s2/a.json")
    both = {"images": {"type": "File", "list": True}, "sidecars": {"type": "File", "list": True}}
    beside = 'for i in [IMAGES]; do echo "$(cat "$i"): $(cat "${i%.nii}.json" 2>/dev/null)"; done'
    tool = each_desk.tool(f"{beside} > o # [SIDECARS]", both, outputs={"o": "o"})
    invocation = each_desk.write("i.json", {"sidecars": sidecars, "images": images})
    done = each_desk.submit(tool, invocation, *BARE)
    own = {image: image.replace(".nii", ".json") for image in images}
    expected = [f"{image}: {own[image] if own[image] in sidecars else ''}" for image in images]
    assert done.read("outputs/o").splitlines() == expected


@pytest.mark.parametrize("name", [".grid-engine-command", ".grid-engine-probe", "input_params.json"])
def test_an_input_that_is_called_like_a_file_of_the_engine_is_itself(each_desk: Desk, name: str) -> None:
    files(each_desk, name)
    tool = each_desk.tool("cat [F] > o", {"f": "File"}, outputs={"o": "o"})
    done = each_desk.submit(tool, each_desk.write("i.json", {"f": name}), *BARE)
    assert done.read("outputs/o") == f"{name}\n"


def test_a_result_that_is_called_like_a_file_of_the_engine_is_refused(desk: Desk) -> None:
    tool = desk.tool("echo > o", outputs={"o": ".grid-engine-command"})
    ran = desk.run("submit", tool, desk.write("i.json", {}), *BARE)
    assert ran.code == 2
    assert ran.lines == [
        "engine: i.json, output o: '.grid-engine-command' is a name of the engine's own files"
    ]
