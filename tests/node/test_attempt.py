"""One attempt from manifest to report, as a tool and its user see it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.node.conftest import Site, file_input, outputs
from wrappers import wire

pytestmark = pytest.mark.whole

ODD_NAMES = [
    "plain.nii",
    "two words.nii",
    'it\'s "quoted".nii',
    "été-日本.nii",
    "a#b?c%20.nii",
    "-n",
    "$(x).nii",
]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_tool_runs_and_its_output_is_delivered_with_size_and_sha256(site: Site) -> None:
    report = site.one(
        "echo words >&2; echo text; printf result > result.txt", outputs=outputs(out="result.txt")
    )
    assert (report.outcome, report.exit_code, report.signal, report.failure) == ("succeeded", 0, None, "")
    delivered = site.results / report.attempt / "result.txt"
    assert report.products == [
        wire.DeliveredOutput("out", "result.txt", delivered.as_uri(), len("result"), sha256("result"))
    ]
    assert delivered.read_text() == "result"
    assert (site.log(report), site.log(report, "err")) == ("text\n", "words\n")
    assert site.leftovers() == []


def test_the_report_names_orders_wrapper_host_and_phases(site: Site) -> None:
    site.node = site.node._replace(site="here")
    manifest = site.manifest("true")
    (report,) = site.run(manifest)
    assert report.manifest_sha256 == sha256(wire.dumps(manifest))
    assert report.wrapper_sha256 == hashlib.sha256(site.wrapper.read_bytes()).hexdigest()
    assert [phase.name for phase in report.phases] == [
        "probe",
        "inputs",
        "image",
        "run",
        "outputs",
        "deliver",
    ]
    assert report.started <= report.phases[0].start <= report.ended
    assert {"name", "kernel", "python", "site"} <= set(report.host)
    assert report.runtime is not None
    assert report.runtime.name == "none"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_inputs_and_outputs_of_any_name_arrive_whole(site: Site, name: str) -> None:
    source = site.root / "data" / name
    source.parent.mkdir()
    source.write_text("content")
    report = site.one(
        'mkdir made && for f in ./*.nii ./-n; do [ ! -f "$f" ] || cp "$f" made/; done',
        inputs=[file_input(source, size=7, sha256=sha256("content"))],
        outputs=outputs(out=f"made/{name}"),
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    assert report.inputs == [wire.Staged("in", source.as_uri(), name, 7, sha256("content"))]
    assert report.products[0].path == f"made/{name}"
    assert (site.results / report.attempt / "made" / name).read_text() == "content"


def test_a_tool_that_changes_its_input_changes_a_copy(site: Site) -> None:
    source = site.root / "scan.nii"
    source.write_text("original")
    os.chmod(source, 0o444)
    report = site.one("echo more >> 1/scan.nii", inputs=[file_input(source, "1/scan.nii")])
    assert report.outcome == wire.SUCCEEDED, report.message
    assert source.read_text() == "original"


def test_a_directory_is_an_input_and_an_output_like_a_file(site: Site) -> None:
    source = site.root / "subject"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a b.txt").write_text("one")
    (source / "z").write_text("two")
    (source / "link").symlink_to("z")
    report = site.one(
        "cp -r subject out && mkdir out/empty", inputs=[file_input(source)], outputs=outputs(o="out")
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    (product,) = report.products
    assert (product.directory, product.size) == (True, len("one") + 2 * len("two"))
    delivered = site.results / report.attempt / "out"
    assert report.inputs[0].sha256 == listed(source)  # its link is a link to the tool too, and no file
    assert product.sha256 == listed(delivered)  # where the link is a file
    assert (delivered / "link").read_text() == "two"
    (source / "link").unlink()
    (source / "link").write_text("two")
    assert listed(source) == product.sha256
    assert (delivered / "empty").is_dir()


def listed(directory: Path) -> str:
    """Sum up a directory by hand."""
    listing = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0r sha256sum | sha256sum"
    by_hand = subprocess.run(["sh", "-c", listing], cwd=directory, capture_output=True, text=True, check=True)
    return by_hand.stdout.split()[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": 3}, "has 7 bytes, but 3 were planned"),
        ({"sha256": "0" * 64}, "was planned"),
        ({"url": "file:///no/such/file"}, "No such file or directory"),
        ({"url": "file://elsewhere/data"}, "names no file of this machine"),
        ({"url": "file:///dev/null"}, "neither a file nor a directory"),
        ({"url": "s3://bucket/key"}, "only the engine can give leave for it"),
        ({"url": "gopher://x/y"}, "gopher is not one of file, http, https"),
        ({"url": "nonsense"}, "nonsense: no scheme is not one of file"),
    ],
)
def test_an_input_that_is_not_what_was_planned_is_an_input_failure(
    site: Site, given: dict[str, object], words: str
) -> None:
    source = site.root / "data"
    source.write_text("content")
    wanted = file_input(source)._replace(**given)  # type: ignore[arg-type]
    report = site.one("touch started", inputs=[wanted])
    assert (report.outcome, report.failure, report.exit_code) == ("failed", wire.INPUT, None)
    assert words in report.message
    assert site.leftovers() == []


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a/..", "x\0y"])
def test_a_name_that_leaves_the_job_directory_is_refused(site: Site, name: str) -> None:
    source = site.root / "data"
    source.write_text("content")
    for given in (
        {"inputs": [file_input(source)._replace(name=name)]},
        {"files": [wire.TextFile(name, "text")]},
        {"outputs": [wire.Output("o", name)]},
    ):
        report = site.one("true", **given)
        assert report.failure == wire.ENGINE
        assert "is not a path inside the job directory" in report.message


def test_the_invocation_and_configuration_files_are_there(site: Site) -> None:
    report = site.one(
        "cat input_params.json conf/tool.cfg",
        invocation={"name": "é", "n": 3},
        files=[wire.TextFile("conf/tool.cfg", "\nkey = valeur é\n")],
    )
    assert site.log(report) == '{"n": 3, "name": "\\u00e9"}\nkey = valeur é\n'


def test_every_match_of_a_pattern_is_delivered_in_order(site: Site) -> None:
    report = site.one("touch c.txt a.txt b.txt d.nii", outputs=outputs(texts="*.txt"))
    assert [product.path for product in report.products] == ["a.txt", "b.txt", "c.txt"]


def test_a_name_with_brackets_is_a_name_when_such_a_file_is_there(site: Site) -> None:
    report = site.one("touch 'scan[1].nii' scan1.nii", outputs=outputs(scan="scan[1].nii"))
    assert [product.path for product in report.products] == ["scan[1].nii"]


def test_a_missing_required_output_fails_a_tool_that_says_all_is_well(site: Site) -> None:
    wanted = [*outputs(there="a", gone="b*", lost="c"), wire.Output("maybe", "d", optional=True)]
    report = site.one("touch a", outputs=wanted)
    assert (report.failure, report.exit_code, report.missing) == (wire.TOOL, 0, ["gone", "lost"])
    assert report.products == []
    assert "gone, lost" in report.message


def test_a_failed_tool_delivers_nothing_and_its_exit_code_is_exact(site: Site) -> None:
    report = site.one("touch a; exit 42", outputs=outputs(out="a"))
    assert (report.failure, report.exit_code, report.signal) == (wire.TOOL, 42, None)
    assert "exit code 42; its outputs were not delivered" in report.message
    assert not site.results.exists()


def test_death_by_a_signal_is_told_from_an_exit_code(site: Site) -> None:
    report = site.one("kill -SEGV $$")
    assert (report.failure, report.exit_code, report.signal) == (wire.TOOL, 139, 11)
    assert "signal 11" in report.message


def test_the_working_directory_is_private_and_gone_afterwards_whatever_the_tool_did(site: Site) -> None:
    report = site.one(
        'stat -c %a "$(dirname "$PWD")"; mkdir -p locked/deep; touch locked/deep/file .hidden;'
        ' ln -s / root; chmod 500 locked/deep; chmod 0 locked; touch "$TMPDIR/x"'
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    assert site.log(report) == "700\n"
    assert site.leftovers() == []


def test_a_tool_finds_no_script_of_ours_among_its_outputs(site: Site) -> None:
    report = site.one("true", outputs=[wire.Output("hidden", ".*", optional=True)])
    assert report.products == []


def test_links_that_leave_the_job_directory_are_not_followed(site: Site) -> None:
    secret = site.root / "secret"
    secret.write_text("secret")
    out = site.one(f"ln -s '{secret}' out", outputs=outputs(o="out"))
    through = site.one(f"ln -s '{site.root}' d", outputs=outputs(o="d/secret"))
    for report in (out, through):
        assert report.failure == wire.TOOL
        assert "leaves the job directory" in report.message
    inner = site.one(f"mkdir d; echo a > d/a; ln -s '{secret}' d/s; mkfifo d/p", outputs=outputs(o="d"))
    assert inner.outcome == wire.SUCCEEDED
    assert "s (a link that leaves" in inner.message
    assert "p (neither a file nor a directory)" in inner.message
    assert os.listdir(site.results / inner.attempt / "d") == ["a"]


def test_links_inside_the_job_directory_are_delivered_as_what_they_point_to(site: Site) -> None:
    report = site.one(
        "echo a > real; ln -s real link; mkdir d; ln -s ../real d/l; ln -s . d/loop",
        outputs=outputs(x="link", y="real", z="d", w="*l*"),
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    to = site.results / report.attempt
    assert [p.path for p in report.products] == ["link", "real", "d", "link", "real"]
    for path in (to / "link", to / "real", to / "d" / "l"):
        assert not path.is_symlink()
        assert path.read_text() == "a\n"
    assert "d/loop (a link that leads nowhere)" in report.message


def test_outputs_may_overlap(site: Site) -> None:
    report = site.one("mkdir d; echo a > d/a", outputs=outputs(inner="d/a", outer="d", again="d/*"))
    assert report.outcome == wire.SUCCEEDED, report.message
    assert [p.path for p in report.products] == ["d/a", "d", "d/a"]
    assert (site.results / report.attempt / "d" / "a").read_text() == "a\n"


def test_what_cannot_be_delivered_is_kept_and_the_report_says_where(site: Site) -> None:
    blocked = site.root / "blocked"
    blocked.write_text("a file where a directory is needed")
    report = site.one("echo precious > out", outputs=outputs(o="out"), outputs_to=(blocked / "x").as_uri())
    assert (report.failure, report.exit_code) == (wire.OUTPUT, 0)
    assert "Not a directory" in report.message
    assert Path(report.kept, "out").read_text() == "precious\n"
    assert os.listdir(Path(report.kept).parent) == ["job"]


def test_an_unknown_place_for_results_is_named(site: Site) -> None:
    report = site.one("touch a", outputs=outputs(o="a"), outputs_to="gopher://x/y")
    assert (report.failure, "gopher is not one of" in report.message) == (wire.OUTPUT, True)


def test_results_go_to_another_file_system_whole(site: Site) -> None:
    elsewhere = Path("/dev/shm")
    if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == site.root.stat().st_dev:
        pytest.skip("needs a second file system")
    site.node = site.node._replace(scratch=str(elsewhere / f"scratch-{os.getpid()}"))
    try:
        report = site.one("mkdir d; echo a > d/a; echo b > b", outputs=outputs(d="d", b="b"))
    finally:
        os.rmdir(site.node.scratch)
    assert report.outcome == wire.SUCCEEDED, report.message
    to = site.results / report.attempt
    assert sorted(os.listdir(to)) == ["b", "d"]
    assert (to / "d" / "a").read_text() == "a\n"


def test_the_tools_environment_is_not_ours(site: Site) -> None:
    site.environment["LD_LIBRARY_PATH"] = "/of/the/batch/system"
    report = site.one("env", environment={"GREETING": "bonjour é"})
    assert "LD_LIBRARY_PATH" not in site.log(report)
    assert "GREETING=bonjour é\n" in site.log(report)


def test_a_tool_reads_no_terminal_and_dies_of_a_broken_pipe(site: Site) -> None:
    report = site.one("cat; (while true; do echo y; done; echo survived >&2) | head -1")
    assert (site.log(report), site.log(report, "err")) == ("y\n", "")


def test_a_shell_that_is_not_there_is_the_nodes_failure(site: Site) -> None:
    report = site.one("true", shell="/no/such/shell")
    assert (report.failure, report.exit_code) == (wire.NODE, None)
    assert "/no/such/shell" in report.message


def test_a_runtime_that_nobody_knows_is_the_nodes_failure(site: Site) -> None:
    assert site.one("true", runtimes=["rocket"]).failure == wire.NODE


def test_attempts_run_one_after_the_other_and_a_failure_stops_none(site: Site) -> None:
    reports = site.run(*(site.manifest(f"exit {code}") for code in (1, 0, 2)))
    assert [report.exit_code for report in reports] == [1, 0, 2]


def test_a_job_of_a_parametric_bundle_runs_its_own_attempts_only(site: Site) -> None:
    manifests = [site.manifest("true") for _ in range(5)]
    command = site.command(manifests, "--index", "1", "--count", "2")
    subprocess.run(command, check=True, timeout=60)
    written = sorted(path.name for path in site.into.glob("*.report.json"))
    assert written == [f"{manifest.attempt}.report.json" for manifest in manifests[1:3]]


def test_a_manifest_that_cannot_be_read_is_reported_under_its_attempt(site: Site) -> None:
    command = site.command([])
    (site.root / "manifests.jsonl").write_text(
        '{"attempt":"a1","command":3}\n{"attempt":"a2","version":99}\n'
    )
    subprocess.run(command, check=True, timeout=60)
    report = site.report(wire.Manifest("a1", "", "", "", ""))
    assert (report.failure, "Manifest.job is missing" in report.message) == (wire.ENGINE, True)


@pytest.mark.parametrize("text", ["not json\n", "", '{"attempt":"../../evil"}\n', "[]\n"])
def test_orders_without_an_attempt_are_refused_in_one_line(site: Site, text: str) -> None:
    command = site.command([])
    (site.root / "manifests.jsonl").write_text(text)
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert said.returncode == 2
    assert said.stderr.startswith("wrapper: ")
    assert said.stderr.count("\n") == 1


def test_a_tool_that_makes_very_deep_directories_keeps_its_result(site: Site) -> None:
    deep = "i=0; while [ $i -lt 1100 ]; do mkdir d && cd d; i=$((i+1)); done"
    report = site.one(f"echo x > out.txt; ({deep})", outputs=outputs(out="out.txt"))
    assert (report.outcome, report.message) == ("succeeded", "")
    assert site.leftovers() == []
