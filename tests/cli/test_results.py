"""What comes home: results by name, logs, provenance, and the words for what went wrong."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from tests.cli.desk import Desk, Execution

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")


def one(desk: Desk, command: str, *options: str, code: int = 0, **tool: object) -> Execution:
    """Run a tool with one output `o` on one empty invocation."""
    descriptor = desk.tool(command, **{"outputs": {"o": "o.txt"}, **tool})  # type: ignore[arg-type]
    return desk.submit(descriptor, desk.write("i.json", {}), *BARE, *options, code=code)


def test_a_storage_that_took_nothing_is_not_told_to_hold_the_results(desk: Desk) -> None:
    descriptor = desk.tool("echo x > o.txt", outputs={"o": "o.txt"})
    words = ("submit", descriptor, desk.write("i.json", {}), *BARE)
    ran = desk.run(*words, "--store", "http://127.0.0.1:1/x")
    assert ran.code == 0, ran
    assert "results on " not in ran.err
    assert "no result could be kept on http://127.0.0.1:1/x/" in ran.err
    settings = desk.write(
        "engine.yaml", f"storages: {{kept: {{url: '{(desk.directory / 'kept').as_uri()}'}}}}\n"
    )
    kept = desk.run("--config", settings, *words, "--store", "kept:")
    assert "results on file:" in kept.err, kept


def test_one_job_keeps_the_paths_that_its_tool_chose(desk: Desk) -> None:
    done = one(desk, "mkdir d; echo said; echo x > d/o.txt", outputs={"o": "d/o.txt"})
    assert done.results == desk.directory / "results" / done.id
    assert done.files() == ["logs/1.1.out", "outputs/d/o.txt", "provenance/1.1.json"]
    assert done.read("outputs/d/o.txt") == "x\n"
    assert done.read("logs/1.1.out") == "said\n"


def test_several_jobs_have_a_directory_each(desk: Desk) -> None:
    lines = desk.lines("ten.jsonl", [{"text": f"t{n}"} for n in range(1, 11)])
    done = desk.submit(desk.tool("echo [TEXT] > o", outputs={"o": "o"}), lines, *BARE)
    assert done.files("outputs") == [f"{n:02}/o" for n in range(1, 11)]
    assert {n: done.read(f"outputs/{n:02}/o") for n in (1, 10)} == {1: "t1\n", 10: "t10\n"}


def test_results_go_where_they_are_wanted_under_the_names_that_are_wanted(desk: Desk) -> None:
    lines = desk.lines("two.jsonl", [{"text": "a"}, {"text": "b"}])
    tool = desk.tool("echo [TEXT] > o", outputs={"o": "o"})
    done = desk.submit(tool, lines, *BARE, "--results", "else where", "--results-name", "flat/{job}-{path}")
    assert done.results == desk.directory / "else where" / done.id
    assert done.files("outputs") == ["flat/1-o", "flat/2-o"]
    assert not (desk.directory / "results").exists()


def test_a_directory_with_odd_letters_is_as_good_as_any(desk: Desk) -> None:
    odd = desk.directory / "Données d'été (1) #2 100%"
    odd.mkdir()
    (odd / "entrée ü.txt").write_text("hello\n")
    there = Desk(odd, desk.home)
    there.write("i.json", {"file": "entrée ü.txt"})
    tool = there.tool("cat [FILE] > 'sortie é.txt'", {"file": "File"}, {"o": "sortie é.txt"})
    done = there.submit(tool, "i.json", *BARE, "--results", "Résultats ici?")
    assert done.read("outputs/sortie é.txt") == "hello\n"
    listed = there.ok("results", "--json").value
    assert listed["name"] == "sortie é.txt"
    there.ok("results", "--download", "à moi")
    assert (odd / "à moi/sortie é.txt").read_text() == "hello\n"
    assert there.ok("logs").out == ""


def test_every_match_of_a_pattern_is_returned(desk: Desk) -> None:
    outputs = {"o": {"path-template": "part-*.txt", "list": True}}
    done = one(desk, "for n in 1 2 3; do echo $n > part-$n.txt; done; echo > other.txt", outputs=outputs)
    assert done.files("outputs") == ["part-1.txt", "part-2.txt", "part-3.txt"]
    assert [p["output"] for p in desk.ok("results", "--json").values] == ["o", "o", "o"]


def test_a_directory_may_be_a_result(each_desk: Desk) -> None:
    done = one(each_desk, "mkdir -p d/e; echo 1 > d/a; echo 2 > d/e/b", outputs={"o": "d"})
    assert done.files("outputs") == ["d/a", "d/e/b"]


def test_a_missing_required_output_fails_the_job_though_its_tool_was_content(desk: Desk) -> None:
    done = one(desk, "exit 0", code=1)
    assert "job 1 failed (tool): the tool did not write its output o" in done.ran.err
    assert done.record()["public-output"]["missing-files"] == ["o"]
    job = desk.ok("jobs", "--json").value
    assert (job["state"], job["failure"], job["exit_code"]) == ("failed", "tool", 0)


def test_a_missing_optional_output_is_nothing_to_speak_of(desk: Desk) -> None:
    done = one(desk, "exit 0", outputs={"o": {"path-template": "o.txt", "optional": True}})
    assert done.files() == ["provenance/1.1.json"]


def test_the_descriptor_says_what_an_exit_code_means(desk: Desk) -> None:
    codes = [{"code": 3, "description": "The image has no voxels"}]
    done = one(desk, "exit 3", code=1, error_codes=codes)
    words = "The image has no voxels (the tool ended with exit code 3; its outputs were not delivered)"
    assert f"engine: job 1 failed (tool): {words}" in done.ran.lines
    assert desk.ok("jobs", "--json").value["message"] == words
    assert words in desk.ok("explain").out
    assert done.record()["public-output"]["error-message"] == words


def test_a_tool_that_a_signal_ended_is_reported_so(desk: Desk) -> None:
    done = one(desk, "kill -SEGV $$", code=1)
    assert "job 1 failed (tool): the tool was ended by signal 11" in done.ran.err
    assert desk.ok("jobs", "--json").value["exit_code"] == 128 + 11
    assert done.record()["public-output"]["signal"] == 11


def test_some_failed_is_1_and_the_others_keep_their_results(each_desk: Desk) -> None:
    lines = each_desk.lines("three.jsonl", [{"text": text} for text in ("a", "bad", "c")])
    tool = each_desk.tool("[ [TEXT] != bad ] && echo [TEXT] > o", outputs={"o": "o"})
    done = each_desk.submit(tool, lines, *BARE, code=1)
    assert done.ran.value["state"] == "partial"
    assert done.files("outputs") == ["1/o", "3/o"]
    jobs = each_desk.ok("jobs", "--json").values
    assert [(job["state"], job["parameters"]) for job in jobs] == [
        ("succeeded", {"text": "a"}),
        ("failed", {"text": "bad"}),
        ("succeeded", {"text": "c"}),
    ]
    assert [job["number"] for job in each_desk.ok("jobs", "--state", "failed", "--json").values] == [2]


def test_the_provenance_record_tells_everything(desk: Desk) -> None:
    desk.write("in.txt", "hello\n")
    tool = desk.tool(
        "cat [FILE] > o; echo [NUMBER] >> o",
        {"file": "File", "number": {"type": "Number", "default-value": 4}},
        {"o": "o"},
        doi="10.5281/zenodo.12345",
    )
    done = desk.submit(tool, desk.write("i.json", {"file": "in.txt"}), *BARE)
    record = done.record()
    summary, made = record["summary"], record["public-output"]
    more = record["additional-information"]
    given = json.loads((desk.directory / tool).read_text())
    canonical = json.dumps(given, sort_keys=True, separators=(",", ":")).encode()
    assert summary["descriptor-sha256"] in {
        hashlib.sha256(canonical).hexdigest(),
        hashlib.sha256((desk.directory / tool).read_bytes()).hexdigest(),
    }
    assert (summary["name"], summary["version"]) == ("tool", "1.0")
    assert summary["descriptor-doi"] == "10.5281/zenodo.12345"
    assert record["public-invocation"] == {
        "file": {
            "file-name": "in.txt",
            "url": f"file://{desk.directory}/in.txt",
            "size": 6,
            "sha256": hashlib.sha256(b"hello\n").hexdigest(),
        }
    }
    assert made["shell-command"] == "cat in.txt > o; echo 4 >> o"
    assert (made["exit-code"], made["failure"], made["error-message"]) == (0, "", "")
    (product,) = made["output-files"]["o"]
    assert (product["file-name"], product["size"]) == ("o", 8)
    assert product["sha256"] == hashlib.sha256(b"hello\n4\n").hexdigest()
    assert more["runtime"]["name"] == "none"
    assert more["image"] is None
    assert set(more["host"]) >= {"name", "kernel", "system", "python"}
    assert [phase["name"] for phase in more["phases"]] == [
        "probe",
        "inputs",
        "image",
        "run",
        "outputs",
        "deliver",
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", phase["start"]) for phase in more["phases"])
    assert more["job"] == f"{done.id}:1"
    assert re.fullmatch("[0-9a-f]{64}", more["wrapper-sha256"])


def test_what_the_engine_read_is_in_the_record_even_when_the_file_changed_later(desk: Desk) -> None:
    desk.write("in.txt", "before")
    tool = desk.tool("cat [FILE] > o", {"file": "File"}, {"o": "o"})
    done = desk.submit(tool, desk.write("i.json", {"file": "in.txt"}), *BARE)
    desk.write("in.txt", "afterwards")
    assert done.record()["public-invocation"]["file"]["sha256"] == hashlib.sha256(b"before").hexdigest()


# --- asking afterwards


def test_results_are_listed_and_brought_home(each_desk: Desk) -> None:
    lines = each_desk.lines("two.jsonl", [{"text": "a"}, {"text": "b"}])
    done = each_desk.submit(each_desk.tool("echo [TEXT] > o", outputs={"o": "o"}), lines, *BARE)
    table = each_desk.ok("results", done.id[:20].lower()).out.splitlines()
    assert table[0].split("\t") == ["JOB", "OUTPUT", "NAME", "SIZE", "SHA256"]
    # in the order in which they were committed: either job may end first
    assert sorted(line.split("\t")[:4] for line in table[1:]) == [
        ["1", "o", "1/o", "2 B"],
        ["2", "o", "2/o", "2 B"],
    ]
    ran = each_desk.ok("results", "--download", "copy")
    assert (each_desk.directory / "copy/2/o").read_text() == "b\n"
    assert "2 results are in copy" in ran.err


def test_logs_are_printed_byte_for_byte(desk: Desk) -> None:
    one(desk, r"printf 'a\000\377\033[31mb'; echo trouble >&2; touch o.txt")
    raw = desk.start("logs", text=False).communicate()[0]
    assert raw == b"a\x00\xff\x1b[31mb"  # type: ignore[comparison-overlap]
    assert desk.ok("logs", "--stderr").out == "trouble\n"


def test_logs_can_be_followed_while_the_job_runs(desk: Desk) -> None:
    go = desk.directory / "go"
    tool = desk.tool(f"echo first; while [ ! -e '{go}' ]; do sleep 0.05; done; echo last")
    submit = desk.start("submit", tool, desk.write("i.json", {}), *BARE)
    assert submit.stderr is not None
    assert "1 job(s)" in submit.stderr.readline()  # now it is there to be found
    logs = desk.start("logs", "--follow")
    assert logs.stdout is not None
    assert logs.stdout.readline() == "first\n"
    assert submit.poll() is None
    go.touch()
    assert logs.communicate()[0] == "last\n"
    submit.communicate()
    assert (logs.returncode, submit.returncode) == (0, 0)


def test_what_a_tool_calls_itself_does_not_reach_the_terminal(desk: Desk) -> None:
    evil = "\x1b]0;owned\x07\x1b[2Jtool"
    codes = [{"code": 3, "description": f"{evil} is broken"}]
    done = one(desk, "exit 3", code=1, name=evil, error_codes=codes)
    shown = [done.ran.err, *(desk.ok(*words).out for words in (["list"], ["status"], ["jobs"], ["explain"]))]
    assert not [text for text in shown if "\x1b" in text or "\x07" in text]
    assert "tool is broken" in shown[0]


def test_a_huge_log_passes_through_in_little_memory(desk: Desk) -> None:
    tool = desk.tool("head -c 100000000 /dev/zero | tr '\\0' x; touch o", outputs={"o": "o"})
    measure = ["/usr/bin/env", "python3", "-c", _PEAK]
    ran = desk.run("submit", tool, desk.write("i.json", {}), *BARE, before=measure)
    assert ran.code == 0
    assert int(ran.err.splitlines()[-1]) < 150_000  # kB; the engine alone takes some 75,000
    with (desk.directory / "log").open("wb") as file:
        logs = desk.run("logs", before=measure, stdout=file)
    assert int(logs.err.splitlines()[-1]) < 150_000
    assert (desk.directory / "log").stat().st_size == 100_000_000


_PEAK = """
import os, resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


