"""What a descriptor's `container-opts` ask of the machine where its jobs run.

They are options of `docker run` or `singularity exec`, written for one machine. Here each is understood, or
ignored with a warning, or an error while a submit is planned: nothing is passed on unread.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from enum import Enum, auto

from engine.domain.tool import Tool
from engine.planning.vip_keys import OPTIONS


@dataclass(slots=True)
class Requirements:
    """The options of an image, understood."""

    gpu: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    in_job: dict[str, str] = field(default_factory=dict)
    """Variables whose value holds `$PWD`, the job's directory: the command line itself sets them."""
    working_directory: str | None = None
    """Where the tool starts, inside of the image; None is the job's directory."""
    user: str | None = None
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class _Meaning(Enum):
    GPU = auto()  # how many is not kept
    DEVICE = auto()
    RUNTIME = auto()
    VARIABLE = auto()
    DIRECTORY = auto()
    USER = auto()
    ENTRYPOINT = auto()
    HOME = auto()
    DONE = auto()  # every job has it anyway
    IGNORED = auto()  # not available everywhere; most tools do without
    MOUNT = auto()
    POWER = auto()


# Option -> its meaning, and whether a value follows it.
_DOCKER: dict[str, tuple[_Meaning, bool]] = {
    **dict.fromkeys(("--gpus",), (_Meaning.GPU, True)),
    "--device": (_Meaning.DEVICE, True),
    "--runtime": (_Meaning.RUNTIME, True),
    **dict.fromkeys(("-e", "--env"), (_Meaning.VARIABLE, True)),
    **dict.fromkeys(("-w", "--workdir"), (_Meaning.DIRECTORY, True)),
    **dict.fromkeys(("-u", "--user"), (_Meaning.USER, True)),
    "--entrypoint": (_Meaning.ENTRYPOINT, True),
    **dict.fromkeys(
        ("--rm", "-i", "-t", "-it", "-ti", "--interactive", "--tty", "--init"), (_Meaning.DONE, False)
    ),
    **dict.fromkeys(("--name", "--pull"), (_Meaning.DONE, True)),
    **dict.fromkeys(
        ("--ulimit", "--ipc", "--shm-size", "--memory", "-m", "--cpus"), (_Meaning.IGNORED, True)
    ),
    **dict.fromkeys(
        ("--memory-swap", "--pids-limit", "--tmpfs", "--hostname", "-h"), (_Meaning.IGNORED, True)
    ),
    **dict.fromkeys(("--network", "--net", "--platform", "--label", "-l"), (_Meaning.IGNORED, True)),
    **dict.fromkeys(("-v", "--volume", "--mount", "--volumes-from", "--env-file"), (_Meaning.MOUNT, True)),
    "--privileged": (_Meaning.POWER, False),
    **dict.fromkeys(("--cap-add", "--security-opt", "--pid", "--userns"), (_Meaning.POWER, True)),
}
_SINGULARITY: dict[str, tuple[_Meaning, bool]] = {
    **dict.fromkeys(("--nv", "--nvccli", "--rocm"), (_Meaning.GPU, False)),
    "--env": (_Meaning.VARIABLE, True),
    **dict.fromkeys(("--pwd", "--cwd"), (_Meaning.DIRECTORY, True)),
    **dict.fromkeys(("-H", "--home"), (_Meaning.HOME, True)),
    **dict.fromkeys(("-e", "--cleanenv", "-c", "--contain", "-C", "--containall"), (_Meaning.DONE, False)),
    **dict.fromkeys(("--no-home", "--writable-tmpfs", "--no-automounts"), (_Meaning.DONE, False)),
    **dict.fromkeys(
        ("-u", "--userns", "-f", "--fakeroot", "-p", "--pid", "-i", "--ipc"), (_Meaning.IGNORED, False)
    ),
    **dict.fromkeys(
        ("--no-mount", "-W", "--workdir", "-S", "--scratch", "--overlay"), (_Meaning.IGNORED, True)
    ),
    **dict.fromkeys(("-B", "--bind", "--mount", "--env-file"), (_Meaning.MOUNT, True)),
    **dict.fromkeys(("-w", "--writable", "--allow-setuid", "--keep-privs"), (_Meaning.POWER, False)),
    **dict.fromkeys(("--add-caps", "--security"), (_Meaning.POWER, True)),
}
# People mix the two up, and --nv in a docker descriptor is common; what is clear is taken.
_DOCKER_TOO = {
    "--nv": (_Meaning.GPU, False),
    "--nvccli": (_Meaning.GPU, False),
    "--rocm": (_Meaning.GPU, False),
}
_SINGULARITY_TOO = {
    name: _DOCKER[name]
    for name in ("--gpus", "--ulimit", "--shm-size", "--rm", "-v", "--volume", "--privileged")
}
_HERE = re.compile(r"\$\{?PWD\}?/?(?::\$\{?PWD\}?/?)?").fullmatch
_EVERY_JOBS = re.compile(r"/(?:var/)?tmp/?|/dev/shm/?|(?:\$PWD|\$\{PWD\}|\$\(pwd\)|`pwd`)/?").fullmatch
_PWD = re.compile(r"\$PWD\b|\$\{PWD\}")
_variable = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_own_ids = re.compile(r"\$\(id -[ug]\)|`id -[ug]`")


