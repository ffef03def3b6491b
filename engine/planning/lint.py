"""Traps in real descriptors: valid, and yet jobs fail, lose results, or hide that they failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.domain.tool import InputType, Tool
from engine.planning.compiler import CompiledTool
from engine.planning.containers import container_requirements
from engine.planning.finding import ERROR, WARNING, LintFinding
from engine.planning.lint_outputs import (
    circles,
    constant_outputs,
    outputs_outside,
    stripped_extensions,
    templates,
)
from engine.planning.lint_values import (
    absent_texts,
    broken_defaults,
    configuration_texts,
    empty_ranges,
    lonely_defaults,
    unknown_in_tests,
    unused_resources,
)
from engine.planning.shell import Context, Scanner, top_level_separators
from engine.planning.staging import INVOCATION_FILE
from engine.planning.syntax import parse
from engine.planning.template import Keys
from engine.planning.vip_keys import key_problems, unknown_inputs, unknown_keys

_placeholder = re.compile(r"\[\[[A-Za-z]\w*\]\]|\[[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\]")
_BASH = (
    (re.compile(r"\[\[(?=\s)"), "[["),
    (re.compile(r"&>|>&(?!\s*\d)"), "&>"),
    (re.compile(r"[<>]\("), "<( )"),
    (re.compile(r"<<<"), "<<<"),
    (re.compile(r"\|&"), "|&"),
    (re.compile(r"\w=\("), "arrays"),
    (re.compile(r"\$\{\w+\[|\$\{#?\w+\[@"), "arrays"),
    (re.compile(r"\$\{!?\w+(?:/|:\d|\^|,,)"), "${name/...}"),
    (re.compile(r"\$'"), "$'...'"),
    (re.compile(r"\{\d+\.\.\d+\}"), "{1..9}"),
    (
        re.compile(r"(?:^|[;&|]\s*)(?:source|function|readarray|mapfile|pushd|popd|shopt|declare|let)\s"),
        "bash commands",
    ),
    (re.compile(r"pipefail"), "pipefail"),
    (re.compile(r"\[ [^\]]{0,200}==[^\]]{0,200}\]"), "== in [ ]"),
)


def lint(compiled: CompiledTool, data: Mapping[str, Any]) -> list[LintFinding]:
    """Find the traps of a valid descriptor; `data` is its JSON."""
    tool = compiled.tool
    rules: tuple[Callable[[Tool], Iterator[LintFinding]], ...] = (
        constant_outputs,
        outputs_outside,
        stripped_extensions,
        circles,
        _never_runs,
        _shell_syntax,
        _hidden_failures,
        _quoted_keys,
        _spaces,
        _image,
        _container_options,
        _vip,
        _inputs,
        _lone_flags,
        _placeholders,
        _values,
    )
    found = [finding for rule in rules for finding in rule(tool)]
    found += [
        LintFinding("exposed-value", WARNING, f"command-line, {id}", "stands where quoting does not protect: "
                "values may only have letters, digits and @%+=:,./_-")
        for id in compiled.exposed
    ]  # fmt: skip
    found += [
        LintFinding("unused-resource", WARNING, where, text)
        for where, text in unused_resources(data.get("suggested-resources", {}))
    ]
    if "invocation-schema" in data:
        text = "is not used: the rules of the inputs hold, which bosh replaces by this schema"
        found.append(LintFinding("invocation-schema", WARNING, "invocation-schema", text))
    return found


def _never_runs(tool: Tool) -> Iterator[LintFinding]:
    scanner = Scanner()
    scanner.feed(_without_keys(tool) + "\n")
    if scanner.context in (Context.SINGLE, Context.DOUBLE) and parse(_without_keys(tool)).has_error:
        text = "a quote is opened and never closed: every job will fail"
        yield LintFinding("open-quote", ERROR, "command-line", text)
    names = [name for name, _ in tool.environment]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield LintFinding(
            "variable-twice", WARNING, f"environment-variables {name}", "stands twice: the last counts"
        )
    if re.search(r"\s", tool.shell):
        text = f"{tool.shell!r}: a program alone is needed, without options: every job will fail"
        yield LintFinding("shell-options", ERROR, "shell", text)


def _shell_syntax(tool: Tool) -> Iterator[LintFinding]:
    if tool.shell.rpartition("/")[2] in ("bash", "zsh", "ksh"):
        return
    used = list(dict.fromkeys(name for pattern, name in _BASH if pattern.search(_without_keys(tool))))
    if used:
        text = f'{", ".join(used)}: only bash has this, but shell is {tool.shell}: add "shell": "/bin/bash"'
        yield LintFinding("bash-syntax", WARNING, "command-line", text)


def _without_keys(tool: Tool) -> str:
    """Return the command line with a plain word for every key: keys look like shell syntax."""
    pairs, tail = Keys(tool).split(tool.command_line)
    return "".join(f"{literal}value" for literal, _ in pairs) + tail


def _hidden_failures(tool: Tool) -> Iterator[LintFinding]:
    command = _without_keys(tool)
    if re.match(r"\s*set -[a-z]*e", command):
        return
    count = top_level_separators(command)
    if count:
        text = "commands after ; or a new line hide a failure before them: use && or begin with `set -e;`"
        yield LintFinding("hidden-failure", WARNING, "command-line", text)


def _quoted_keys(tool: Tool) -> Iterator[LintFinding]:
    scanner = Scanner()
    keys = Keys(tool)
    for literal, key in keys.split(tool.command_line)[0]:
        scanner.feed(literal)
        quoted = scanner.context in (Context.SINGLE, Context.DOUBLE)
        if quoted and any(
            getattr(one, "type", InputType.FILE) != InputType.NUMBER for one in keys.owners[key]
        ):
            text = f"{key} is in quotes: bosh quotes the value again, so that spaces in it break there"
            yield LintFinding("quoted-key", WARNING, "command-line", text)
        scanner.value()


def _spaces(tool: Tool) -> Iterator[LintFinding]:
    for one in tool.parameters:
        if one.flag is not None and one.flag != one.flag.strip():
            text = f"{one.flag!r} has a space at its end; command-line-flag-separator adds one already"
            yield LintFinding("spaces", WARNING, f"{one.id} command-line-flag", text)
    for id, path in templates(tool):
        if " " in path:
            yield LintFinding(
                "spaces", WARNING, f"output-files {id}", f"{path!r}: a space in a path breaks many tools"
            )
    for match in re.finditer(r"for \w+ in (\$\(ls|`ls|\$\w)", tool.command_line):
        text = f"{match.group()}...: file names with spaces fall apart"
        yield LintFinding("spaces", WARNING, "command-line", text)


def _vip(tool: Tool) -> Iterator[LintFinding]:
    for text in key_problems(tool):
        yield LintFinding("vip-key", ERROR, "custom", text.removeprefix("custom "))
    for text in () if key_problems(tool) else unknown_inputs(tool):
        yield LintFinding("vip-key", WARNING, "custom", text.removeprefix("custom "))
    for text in unknown_keys(tool):
        yield LintFinding("vip-key", WARNING, "custom", text.removeprefix("custom "))


def _image(tool: Tool) -> Iterator[LintFinding]:
    if tool.image is None:
        yield LintFinding(
            "no-image",
            WARNING,
            "container-image",
            "missing: the tool runs on this machine only, with --runtime none; no portal launches it",
        )
        return
    if tool.image.type == "rootfs":
        if not tool.image.hash:
            text = "no container-hash: the archive may change, and one on the web is refused"
            yield LintFinding("no-digest", WARNING, "container-image", text)
        return
    image = re.sub(r"^[a-zA-Z0-9]+://", "", tool.image.image)
    first, slash, _ = image.partition("/")
    if not (slash and re.search(r"[.:]|^localhost$", first)) and not _is_registry(tool.image.index):
        yield LintFinding(
            "no-registry", WARNING, "container-image", f"{image}: docker.io is assumed; name the registry"
        )
    if "@sha256:" not in image:
        tag = image.rpartition("/")[2].partition(":")[2]
        mutable = "" if tag and tag != "latest" else ", and no tag but latest: another image any day"
        text = f"{image}: no digest (@sha256:...): the image may change under its name{mutable}"
        yield LintFinding("no-digest", WARNING, "container-image", text)
    if (tool.image.index or "").startswith("shub:"):
        yield LintFinding("no-registry", ERROR, "container-image", "shub:// was shut down in 2021")


def _is_registry(index: str | None) -> bool:
    return bool(index) and "." in re.sub(r"^[a-z]+://", "", index or "")


def _container_options(tool: Tool) -> Iterator[LintFinding]:
    found = container_requirements(tool)
    for text in found.errors:
        yield LintFinding("container-option", ERROR, "container-opts", text)
    for text in found.warnings:
        yield LintFinding("container-option", WARNING, "container-opts", text)


def _inputs(tool: Tool) -> Iterator[LintFinding]:
    environment = " ".join(value for _, value in tool.environment)
    conditions = " ".join(text for one in tool.outputs for text, _ in one.conditional_path_template)
    named = frozenset(re.findall(r"\w+", conditions))
    for one in tool.inputs:
        is_staged = one.type is InputType.FILE  # the tool finds it in its directory
        if one.value_key is None and not (environment or is_staged or one.id in named):
            text = f"has no value-key: the tool sees its value in {INVOCATION_FILE} only"
            yield LintFinding("unused-input", WARNING, f"inputs {one.id}", text)
        default = one.default if isinstance(one.default, str) else ""
        if one.type is InputType.FILE and default.startswith("/"):
            text = f"the default {default} is a path of one machine: jobs on others will not find it"
            yield LintFinding("file-default", WARNING, f"inputs {one.id}", text)


def _placeholders(tool: Tool) -> Iterator[LintFinding]:
    """Find what looks like a key and is none: it stays as it is."""
    texts = [("command-line", tool.command_line)]
    texts += [(f"output-files {id}", path) for id, path in templates(tool)]
    keys = Keys(tool)
    for where, text in texts:
        pairs, tail = keys.split(text)
        left = "\0".join([*(part for part, _ in pairs), tail])
        for id in dict.fromkeys(one.id for one in tool.inputs if f"[{one.id.upper()}]" in left):
            message = f"[{id.upper()}] is no value-key, though there is an input {id}: it stays as it is"
            yield LintFinding("placeholder", WARNING, where, message)
        for found in dict.fromkeys(_placeholder.findall("\0".join([*(part for part, _ in pairs), tail]))):
            message = f"{found} is no value-key, and stays as it is"
            if found.startswith("[["):
                message += ": what fills in such placeholders, as Nipoppy does, must run before"
            yield LintFinding("placeholder", WARNING, where, message)


def _values(tool: Tool) -> Iterator[LintFinding]:
    for rule, level, find in (
        ("broken-default", ERROR, broken_defaults),
        ("empty-range", WARNING, empty_ranges),
        ("broken-test", WARNING, unknown_in_tests),
        ("lonely-default", WARNING, lonely_defaults),
        ("configuration-text", WARNING, configuration_texts),
        ("configuration-line", WARNING, absent_texts),
    ):
        yield from (LintFinding(rule, level, where, text) for where, text in find(tool))


def _lone_flags(tool: Tool) -> Iterator[LintFinding]:
    flags = [one.id for one in tool.inputs if one.type is InputType.FLAG]
    for one in tool.outputs:
        for expression, _ in one.conditional_path_template:
            for flag in flags:
                if re.search(rf"\b{re.escape(flag)}\b(?!\s*[=!]=)", expression):
                    text = (
                        f"{expression!r}: {flag} alone holds even when given as false: write {flag} == true"
                    )
                    yield LintFinding("lone-flag", WARNING, f"output-files {one.id}", text)