# --- once more


def test_the_same_key_is_the_same_execution(desk: Desk) -> None:
    counter = desk.directory / "counter"
    tool, i = desk.tool(f"echo once >> '{counter}'"), desk.write("i.json", {})
    first = desk.submit(tool, i, *BARE, "--key", "mine")
    again = desk.submit(tool, i, *BARE, "--key", "mine")
    assert again.id == first.id
    assert f"key mine was submitted before, as {first.id}" in again.ran.err
    assert counter.read_text() == "once\n"
    assert len(desk.ok("list", "--json").values) == 1


@pytest.mark.parametrize(
    "words",
    [("other.json", "i.json"), ("tool.json", "j.json"), ("tool.json", "i.json", "--repeat", "2")],
    ids=["tool", "values", "jobs"],
)
def test_the_key_of_another_request_is_refused(desk: Desk, words: tuple[str, ...]) -> None:
    tool = desk.tool("echo [TEXT] > o", outputs={"o": "o"})
    desk.write("other.json", (desk.directory / tool).read_text().replace("echo", "printf %s"))
    desk.write("i.json", {"text": "one"})
    desk.write("j.json", {"text": "two"})
    first = desk.submit(tool, "i.json", *BARE, "--key", "mine")
    ran = desk.run(
        "submit", *(tool if word == "tool.json" else word for word in words), *BARE, "--key", "mine"
    )
    assert (ran.code, ran.out) == (2, "")
    assert ran.lines == [
        f"engine: key mine was submitted before, as {first.id}, with another request",
        "engine: take another key",
    ]


