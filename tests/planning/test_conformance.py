"""Every vector of the reference library, byte for byte; where that is wrong, what is right instead."""

from __future__ import annotations

from typing import Any

import pytest

from engine.planning import CompiledTool, InvocationError, bosh, compile_tool
from tests.planning.conformance import descriptors, key_of, tools, vectors

BETTER = {
    509: "group together_group: extra1 cannot be used without extra2",
    510: "input extra2: cannot be used together with extra3",
}
"""Vectors where we go beyond their `engine` field: the descriptor's own invocation-schema forgot a rule."""


ESCAPED = "tests/simulate/test_simulate_consistency_configFile.json"
"""The one descriptor with a configuration file in a format that we write: its text is a text of TOML."""


def outcome(compiled: CompiledTool, invocation: dict[str, Any]) -> dict[str, Any]:
    try:
        found = compiled.expand(invocation)
    except InvocationError:
        return {"expect": "reject"}
    return {
        "expect": "ok",
        "command_line": found.command_line,
        "output_files": {file.id: file.path for file in found.output_files},
        "config_files": found.config_files,
    }


def expected(vector: dict[str, Any]) -> dict[str, Any]:
    wanted = vector["engine"] if "quirk" in vector else vector
    if wanted["expect"] != "ok":
        return {"expect": "reject"}
    configs = wanted.get("config_files", vector.get("config_files", {}))
    if vector["descriptor"] == ESCAPED:
        configs = {name: text.replace("= no", '= "no"') for name, text in configs.items()}
    return {
        "expect": "ok",
        "command_line": wanted["command_line"],
        "output_files": wanted["output_files"],
        "config_files": configs,
    }


def test_there_are_as_many_vectors_as_the_page_on_deviations_says() -> None:
    assert (len(descriptors()), len(vectors())) == (708, 11365)


def test_every_vector_gives_the_verdict_and_text_of_the_reference_library_or_better() -> None:
    wrong = [
        (vector["id"], got, want)
        for vector in vectors()
        if vector["id"] not in BETTER
        and (got := outcome(tools()[key_of(vector)], vector["invocation"])) != (want := expected(vector))
    ]
    assert wrong == []


@pytest.mark.parametrize("id", BETTER)
def test_a_rule_that_the_embedded_schema_forgot_is_kept(id: int) -> None:
    vector = next(vector for vector in vectors() if vector["id"] == id)
    with pytest.raises(InvocationError) as refused:
        tools()[key_of(vector)].expand(vector["invocation"])
    assert refused.value.problems == (BETTER[id],)


def test_compat_gives_the_reference_text_even_where_it_is_wrong() -> None:
    compat = {key: CompiledTool(one.tool, compat=True) for key, one in tools().items()}
    wrong, compared = [], 0
    for vector in vectors():
        if vector["expect"] != "ok":
            continue
        got = outcome(compat[key_of(vector)], vector["invocation"])
        if got["expect"] == "reject":
            continue  # compat changes the text, not the rules
        compared += 1
        wanted = {name: vector.get(name, {}) for name in ("command_line", "output_files", "config_files")}
        if got != {"expect": "ok", **wanted}:
            wrong.append((vector["id"], got, wanted))
    assert wrong == []
    assert compared > 5000


def test_every_rejection_says_which_input_or_group_is_wrong() -> None:
    rejected = 0
    for vector in vectors():
        try:
            tools()[key_of(vector)].expand(vector["invocation"])
        except InvocationError as error:
            rejected += bool(error.problems)
            for problem in error.problems:
                assert problem.startswith(("input ", "unknown input ", "group ")), problem
    assert rejected > 5000


def test_descriptors_that_the_reference_library_accepts_are_accepted() -> None:
    for key, descriptor in list(descriptors().items())[::40]:
        compile_tool(descriptor, check=True)
        assert bosh.problems(descriptor.data) == [], key


def test_expanding_leaves_the_invocation_as_it_was() -> None:
    for vector in vectors()[::17]:
        before = repr(vector["invocation"])
        outcome(tools()[key_of(vector)], vector["invocation"])
        assert repr(vector["invocation"]) == before
