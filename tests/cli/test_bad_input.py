"""Bad input: a clear line that names file, field and remedy, a documented exit code, nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.desk import Described, Desk, Ran
from tests.services.registry import Registry, free_port

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")
HINT = "with --vip a list is a job for each entry"


def refused(desk: Desk, *words: str | Path, code: int = 2, **options: object) -> list[str]:
    """Submit what cannot be; returns what was said."""
    ran = desk.run("submit", *words, **options)
    assert ran.code == code, ran
    assert ran.out == ""
    assert desk.debris() == []
    return said(ran)


def said(ran: Ran) -> list[str]:
    assert "Traceback" not in ran.err
    assert all(line.startswith("engine: ") for line in ran.lines), ran.err
    return [line.removeprefix("engine: ") for line in ran.lines]


def test_a_descriptor_that_is_cut_off_is_named_with_its_line(desk: Desk) -> None:
    desk.write("tool.json", '{"name": "tool",\n')
    assert refused(desk, "tool.json", *BARE) == ["tool.json line 2: not JSON: the text ends too early"]


def test_a_descriptor_that_breaks_the_schema_is_refused_by_its_field(desk: Desk) -> None:
    desk.tool("echo", {"text": {"type": "Strong"}})
    told = refused(desk, "tool.json", desk.write("i.json", {}), *BARE)
    assert told[0].startswith("tool.json: not a valid descriptor: inputs text type: 'Strong' is not one of")


def test_a_descriptor_that_is_not_there_is_refused(desk: Desk) -> None:
    assert refused(desk, "gone.json", *BARE) == ["gone.json: no such file"]


@pytest.mark.parametrize(
    ("invocation", "line"),
    [
        ({"bogus": 1, "must": "x"}, "i.json, unknown input 'bogus'"),
        ({}, "i.json, input must: is required"),
        ({"must": "x", "number": "many"}, "i.json, input number: 'many' is not a number"),
        (
            {"must": ["x"]},
            f"i.json, input must: a list is not a string; {HINT}",
        ),
        ({"must": "x", "file": "gone.nii"}, "i.json, input file: {directory}/gone.nii: no such file"),
    ],
    ids=["unknown", "missing", "wrong type", "list for scalar", "file is not there"],
)
def test_an_invocation_is_refused_by_file_and_input(
    desk: Desk, invocation: dict[str, object], line: str
) -> None:
    inputs: Mapping[str, Described] = {
        "must": {"type": "String", "optional": False},
        "number": "Number",
        "file": "File",
    }
    tool = desk.tool("echo [MUST]", inputs)
    told = refused(desk, tool, desk.write("i.json", invocation), *BARE)
    assert told == [line.format(directory=desk.directory)]


def test_every_bad_line_of_a_sweep_is_told_at_once(desk: Desk) -> None:
    tool = desk.tool("echo", {"number": "Number"})
    lines = desk.lines("many.jsonl", [{"number": 1}, {"number": "a"}, {"number": 2}, {"nombre": 3}])
    assert refused(desk, tool, lines, *BARE) == [
        "many.jsonl line 2, input number: 'a' is not a number",
        "many.jsonl line 4, unknown input 'nombre' (did you mean number?)",
    ]


def test_a_file_that_may_not_be_read_is_refused_before_the_job_starts(ordinary_desk: Desk) -> None:
    tool = ordinary_desk.tool("cat [FILE]", {"file": "File"})
    secret = ordinary_desk.directory / "secret"
    secret.write_text("x")
    secret.chmod(0)
    (line,) = refused(ordinary_desk, tool, ordinary_desk.write("i.json", {"file": "secret"}), *BARE)
    assert line == f"i.json, input file: {secret}: may not be read by this user"


def test_a_pattern_in_place_of_a_file_is_told_how_patterns_are_written(desk: Desk) -> None:
    tool = desk.tool("cat [FILE]", {"file": "File"})
    (line,) = refused(desk, tool, "--cross", "file=*.txt", *BARE)
    name = desk.directory / "*.txt"
    assert line == f"command line, input file: {name}: no such file (a pattern is written glob:PATTERN)"


def test_a_tool_without_image_runs_only_when_that_was_asked_for(desk: Desk) -> None:
    told = refused(desk, desk.tool("echo"), desk.write("i.json", {}))
    assert told == ["tool.json: no container-image", "add one, or run it on this machine with --runtime none"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--runtime", "magic"], "no runtime magic"),
        (["--runtime", "none", "--runtime", "userns"], "runtime none cannot be one of several"),
        (["--runtime", "none", "--memory", "4"], "--memory 4: 4 bytes are less than any program needs"),
        (["--runtime", "none", "--repeat", "99999999999"], "the request makes more than 1000000 jobs"),
        (["--runtime", "none", "--memory", "lots"], "--memory lots: an amount such as 4G or 512Mi is needed"),
        (["--runtime", "none", "--results-name", "x"], "--results-name x: {path} or {name} is needed in it"),
        (
            ["--runtime", "none", "--results-name", "../../{path}"],
            "--results-name ../../{path}: results stay below",
        ),
        (
            ["--runtime", "none", "--results-name", "/tmp/{path}"],
            "--results-name /tmp/{path}: results stay below",
        ),
        (
            ["--runtime", "none", "--results-name", "{who}/{path}"],
            "--results-name {who}/{path}: {who} is unknown; there is {job}, {path},",
        ),
        (["--runtime", "none", "--backend", "moon"], "no back-end moon"),
        (["--runtime", "none", "--cores", "0"], "Invalid value for '--cores'"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_an_option_without_sense_is_refused(desk: Desk, options: list[str], line: str) -> None:
    told = refused(desk, desk.tool("echo"), desk.write("i.json", {}), *options)
    assert told[0].startswith(line)


def test_two_jobs_that_would_write_one_name_are_refused(desk: Desk) -> None:
    tool = desk.tool("echo [TEXT] > o", outputs={"o": "o"})
    lines = desk.lines("two.jsonl", [{"text": "a"}, {"text": "b"}])
    (line,) = refused(desk, tool, lines, *BARE, "--results-name", "{path}")
    assert line.startswith("two.jsonl line 2, output o of job 2: o is also a result of job 1")


def test_a_misspelt_command_gets_a_hint(desk: Desk) -> None:
    ran = desk.run("sumbit")
    assert (ran.code, said(ran)) == (2, ["No such command 'sumbit'. Did you mean 'submit'?"])


# --- images and registries


@pytest.mark.service
def test_an_image_that_does_not_exist_is_refused_by_its_name(desk: Desk, registry: Registry) -> None:
    tool = desk.tool("echo", image=f"{registry.host}/vip/gone:1")
    (line,) = refused(desk, tool, desk.write("i.json", {}))
    assert line == (
        f"tool.json: container-image.image: image {registry.host}/vip/gone:1 does not exist "
        f"(registry {registry.host})"
    )


def test_an_image_name_that_is_none_is_refused(desk: Desk) -> None:
    (line,) = refused(desk, desk.tool("echo", image="Not An Image"), desk.write("i.json", {}))
    assert line.startswith("tool.json: container-image.image: image name 'Not An Image' is not valid")


def test_a_registry_that_is_down_is_a_service_to_try_later(desk: Desk) -> None:
    host = f"127.0.0.1:{free_port()}"
    told = refused(desk, desk.tool("echo", image=f"{host}/x:1"), desk.write("i.json", {}), code=3)
    assert told == [
        f"registry {host} cannot be reached: connecting to {host}: Connection refused",
        f"try later, name the image by its digest ({host}/x@sha256:...), or set a mirror in node.mirrors",
    ]


@pytest.mark.service
def test_a_registry_that_wants_credentials_is_told_apart(desk: Desk, busybox_image: str) -> None:
    from tests.services.faults import faulty

    with faulty(busybox_image.partition("/")[0]) as locked:
        locked.login = "me:pass-word"
        tool = desk.tool("echo", image=f"{locked.host}/vip/busybox:1.0")
        told = refused(desk, tool, desk.write("i.json", {}), code=4)
        assert told[0].startswith(f"registry {locked.host} wants credentials, or has no such image: ")
        assert "docker login" in told[0]

        wrong = desk.write("logins.json", {locked.host: {"username": "me", "password": "guessed"}})
        (desk.directory / wrong).chmod(0o600)
        key = {"ENGINE_NODE__CREDENTIALS": str(desk.directory / wrong)}
        told = refused(desk, tool, desk.write("i.json", {}), code=4, variables=key)
        assert told[0] == f"registry {locked.host} refuses the credentials of 'me'"
        assert "guessed" not in " ".join(told)


# --- settings


LOCAL = "a back-end of kind local has kind, slots, spool, idle, simulate_remote"


def test_an_unknown_key_in_the_settings_file_is_named_with_its_file(desk: Desk) -> None:
    desk.write("engine.yaml", "backends:\n  local:\n    slotz: 3\n")
    ran = desk.run("--config", "engine.yaml", "list")
    assert (ran.code, said(ran)) == (2, ["engine.yaml: backends.local.slotz: no such setting", LOCAL])


@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_time_that_never_ends_is_no_setting(desk: Desk, value: str) -> None:
    refused = desk.run("list", variables={"ENGINE_PORTAL__RETENTION": value})
    assert (refused.code, refused.err) == (
        2,
        "engine: variable ENGINE_PORTAL__RETENTION: input should be a finite number\n",
    )


def test_every_wrong_setting_is_told_at_once(desk: Desk) -> None:
    desk.write("engine.yaml", "bogus: 1\nlimits: {cores: 0}\n")
    ran = desk.run("--config", "engine.yaml", "list")
    assert ran.code == 2
    assert {line.split(": ")[1] for line in said(ran)} == {"bogus", "limits.cores"}


def test_an_unknown_key_of_our_sections_is_named_in_a_variable_too(desk: Desk) -> None:
    ran = desk.run("list", variables={"ENGINE_BACKENDS__LOCAL__SLOTZ": "3"})
    assert (ran.code, said(ran)[0]) == (2, "variable ENGINE_BACKENDS__LOCAL__SLOTZ: no such setting")


def test_variables_of_other_programs_are_left_alone_and_misspelt_ones_of_ours_told(desk: Desk) -> None:
    others = {
        "ENGINE_SLOTS": "3",
        "ENGINE_": "x",
        "ENGINE__": "x",
        "ENGINE_HOST__X": "",
        "ENGINE_VERSION": "9",
    }
    ran = desk.ok("list", variables={**others, "ENGINE_DATABSE": "none", "ENGINE_NODES__PULL": "none"})
    assert said(ran) == [
        "warning: variable ENGINE_DATABSE is no setting, and is ignored; did you mean ENGINE_DATABASE?",
        "warning: variable ENGINE_NODES__PULL is no setting, and is ignored; did you mean ENGINE_NODE__PULL?",
    ]


def test_a_settings_file_that_was_named_must_be_there(desk: Desk) -> None:
    ran = desk.run("list", variables={"ENGINE_CONFIG": "gone.yaml"})
    assert (ran.code, said(ran)) == (2, ["gone.yaml: no such file", "see ENGINE_CONFIG and --config"])


def test_a_settings_file_that_is_not_yaml_is_named_with_its_line(desk: Desk) -> None:
    desk.write("engine.yaml", "local: {\n")
    ran = desk.run("--config", "engine.yaml", "list")
    assert ran.code == 2
    assert said(ran)[0].startswith("engine.yaml line 2: not YAML: ")


# --- the database


def test_a_database_on_a_path_that_cannot_be_written_is_told(ordinary_desk: Desk) -> None:
    ordinary_desk.directory.chmod(0o555)
    url = f"sqlite:///{ordinary_desk.directory}/below/engine.db"
    ran = ordinary_desk.run("list", variables={"ENGINE_DATABASE": url})
    ordinary_desk.directory.chmod(0o755)
    assert ran.code == 3
    assert said(ran) == [
        f"cannot make the directory of the database, {ordinary_desk.directory}/below: Permission denied",
        "set `database` (or ENGINE_DATABASE) to a place that can be written",
    ]


def test_a_postgresql_that_is_down_is_told_without_its_password(desk: Desk) -> None:
    url = f"postgresql+psycopg://me:secret@127.0.0.1:{free_port()}/engine"
    told = refused(
        desk,
        desk.tool("echo"),
        desk.write("i.json", {}),
        *BARE,
        code=3,
        variables={"ENGINE_DATABASE": url},
    )
    assert told[0].startswith("the database postgresql+psycopg://me:***@127.0.0.1:")
    assert told[0].endswith("Connection refused")
    assert told[1] == "see that it runs, then try again"


@pytest.mark.parametrize(
    "url", ["nonsense", "foo://there/db", "mysql://there/db", "oracle://there/db", "sqlite://"]
)
def test_a_database_of_another_kind_is_refused(desk: Desk, url: str) -> None:
    ran = desk.run("list", variables={"ENGINE_DATABASE": url})
    assert ran.code == 2
    first, remedy = said(ran)
    assert first.startswith("setting database: ")
    assert "sqlite:///PATH" in remedy


def test_a_file_that_is_no_database_is_refused_and_left_alone(desk: Desk) -> None:
    desk.write("notes.txt", "These are my notes, and they are long enough to be looked at as a header. " * 20)
    ran = desk.run("list", variables={"ENGINE_DATABASE": f"sqlite:///{desk.directory}/notes.txt"})
    assert ran.code == 2
    assert said(ran)[0].endswith("file is not a database")
    assert (desk.directory / "notes.txt").read_text().startswith("These are my notes")
    assert [path.name for path in desk.directory.iterdir()] == ["notes.txt"]


# --- places that cannot be written


def test_a_home_that_cannot_be_written_is_told(ordinary_desk: Desk) -> None:
    tool, invocation = ordinary_desk.tool("echo"), ordinary_desk.write("i.json", {})
    ordinary_desk.home.chmod(0o555)
    told = refused(ordinary_desk, tool, invocation, *BARE, code=3)
    ordinary_desk.home.chmod(0o755)
    assert told == [
        f"cannot make the directory of the database, {ordinary_desk.database.parent}: Permission denied",
        "set `database` (or ENGINE_DATABASE) to a place that can be written",
    ]


def test_a_spool_that_cannot_be_written_is_told_before_anything_starts(ordinary_desk: Desk) -> None:
    ordinary_desk.write("file", "")
    place = {"ENGINE_BACKENDS__LOCAL__SPOOL": str(ordinary_desk.directory / "file" / "spool")}
    tool, invocation = ordinary_desk.tool("echo"), ordinary_desk.write("i.json", {})
    told = refused(ordinary_desk, tool, invocation, *BARE, code=3, variables=place)
    assert told == [
        f"the spool of this machine, {place['ENGINE_BACKENDS__LOCAL__SPOOL']}: Not a directory",
        "set `backends.local.spool` (ENGINE_BACKENDS__LOCAL__SPOOL) to a directory with room",
    ]


def test_results_that_cannot_be_written_are_told_before_anything_starts(ordinary_desk: Desk) -> None:
    tool, invocation = ordinary_desk.tool("echo"), ordinary_desk.write("i.json", {})
    ordinary_desk.directory.chmod(0o555)
    ran = ordinary_desk.run("submit", tool, invocation, *BARE)
    ordinary_desk.directory.chmod(0o755)
    assert ran.code == 3
    first, remedy = said(ran)
    assert first.startswith(f"cannot make the directory of results {ordinary_desk.directory}/results/")
    assert (first.split(": ")[-1], remedy) == ("Permission denied", "choose another with --results")
    assert ordinary_desk.debris() == []


def test_an_execution_that_does_not_exist_is_told_by_every_command(shared_desk: Desk) -> None:
    for command in ("status", "logs", "retry"):
        ran = shared_desk.run(command, "01NOTTHERE")
        assert ran.code == 2, (command, ran)
        assert said(ran) == ["no execution 01NOTTHERE", "engine list shows them"]


def test_a_new_user_is_told_how_to_begin(desk: Desk) -> None:
    ran = desk.run("status")
    assert (ran.code, said(ran)) == (2, ["there is no execution yet", "engine submit makes one"])
    assert json.loads(desk.ok("list", "--json").out or "null") is None