def test_retry_runs_what_failed_and_nothing_else(each_desk: Desk) -> None:
    counter, mended = each_desk.directory / "counter", each_desk.directory / "mended"
    tool = each_desk.tool(
        f"echo [TEXT] >> '{counter}'; [ [TEXT] = good ] || [ -e '{mended}' ] && echo [TEXT] > o",
        outputs={"o": "o"},
    )
    lines = each_desk.lines("three.jsonl", [{"text": text} for text in ("good", "bad", "good")])
    done = each_desk.submit(tool, lines, *BARE, code=1)
    mended.touch()
    ran = each_desk.ok("retry", "--failed", "--json")
    assert "1 job(s) are tried again" in ran.err
    assert ran.value["state"] == "succeeded"
    assert sorted(counter.read_text().split()) == ["bad", "bad", "good", "good"]
    assert done.files("outputs") == ["1/o", "2/o", "3/o"]
    assert "the user asked to retry" in each_desk.ok("explain", ":2").out
    assert each_desk.ok("logs", ":2", "--try", "1").out == ""
    assert "nothing to try again" in each_desk.ok("retry").err


def test_what_was_skipped_runs_when_what_it_waited_for_is_mended(desk: Desk) -> None:
    for name in ("sub-01", "sub-02"):
        (desk.directory / "data" / name).mkdir(parents=True)
    mended = desk.directory / "mended"
    tool = desk.tool(
        f"echo [LEVEL] > o; case '[BIDS_DIR] [LABEL]' in *02*) [ -e '{mended}' ];; esac",
        {
            "bids_dir": {"type": "File", "optional": False, "value-key": "[BIDS_DIR]"},
            "analysis_level": {
                "type": "String",
                "value-choices": ["participant", "group"],
                "value-key": "[LEVEL]",
            },
            "participant_label": {"type": "String", "list": True, "value-key": "[LABEL]"},
        },
        {"o": "o"},
    )
    submitted = desk.submit(tool, *BARE, "--bids", "data", "--need", "all", code=1)
    assert submitted.ran.value["tally"] == {"succeeded": 1, "failed": 1, "skipped": 1}
    mended.touch()
    assert desk.ok("retry", "--json").value["tally"] == {"succeeded": 3}
    assert submitted.read("outputs/3/o") == "group\n"