def container_requirements(tool: Tool, family: str = "docker") -> Requirements:
    """Read what the container options of `tool` ask for.

    Args:
        tool: the tool.
        family: docker or singularity: whose kind of options the runtime takes. When it is not the kind that
            the descriptor was written for, its `vip:altContainerOpts` are taken, if it has some.
    """
    found = Requirements()
    if tool.image is None or tool.image.type == "rootfs":
        return found
    kind, options = tool.image.type, tool.image.options
    if kind != family and isinstance(tool.custom.get(OPTIONS), list):
        kind, options = family, tuple(map(str, tool.custom[OPTIONS]))
    table = {**_SINGULARITY_TOO, **_SINGULARITY} if kind == "singularity" else {**_DOCKER_TOO, **_DOCKER}
    try:
        # An option and its value may be one entry or two: bosh pastes them all into a shell line.
        parts = [_own_ids.sub("self", option) for option in options]
        words = [
            argument for part in parts for argument in (shlex.split(part) if part.startswith("-") else [part])
        ]
    except ValueError as error:
        found.errors.append(f"container-opts: {error}")
        return found
    while words:
        _read_option(words, table, found)
    return found


def parts_around_pwd(value: str) -> list[str]:
    """Cut a value up at `$PWD`."""
    return _PWD.split(value)


def _read_option(words: list[str], table: dict[str, tuple[_Meaning, bool]], found: Requirements) -> None:
    """Take one option, and its value if it has one, off the front of `words`."""
    argument = words.pop(0)
    name, equals, value = argument.partition("=") if argument.startswith("--") else (argument, "", "")
    if (
        name not in table
        and len(argument) > 2
        and argument[:2] in table
        and argument[0] == "-"
        and argument[1] != "-"
    ):
        name, equals, value = argument[:2], "=", argument[2:]  # -eNAME=value
    if name not in table:
        found.errors.append(f"container option {argument}: unknown here; take it out of the descriptor")
        return
    meaning, takes_value = table[name]
    if takes_value and not equals:
        if not words:
            found.errors.append(f"container option {name}: its value is missing")
            return
        value = words.pop(0)
    _apply(meaning, name, value, found)


def _apply(meaning: _Meaning, name: str, value: str, found: Requirements) -> None:
    shown = f"container option {name}{f' {value}' if value else ''}"
    match meaning:
        case _Meaning.GPU:
            found.gpu = True
        case _Meaning.DEVICE | _Meaning.RUNTIME if "nvidia" in value:
            found.gpu = True
        case _Meaning.VARIABLE:
            _set_variable(shown, value, found)
        case _Meaning.DIRECTORY:
            found.working_directory = None if _HERE(value) else value
            if "$" in value and not _HERE(value):
                found.errors.append(f"{shown}: variables of the submitting machine mean nothing on another")
        case _Meaning.USER:
            found.user = value
            if value not in ("self:self", "self", "0", "root", "0:0", "root:root"):
                found.warnings.append(f"{shown}: ignored; jobs run as the user that the site gives them")
        case _Meaning.ENTRYPOINT:
            if value and value.rpartition("/")[2] not in ("sh", "bash", "dash"):
                found.errors.append(f"{shown}: only a shell can be the entry point; use it in command-line")
        case _Meaning.HOME:
            if _HERE(value):
                found.in_job["HOME"] = "$PWD"
            else:
                found.warnings.append(f"{shown}: ignored; HOME is a writable directory of the job")
        case _Meaning.DONE:
            pass
        case _Meaning.IGNORED:
            found.warnings.append(f"{shown}: ignored, not every runtime has it")
        case _Meaning.MOUNT if _is_every_jobs(name, value):
            pass
        case _Meaning.MOUNT:
            found.errors.append(f"{shown}: files of the submitting machine are not on the worker node")
        case _Meaning.DEVICE | _Meaning.RUNTIME | _Meaning.POWER:
            found.errors.append(f"{shown}: a job does not get such rights")


def _is_every_jobs(name: str, value: str) -> bool:
    """Say whether it mounts, at its own place, a directory that every job has: `/tmp:/tmp`, `$PWD:$PWD`."""
    if name == "--mount":
        fields = dict(part.partition("=")[::2] for part in value.split(","))
        source = fields.get("source", fields.get("src", ""))
        target = next((fields[key] for key in ("target", "destination", "dst") if key in fields), "")
        pairs = [(source, target)] if fields.get("type", "bind") == "bind" else []
    elif name in ("-v", "--volume", "-B", "--bind"):
        texts = value.split(",") if name in ("-B", "--bind") else [value]
        pairs = [(source, rest.partition(":")[0] or source) for source, _, rest in map(_cut, texts)]
    else:
        return False
    return bool(pairs) and all(_EVERY_JOBS(source) and _plain(source) == _plain(to) for source, to in pairs)


def _cut(text: str) -> tuple[str, str, str]:
    return text.partition(":")


def _plain(path: str) -> str:
    return path.replace("${PWD}", "$PWD").replace("$(pwd)", "$PWD").replace("`pwd`", "$PWD").rstrip("/")


def _set_variable(shown: str, text: str, found: Requirements) -> None:
    """`NAME=value`, several with commas as singularity has it, or the name of a variable to pass on."""
    name, equals, value = text.partition("=")
    if not _variable(name):
        found.errors.append(f"{shown}: {name!r} is not the name of a variable")
    elif not equals:
        found.warnings.append(f"{shown}: ignored; variables of the submitting machine are not passed on")
    elif "$" in _PWD.sub("", value):
        found.errors.append(f"{shown}: variables of the submitting machine mean nothing on another")
    elif "$" in value:
        found.in_job[name] = value
    else:
        found.environment[name] = value
