"""What is made from the code is up to date, and true of real documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from engine.settings.reading import load
from engine.settings.tree import Settings
from tests.docs.generated import PARTS, files, render, used
from tests.docs.pages import ROOT, pages
from tests.docs.reference import commands, schemas, settings
from tests.docs.sources import field_comments, field_docstrings
from tests.node.test_wire import GOLDEN, documents, plain
from wrappers import wire

KINDS = sorted(schemas.DOCUMENTS)


def test_what_is_made_from_the_code_is_up_to_date() -> None:
    made = files()
    there = {path: (ROOT / path).read_text() for path in made if (ROOT / path).exists()}
    old = [str(path) for path, text in made.items() if there.get(path) != text]
    assert old == [], "type .venv/bin/python -m tests.docs.generate, and commit what it writes"


def test_every_part_is_on_a_page() -> None:
    assert {name for page in pages() for name in used((ROOT / page).read_text())} == set(PARTS)


def test_only_the_inside_of_a_part_is_made_anew() -> None:
    start = "<!-- python -m tests.docs.generate: exit-codes -->\n"
    page = f"before\n{start}old\n<!-- end -->\nafter\n"
    made = render(page)
    assert made.startswith(f"before\n{start}")
    assert made.endswith("<!-- end -->\nafter\n")
    assert "old" not in made
    assert render(made) == made


def test_exit_codes_are_told_of_commands_that_exist() -> None:
    assert set(commands.EXITS) <= set(commands.names())


def test_every_setting_says_what_it_means() -> None:
    assert [setting.key for setting in settings.every() if not setting.meaning] == []


def test_every_key_of_the_example_is_a_setting(tmp_path: Path) -> None:
    example = (ROOT / "config" / "engine.example.yaml").read_text()
    assert [s.key for s in settings.every() if f"#{s.key.rpartition('.')[2]}:" not in example] == []


VARIABLES = [
    (one.variable.replace("__NAME__", f"__{kind.upper()}__"), one)
    for one in settings.every()
    for kind in one.kinds or ("",)
    if one.variable and not one.key.endswith(".kind")
]


@pytest.mark.parametrize(("variable", "setting"), VARIABLES, ids=[variable for variable, _ in VARIABLES])
def test_a_variable_of_the_page_is_read(
    variable: str, setting: settings.Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_BACKENDS__DIRACX__URL", "https://diracx.example.org")
    monkeypatch.setenv("ENGINE_BACKENDS__DIRAC__DIRACOSRC", "/opt/dirac/diracosrc")
    unchanged = load_defaults()
    other = "false" if "true" in setting.default else "true"
    values = {
        "whole number": "7",
        "number": "3.5",
        "true or false": other,
        "text": "x",
        "path": "/x",
        "URL": "https://x",
    }
    kind = setting.type.removesuffix(" or null")
    default = '{"a": ["b"]}' if "->" in kind else '["none"]'
    if kind.startswith("one of "):
        default = kind.rpartition(" ")[2]
    if "networks" in kind:
        default = '["10.0.0.0/8"]'
    monkeypatch.setenv(variable, values.get(kind, default))
    assert load_defaults() != unchanged


def load_defaults() -> Settings:
    """The settings without a file."""
    return load(Path("/dev/null"))


@pytest.mark.parametrize("name", KINDS)
def test_every_field_says_what_it_means(name: str) -> None:
    document = schemas.DOCUMENTS[name]
    for one in [document, *schemas.below(document)]:
        assert set(field_comments(one)) == set(one._fields)


@pytest.mark.parametrize("name", KINDS)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schemas.schema(schemas.DOCUMENTS[name]))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.name)
def test_the_documents_of_every_version_fit_their_schema(path: Path) -> None:
    validator(path.name.partition("-")[0]).validate(json.loads(path.read_text()))


@pytest.mark.parametrize("name", KINDS)
def test_every_document_that_is_written_fits_its_schema(name: str) -> None:
    check = validator(name)

    @given(documents(schemas.DOCUMENTS[name]))
    def fits(document: Any) -> None:
        check.validate(wire.to_json(document))

    fits()


@pytest.mark.parametrize("name", KINDS)
def test_what_a_schema_refuses_is_refused_by_the_reader_too(name: str) -> None:
    check, kind = validator(name), schemas.DOCUMENTS[name]

    @given(plain | st.dictionaries(st.sampled_from(list(kind.__annotations__)), plain))
    def agrees(data: Any) -> None:
        if not check.is_valid(data):
            with pytest.raises(wire.WireError):
                wire.from_json(kind, data)

    agrees()


@pytest.mark.parametrize("name", ["manifest", "report"])
def test_a_document_without_a_required_field_does_not_fit(name: str) -> None:
    data = json.loads((GOLDEN / f"{name}-1.json").read_text())
    del data["attempt"]
    with pytest.raises(ValidationError, match="attempt"):
        validator(name).validate(data)


def validator(name: str) -> Any:
    """Checks documents against the schema that is shipped."""
    return Draft202012Validator(json.loads((ROOT / "config" / "schema" / f"{name}.json").read_text()))


def test_comments_and_docstrings_are_found_beside_their_fields() -> None:
    class Example:
        plain: int = 1  # a number
        bare: str = ""
        """A text,
        in two lines."""

    assert field_comments(Example) == {"plain": "a number"}
    assert field_docstrings(Example) == {"bare": "A text, in two lines."}