def test_the_descriptors_own_tests_are_run(desk: Desk) -> None:
    tool = desk.tool(
        "exit [CODE]",
        {"code": "Number"},
        tests=[
            {"name": "well", "invocation": {"code": 0}, "assertions": {"exit-code": 0}},
            {"name": "ill", "invocation": {"code": 2}, "assertions": {"exit-code": 3}},
        ],
    )
    ran = desk.run("test", tool, *BARE)
    assert (ran.code, ran.out.splitlines()[:2]) == (1, ["passed  well", "failed  ill"])


@pytest.mark.parametrize(
    "command", ["list", "status", "jobs", "results", "explain", "settings", "doctor", "logs", "tick"]
)
def test_every_command_can_print_json(shared_desk: Desk, command: str) -> None:
    if not shared_desk.rows("execution"):
        tool = shared_desk.tool("echo x; echo x > o", outputs={"o": "o"})
        shared_desk.submit(tool, shared_desk.write("i.json", {}), *BARE)
    ran = shared_desk.run(command, "--json")
    assert ran.code in ((0, 3) if command == "doctor" else (0,))
    assert ran.values


def test_a_pipe_that_closes_early_is_no_trouble(desk: Desk) -> None:
    lines = desk.lines("many.jsonl", [{"text": "x" * 1000}] * 200)
    expand = desk.start("expand", desk.tool("echo [TEXT]"), lines)
    assert expand.stdout is not None
    assert json.loads(expand.stdout.readline())["index"] == 0
    expand.stdout.close()
    expand.stdout = None
    assert (expand.communicate()[1], expand.returncode) == ("", 0)


def names(done: Execution) -> list[str]:
    """The results, as they are called."""
    return done.files("outputs")


SCAN = {"scan": "File", "frac": "Number"}
"""Inputs of a tool whose results all have one name."""


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{input.scan.stem}-{input.frac}/{path}", [f"{s}-{f}/out/o" for s in "ab" for f in (0.1, 0.2)]),
        ("{parameters}/{name}", [f"scan={s}.nii.gz,frac={f}/o" for s in "ab" for f in (0.1, 0.2)]),
        ("{job}.{name}", ["1.o", "2.o", "3.o", "4.o"]),
    ],
)  # fmt: skip
def test_results_are_named_by_inputs_and_parameters(desk: Desk, template: str, expected: list[str]) -> None:
    for name in "ab":
        desk.write(f"{name}.nii.gz", "")
    tool = desk.tool("mkdir out; echo [FRAC] [SCAN] > out/o", SCAN, {"o": "out/o"})
    sweep = ("--cross", "scan=a.nii.gz,b.nii.gz", "--cross", "frac=0.1,0.2")
    done = desk.submit(tool, *sweep, *BARE, "--results-name", template)
    assert names(done) == sorted(expected)
    assert sorted(p["name"] for p in desk.ok("results", "--json").values) == sorted(expected)


def test_runs_of_a_repetition_are_numbered(desk: Desk) -> None:
    tool = desk.tool("echo [TEXT] > o", outputs={"o": "o"})
    template = ("--results-name", "{input.text}/run-{run}/{path}")
    done = desk.submit(tool, "--set", "text=x", "--repeat", "2", *BARE, *template)
    assert names(done) == ["x/run-1/o", "x/run-2/o"]


def test_the_template_can_be_a_setting(desk: Desk) -> None:
    tool = desk.tool("echo [TEXT] > o", outputs={"o": "o"})
    setting = {"ENGINE_RESULTS_NAME": "{input.text}-{path}"}
    assert names(desk.submit(tool, "--set", "text=x", *BARE, variables=setting)) == ["x-o"]
    assert names(desk.submit(tool, "--set", "text=x", *BARE, "--results-name", "", variables=setting)) == [
        "o"
    ]
    ran = desk.run(
        "plan", tool, "--set", "text=x", *BARE, variables={"ENGINE_RESULTS_NAME": "{input.y}{path}"}
    )
    assert (ran.code, ran.lines[0]) == (
        2, "engine: setting results_name: {input.y}{path}: the tool has no input y"
    )  # fmt: skip


def test_vips_results_directory_is_kept_below_the_results(desk: Desk) -> None:
    tool = desk.tool(
        "echo [TEXT] > [TEXT].o", outputs={"o": "[TEXT].o"}, custom={"vip:resultsDirectorySuffix": "s"}
    )
    asked = desk.write("i.json", {"text": ["x", "y"], "results-directory": "lfn:/vo/home/out/"})
    done = desk.submit(tool, asked, "--vip", *BARE)
    assert names(done) == ["vo/home/out/s/x.o", "vo/home/out/s/y.o"]


def test_vips_results_directory_is_dated_and_iterated(desk: Desk) -> None:
    tool = desk.tool("echo [TEXT] > o", outputs={"o": "o"}, custom={"vip:dot": ["text", "results-directory"]})
    asked = desk.write("i.json", {"text": ["x", "y"], "results-directory": ["/one", "/two"]})
    first, second = names(desk.submit(tool, asked, "--vip", *BARE))
    assert re.fullmatch(r"one/\d{4}-\d\d-\d\d_\d{6}/o", first)
    assert re.fullmatch(r"two/\d{4}-\d\d-\d\d_\d{6}/o", second)


def test_results_that_vip_would_overwrite_are_refused(desk: Desk) -> None:
    tool = desk.tool("echo [TEXT] > o", outputs={"o": "o"})
    asked = desk.write("i.json", {"text": ["x", "y"], "results-directory": "/one"})
    ran = desk.run("submit", tool, asked, "--vip", *BARE)
    assert ran.code == 2
    assert "/o is also a result of job 1; put {job} into --results-name" in ran.err
    done = desk.submit(tool, asked, "--vip", *BARE, "--results-name", "{results-directory}/{job}/{path}")
    assert [name[-4:] for name in names(done)] == ["/1/o", "/2/o"]


def test_a_file_where_another_job_needs_a_directory_is_found_before_the_first_job(desk: Desk) -> None:
    tool = desk.tool("mkdir -p a; echo > [TEXT]", outputs={"o": "[TEXT]"})
    lines = desk.lines("two.jsonl", [{"text": "a/b"}, {"text": "a"}])
    ran = desk.run("submit", tool, lines, *BARE, "--results-name", "{path}")
    assert ran.code == 2
    assert "output o of job 2: a is also a result of job 1" in ran.err


def test_names_from_wildcards_that_meet_fail_the_second_job(desk: Desk) -> None:
    tool = desk.tool("echo [TEXT] > part.txt", outputs={"o": {"path-template": "*.txt", "list": True}})
    lines = desk.lines("two.jsonl", [{"text": "a"}, {"text": "b"}])
    done = desk.submit(tool, lines, *BARE, "--results-name", "{path}", code=1)
    assert names(done) == ["part.txt"]
    assert "exists already" in done.ran.err


def test_a_plan_for_people_tells_outputs_and_the_names_that_are_known(desk: Desk) -> None:
    tool = desk.tool("echo x > o", outputs={"o": "o"})
    words = ["plan", tool, desk.write("i.json", {}), *BARE]
    assert "output    o: o\n" in desk.ok(*words).out
    named = desk.ok(*words, "--results-name", "all/{name}").out
    assert "output    o: o as all/o\n" in named
